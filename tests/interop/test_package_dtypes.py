"""The Python package on tensors of every element type: NumPy, Arrow and the frameworks get what pyarrow reads."""

import inlaid
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest

from conftest import SAMPLE
from package import address
from test_dtypes import ARROW, DTYPES

# Element type, layout, storage, format, compression.
KINDS = [
    *[(dtype, "hwc", "tensor", "parquet", "none") for dtype in DTYPES],
    *[(dtype, "chw", "tensor", "parquet", "none") for dtype in DTYPES],
    *[(dtype, "hwc", "tensor", "parquet", "zstd") for dtype in DTYPES],
    *[(dtype, "hwc", "binary", "parquet", "none") for dtype in DTYPES],
    *[(dtype, "hwc", "tensor", "arrow", "none") for dtype in DTYPES],
    *[("f32", "hwc", "binary", "parquet", "lz4"), ("f16", "chw", "tensor", "arrow", "lz4")],
    ("u16", "chw", "binary", "arrow", "none"),
]


@pytest.fixture(scope="module", params=KINDS, ids="-".join)
def kind(request, tmp_path_factory):
    """The training rows of a dataset, its element type, and its images as pyarrow reads them."""
    dtype, layout, storage, format, compression = request.param
    out = tmp_path_factory.mktemp("package-dtypes") / "dataset"
    settings = dict(dtype=dtype, layout=layout, storage=storage, format=format, compression=compression)
    inlaid.convert(SAMPLE, out, (16, 15), row_group_bytes="20KiB", progress=False, **settings)
    (file,) = (out / "train").iterdir()
    table = pa.ipc.open_file(pa.memory_map(str(file))).read_all() if format == "arrow" else pq.read_table(file)
    shape = (16, 15, 3) if layout == "hwc" else (3, 16, 15)
    images = np.concatenate([to_numpy(chunk, DTYPES[dtype], shape) for chunk in table["image"].chunks])
    return inlaid.open(out)["train"], DTYPES[dtype], images


def to_numpy(chunk, dtype, shape):
    if isinstance(chunk.type, pa.FixedShapeTensorType):
        return chunk.to_numpy_ndarray()
    pixels = np.frombuffer(chunk.buffers()[1], dtype).reshape(-1, *shape)
    return pixels[chunk.offset : chunk.offset + len(chunk)]


def test_rows_are_those_of_pyarrow(kind):
    table, dtype, images = kind
    assert (table.dtype, table.shape) == (dtype, images.shape[1:])
    assert np.array_equal(table[:], images)
    for row in range(len(table)):
        assert table[row].flags.aligned
        assert np.array_equal(table[row], images[row])
    for rows in (slice(3, 6), slice(None, None, -3), [5], [31, 0, 0, -2, 8]):
        assert np.array_equal(table[rows], images[rows])


def test_batches_are_those_of_pyarrow(kind):
    table, dtype, images = kind
    batches = [batch["image"] for batch in table.batches(7)]
    assert all(batch.dtype == dtype and batch.flags.aligned and batch.flags.writeable for batch in batches)
    assert np.array_equal(np.concatenate(batches), images)


def test_arrow_libraries_read_it(kind):
    table, dtype, images = kind
    column = table.to_arrow(["image"])["image"]
    if isinstance(column.type, pa.FixedShapeTensorType):
        assert column.type.value_type == pa.from_numpy_dtype(dtype)
        column.validate(full=True)
        assert np.array_equal(np.concatenate([chunk.to_numpy_ndarray() for chunk in column.chunks]), images)
        values = pl.DataFrame(table)["image"].ext.storage().to_numpy()
        assert np.array_equal(values.reshape(images.shape), images)
    else:
        assert b"".join(column.to_pylist()) == images.tobytes()


def test_frameworks_take_it(kind):
    pytest.importorskip("tensorflow")
    pytest.importorskip("jax")
    DataLoader = pytest.importorskip("torch.utils.data").DataLoader
    table, dtype, images = kind
    # PyTorch has the channels first, whatever is stored.
    planes = images if images.shape[1] == 3 else np.moveaxis(images, -1, 1)
    dataset = table.to_tf(7)
    assert dataset.element_spec[0].dtype.as_numpy_dtype == dtype
    assert np.array_equal(np.concatenate([batch.numpy() for batch, _ in dataset]), images)
    assert np.array_equal(np.concatenate([batch.numpy() for batch, _ in table.to_torch(7)]), planes)
    rows = DataLoader(table.to_torch(), batch_size=7)
    assert np.array_equal(np.concatenate([batch.numpy() for batch, _ in rows]), planes)
    batches = [np.asarray(batch["image"]) for batch in table.to_jax(7)]
    assert batches[0].dtype == dtype
    assert np.array_equal(np.concatenate(batches), images)


def test_uncompressed_tensors_are_views(tmp_path):
    for dtype in ARROW:
        inlaid.convert(SAMPLE, tmp_path / dtype, 16, dtype=dtype, progress=False)
        table = inlaid.open(tmp_path / dtype)["train"]
        assert address(table[1]) == address(table[0]) + table[0].nbytes
        assert not table[0].flags.owndata


def test_numbers_are_taken_as_they_are_written(tmp_path):
    settings = dict(dtype="f32", scale="-1..1", mean=(0.1, -0.2, 0.3), std=0.5, layout="chw", progress=False)
    inlaid.convert(SAMPLE, tmp_path / "dataset", 8, **settings)
    spec = inlaid.open(tmp_path / "dataset").manifest["spec"]
    assert (spec["scale"], spec["layout"], spec["std"]) == ("-1..1", "chw", [0.5])
    assert np.array_equal(np.float32(spec["mean"]), np.float32([0.1, -0.2, 0.3]))
    with pytest.raises(inlaid.SettingError, match="\nhint: .*`dtype=\"float32\"`"):
        inlaid.convert(SAMPLE, tmp_path / "other", 8, mean="imagenet", progress=False)
