"""Datasets with two columns of tensors and a column of values, as `examples/masks.rs` makes them."""

import os
import subprocess
from pathlib import Path

import datasets
import duckdb
import inlaid
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from conftest import REPOSITORY
from PIL import Image

ROWS = 60


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Photos of one color, and masks with a class in the left half."""
    folder = tmp_path_factory.mktemp("pairs")
    for name in ("photos", "masks"):
        (folder / name).mkdir()
    for number in range(ROWS):
        Image.new("RGB", (40, 40), (number, 255 - number, 7)).save(folder / f"photos/{number:03}.png")
        mask = np.zeros((40, 40), np.uint8)
        mask[:, :20] = number % 5
        Image.fromarray(mask).save(folder / f"masks/{number:03}.png")
    return folder


@pytest.fixture(scope="module")
def dataset(folders):
    example = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")) / "release/examples/masks"
    assert example.exists(), "cargo build --release --example masks"
    command = [example, folders / "photos", folders / "masks", folders / "out"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"{ROWS} rows, 0 rejects\n"), done.stderr
    return folders / "out"


@pytest.fixture
def run(request):
    """The command; `inlaid` is the package here."""
    return request.getfixturevalue("inlaid")


def check(path, image, mask, photo_bytes, folders):
    """Compares a row with what its name says."""
    number = int(path.removesuffix(".png"))
    assert np.asarray(image).reshape(32, 32, 3)[5, 9].tolist() == [number, 255 - number, 7]
    expected = np.zeros((16, 16), int)
    expected[:, :8] = number % 5
    assert np.array_equal(np.asarray(mask).reshape(16, 16), expected)
    assert photo_bytes == (folders / "photos" / path).stat().st_size


def test_pyarrow(dataset, folders):
    assert pq.ParquetFile(dataset / "train/train-00000.parquet").num_row_groups > 3
    table = pq.read_table(dataset / "train")
    assert isinstance(table.schema.field("mask").type, pa.FixedShapeTensorType)
    assert table.column_names == [
        *("image", "mask", "label", "path", "source_height", "source_width", "sha256", "photo_bytes"),
    ]
    for chunk in table.to_batches():
        images, masks = (chunk[name].to_numpy_ndarray() for name in ("image", "mask"))
        for place in range(len(chunk)):
            check(chunk["path"][place].as_py(), images[place], masks[place], chunk["photo_bytes"][place].as_py(), folders)


def test_polars(dataset, folders):
    frame = pl.read_parquet(dataset / "train")
    for row in frame.select("path", "image", "mask", "photo_bytes").iter_rows(named=True):
        check(row["path"], row["image"], row["mask"], row["photo_bytes"], folders)


def test_duckdb(dataset, folders):
    rows = duckdb.sql(f"select path, image, mask, photo_bytes from '{dataset}/train/*.parquet'").fetchall()
    assert len(rows) == 48
    for path, image, mask, photo_bytes in rows:
        check(path, image, mask, photo_bytes, folders)


def test_hugging_face(dataset, folders):
    splits = datasets.load_dataset(str(dataset))
    assert {split: len(rows) for split, rows in splits.items()} == {"train": 48, "validation": 6, "test": 6}
    for row in splits["test"]:
        check(row["path"], row["image"], row["mask"], row["photo_bytes"], folders)


def test_package(dataset, folders):
    train = inlaid.open(dataset)["train"]
    assert train.column("mask").shape == (48, 16, 16, 1)
    for batch in train.batches(7, shuffle=True, columns=["path", "mask", "photo_bytes"]):
        assert batch["mask"].shape[1:] == (16, 16, 1)
        for place, path in enumerate(batch["path"]):
            check(path, batch["image"][place], batch["mask"][place], batch["photo_bytes"][place], folders)
    assert pa.table(train)["mask"].type.value_type == pa.uint8()


def test_rows_of_torch(dataset, folders):
    rows = inlaid.open(dataset)["train"].to_torch(columns=["path", "mask", "photo_bytes"])
    for image, path, mask, photo_bytes in (rows[5], next(iter(torch.utils.data.DataLoader(rows, batch_size=None)))):
        assert isinstance(mask, torch.Tensor) and (image.shape, mask.shape) == ((3, 32, 32), (1, 16, 16))
        check(path, image.permute(1, 2, 0), mask, photo_bytes, folders)


def test_command_line(dataset, run):
    run("verify", dataset)
    done = run("append", REPOSITORY / "tests/sample/images", "--out", dataset, exit_code=2)
    assert done.stderr.startswith("error: folders of images have no column `mask`\n")
    run("compact", dataset)
    run("verify", dataset)


def test_repack(dataset, folders, tmp_path):
    inlaid.repack(dataset / "train", out=tmp_path / "fast", compression="none", progress=False)
    table = inlaid.open(tmp_path / "fast")
    assert table.column("mask").shape == (48, 16, 16, 1)
