"""`croissant.json`: mlcroissant finds nothing wrong with it, and reads the rows that pyarrow and inlaid read."""

import io
import json
import re

import inlaid
import mlcroissant
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """30 images of three classes, and a table with a column of every type."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    lines = ["file_name,label,count,share,seen,taken,note: long"]
    for number in range(30):
        name = f"{number:02}.png"
        Image.fromarray(random.integers(0, 256, (12, 10, 3), np.uint8)).save(folder / name)
        label = ["cat", "dog", "e|é"][number % 3]
        lines.append(
            f"{name},{label},{number},{number / 4},{number % 2 == 0},2024-03-0{number % 9 + 1}T10:00:00Z,n{number}"
        )
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")
    return folder


def made(photos, folder, size=12, **settings):
    """A dataset of several files and row groups."""
    small = {"row_group_bytes": "2KiB", "shard_bytes": "4KiB", "split": {"train": 0.6, "validation": 0.2, "test": 0.2}}
    inlaid.convert(photos, folder, size, croissant=True, progress=False, **{**small, **settings})
    return opened(folder)


def opened(folder):
    dataset = mlcroissant.Dataset(folder / "croissant.json")
    issues = dataset.metadata.ctx.issues
    assert issues.errors == set()
    # What only people know.
    for warning in issues.warnings:
        assert re.search(r'(mlcommons.org/croissant/citeAs|schema.org/datePublished)" is recommended', warning), warning
    return dataset


def rows_of(folder):
    """The rows of the files, by path."""
    rows = {}
    for split in ("train", "validation", "test"):
        files = sorted((folder / split).glob("*.parquet"))
        assert files
        for file in files:
            for row in pq.ParquetFile(file).read().to_pylist():
                rows[row["path"]] = {**row, "split": split}
    return rows


def text(value):
    return value.decode() if isinstance(value, bytes) else value


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32"])
def test_rows_are_those_of_the_files(photos, tmp_path, dtype):
    dataset = made(photos, tmp_path / "d", dtype=dtype)
    assert len(list((tmp_path / "d/train").iterdir())) > 1
    expected = rows_of(tmp_path / "d")
    # Twice: a record set can be read again.
    for _ in range(2):
        seen = set()
        for record in dataset.records("default"):
            row = expected[text(record["default/path"])]
            seen.add(row["path"])
            image = record["default/image"]
            np.testing.assert_array_equal(np.array(image, dtype), np.array(row["image"], dtype))
            assert text(record["default/split"]) == row["split"]
            assert record["default/label"] == row["label"]
            assert text(record["default/sha256"]) == row["sha256"]
            assert (record["default/source_height"], record["default/source_width"]) == (12, 10)
            assert (record["default/count"], record["default/share"]) == (row["count"], row["share"])
            assert record["default/seen"] == row["seen"]
            assert record["default/taken"] == row["taken"]
            assert text(record["default/note__long"]) == row["note: long"]
        assert seen == expected.keys()


def test_splits_and_classes_are_records(photos, tmp_path):
    dataset = made(photos, tmp_path / "d")
    splits = [text(record["default_splits/split_name"]) for record in dataset.records("default_splits")]
    assert splits == ["train", "validation", "test"]
    classes = [
        (record["default_labels/id"], text(record["default_labels/name"]))
        for record in dataset.records("default_labels")
    ]
    assert classes == [(0, "cat"), (1, "dog"), (2, "e|é")]


@pytest.mark.parametrize("size", [None, (8, 9)])
def test_image_files_are_images(photos, tmp_path, size):
    large = {"row_group_bytes": "16MiB", "shard_bytes": "512MiB"}
    dataset = made(photos, tmp_path / "d", size, storage="encoded", encoding=size and "png", **large)
    expected = rows_of(tmp_path / "d")
    records = list(dataset.records("default"))
    assert len(records) == 30
    for record in records:
        image = record["default/image"]
        assert image.size == ((10, 12) if size is None else (9, 8))
        stored = expected[text(record["default/path"])]["image"]["bytes"]
        np.testing.assert_array_equal(np.asarray(image), np.asarray(Image.open(io.BytesIO(stored))))


def test_labels_of_other_kinds(photos, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    lines = ["file_name,red,green"]
    for number in range(10):
        Image.new("RGB", (4, 4)).save(source / f"{number}.png")
        lines.append(f"{number}.png,{number % 2},{int(number > 4)}")
    (source / "metadata.csv").write_text("\n".join(lines) + "\n")
    inlaid.convert(source, tmp_path / "d", 4, label_column=["red", "green"], croissant=True, progress=False)
    expected = rows_of(tmp_path / "d")
    for record in opened(tmp_path / "d").records("default"):
        assert list(record["default/label"]) == expected[text(record["default/path"])]["label"]
    inlaid.convert(photos, tmp_path / "n", 4, label_column="share", croissant=True, progress=False)
    expected = rows_of(tmp_path / "n")
    for record in opened(tmp_path / "n").records("default"):
        assert record["default/label"] == expected[text(record["default/path"])]["label"]


@pytest.mark.parametrize(
    "settings", [{"storage": "binary"}, {"format": "arrow"}, {"layout": "chw", "channels": "gray"}]
)
def test_other_files_are_described(photos, tmp_path, settings):
    # Of Arrow files, mlcroissant reads no records.
    made(photos, tmp_path / "d", **settings)


def test_what_people_say_leaves_nothing_to_recommend(photos, tmp_path):
    made(photos, tmp_path / "d")
    inlaid.card(tmp_path / "d", title="Photos", license="cc-by-4.0", source="https://example.org/photos")
    path = tmp_path / "d/croissant.json"
    described = json.loads(path.read_text())
    described |= {
        "citeAs": "Photos, 2024.",
        "creator": {"@type": "sc:Organization", "name": "The museum", "url": "https://example.org"},
        "datePublished": "2024-03-01",
        "url": "https://example.org/photos",
    }
    path.write_text(json.dumps(described))
    (tmp_path / "new").mkdir()
    Image.new("RGB", (5, 5)).save(tmp_path / "new/a.png")
    columns, row = (photos / "metadata.csv").read_text().splitlines()[:2]
    (tmp_path / "new/metadata.csv").write_text(f"{columns}\n{row.replace('00.png', 'a.png')}\n")
    assert inlaid.append(tmp_path / "new", tmp_path / "d", progress=False)["rows"] == 1
    dataset = mlcroissant.Dataset(path)
    assert dataset.metadata.version == "2.0.0"
    assert dataset.metadata.ctx.issues.errors == dataset.metadata.ctx.issues.warnings == set()
    assert dataset.metadata.name == "Photos"
