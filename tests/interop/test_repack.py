"""Files of other writers, repacked: what every reader finds in them afterwards is what it found before."""

import datetime
import json
import pickle
from pathlib import Path

import datasets
import duckdb
import inlaid
import jsonschema
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

from conftest import REPOSITORY
from package import address

ROWS, SHAPE = 30, (2, 4, 3)
PIXELS = (np.arange(ROWS * 24) * 7 % 251).astype(np.uint8).reshape(ROWS, *SHAPE)
FLAT = PIXELS.reshape(ROWS, -1)


def is_mapped(array, path):
    """Whether an array lies in a file that is mapped into this process."""
    lines = [line.split(maxsplit=5) for line in Path("/proc/self/maps").read_text().splitlines()]
    ranges = [line[0].split("-") for line in lines if line[5:] == [str(path)]]
    return any(int(start, 16) <= address(array) < int(end, 16) for start, end in ranges)


def others():
    """Columns of many types, with nulls."""
    times = [None if n == 4 else datetime.datetime(2026, 1, 1, n % 24, tzinfo=datetime.timezone.utc) for n in range(ROWS)]
    return {
        "text": [None if n == 3 else f"row {n}" for n in range(ROWS)],
        "lists": pa.array([None if n == 5 else [{"a": k, "b": None} for k in range(n % 3)] for n in range(ROWS)]),
        "time": pa.array(times, pa.timestamp("us", "UTC")),
        "kind": pa.array(["x", "y", None] * 10).dictionary_encode(),
        "price": pa.array([n / 4 for n in range(ROWS)], pa.float32()),
    }


def storages():
    items = pa.array(PIXELS.ravel())
    lists = pa.ListArray.from_arrays(np.arange(0, len(items) + 1, 24, dtype=np.int32), items)
    large = pa.LargeListArray.from_arrays(np.arange(0, len(items) + 1, 24), items)
    nested = pa.array(PIXELS.tolist(), pa.list_(pa.list_(pa.list_(pa.uint8()))))
    arrays = pa.array(PIXELS.tolist(), pa.list_(pa.list_(pa.list_(pa.uint8(), 3), 4), 2))
    return {
        "tensor": (pa.FixedShapeTensorArray.from_numpy_ndarray(PIXELS), {}, SHAPE),
        "fixed": (pa.FixedSizeListArray.from_arrays(items, 24), {}, (24,)),
        "fixed-shaped": (pa.FixedSizeListArray.from_arrays(items, 24), {"shape": SHAPE}, SHAPE),
        "list": (lists, {"shape": SHAPE}, SHAPE),
        "large": (large, {}, (24,)),
        "lists": (nested, {}, SHAPE),
        "arrays": (arrays, {}, SHAPE),
        "bytes": (pa.array([row.tobytes() for row in FLAT], pa.binary(24)), {"shape": SHAPE}, SHAPE),
        "binary": (pa.array([row.tobytes() for row in FLAT]), {"shape": SHAPE, "column": "pixels"}, SHAPE),
        "views": (
            pa.array([row.tobytes() for row in FLAT], pa.binary_view()),
            {"shape": SHAPE, "column": "pixels"},
            SHAPE,
        ),
    }


def is_repacked(path, source, shape, fields):
    """Asserts that a file holds what the table `source` holds, in verbatim pages, with these fields."""
    opened = inlaid.open(path)
    assert (opened.shape, opened.dtype, opened.tensor_column) == (shape, np.uint8, "pixels")
    assert np.array_equal(opened[:], PIXELS.reshape(ROWS, *shape))
    # The pages are verbatim: rows are slices of the mapped file.
    assert is_mapped(opened[0], path) and is_mapped(opened[ROWS - 1], path)
    table = pq.read_table(path)
    assert table.column_names == source.column_names
    for name in source.column_names:
        if name != "pixels":
            assert table[name].equals(source[name]), name
            assert table.schema.field(name).equals(fields.field(name), check_metadata=True)
    frame = pl.read_parquet(path)
    pixels = frame["pixels"]
    pixels = pixels.ext.storage() if hasattr(pixels.dtype, "ext_storage") else pixels
    assert np.array_equal(np.array(pixels.to_list()).reshape(ROWS, -1), FLAT)
    assert frame["text"].to_list() == source["text"].to_pylist()


@pytest.mark.parametrize("name", list(storages()))
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"use_dictionary": False, "compression": "zstd"},
        {"data_page_version": "2.0", "row_group_size": 7},
        {"data_page_size": 100, "write_batch_size": 5, "compression": "none"},
    ],
    ids=["dictionary", "plain", "v2", "small-pages"],
)
def test_files_of_pyarrow(tmp_path, name, options):
    tensors, arguments, shape = storages()[name]
    source = pa.table({"text": others()["text"], "pixels": tensors, **others()})
    source = source.replace_schema_metadata({"note": "kept"})
    pq.write_table(source, tmp_path / "file.parquet", **options)
    summary = inlaid.repack(tmp_path / "file.parquet", tmp_path / "out", **arguments, progress=False)
    schema = json.loads((REPOSITORY / "schemas/repack.schema.json").read_text())
    jsonschema.validate(summary, schema)
    assert (summary["rows"], summary["column"], tuple(summary["shape"])) == (ROWS, "pixels", shape)
    is_repacked(tmp_path / "out/file.parquet", source, shape, pq.read_schema(tmp_path / "file.parquet"))
    assert pq.read_schema(tmp_path / "out/file.parquet").metadata[b"note"] == b"kept"


def test_tensors_keep_what_else_their_type_says(tmp_path):
    kind = pa.fixed_shape_tensor(pa.uint8(), list(SHAPE), dim_names=["H", "W", "C"])
    tensors = pa.ExtensionArray.from_storage(kind, pa.FixedSizeListArray.from_arrays(PIXELS.ravel(), 24))
    pq.write_table(pa.table({"pixels": tensors}), tmp_path / "file.parquet")
    inlaid.repack(tmp_path / "file.parquet", tmp_path / "out", progress=False)
    assert pq.read_table(tmp_path / "out/file.parquet")["pixels"].type == kind


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
@pytest.mark.parametrize("stream", [False, True], ids=["file", "stream"])
def test_arrow_files(tmp_path, compression, stream):
    source = pa.table({**others(), "pixels": storages()["tensor"][0]})
    options = pa.ipc.IpcWriteOptions(compression=compression)
    new = pa.ipc.new_stream if stream else pa.ipc.new_file
    with new(str(tmp_path / "file.arrow"), source.schema, options=options) as writer:
        writer.write_table(source, max_chunksize=11)
    assert np.array_equal(inlaid.open(tmp_path / "file.arrow")[:], PIXELS)
    inlaid.repack(tmp_path / "file.arrow", tmp_path / "out", progress=False)
    is_repacked(tmp_path / "out/file.parquet", source, SHAPE, source.schema)


@pytest.mark.parametrize("compression", ["uncompressed", "snappy", "zstd"])
def test_files_of_polars(tmp_path, compression):
    frame = pl.DataFrame(
        {
            "text": others()["text"],
            "pixels": pl.Series(PIXELS, dtype=pl.Array(pl.UInt8, SHAPE)),
            "when": [datetime.date(2026, 1, 1 + n) for n in range(ROWS)],
        }
    )
    frame.write_parquet(tmp_path / "file.parquet", compression=compression, row_group_size=8)
    frame.write_ipc(tmp_path / "ipc.arrow", compression=compression if compression != "snappy" else "lz4")
    for file in ("file.parquet", "ipc.arrow"):
        inlaid.repack(tmp_path / file, tmp_path / file[:3], progress=False)
        (path,) = (tmp_path / file[:3]).iterdir()
        assert np.array_equal(inlaid.open(path)[:], PIXELS)
        again = pl.read_parquet(path)
        assert again.drop("pixels").equals(frame.drop("pixels"))


def test_files_of_duckdb(tmp_path):
    source = pa.table({"text": others()["text"], "pixels": storages()["list"][0]})
    duckdb.sql(f"COPY (SELECT * FROM source) TO '{tmp_path}/file.parquet'")
    inlaid.repack(tmp_path / "file.parquet", tmp_path / "out", shape=SHAPE, progress=False)
    assert np.array_equal(inlaid.open(tmp_path / "out")[:], PIXELS)
    found = duckdb.sql(f"SELECT text, pixels FROM '{tmp_path}/out/file.parquet'").fetchall()
    assert [text for text, _ in found] == others()["text"]
    assert np.array_equal(np.array([list(pixels) for _, pixels in found]), FLAT)


FEATURES = {
    "array": (datasets.Array3D(SHAPE, "uint8"), PIXELS, SHAPE),
    "list": (datasets.List(datasets.Value("uint8"), length=24), FLAT, (24,)),
    "lists": (datasets.List(datasets.List(datasets.List(datasets.Value("uint8")))), PIXELS.tolist(), SHAPE),
}


@pytest.mark.parametrize("kind", ["parquet", "disk"])
@pytest.mark.parametrize("name", list(FEATURES))
def test_files_of_datasets(tmp_path, name, kind):
    feature, values, shape = FEATURES[name]
    features = datasets.Features({"pixels": feature, "label": datasets.ClassLabel(names=["a", "b"])})
    source = datasets.Dataset.from_dict({"pixels": values, "label": [0, 1] * (ROWS // 2)}, features=features)
    if kind == "parquet":
        source.to_parquet(tmp_path / "in/data.parquet")
    else:
        source.save_to_disk(tmp_path / "in")
    inlaid.repack(tmp_path / "in", tmp_path / "out", progress=False)
    opened = inlaid.open(tmp_path / "out")
    assert opened.shape == shape and np.array_equal(opened[:], PIXELS.reshape(ROWS, *shape))
    assert opened.classes == ["a", "b"]
    (file,) = (tmp_path / "out").iterdir()
    loaded = datasets.load_dataset("parquet", data_files=str(file), split="train")
    assert loaded.features["label"] == features["label"]
    assert loaded.features["pixels"] == datasets.List(datasets.Value("uint8"), length=24)
    assert np.array_equal(np.array(loaded["pixels"][:]), FLAT)
    assert loaded["label"][:] == source["label"][:]


def test_split_folders_and_shards_of_splits_are_opened_by_name(tmp_path):
    table = pa.table({"pixels": storages()["tensor"][0]})
    parts = {"train": table[:20], "test": table[20:]}
    for split, part in parts.items():
        for number, rows in enumerate([part[:5], part[5:]]):
            # As inlaid names files, in a folder for each split, and as `datasets` does, in one folder.
            for file in (f"folders/{split}/{split}-{number:05}.parquet", f"hub/data/{split}-{number:05}-of-00002.parquet"):
                (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
                pq.write_table(rows, tmp_path / file)
    for source in ("folders", "hub"):
        inlaid.repack(tmp_path / source, tmp_path / f"{source}-fast", progress=False)
        opened = inlaid.open(tmp_path / f"{source}-fast")
        opened = opened["data"] if source == "hub" else opened
        assert list(opened) == ["test", "train"]
        assert np.array_equal(opened["train"][:], PIXELS[:20]) and np.array_equal(opened["test"][:], PIXELS[20:])
        assert np.array_equal(pickle.loads(pickle.dumps(opened["test"]))[:], PIXELS[20:])


def test_the_column_that_was_chosen_is_read(tmp_path):
    first = pa.FixedShapeTensorArray.from_numpy_ndarray(np.zeros((ROWS, 2, 2), np.uint8))
    second = pa.FixedShapeTensorArray.from_numpy_ndarray(PIXELS)
    pq.write_table(pa.table({"first": first, "second": second}), tmp_path / "both.parquet")
    for column, shape in (("first", (2, 2)), ("second", SHAPE)):
        inlaid.repack(tmp_path / "both.parquet", tmp_path / column, column=column, progress=False)
        table = inlaid.open(tmp_path / column)
        assert (table.tensor_column, table.shape) == (column, shape)
        assert is_mapped(table[:], tmp_path / column / "both.parquet")
    # Once more, the other way round.
    inlaid.repack(tmp_path / "second", tmp_path / "again", column="first", progress=False)
    assert inlaid.open(tmp_path / "again").tensor_column == "first"
    assert pq.read_table(tmp_path / "second")["first"].type == first.type


@pytest.mark.parametrize("write", [pq.write_table, feather.write_feather])
def test_types_that_parquet_lacks_stay_dates_and_times(tmp_path, write):
    columns = {
        "day": pa.array([0, 86_400_000, None], pa.date64()),
        "second": pa.array([1, 2, None], pa.timestamp("s")),
        "zone": pa.array([1, 2, None], pa.timestamp("s", "UTC")),
        "time": pa.array([1, 2, None], pa.time32("s")),
        "inner": pa.array([{"day": 0}, {"day": 86_400_000}, None], pa.struct([("day", pa.date64())])),
        "pixels": pa.FixedShapeTensorArray.from_numpy_ndarray(PIXELS[:3]),
    }
    write(pa.table(columns), tmp_path / "file.parquet")
    inlaid.repack(tmp_path / "file.parquet", tmp_path / "out", progress=False)
    read = pq.read_table(tmp_path / "out/file.parquet")
    for name in ("day", "second", "zone", "time", "inner"):
        assert read[name].to_pylist() == columns[name].to_pylist(), name
    rows = duckdb.sql(f"select day, second, time from '{tmp_path}/out/file.parquet'").fetchall()
    assert rows == list(zip(*(columns[name].to_pylist() for name in ("day", "second", "time"))))


def test_times_that_can_not_be_told_are_refused(tmp_path):
    inner = pa.array([{"at": 1}], pa.struct([("at", pa.timestamp("s"))]))
    far = pa.array([2**62], pa.timestamp("s"))
    for name, column, message in (("inner", inner, "column `inner`"), ("far", far, "seconds have too many milliseconds")):
        table = pa.table({name: column, "pixels": pa.FixedShapeTensorArray.from_numpy_ndarray(PIXELS[:1])})
        feather.write_feather(table, tmp_path / f"{name}.arrow")
        with pytest.raises(inlaid.InlaidError, match=message):
            inlaid.repack(tmp_path / f"{name}.arrow", tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()


def test_categories_stay_values_without_an_order(tmp_path):
    values = pa.array(["high", None, "low", "high"])
    codes = pa.array([2, None, 0, 2], pa.int8())
    ordered = pa.DictionaryArray.from_arrays(codes, pa.array(["low", "mid", "high"]), ordered=True)
    table = pa.table({"size": ordered, "pixels": pa.FixedShapeTensorArray.from_numpy_ndarray(PIXELS[:4])})
    pq.write_table(table, tmp_path / "file.parquet", row_group_size=2)
    inlaid.repack(tmp_path / "file.parquet", tmp_path / "out", progress=False)
    read = pq.read_table(tmp_path / "out/file.parquet")["size"]
    assert read.to_pylist() == values.to_pylist() and not read.type.ordered
    with pytest.raises(TypeError, match="[Uu]nordered"):
        read.to_pandas() > "low"


def test_columns_of_one_name_are_refused(tmp_path):
    tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(PIXELS[:3])
    pq.write_table(pa.table([pa.array([1, 2, 3]), tensors, pa.array([4, 5, 6])], ["c", "pixels", "c"]), tmp_path / "c.parquet")
    table = inlaid.open(tmp_path / "c.parquet")
    assert np.array_equal(table[:], PIXELS[:3])
    for read in (table.to_arrow, lambda: table.column("c")):
        with pytest.raises(inlaid.ColumnError, match="has several columns named `c`\nhint: have the tool"):
            read()
    pq.write_table(pa.table([pa.array([1, 2, 3]), tensors], ["pixels", "pixels"]), tmp_path / "p.parquet")
    for read in (inlaid.open, lambda path: inlaid.repack(path, tmp_path / "out", progress=False)):
        with pytest.raises(inlaid.ColumnError, match="several columns named `pixels`\nhint: have the tool"):
            read(tmp_path / "p.parquet")


def test_what_repack_takes_from_a_folder_is_opened_there(tmp_path):
    write = {"a.PARQUET": pq.write_table, "deep/b.pq": pq.write_table, "deep/er/c.feather": feather.write_feather}
    for number, (name, write) in enumerate(write.items()):
        (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(PIXELS[number : number + 1])
        write(pa.table({"pixels": tensors}), tmp_path / "source" / name)
    inlaid.repack(tmp_path / "source", tmp_path / "out", progress=False)
    for folder in ("source", "out"):
        assert np.array_equal(inlaid.open(tmp_path / folder)[:], PIXELS[:3])


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary(16)])
def test_bytes_of_a_told_type_have_its_elements(tmp_path, kind):
    values = np.arange(12, dtype="<f4").reshape(3, 2, 2)
    field = pa.field("pixels", kind, metadata={"inlaid:dtype": "float32"})
    column = pa.array([row.tobytes() for row in values], kind)
    pq.write_table(pa.table([column], pa.schema([field])), tmp_path / "bytes.parquet")
    inlaid.repack(tmp_path / "bytes.parquet", tmp_path / "out", shape=(2, 2), progress=False)
    assert np.array_equal(inlaid.open(tmp_path / "out")[:], values)


def test_permuted_dimensions_are_refused(tmp_path):
    kind = pa.fixed_shape_tensor(pa.uint8(), [2, 3], permutation=[1, 0])
    tensors = pa.ExtensionArray.from_storage(kind, pa.array([list(range(6))] * 3, pa.list_(pa.uint8(), 6)))
    pq.write_table(pa.table({"pixels": tensors}), tmp_path / "permuted.parquet")
    for read in (inlaid.open, lambda path: inlaid.repack(path, tmp_path / "out", progress=False)):
        with pytest.raises(inlaid.ColumnError, match="column `pixels` .*has permuted dimensions.*\nhint: have the tool"):
            read(tmp_path / "permuted.parquet")
    kind = pa.fixed_shape_tensor(pa.uint8(), [2, 3], permutation=[0, 1])
    tensors = pa.ExtensionArray.from_storage(kind, tensors.storage)
    pq.write_table(pa.table({"pixels": tensors}), tmp_path / "same.parquet")
    assert inlaid.open(tmp_path / "same.parquet")[0].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_errors_are_typed_and_name_the_way_out(tmp_path):
    tensors = pa.array([[1, 2], [3]] * 15, pa.list_(pa.uint8()))
    pq.write_table(pa.table({"pixels": tensors}), tmp_path / "ragged.parquet")
    pq.write_table(pa.table({"pixels": storages()["fixed"][0]}), tmp_path / "good.parquet")
    (tmp_path / "text.parquet").write_text("no table")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()

    def refused(error, message, source, out="out", **options):
        with pytest.raises(error) as caught:
            inlaid.repack(tmp_path / source, tmp_path / out, **options, progress=False)
        assert str(caught.value) == message
        assert not (tmp_path / "out").exists()

    row = "row 1 of column `pixels` has length 1, but the first row has length 2"
    way_out = "\nhint: remove such rows from the file"
    refused(inlaid.InlaidError, f"can't repack `{tmp_path}/ragged.parquet`: {row}{way_out}", "ragged.parquet")
    shape = "shape 5 has 5 elements, but the tensors of column `pixels` have 24"
    way_out = "\nhint: give a matching shape, as in `shape=(224, 224, 3)`"
    refused(ValueError, f"can't repack `{tmp_path}/good.parquet`: {shape}{way_out}", "good.parquet", shape=(5,))
    column = "it has no column `x`, only `pixels`\nhint: name a column of lists of numbers, or of bytes with `shape`"
    refused(inlaid.ColumnError, f"can't repack `{tmp_path}/good.parquet`: {column}", "good.parquet", column="x")
    taken = f"output folder `{tmp_path}/full` is not empty\nhint: choose a new folder for `out`"
    refused(inlaid.ExistsError, taken, "good.parquet", "full")
    format = "it is neither a Parquet nor an Arrow file"
    way_out = "\nhint: have the tool that wrote the file write Parquet"
    refused(inlaid.DamagedError, f"can't repack `{tmp_path}/text.parquet`: {format}{way_out}", "text.parquet")
    empty = "the first row of column `pixels` is empty, but a tensor has at least one element"
    way_out = "\nhint: remove such rows from the file"
    pq.write_table(pa.table({"pixels": pa.array([[], [1]], pa.list_(pa.uint8()))}), tmp_path / "empty.parquet")
    refused(inlaid.InlaidError, f"can't repack `{tmp_path}/empty.parquet`: {empty}{way_out}", "empty.parquet")
    nothing = pa.array([[], []], pa.list_(pa.float32(), 0))
    pq.write_table(pa.table({"pixels": nothing}), tmp_path / "empty.parquet")
    message = "the tensors of column `pixels` have no elements"
    way_out = "\nhint: choose another column with `column`, or leave the file out"
    refused(inlaid.InlaidError, f"can't repack `{tmp_path}/empty.parquet`: {message}{way_out}", "empty.parquet")
    pq.write_table(pa.table({"pixels": pa.array([[1], [2]], pa.list_(pa.uint8(), 1)), "other": nothing}), tmp_path / "beside.parquet")
    message = "column `other` holds lists of length 0, which inlaid can't read from Parquet"
    way_out = "\nhint: remove that column from the file: there is nothing in it"
    refused(inlaid.InlaidError, f"can't repack `{tmp_path}/beside.parquet`: {message}{way_out}", "beside.parquet", column="pixels")
    pq.write_table(pa.table({"pixels": pa.array([[1]], pa.list_(pa.uint8()))}), tmp_path / "brotli.parquet", compression="brotli")
    way_out = "\nhint: have the tool that wrote the file use Zstandard instead"
    message = f"can't repack `{tmp_path}/brotli.parquet`: it is compressed with Brotli, which inlaid can't read{way_out}"
    refused(inlaid.DamagedError, message, "brotli.parquet")
    missing = f"can't read `{tmp_path}/none`: No such file or directory (os error 2)"
    refused(FileNotFoundError, missing, "none")
