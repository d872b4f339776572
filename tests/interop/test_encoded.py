"""Images stored as files: other readers find them, and they are what was asked for."""

import io
import json

import datasets
import duckdb
import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from conftest import CLASSES, SAMPLE, SIZE
from PIL import Image, ImageOps
from test_layout import assert_valid
from test_pixels import photo, saved, write

FORMATS = ["parquet", "arrow"]


@pytest.fixture(scope="module", params=FORMATS)
def originals(request, inlaid, tmp_path_factory):
    out = tmp_path_factory.mktemp("originals") / "dataset"
    inlaid("convert", SAMPLE, "--out", out, "--storage", "encoded", "--format", request.param)
    return out


def load(folder, **options):
    format = json.loads((folder / "inlaid.json").read_text())["spec"]["format"]
    files = {split.name: f"{split}/*.{format}" for split in folder.iterdir() if split.is_dir()}
    files.pop(".inlaid", None)
    return datasets.load_dataset(format, data_files=files, **options)


def test_datasets_sees_images_and_classes(originals):
    rows = load(originals)["train"]
    assert rows.features["image"] == datasets.Image()
    assert rows.features["label"] == datasets.ClassLabel(names=CLASSES)
    for row, undecoded in zip(rows, rows.cast_column("image", datasets.Image(decode=False))):
        file = SAMPLE / row["path"]
        assert undecoded["image"] == {"bytes": file.read_bytes(), "path": file.name}
        if file.suffix not in (".qoi", ".hdr", ".exr"):
            upright = ImageOps.exif_transpose(Image.open(file))
            assert row["image"].size == upright.size == (row["source_width"], row["source_height"]), file
            assert np.array_equal(np.asarray(row["image"]), np.asarray(upright)), file


@pytest.mark.parametrize("options", [(), ("--size", 8), ("--size", 8, "--encoding", "png")], ids=str)
def test_manifest_is_valid(inlaid, tmp_path, options):
    inlaid("convert", SAMPLE, "--out", tmp_path / "out", "--storage", "encoded", *options)
    assert_valid(json.loads((tmp_path / "out/inlaid.json").read_text()), "manifest")


def test_datasets_finds_a_dataset_folder(originals):
    rows = datasets.load_dataset(str(originals), split="train", streaming=True)
    first = next(iter(rows))
    assert first["image"].size == (first["source_width"], first["source_height"])


def test_torch_gets_images(inlaid, tmp_path):
    torch = pytest.importorskip("torch")
    inlaid("convert", SAMPLE, "--out", tmp_path / "out", "--size", SIZE, "--storage", "encoded")
    rows = load(tmp_path / "out")["train"].select_columns(["image", "label"]).with_format("torch")
    images, labels = zip(*((row["image"], row["label"]) for row in rows))
    assert torch.stack(images).shape == (len(rows), 3, SIZE, SIZE)
    assert set(torch.stack(labels).tolist()) == {0, 1, 2}


def test_columnar_readers_get_the_bytes(inlaid, tmp_path):
    out = tmp_path / "out"
    inlaid("convert", SAMPLE, "--out", out, "--storage", "encoded")
    files = str(out / "train/*.parquet")
    expected = {row["path"]: row["image"]["bytes"] for row in pq.read_table(out / "train").to_pylist()}
    assert expected == {path: (SAMPLE / path).read_bytes() for path in expected}
    frame = pl.read_parquet(files)
    assert dict(zip(frame["path"], frame["image"].struct.field("bytes"))) == expected
    rows = duckdb.sql(f"select path, image.bytes from '{files}'").fetchall()
    assert dict(rows) == expected


def test_columns_cost_no_more_than_their_bytes(inlaid, tmp_path):
    out = tmp_path / "out"
    inlaid("convert", SAMPLE, "--out", out, "--storage", "encoded", "--split", "train=1")
    group = pq.ParquetFile(next((out / "train").iterdir())).metadata.row_group(0)
    column = group.column(0)
    length = sum(len(row["image"]["bytes"]) for row in pq.read_table(out / "train").to_pylist())
    assert (column.path_in_schema, column.statistics, column.compression) == ("image.bytes", None, "UNCOMPRESSED")
    # Each has four bytes for its length; a page has a header and levels.
    assert length < column.total_compressed_size < length + 4 * group.num_rows + 200


@pytest.mark.parametrize("channels", ["rgb", "gray"])
@pytest.mark.parametrize(("quality", "mode"), [(50, "4:2:0"), (75, "4:2:0"), (89, "4:2:0"), (90, "4:4:4"), (100, "4:4:4")])
def test_jpeg_is_like_that_of_pillow(inlaid, tmp_path, quality, mode, channels):
    array = photo(60, 80)
    source = write(tmp_path / "source", {"a.png": saved(array, "PNG")})
    options = ("--storage", "encoded", "--quality", quality, "--channels", channels, "--split", "train=1")
    inlaid("convert", source, "--out", tmp_path / "out", "--size", "60x80", *options)
    image = Image.open(io.BytesIO(pq.read_table(tmp_path / "out/train")["image"][0]["bytes"].as_py()))
    original = Image.fromarray(array).convert("L" if channels == "gray" else "RGB")
    file = io.BytesIO()
    original.save(file, "JPEG", quality=quality, subsampling=mode)
    by_pillow = Image.open(file)
    assert (image.format, image.mode, image.size) == ("JPEG", original.mode, (80, 60))
    assert {table: image.quantization[table] for table in by_pillow.quantization} == by_pillow.quantization
    assert image.layers == by_pillow.layers
    assert channels == "gray" or image.layer[0][1:3] == by_pillow.layer[0][1:3]
    assert "exif" not in image.info and "icc_profile" not in image.info

    def error(decoded):
        return np.abs(np.asarray(decoded, float) - np.asarray(original, float)).mean()

    assert error(image) < 1.1 * error(by_pillow) + 0.1


def test_statistics_of_png_are_those_of_numpy(inlaid, tmp_path):
    out = tmp_path / "out"
    options = ("--storage", "encoded", "--encoding", "png", "--split", "train=1")
    inlaid("convert", SAMPLE, "--out", out, "--size", 40, *options)
    files = pq.read_table(out / "train")["image"].to_pylist()
    images = np.stack([np.asarray(Image.open(io.BytesIO(file["bytes"]))) for file in files]).astype(float)
    statistics = json.loads((out / "inlaid.json").read_text())["splits"]["train"]["statistics"]
    np.testing.assert_allclose(statistics["mean"], images.mean(axis=(0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(statistics["std"], images.std(axis=(0, 1, 2)), rtol=1e-6)
