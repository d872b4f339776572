"""The Python package: opening, rows and bad input, against what pyarrow reads from the same files."""

import inspect
import json
import pickle
import shutil
import sys
from decimal import Decimal
import threading
import time

import inlaid
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import feather
import pytest

from conftest import CLASSES, SAMPLE
from package import address, dataset, expected, kind, train  # noqa: F401

# Opening


@pytest.mark.parametrize("first", [True, False])
def test_an_interrupted_commit_is_completed(dataset, tmp_path, first):
    copy = tmp_path / "dataset"
    shutil.copytree(dataset, copy)
    staging = copy / ".inlaid/staging-abc"
    staging.mkdir()
    names = ["train/train-00000.parquet", "inlaid.json"]
    for name in names:
        (staging / name).parent.mkdir(exist_ok=True)
        shutil.copy(copy / name, staging / name)
    if first:
        (copy / "inlaid.json").unlink()
    renames = [[f".inlaid/staging-abc/{name}", name] for name in names]
    (copy / ".inlaid/journal.json").write_text(json.dumps({"renames": renames, "removals": []}))
    assert sum(map(len, inlaid.open(copy).values())) == 40
    assert [path.name for path in (copy / ".inlaid").iterdir()] == ["lock"]


def test_exceptions_tell_programs_their_kind_and_hint(tmp_path):
    with pytest.raises(inlaid.NotFoundError) as raised:
        inlaid.append(SAMPLE, tmp_path)
    assert (raised.value.kind, raised.value.hint) == ("no-dataset", "create it with `inlaid.convert`")
    assert str(raised.value).endswith("holds no dataset\nhint: create it with `inlaid.convert`")
    assert (inlaid.InlaidError("text").kind, inlaid.InlaidError("text").hint) == (None, None)


def test_a_dataset_is_its_splits(dataset):
    opened = inlaid.open(dataset)
    assert list(opened) == ["train", "validation", "test"]
    assert sum(map(len, opened.values())) == 40
    assert opened.classes == opened["train"].classes == CLASSES
    assert opened.manifest["spec"]["size"] == [64, 64]


def test_split_folders_shards_and_files_are_tables(dataset, train, expected):
    images, _, _ = expected
    assert np.array_equal(inlaid.open(dataset / "train")[:], images)
    shards = [inlaid.open(shard) for shard in sorted((dataset / "train").iterdir())]
    assert len(shards) > 1 and all(isinstance(shard, inlaid.Table) for shard in shards)
    assert np.array_equal(np.concatenate([shard[:] for shard in shards]), images)
    assert shards[0].classes == CLASSES


def test_folders_of_tables_are_dictionaries(dataset, tmp_path):
    for split in ("train", "test"):
        shutil.copytree(dataset / split, tmp_path / "folders" / split)
    shutil.copytree(dataset, tmp_path / "folders/whole")
    (tmp_path / "folders/empty").mkdir()
    (tmp_path / "folders/_draft").mkdir()
    shutil.copy(dataset / "train/train-00000.parquet", tmp_path / "folders/_draft")
    opened = inlaid.open(tmp_path / "folders")
    assert list(opened) == ["test", "train", "whole"]
    assert isinstance(opened["whole"], inlaid.Dataset) and len(opened["train"]) == len(opened["whole"]["train"])
    assert len(inlaid.open_table(tmp_path / "folders/train")) == len(opened["train"])


def test_shards_of_several_splits_are_a_dictionary(dataset, tmp_path):
    shards = sorted((dataset / "train").iterdir())
    names = ["train-00000-of-00002", "train-00001-of-00002", "test.clean_2-00000-of-00001"]
    for shard, name in zip(shards, names):
        shutil.copy(shard, tmp_path / f"{name}.parquet")
    opened = inlaid.open(tmp_path)
    assert list(opened) == ["test.clean_2", "train"] and pickle.loads(pickle.dumps(opened["train"])).shape == (64, 64, 3)
    both = [inlaid.open_table(shard)[:] for shard in shards[:2]]
    assert np.array_equal(opened["train"][:], np.concatenate(both))
    for other in ("more.parquet", "a-b-00000.parquet", "test-1.parquet", "x..y-00000.parquet", "x-0000a.parquet"):
        shutil.copy(shards[0], tmp_path / other)
        assert isinstance(inlaid.open(tmp_path), inlaid.Table), other
        (tmp_path / other).unlink()


def test_what_is_opened_can_be_asked_for(dataset):
    assert list(inlaid.open_dataset(dataset)) == list(inlaid.open(dataset))
    with pytest.raises(inlaid.NotFoundError, match="train` holds no dataset"):
        inlaid.open_dataset(dataset / "train")
    assert len(inlaid.open_table(dataset)) == 40


def test_a_table_says_what_it_is(train, expected):
    assert (train.shape, train.dtype, train.tensor_column) == ((64, 64, 3), np.uint8, "image")
    assert len(train) == len(expected[0])
    schema = pa.schema(train.schema)
    assert schema.names == train.schema.names
    assert schema.names == ["image", "label", "path", "source_height", "source_width", "sha256"]
    assert schema.field("image").type == pa.fixed_shape_tensor(pa.uint8(), [64, 64, 3], ["H", "W", "C"])


def test_reprs_say_what_there_is(dataset, train, tmp_path):
    others = "label, path, source_height, source_width, sha256"
    assert repr(train) == f"<inlaid.Table {len(train)} rows: image 64x64x3 uint8, {others}; 3 classes>"
    rows = ", ".join(f"{len(table)} {name}" for name, table in inlaid.open(dataset).items())
    assert repr(inlaid.open(dataset)) == f"<inlaid.Dataset {str(dataset)!r}: {rows} rows of 64x64x3 uint8, 3 classes>"
    assert repr(train.batches(8)) == f"<inlaid.Batches {-(-len(train) // 8)} of 8 rows: image 64x64x3 uint8, label>"
    pq.write_table(pa.table({"x": pa.array([[1, 2]], pa.list_(pa.uint8(), 2))}), tmp_path / "x.parquet")
    assert repr(inlaid.open(tmp_path / "x.parquet")) == "<inlaid.Table 1 row: x 2 uint8>"


# Rows


def test_rows_of_every_kind_are_those_of_pyarrow(kind):
    folder, (images, labels, paths) = kind
    table = inlaid.open(folder)["train"]
    assert np.array_equal(table[:], images)
    assert table[:].shape == (len(paths), 64, 64, 3)
    for row in (0, 7, 8, -1, len(paths) - 1):
        assert np.array_equal(table[row], images[row])
    for rows in (slice(3, 6), slice(5, 21), slice(None, None, -3), slice(-4, None), slice(9, 2)):
        assert np.array_equal(table[rows], images[rows])
    for rows in ([5], [31, 0, 0, -2, 8], np.arange(20, 4, -2, dtype=np.uint8), images[:, 0, 0, 0] > 99, []):
        assert np.array_equal(table[rows], images[rows] if len(rows) else images[:0])
    assert np.array_equal(table.column("label"), labels)
    assert list(table.column("path")) == paths
    assert np.array_equal(np.stack(list(table)), images)


def test_rows_are_views_where_they_lie_together(train):
    assert address(train[1]) == address(train[0]) + 64 * 64 * 3
    assert address(train[1:3]) == address(train[1])
    assert not np.shares_memory(train[[0, 1]], train[0:2])


def test_all_rows_are_an_array(kind):
    folder, (images, _, _) = kind
    assert np.array_equal(inlaid.open(folder)["train"].to_numpy(), images)


def test_views_can_not_be_written_to_and_copies_can(train):
    for view in (train[0], train[0:2], train[0:20]):
        with pytest.raises(ValueError, match="read-only"):
            view[0] = 0
        with pytest.raises(ValueError, match="WRITEABLE"):
            view.flags.writeable = True
    copy = train[[0]]
    copy[0] = copy[0] + 1
    assert np.array_equal(train[0] + 1, copy[0])


def test_views_outlive_their_table(dataset, expected):
    view = inlaid.open(dataset)["train"][2]
    assert np.array_equal(view, expected[0][2])


def test_columns_are_those_of_pyarrow(dataset, train):
    table = pa.concat_tables(pq.read_table(file) for file in sorted((dataset / "train").iterdir()))
    for name in ("source_height", "source_width"):
        assert train.column(name).dtype == np.int32
        assert np.array_equal(train.column(name), table[name].to_numpy())
    assert list(train.column("sha256")) == table["sha256"].to_pylist()


def test_missing_labels_are_minus_one(tmp_path):
    inlaid.convert(SAMPLE, tmp_path / "dataset", 8, folders="none", split={"train": 1}, progress=False)
    table = inlaid.open(tmp_path / "dataset")["train"]
    assert (table.classes, set(table.column("label"))) == ([], {-1})


def test_the_gil_is_free_while_rows_are_gathered(train):
    rows = np.zeros(40_000, dtype=np.int64)
    begun, stamps, done = threading.Event(), [], threading.Event()

    def tick():
        begun.set()
        while not done.is_set():
            stamps.append(time.perf_counter())
            time.sleep(0.001)

    # Nobody takes the lock from native code: without a release, there is no tick between start and end.
    thread = threading.Thread(target=tick)
    thread.start()
    begun.wait()
    start = time.perf_counter()
    train[rows]
    end = time.perf_counter()
    done.set()
    thread.join()
    inside = [stamp for stamp in stamps if start + 0.01 < stamp < end - 0.01]
    assert end - start > 0.05 and len(inside) >= 5, (end - start, len(inside))


# Files of others


@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "uint16", "int16", "int32", "int64", "float16", "float32", "float64"]
)
@pytest.mark.parametrize("compression", ["none", "snappy", "zstd", "lz4"])
def test_files_of_pyarrow(tmp_path, dtype, compression):
    values = (np.arange(30 * 24) % 251).astype(dtype).reshape(30, 2, 4, 3)
    tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(values)
    numbers = pa.array(range(30), pa.uint16())
    table = pa.table({"number": numbers, "pixels": tensors})
    pq.write_table(table, tmp_path / "file.parquet", compression=compression, row_group_size=7)
    opened = inlaid.open(tmp_path / "file.parquet")
    assert (opened.shape, opened.dtype, opened.tensor_column) == ((2, 4, 3), np.dtype(dtype), "pixels")
    assert opened[:].dtype == np.dtype(dtype)
    assert np.array_equal(opened[:], values)
    assert np.array_equal(opened[[29, 0, 13]], values[[29, 0, 13]])
    assert np.array_equal(opened.column("number"), np.arange(30, dtype=np.uint16))
    (batch,) = opened.batches(30)
    assert list(batch) == ["pixels"]
    assert pa.table(opened).equals(table)


@pytest.mark.parametrize("compression", ["uncompressed", "snappy", "zstd", "lz4"])
def test_files_of_polars(tmp_path, compression):
    values = (np.arange(30 * 24) % 251).astype(np.uint8).reshape(30, 24)
    texts = [None if n == 3 else f"row {n}" for n in range(30)]
    frame = pl.DataFrame(
        {
            "text": texts,
            "pixels": pl.Series(values, dtype=pl.Array(pl.UInt8, 24)),
            "odd": [n % 2 == 1 for n in range(30)],
        }
    )
    frame.write_parquet(tmp_path / "file.parquet", compression=compression, row_group_size=7)
    opened = inlaid.open(tmp_path / "file.parquet")
    assert opened.shape == (24,)
    assert np.array_equal(opened[:], values)
    assert list(opened.column("text")) == texts
    assert np.array_equal(opened.column("odd"), np.arange(30) % 2 == 1)
    assert pl.DataFrame(opened).equals(frame)


def test_a_second_column_of_lists_has_two_dimensions(tmp_path):
    first, second = np.arange(24, dtype=np.uint8).reshape(6, 4), np.arange(18, dtype=np.float32).reshape(6, 3)
    lists = [pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1]) for values in (first, second)]
    pq.write_table(pa.table({"image": lists[0], "box": lists[1]}), tmp_path / "file.parquet", row_group_size=4)
    table = inlaid.open(tmp_path / "file.parquet")
    assert np.array_equal(table.column("box"), second)
    (batch,) = table.batches(6, columns=["box"])
    assert np.array_equal(batch["box"], second)


@pytest.mark.parametrize("write", [pq.write_table, feather.write_feather])
def test_texts_of_every_kind_are_objects(tmp_path, write):
    texts = ["b", None, "a", "b", "", None]
    none = pa.DictionaryArray.from_arrays(pa.array([None] * 6, pa.int8()), pa.array([], pa.string()))
    columns = {
        "large": pa.array(texts, pa.large_string()),
        "view": pa.array(texts, pa.string_view()),
        "category": pa.array(texts).dictionary_encode(),
        "whole": pa.array(["b", "a"] * 3, pa.large_string()).dictionary_encode(),
        "none": none,
    }
    tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(np.zeros((6, 2, 2), np.uint8))
    write(pa.table({"image": tensors, **columns}), tmp_path / "file")
    table = inlaid.open(tmp_path / "file")
    for name, column in columns.items():
        assert table.column(name).dtype == object and table.column(name).tolist() == column.to_pylist()
        (batch,) = table.batches(6, columns=[name])
        assert batch[name].tolist() == column.to_pylist()


def test_files_without_rows_and_notes_beside_the_files_are_no_rows(tmp_path):
    pixels = np.arange(24, dtype=np.uint8).reshape(6, 2, 2)
    table = pa.table({"image": pa.FixedShapeTensorArray.from_numpy_ndarray(pixels), "name": list("abcdef")})
    for name, rows in (("0", table[:0]), ("1", table[:4]), ("2", table[:0]), ("3", table[4:])):
        pq.write_table(rows, tmp_path / f"{name}.parquet")
    (tmp_path / "._1.parquet").write_bytes(b"\0\5\x16\7")
    pq.write_table(table, tmp_path / "_draft.parquet")
    opened = inlaid.open(tmp_path)
    assert np.array_equal(opened[:], pixels) and opened.column("name").tolist() == list("abcdef")
    (batch,) = opened.batches(6, columns=["name"])
    assert np.array_equal(batch["image"], pixels) and batch["name"].tolist() == list("abcdef")


@pytest.mark.parametrize("write", [pq.write_table, feather.write_feather])
def test_dictionaries_of_row_groups_and_files_may_differ(tmp_path, write):
    texts = [f"text {number}" for number in range(400)]
    for part in range(4):
        mine = texts[part * 100 : part * 100 + 100]
        column = pa.DictionaryArray.from_arrays(pa.array(range(100), pa.int8()), pa.array(mine))
        tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(np.zeros((100, 2, 2), np.uint8))
        write(pa.table({"image": tensors, "text": column}), tmp_path / f"{part}.arrow")
    table = inlaid.open(tmp_path)
    assert table.column("text").tolist() == texts
    assert table.to_arrow()["text"].to_pylist() == texts
    assert table.to_arrow().to_pandas()["text"].tolist() == texts


def test_columns_of_other_types_are_named(tmp_path):
    for name, kind in (("a", pa.int64()), ("b", pa.int32())):
        tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(np.zeros((2, 2, 2), np.uint8))
        pq.write_table(pa.table({"image": tensors, "label": pa.array([1, 2], kind)}), tmp_path / f"{name}.parquet")
    with pytest.raises(inlaid.DamagedError, match="b.parquet` .* column `label` has type Int32, but Int64 in `.*a.parquet`"):
        inlaid.open(tmp_path).column("label")


def test_columns_may_be_named_by_an_iterator(train):
    (name,) = train.to_arrow(name for name in ["path"]).column_names
    assert name == "path" and list(next(iter(train.batches(4, columns=iter(["path", "label"]))))) == ["image", "path", "label"]


def test_columns_are_read_once(train):
    assert train.column("path") is train.column("path") and not train.column("path").flags.writeable


# Bad input


def test_missing_folders_are_named(tmp_path, dataset):
    for opening in (inlaid.open, inlaid.Table, inlaid.Dataset):
        with pytest.raises(inlaid.NotFoundError, match="nowhere") as error:
            opening(tmp_path / "nowhere")
        assert isinstance(error.value, FileNotFoundError)
    with pytest.raises(inlaid.NotFoundError, match="holds no dataset\nhint: .*`inlaid.convert`"):
        inlaid.Dataset(tmp_path)
    with pytest.raises(inlaid.NotFoundError, match="holds no Parquet or Arrow files"):
        inlaid.open(tmp_path)
    with pytest.raises(KeyError, match="has no rows in a split `val`, it has train, validation, test") as error:
        inlaid.open(dataset)["val"]
    assert isinstance(error.value, inlaid.SplitError)


def test_damaged_shards_are_named(dataset, tmp_path):
    shutil.copytree(dataset, tmp_path / "dataset")
    shard = tmp_path / "dataset/train/train-00001.parquet"
    content = shard.read_bytes()
    for wrong in (b"", b"PAR1", content[:-100], content[:-8] + b"\xff\xff\xff\x7fPAR1"):
        shard.write_bytes(wrong)
        with pytest.raises(inlaid.DamagedError, match="`.*train-00001.parquet` is damaged"):
            inlaid.open(tmp_path / "dataset")
    shard.unlink()
    with pytest.raises(inlaid.NotFoundError, match="train-00001.parquet"):
        inlaid.open(tmp_path / "dataset")
    (tmp_path / "dataset/inlaid.json").write_text("{}")
    with pytest.raises(inlaid.DamagedError, match="`.*inlaid.json` is damaged"):
        inlaid.open(tmp_path / "dataset")


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_damaged_row_groups_are_named(sample, tmp_path, compression):
    shard = tmp_path / "shard.parquet"
    content = bytearray((sample(compression=compression) / "train/train-00000.parquet").read_bytes())
    content[len(content) // 2] ^= 0xFF
    shard.write_bytes(content)
    table = inlaid.open(shard)
    for read in (lambda: table[:], lambda: list(table), lambda: list(table.batches(4)), lambda: table.to_arrow()):
        with pytest.raises(inlaid.DamagedError, match="`.*shard.parquet` is damaged: row group 0"):
            read()


def test_files_without_tensors_are_named(tmp_path):
    pq.write_table(pa.table({"a": [1, 2]}), tmp_path / "file.parquet")
    with pytest.raises(inlaid.DamagedError, match="file.parquet` holds no tensors"):
        inlaid.open(tmp_path / "file.parquet")


def test_missing_tensors_are_no_rows(tmp_path):
    lists = pa.array([[1, 2], None, [3, 4]], pa.list_(pa.uint8(), 2))
    pq.write_table(pa.table({"a": lists}), tmp_path / "file.parquet")
    table = inlaid.open(tmp_path / "file.parquet")
    for read in (
        lambda: table[0],
        lambda: table[[1]],
        lambda: list(table.batches(2)),
        lambda: list(table.batches(2, prefetch=0)),
    ):
        with pytest.raises(inlaid.DamagedError, match="file.parquet` is damaged: row group 0: a tensor is null"):
            read()


@pytest.mark.parametrize("rows", [99, -99, [0, 99], [-99], np.uint64(2**63), np.array([2**64 - 1], np.uint64)])
def test_rows_that_are_not_there_are_named(train, rows):
    wrong = rows[-1] if isinstance(rows, (list, np.ndarray)) else rows
    with pytest.raises(IndexError, match=f"row {wrong} is out of range for a table of length {len(train)}"):
        train[rows]


@pytest.mark.parametrize("rows", [1.0, [0.5], [[1, 2]], [1, [2, 3]], (1, 2), (0, ...), [True], None, {}])
def test_what_is_no_row_is_refused(train, rows):
    with pytest.raises(inlaid.RowError, match="mask|rows are chosen by"):
        train[rows]


def test_columns_that_are_not_there_are_named(train):
    for read in (train.column, lambda name: train.batches(4, columns=[name])):
        with pytest.raises(KeyError, match="no column `nothing`"):
            read("nothing")
    with pytest.raises(ValueError, match="columns is a list of names"):
        train.batches(4, columns="label")


def test_columns_that_numpy_has_no_type_for_are_named(tmp_path):
    lists = pa.array([[1, 2]], pa.list_(pa.uint8(), 2))
    price = pa.array([Decimal("1.5")], pa.decimal128(5, 2))
    pq.write_table(pa.table({"a": lists, "price": price}), tmp_path / "file.parquet")
    with pytest.raises(TypeError, match="column `price` of type Decimal128.* `to_arrow"):
        inlaid.open(tmp_path / "file.parquet").column("price")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size is at least 1, not 0"),
        ({"batch_size": 2.5}, "batch_size is an integer, not 2.5"),
        ({"seed": -1}, "seed is at least 0, not -1"),
        ({"rank": 2, "world_size": 2}, "rank 2 is not below world_size 2"),
        ({"rank": -1, "world_size": 1}, "rank is at least 0, not -1"),
        ({"rank": 1}, "rank and world_size are given together, or neither of them"),
        ({"drop_last": "no"}, "drop_last is True or False, not 'no'"),
        ({"uneven": "even"}, 'uneven is "keep", "drop" or "pad", not \'even\''),
        ({"uneven": ["pad"]}, 'uneven is "keep", "drop" or "pad", not'),
        ({"prefetch": -1}, "prefetch is at least 0, not -1"),
        ({"prefetch": 2**63}, "prefetch is at most 1024, not"),
    ],
)
def test_wrong_settings_are_named(train, options, message):
    with pytest.raises(ValueError, match=message) as error:
        train.batches(**{"batch_size": 4, **options})
    assert isinstance(error.value, inlaid.InlaidError)


# The package itself


def test_frameworks_are_not_imported():
    import subprocess

    code = "import sys, inlaid; print({'torch', 'tensorflow', 'jax', 'pyarrow'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_star_import_keeps_the_built_in_open():
    names = {}
    exec("from inlaid import *", names)
    assert "open" not in names and names["Table"] is inlaid.Table


@pytest.mark.parametrize("method", ["to_tf", "to_jax"])
def test_frameworks_take_the_keywords_of_batches(train, method):
    from inlaid._loading import BatchOptions

    # Loops over datasets of frameworks have bars of their own.
    keywords = set(inspect.signature(inlaid.Table.batches).parameters) - {"self", "batch_size", "progress"}
    assert keywords == set(BatchOptions.__annotations__)
    pytest.importorskip({"to_tf": "tensorflow", "to_jax": "jax"}[method])
    with pytest.raises(TypeError, match="unexpected keyword argument 'shufle'"):
        getattr(inlaid.Table, method)(train, 4, shufle=True)


def test_states_have_one_signature():
    from inlaid._frameworks.torch import BatchesDataset

    for name in ("state_dict", "load_state_dict", "set_epoch"):
        assert inspect.signature(getattr(BatchesDataset, name)) == inspect.signature(getattr(inlaid.Batches, name))


def test_everything_public_is_documented():
    for name in inlaid.__all__:
        thing = getattr(inlaid, name)
        assert name == "__version__" or thing.__doc__, name
        if isinstance(thing, type) and issubclass(thing, (inlaid.Table, inlaid.Batches, inlaid.Dataset, inlaid.Rejects, inlaid.Statistics)):
            methods = [value for key, value in vars(thing).items() if callable(value) and not key.startswith("_")]
            assert all(method.__doc__ for method in methods), name


def test_paths_are_strings_bytes_or_paths(dataset):
    for path in (dataset, str(dataset), bytes(dataset)):
        assert len(inlaid.open(path)["train"]) == len(inlaid.open_dataset(path)["train"])
    for path in (dataset / "train", str(dataset / "train"), bytes(dataset / "train")):
        assert len(inlaid.open(path)) == len(inlaid.open_table(path)) == len(inlaid.Table(path))


def test_slice_with_step_zero_is_named(train):
    with pytest.raises(inlaid.SettingError, match="^the step of a slice is not 0$"):
        train[0:10:0]


def test_file_that_is_no_table_is_told_from_a_damaged_one(tmp_path):
    (tmp_path / "file.py").write_text("print()\n")
    with pytest.raises(inlaid.DamagedError) as caught:
        inlaid.open(tmp_path / "file.py")
    assert str(caught.value) == (
        f"`{tmp_path}/file.py` is neither a Parquet nor an Arrow file\n"
        "hint: tensors are read from Parquet and Arrow files; `inlaid.convert` makes them from images"
    )


# For other libraries


def test_files_are_for_other_readers(dataset, train, tmp_path, monkeypatch):
    import pyarrow.dataset as ds

    opened = inlaid.open(dataset)
    shards = sorted((dataset / "train").iterdir())
    assert train.files == shards and opened.files == [file for table in opened.values() for file in table.files]
    assert len(shards) > 1 and sorted(opened.files) == sorted(dataset.glob("*/*.parquet"))
    assert ds.dataset(train.files).to_table()["path"].to_pylist() == list(train.column("path"))
    assert ds.dataset(opened.files).count_rows() == 40
    assert pl.read_parquet(train.files)["path"].to_list() == list(train.column("path"))
    # Absolute, so that they are the same wherever the process goes.
    monkeypatch.chdir(dataset)
    relative = [inlaid.open("train"), inlaid.open_table("train"), inlaid.open(".")["train"]]
    monkeypatch.chdir(tmp_path)
    assert all(table.files == shards for table in relative)
    assert inlaid.open(shards[0]).files == [shards[0]] and pickle.loads(pickle.dumps(train)).files == shards
    assert inlaid.open_table(dataset).files == sorted(opened.files)


def test_schemas_are_compared_by_their_columns_and_pickled(dataset, train, tmp_path):
    schema, others = train.schema, [inlaid.open(file).schema for file in train.files]
    assert all(other == schema and hash(other) == hash(schema) for other in others)
    again = pickle.loads(pickle.dumps(schema))
    assert again == schema and hash(again) == hash(schema) and again.names == schema.names
    assert pa.schema(again).equals(pa.schema(schema), check_metadata=True)
    inlaid.convert(SAMPLE, tmp_path / "d", 32, progress=False)
    smaller = inlaid.open(tmp_path / "d")["train"].schema
    assert smaller != schema and schema != "schema" and len({schema, again, smaller}) == 2


def test_arrays_of_a_table_are_its_tensors(kind):
    folder, (images, _, _) = kind
    table = inlaid.open(folder)["train"]
    array = np.asarray(table)
    assert array.dtype == np.uint8 and np.array_equal(array, images)
    assert np.array_equal(np.asarray(table, np.float32), images.astype(np.float32))
    copy = np.array(table)
    copy[0] = 0
    assert copy.shape == array.shape and np.array_equal(table[:], images)


def test_arrays_of_a_table_are_views_where_they_can_be(sample, train):
    table = inlaid.open(sample("tensor", "arrow"))["train"]
    assert address(np.asarray(table)) == address(np.array(table, copy=False)) == address(table[0])
    assert not np.shares_memory(np.array(table, copy=True), table[:])
    with pytest.raises(ValueError, match="not contiguous in a mapped file, so an array of them is a copy"):
        np.array(train, copy=False)
    with pytest.raises(ValueError, match="copy"):
        np.array(table, np.float32, copy=False)


def test_an_array_of_a_table_is_read_at_once(train, monkeypatch):
    rows = []
    monkeypatch.setattr(inlaid.Table, "__iter__", lambda table: rows.append(table))
    assert np.asarray(train).shape == (len(train), 64, 64, 3) and rows == []
