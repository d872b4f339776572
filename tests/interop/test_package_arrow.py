"""The Python package hands its rows to Arrow libraries and by DLPack without a copy."""

import subprocess
import sys

import inlaid
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from package import address, read_with_pyarrow, to_numpy

STORAGES = [("tensor", "parquet"), ("binary", "parquet"), ("tensor", "arrow")]


@pytest.fixture(scope="module", params=STORAGES, ids="-".join)
def folder(request, sample):
    return sample(*request.param) / "train"


@pytest.fixture(scope="module")
def train(sample):
    return inlaid.open(sample())["train"]


def test_pyarrow_gets_all_columns_as_it_reads_them(folder):
    table = inlaid.open(folder).to_arrow()
    images, labels, paths = read_with_pyarrow(folder)
    assert table.column_names == ["image", "label", "path", "source_height", "source_width", "sha256"]
    assert np.array_equal(np.concatenate([to_numpy(chunk) for chunk in table["image"].chunks]), images)
    assert np.array_equal(table["label"].to_numpy(), labels)
    assert table["path"].to_pylist() == paths
    assert table.equals(pa.table(inlaid.open(folder)))


READ_ALL = """
import re, sys
import inlaid
def peak():
    with open("/proc/self/status") as status:
        return int(re.search(r"VmHWM:\\s+(\\d+)", status.read())[1])
train = inlaid.open(sys.argv[1])["train"]
before = peak()
rows = sum(len(batch["image"]) for batch in train.batches(16, prefetch=0))
train.column("path")
print(rows, (peak() - before) // 1024)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is looked up in /proc")
def test_compressed_record_batches_are_not_kept(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    (tmp_path / "source/cat").mkdir(parents=True)
    Image.fromarray(noise).save(tmp_path / "source/cat/0.png")
    for number in range(1, 2400):
        (tmp_path / f"source/cat/{number}.png").hardlink_to(tmp_path / "source/cat/0.png")
    options = {"format": "arrow", "compression": "zstd", "row_group_bytes": "2MiB", "split": {"train": 1}}
    inlaid.convert(tmp_path / "source", tmp_path / "out", 256, **options, progress=False)
    read = subprocess.run([sys.executable, "-c", READ_ALL, tmp_path / "out"], capture_output=True, text=True, check=True)
    rows, mebibytes = map(int, read.stdout.split())
    # 450 MiB of tensors, of which 256 MiB are kept. Pages of the file count too, as it is mapped.
    size = sum(file.stat().st_size for file in (tmp_path / "out/train").iterdir()) >> 20
    assert rows == 2400 and mebibytes < size + 256 + 40


def test_pyarrow_gets_some_columns_in_their_order(train):
    assert train.to_arrow(["label", "image"]).column_names == ["label", "image"]
    assert train.to_arrow(["path"]).num_rows == len(train)
    for columns in ("path", []):
        with pytest.raises(inlaid.SettingError, match="columns is a list of"):
            train.to_arrow(columns)
    with pytest.raises(inlaid.ColumnError, match="there is no column `nothing`"):
        train.to_arrow(["nothing"])


def test_pyarrow_gets_slices_of_the_file(folder):
    table = inlaid.open(folder)
    row = 0
    for chunk in table.to_arrow(["image"])["image"].chunks:
        assert address(to_numpy(chunk)) == address(table[row])
        row += len(chunk)
    assert row == len(table)


def test_pyarrow_keeps_the_file_mapped(sample):
    images = inlaid.open(sample())["train"].to_arrow()["image"]
    expected, _, _ = read_with_pyarrow(sample() / "train")
    assert np.array_equal(to_numpy(images.chunk(0))[0], expected[0])


def test_polars_gets_slices_of_the_file(train):
    frame = pl.DataFrame(train)
    assert frame.columns == train.schema.names
    pixels = frame["image"].ext.storage()
    chunks = [chunk.to_numpy(allow_copy=False) for chunk in pixels.get_chunks()]
    row = 0
    for chunk in chunks:
        assert address(chunk) == address(train[row])
        assert np.array_equal(chunk.reshape(-1, 64, 64, 3), train[row : row + len(chunk)])
        row += len(chunk)
    assert row == len(train)
    assert frame["path"].to_list() == list(train.column("path"))


def test_a_damaged_row_group_is_an_error_of_the_stream(tmp_path):
    lists = pa.array([[1, 2], None], pa.list_(pa.uint8(), 2))
    pq.write_table(pa.table({"a": lists}), tmp_path / "file.parquet")
    table = inlaid.open(tmp_path / "file.parquet")
    with pytest.raises(inlaid.DamagedError, match="file.parquet` is damaged: row group 0: a tensor is null"):
        table.to_arrow()
    with pytest.raises(Exception, match="file.parquet` is damaged: row group 0: a tensor is null"):
        pl.DataFrame(table)


def test_torch_takes_batches_without_a_copy(train):
    torch = pytest.importorskip("torch")
    batch = next(iter(train.batches(8)))
    for take in (torch.from_dlpack, torch.from_numpy, torch.as_tensor):
        tensor = take(batch["image"])
        assert (tensor.shape, tensor.dtype) == ((8, 64, 64, 3), torch.uint8)
        assert tensor.data_ptr() == address(batch["image"])
        assert take(batch["label"]).data_ptr() == address(batch["label"])


def test_views_of_the_file_are_taken_by_dlpack(train):
    view = train[3]
    assert address(np.from_dlpack(view)) == address(view)
    assert not np.from_dlpack(view).flags.writeable
    # PyTorch has no tensors that can't be written to: writing to this one would end the process.
    torch = pytest.importorskip("torch")
    assert torch.from_dlpack(view).data_ptr() == address(view)
    assert np.array_equal(torch.from_dlpack(train[[3]])[0], view)


def test_lists_that_may_be_null_are_columns_like_any_other(tmp_path):
    images = pa.FixedShapeTensorArray.from_numpy_ndarray(np.arange(240, dtype=np.uint8).reshape(20, 3, 4))
    wide = pa.FixedSizeListArray.from_arrays(np.arange(40, dtype=np.uint32), 2)
    points = pa.array([None if row % 3 == 0 else [row, 2 * row] for row in range(20)], pa.list_(pa.int32(), 2))
    table = pa.table({"image": images, "wide": wide, "points": points})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=7)
    opened = inlaid.open_table(tmp_path / "t.parquet")
    assert opened.to_arrow().equals(table)
    assert opened.column("wide").tolist() == wide.to_pylist()
    always = table.cast(pa.schema([pa.field(field.name, field.type, field.name == "points") for field in table.schema]))
    pq.write_table(always, tmp_path / "always.parquet", row_group_size=7)
    opened = inlaid.open_table(tmp_path / "always.parquet")
    assert opened.to_arrow().equals(always)
    assert opened.column("wide").tolist() == wide.to_pylist()
