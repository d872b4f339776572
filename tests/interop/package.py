"""What the tests of the Python package share."""

import inlaid
import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest

from conftest import SAMPLE

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


def read_with_pyarrow(folder):
    """The images, labels and paths of a split, as pyarrow reads them."""
    files = sorted(folder.iterdir())
    if files[0].suffix == ".arrow":
        table = pa.concat_tables(pa.ipc.open_file(pa.memory_map(str(file))).read_all() for file in files)
    else:
        table = pa.concat_tables(pq.read_table(file) for file in files)
    images = np.concatenate([to_numpy(chunk) for chunk in table["image"].chunks])
    return images, table["label"].to_numpy(), table["path"].to_pylist()


def to_numpy(chunk):
    if isinstance(chunk.type, pa.FixedShapeTensorType):
        return chunk.to_numpy_ndarray()
    pixels = np.frombuffer(chunk.buffers()[1], np.uint8).reshape(-1, 64, 64, 3)
    return pixels[chunk.offset : chunk.offset + len(chunk)]


def address(array):
    return array.__array_interface__["data"][0]
