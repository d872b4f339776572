"""The Python package: rows, batches, epochs, ranks and states, against what pyarrow reads from the same files."""

import pickle
import shutil
import sys
import threading
import time

import inlaid
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import CLASSES, SAMPLE
from package import address, read_with_pyarrow

KINDS = [
    (storage, format, compression)
    for storage in ("tensor", "binary")
    for format in ("parquet", "arrow")
    for compression in ("none", "lz4", "zstd")
]


@pytest.fixture(scope="module", params=KINDS, ids="-".join)
def kind(request, sample):
    """A dataset of every kind, and what pyarrow reads from its training rows."""
    folder = sample(*request.param)
    return folder, read_with_pyarrow(folder / "train")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """A dataset of several row groups and shards."""
    out = tmp_path_factory.mktemp("package") / "dataset"
    inlaid.convert(SAMPLE, out, 64, row_group_bytes=5 * 64 * 64 * 3, shard_bytes=12 * 64 * 64 * 3, progress=False)
    return out


@pytest.fixture(scope="module")
def train(dataset):
    return inlaid.open(dataset)["train"]


@pytest.fixture(scope="module")
def expected(dataset):
    return read_with_pyarrow(dataset / "train")


def paths(batches):
    return [list(batch["path"]) for batch in batches]


# Opening


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


def test_a_table_says_what_it_is(train, expected):
    assert (train.shape, train.dtype, train.tensor_column) == ((64, 64, 3), np.uint8, "image")
    assert len(train) == len(expected[0])
    schema = pa.schema(train.schema)
    assert schema.names == train.schema.names
    assert schema.names == ["image", "label", "path", "source_height", "source_width", "sha256"]
    assert schema.field("image").type == pa.fixed_shape_tensor(pa.uint8(), [64, 64, 3], ["H", "W", "C"])


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


# Batches


@pytest.mark.parametrize("prefetch", [0, 1, 3])
def test_batches_are_all_rows_in_order(kind, prefetch):
    folder, (images, labels, paths) = kind
    batches = list(inlaid.open(folder)["train"].batches(5, columns=["label", "path"], prefetch=prefetch))
    assert [list(batch) for batch in batches] == [["image", "label", "path"]] * len(batches)
    assert [len(batch["image"]) for batch in batches] == [5] * (len(paths) // 5) + [len(paths) % 5]
    assert np.array_equal(np.concatenate([batch["image"] for batch in batches]), images)
    assert np.array_equal(np.concatenate([batch["label"] for batch in batches]), labels)
    assert [path for batch in batches for path in batch["path"]] == paths


def test_batches_are_arrays_of_their_own(train):
    first, second = (batch["image"] for batch in list(train.batches(8))[:2])
    assert type(first) is np.ndarray and first.dtype == np.uint8 and first.shape == (8, 64, 64, 3)
    first[:] = 0
    assert second.any() and train[0].any()
    for batch in train.batches(8, columns=["label", "source_width"]):
        assert all(array.flags.writeable for array in batch.values())
        batch["label"][:] = -5
    assert (train.column("label") >= 0).all()


def test_batches_begin_where_tensorflow_and_jax_want_them(train):
    assert [address(batch["image"]) % 64 for batch in train.batches(3)] == [0] * len(train.batches(3))


def test_the_label_comes_along_if_there_is_one(train):
    assert train.batches(8).columns == ("label",)
    assert train.batches(8, columns=[]).columns == ()
    assert list(next(iter(train.batches(8, columns=["image", "path"])))) == ["image", "path"]


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("world_size", [1, 2, 3, 5])
@pytest.mark.parametrize("batch_size", [1, 4, 7, 100])
def test_lengths_are_the_numbers_of_batches(train, batch_size, world_size, drop_last):
    lengths = []
    for rank in range(world_size):
        batches = train.batches(batch_size, drop_last=drop_last, rank=rank, world_size=world_size)
        lengths.append(len(batches))
        assert len(list(batches)) == len(batches)
    if drop_last:
        assert lengths == [len(train) // world_size // batch_size] * world_size
    else:
        assert max(lengths) - min(lengths) <= 1


@pytest.mark.parametrize("shuffle", [True, 1, 2, 100])
def test_shuffled_epochs_are_all_rows_in_another_order(train, expected, shuffle):
    _, _, stored = expected
    batches = train.batches(4, shuffle=shuffle, seed=7, columns=["path"])
    epochs = [[path for batch in batches for path in batch["path"]] for _ in range(3)]
    assert all(sorted(epoch) == sorted(stored) for epoch in epochs)
    assert len({tuple(order) for order in [*epochs, stored]}) == 4
    again = train.batches(4, shuffle=shuffle, seed=7, columns=["path"])
    again.set_epoch(1)
    assert [path for batch in again for path in batch["path"]] == epochs[1]
    other = train.batches(4, shuffle=shuffle, seed=8, columns=["path"])
    assert [path for batch in other for path in batch["path"]] != epochs[0]


def test_shuffled_tensors_stay_with_their_rows(train, expected):
    images, labels, stored = expected
    for batch in train.batches(4, shuffle=True, columns=["label", "path"]):
        rows = [stored.index(path) for path in batch["path"]]
        assert np.array_equal(batch["image"], images[rows])
        assert np.array_equal(batch["label"], labels[rows])


@pytest.mark.parametrize("world_size", [2, 3, 7])
def test_ranks_share_the_rows_of_an_epoch(train, expected, world_size):
    options = dict(shuffle=True, seed=1, columns=["path"], world_size=world_size)
    ranks = [
        [path for batch in train.batches(4, rank=rank, **options) for path in batch["path"]]
        for rank in range(world_size)
    ]
    assert sorted(path for rank in ranks for path in rank) == sorted(expected[2])


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("world_size", [1, 2, 3, 7, 50])
def test_all_ranks_have_as_many_rows_if_asked(train, expected, world_size, drop_last):
    stored = expected[2]
    for uneven, each in [("drop", len(stored) // world_size), ("pad", -(-len(stored) // world_size))]:
        options = dict(columns=["path"], world_size=world_size, uneven=uneven, drop_last=drop_last)
        ranks = [train.batches(4, rank=rank, **options) for rank in range(world_size)]
        batches = each // 4 if drop_last else -(-each // 4)
        assert {len(rank) for rank in ranks} == {len(paths(rank)) for rank in ranks} == {batches}
        if not drop_last:
            read = [path for rank in ranks for batch in paths(rank) for path in batch]
            assert read == (stored * world_size)[: each * world_size]


def test_ranks_are_padded_in_the_order_of_the_epoch(train):
    options = dict(shuffle=True, seed=3, columns=["path"])
    (alone,) = paths(train.batches(100, **options))
    ranks = [train.batches(100, rank=rank, world_size=7, uneven="pad", **options) for rank in range(7)]
    read = [path for rank in ranks for path in paths(rank)[0]]
    assert len(read) % 7 == 0 and read == alone + alone[: len(read) - len(alone)]


# States


@pytest.mark.parametrize("stop", [0, 1, 3, 6])
@pytest.mark.parametrize("prefetch", [0, 1, 2, 5])
def test_a_state_goes_on_with_the_next_batch(train, stop, prefetch):
    options = dict(shuffle=True, seed=3, columns=["path"])
    whole = train.batches(5, **options)
    epochs = [paths(whole), paths(whole)]
    first = train.batches(5, **options, prefetch=2)
    list(first)
    reading = iter(first)
    read = [list(next(reading)["path"]) for _ in range(stop)]
    state = pickle.loads(pickle.dumps(first.state_dict()))
    assert state == {"epoch": 1, "batches": stop}
    second = train.batches(5, **options, prefetch=prefetch)
    second.load_state_dict(state)
    assert second.state_dict() == state
    assert read + paths(second) == epochs[1]
    assert second.state_dict() == {"epoch": 2, "batches": 0}


def test_a_pass_that_is_broken_off_is_begun_again(train):
    batches = train.batches(5, shuffle=True, columns=["path"])
    first = list(next(iter(batches))["path"])
    assert list(next(iter(batches))["path"]) == first


def test_tables_and_batches_can_be_pickled(train, expected):
    copy = pickle.loads(pickle.dumps(train))
    assert np.array_equal(copy[:], expected[0]) and copy.classes == CLASSES
    batches = train.batches(5, shuffle=True, columns=["path"])
    list(batches)
    assert paths(pickle.loads(pickle.dumps(batches))) == paths(batches)


def test_a_pickled_table_notices_that_its_dataset_changed(dataset, tmp_path):
    shutil.copytree(SAMPLE, tmp_path / "more/again")
    shutil.copytree(dataset, tmp_path / "dataset")
    pickled = pickle.dumps(inlaid.open(tmp_path / "dataset")["train"])
    inlaid.append(tmp_path / "more/again", tmp_path / "dataset", progress=False)
    assert len(pickle.loads(pickled)) == len(inlaid.open(dataset)["train"])
    (tmp_path / "more/again/circle/new").mkdir()
    shutil.copy(next(SAMPLE.glob("circle/*rgb.png")), tmp_path / "more/again/circle/new/new.png")
    inlaid.append(tmp_path / "more/again", tmp_path / "dataset", on_error="skip", progress=False)
    grown = {name: len(table) for name, table in inlaid.open(tmp_path / "dataset").items()}
    (split,) = [name for name, table in inlaid.open(dataset).items() if grown[name] != len(table)]
    reopen, state = inlaid.open(dataset)[split].__reduce__()
    with pytest.raises(inlaid.InlaidError, match="rows now, it had"):
        reopen(tmp_path / "dataset", *state[1:])


def test_an_open_table_keeps_its_version(dataset, tmp_path):
    shutil.copytree(dataset, tmp_path / "dataset")
    opened = inlaid.open(tmp_path / "dataset")["train"]
    before = opened[:].copy()
    inlaid.convert(SAMPLE, tmp_path / "dataset", 32, overwrite=True, progress=False)
    assert np.array_equal(opened[:], before)
    assert inlaid.open(tmp_path / "dataset")["train"].shape == (32, 32, 3)


# Bad input


def test_missing_folders_are_named(tmp_path, dataset):
    for opening in (inlaid.open, inlaid.Table, inlaid.Dataset):
        with pytest.raises(inlaid.NotFoundError, match="nowhere") as error:
            opening(tmp_path / "nowhere")
        assert isinstance(error.value, FileNotFoundError)
    with pytest.raises(inlaid.NotFoundError, match="holds no dataset\nhint: make it with `inlaid convert`"):
        inlaid.Dataset(tmp_path)
    with pytest.raises(inlaid.DamagedError, match="holds no tensors"):
        inlaid.open(tmp_path)
    with pytest.raises(KeyError, match="has no rows in a split `val`, it has train, validation, test"):
        inlaid.open(dataset)["val"]


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
    for read in (lambda: table[:], lambda: table[[0]], lambda: list(table.batches(4)), lambda: table.to_arrow()):
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
    with pytest.raises(IndexError, match=f"there is no row {wrong}, the table has {len(train)}"):
        train[rows]


@pytest.mark.parametrize("rows", ["image", 1.0, [0.5], [[1, 2]], [True], None, {}])
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
    pq.write_table(pa.table({"a": lists, "when": pa.array([0], pa.timestamp("s"))}), tmp_path / "file.parquet")
    with pytest.raises(TypeError, match="column `when` of type Timestamp.* `to_arrow"):
        inlaid.open(tmp_path / "file.parquet").column("when")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size is at least 1, not 0"),
        ({"batch_size": 2.5}, "batch_size is an integer, not 2.5"),
        ({"seed": -1}, "seed is at least 0, not -1"),
        ({"shuffle": 0}, "shuffle is at least 1, not 0"),
        ({"shuffle": "yes"}, "shuffle is an integer, not 'yes'"),
        ({"rank": 2, "world_size": 2}, "rank 2 is not below world_size 2"),
        ({"rank": -1}, "rank is at least 0, not -1"),
        ({"uneven": "even"}, 'uneven is "keep", "drop" or "pad", not \'even\''),
        ({"uneven": ["pad"]}, 'uneven is "keep", "drop" or "pad", not'),
        ({"prefetch": -1}, "prefetch is at least 0, not -1"),
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


def test_everything_public_is_documented():
    for name in inlaid.__all__:
        thing = getattr(inlaid, name)
        assert name == "__version__" or thing.__doc__, name
        if isinstance(thing, type) and issubclass(thing, (inlaid.Table, inlaid.Batches, inlaid.Dataset)):
            methods = [value for key, value in vars(thing).items() if callable(value) and not key.startswith("_")]
            assert all(method.__doc__ for method in methods), name
