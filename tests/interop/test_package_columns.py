"""Columns of every type in the Python package, whole and in batches."""

import datetime

import inlaid
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

# Files of other tools are what this is about.
pytestmark = pytest.mark.filterwarnings("ignore::inlaid.DecodingWarning")

ROWS = 23
DAY = datetime.date(2024, 2, 29)
WHEN = datetime.datetime(2024, 2, 29, 12, 30)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Several row groups and files."""
    folder = tmp_path_factory.mktemp("columns")
    columns = {
        "image": pa.FixedShapeTensorArray.from_numpy_ndarray(np.arange(ROWS * 12, dtype=np.uint8).reshape(ROWS, 2, 2, 3)),
        "mask": pa.FixedShapeTensorArray.from_numpy_ndarray(np.arange(ROWS * 4, dtype=np.uint8).reshape(ROWS, 2, 2)),
        "text": pa.array([None if row % 7 == 3 else f"row {row}" for row in range(ROWS)]),
        "bytes": pa.array([b"%d" % row for row in range(ROWS)]),
        "boxes": pa.array([list(range(row % 4)) for row in range(ROWS)], pa.list_(pa.int32())),
        "words": pa.array([[str(row)] * (row % 3) for row in range(ROWS)], pa.large_list(pa.string())),
        "point": pa.array([{"x": row, "name": str(row)} for row in range(ROWS)]),
        "day": pa.array([DAY + datetime.timedelta(row) for row in range(ROWS)]),
        "when": pa.array([None if row == 5 else WHEN for row in range(ROWS)], pa.timestamp("us")),
        "small": pa.array([None if row == 4 else row for row in range(ROWS)], pa.uint8()),
        "flag": pa.array([None if row == 6 else row % 2 == 0 for row in range(ROWS)]),
        "number": pa.array([None if row == 8 else row for row in range(ROWS)], pa.int32()),
    }
    fields = [pa.field(name, column.type, nullable=name not in ("image", "mask")) for name, column in columns.items()]
    whole = pa.Table.from_arrays(list(columns.values()), schema=pa.schema(fields))
    pq.write_table(whole.slice(0, 11), folder / "a.parquet", row_group_size=4)
    pq.write_table(whole.slice(11), folder / "b.parquet", row_group_size=5)
    return inlaid.open(folder), whole


NAMES = ["text", "bytes", "boxes", "words", "point", "day", "when", "small", "flag", "number"]


def plain(name, value):
    """A value as pyarrow gives it."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if name in ("day", "when"):
        return None if np.isnat(value) else value.item()
    return value.item() if isinstance(value, np.generic) else value


def wanted(whole, name):
    values = whole[name].to_pylist()
    return [-1 if value is None else value for value in values] if name == "number" else values


@pytest.mark.parametrize("name", NAMES)
def test_a_column_is_what_pyarrow_reads(table, name):
    opened, whole = table
    values = opened.column(name)
    assert values.shape == (ROWS,) and not values.flags.writeable
    assert [plain(name, value) for value in values] == wanted(whole, name)
    assert values is opened.column(name)


@pytest.mark.parametrize("prefetch", [0, 2])
def test_batches_have_columns_of_any_type(table, prefetch):
    opened, whole = table
    everything = {name: wanted(whole, name) for name in NAMES}
    for view, rows in [(opened, range(ROWS)), (opened.select([20, 3, 3, 4]), [20, 3, 3, 4])]:
        seen = {name: [] for name in NAMES}
        for batch in view.batches(5, columns=[*NAMES, "mask"], prefetch=prefetch):
            for name in NAMES:
                seen[name] += [plain(name, value) for value in batch[name]]
            assert batch["mask"].shape == (len(batch["text"]), 2, 2)
        assert seen == {name: [values[row] for row in rows] for name, values in everything.items()}


def test_types_of_numpy(table):
    opened, _ = table
    assert [opened.column(name).dtype for name in ("day", "when", "number", "small")] == [
        np.dtype("M8[D]"),
        np.dtype("M8[us]"),
        np.int32,
        object,
    ]
    assert opened.column("boxes")[3].dtype == np.int32 and opened.column("words").dtype == object


def test_tensors_are_not_kept(table):
    opened, _ = table
    assert opened.column("image").shape == (ROWS, 2, 2, 3) and opened.column("mask").shape == (ROWS, 2, 2)
    assert np.array_equal(opened.column("image"), opened[:])
    assert set(opened._columns) & {"image", "mask"} == set()


def test_rows_of_torch_have_columns_of_any_type(table):
    torch = pytest.importorskip("torch")
    opened, whole = table
    row = opened.to_torch(columns=["mask", "text", "boxes", "number", "when"])[12]
    image, mask, text, boxes, number, when = row
    assert (image.shape, mask.shape, text, number) == ((3, 2, 2), (2, 2), "row 12", 12)
    assert boxes.tolist() == [] and np.datetime64(when) == np.datetime64(WHEN)
    batch = next(iter(opened.to_torch(4, columns=["mask", "text", "boxes"])))
    assert batch[1].shape == (4, 2, 2) and batch[2] == whole["text"].to_pylist()[:4]
    assert isinstance(batch[1], torch.Tensor)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"horizontal_flip": 0.5}, "`horizontal_flip` moves"),
        ({"size": 4}, "`size` moves"),
        ({"crop": 2, "padding": 1}, "`crop` and `padding` move"),
    ],
)
def test_masks_are_refused_with_what_moves_pixels(table, options, told):
    table, _ = table
    message = f"^{told} the pixels of `image` only, and `mask` would not fit them"
    for columns in ["mask"], ["number", "mask"]:
        with pytest.raises(inlaid.SettingError, match=message):
            table.batches(4, columns=columns, **options)
    # Columns without pixels, and a size that the images have.
    table.batches(4, columns=["number"], **options)
    assert next(iter(table.batches(4, columns=["mask"], size=2)))["mask"].shape == (4, 2, 2)
