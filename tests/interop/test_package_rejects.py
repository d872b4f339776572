"""Rejects and statistics of a dataset, as objects and as frames."""

import json
import pickle

import inlaid
import numpy as np
import pandas as pd
import polars as pl
import pytest

from conftest import CLASSES, SAMPLE
from package import dataset  # noqa: F401


@pytest.fixture
def rejected(tmp_path):
    """A dataset with three rejects, and its source."""
    for name in ("a", "b"):
        (tmp_path / "src" / name).mkdir(parents=True)
        for path in SAMPLE.glob("*/*rgb.png"):
            (tmp_path / "src" / name / path.name).symlink_to(path)
    (tmp_path / "src/a/empty.png").write_bytes(b"")
    (tmp_path / "src/a/text.png").write_bytes(b"no image")
    (tmp_path / "src/b/empty.png").write_bytes(b"")
    inlaid.convert(tmp_path / "src", tmp_path / "d", 8, split={"train": 1}, progress=False)
    return tmp_path / "d", tmp_path / "src"


EMPTY = ("decode", "empty", "the file is empty")
TEXT = ("decode", "unknown-format", "the content is not a known image format")


def test_rejects_are_a_sequence_of_records(rejected):
    rejects = inlaid.open(rejected[0]).rejects
    assert len(rejects) == 3 and repr(rejects) == "<inlaid.Rejects: 3 inputs>"
    expected = [("a/empty.png", *EMPTY), ("a/text.png", *TEXT), ("b/empty.png", *EMPTY)]
    assert list(rejects) == [inlaid.Reject(*fields) for fields in expected]
    assert rejects[-1].path == "b/empty.png" and rejects[1:2] == [inlaid.Reject(*expected[1])]
    assert [reject.path for reject in rejects if reject.reason == "empty"] == ["a/empty.png", "b/empty.png"]
    assert rejects.by_reason() == {"empty": 2, "unknown-format": 1}


def test_rejects_are_frames(rejected):
    path, _ = rejected
    rejects = inlaid.open(path).rejects
    lines = [json.loads(line) for line in (path / "rejects.jsonl").read_text().splitlines()]
    assert rejects.to_polars().to_dicts() == lines
    assert rejects.to_pandas().to_dict("records") == lines


def test_a_dataset_without_rejects_has_an_empty_list(dataset):
    rejects = inlaid.open(dataset).rejects
    assert (len(rejects), list(rejects), rejects.by_reason(), bool(rejects)) == (0, [], {}, False)
    columns = ["path", "stage", "reason", "detail"]
    assert rejects.to_polars().schema == dict.fromkeys(columns, pl.String)
    assert list(rejects.to_pandas().columns) == columns and len(rejects.to_pandas()) == 0


def test_rejects_are_those_of_the_snapshot_that_was_opened(rejected):
    path, source = rejected
    before = inlaid.open(path)
    (source / "b/last.png").write_bytes(b"")
    inlaid.append(source, path, progress=False)
    assert [reject.path for reject in before.rejects] == ["a/empty.png", "a/text.png", "b/empty.png"]
    assert inlaid.open(path).rejects[-1].path == "b/last.png"


def test_rejects_are_pickled_with_their_dataset(rejected):
    path, _ = rejected
    pickled = pickle.dumps(inlaid.open(path))
    (path / "rejects.jsonl").unlink()
    assert pickle.loads(pickled).rejects[1].reason == "unknown-format"


def test_a_list_that_is_missing_or_damaged_is_named_when_it_is_read(rejected):
    path, _ = rejected
    file = path / "rejects.jsonl"
    file.write_text(file.read_text().replace("text", "test"))
    damaged = inlaid.open(path)
    assert len(damaged.rejects) == 3
    for opened in (damaged, pickle.loads(pickle.dumps(damaged))):
        with pytest.raises(inlaid.DamagedError) as caught:
            list(opened.rejects)
        assert str(caught.value).startswith(f"`{file}` is damaged: its checksum does not match\n")
    file.unlink()
    with pytest.raises(inlaid.NotFoundError, match="can't read `.*rejects.jsonl`"):
        inlaid.open(path).rejects[0]


# Statistics


def test_statistics_are_those_of_numpy(dataset):
    opened = inlaid.open(dataset)
    assert list(opened.statistics) == list(opened)
    for name, statistics in opened.statistics.items():
        images, labels = opened[name][:].astype(float), opened[name].column("label")
        assert statistics.rows == len(images)
        np.testing.assert_allclose(statistics.mean, images.mean((0, 1, 2)))
        np.testing.assert_allclose(statistics.std, images.std((0, 1, 2)))
        assert statistics.class_rows.tolist() == np.bincount(labels, minlength=3).tolist()
        for label in range(3):
            np.testing.assert_allclose(statistics.class_mean[label], images[labels == label].mean((0, 1, 2)))
            np.testing.assert_allclose(statistics.class_std[label], images[labels == label].std((0, 1, 2)))
        height, width = (opened[name].column(f"source_{side}").astype(float) for side in ("height", "width"))
        for histogram, values in ((statistics.source_pixels, width * height), (statistics.source_aspects, width / height)):
            counts, _ = np.histogram(values, [*histogram.at_least, np.inf])
            assert histogram.rows.tolist() == counts.tolist()


def test_statistics_are_frames(dataset):
    opened = inlaid.open(dataset)
    frame = opened.statistics.to_polars()
    figures = [f"{figure}_{color}" for figure in ("mean", "std") for color in ("red", "green", "blue")]
    assert frame.columns == ["split", "class", "rows", *figures]
    assert frame["split"].to_list() == [name for name in ("train", "validation", "test") for _ in range(4)]
    assert frame["class"].to_list() == [None, *CLASSES] * 3
    (whole,) = frame.filter(pl.col("class").is_null(), split="train").select(figures).rows()
    train = opened.statistics["train"]
    assert list(whole) == [*train.mean, *train.std]
    assert frame.filter(split="test")["rows"].to_list() == [len(opened["test"]), *opened.statistics["test"].class_rows]
    pd.testing.assert_frame_equal(opened.statistics.to_pandas(), frame.to_pandas(), check_dtype=False)


def test_a_class_without_rows_has_no_mean(tmp_path):
    inlaid.convert(SAMPLE / "circle", tmp_path / "d", 8, folders="none", split={"train": 1}, progress=False)
    unlabelled = inlaid.open(tmp_path / "d").statistics["train"]
    assert (unlabelled.rows, unlabelled.class_rows.shape, unlabelled.class_mean.shape) == (14, (0,), (0, 3))

    for name in ("train/a", "train/b", "test/a"):
        (tmp_path / "src" / name).mkdir(parents=True)
        (tmp_path / "src" / name / "1.png").symlink_to(next(SAMPLE.glob("*/*rgb.png")))
    inlaid.convert(tmp_path / "src", tmp_path / "e", 8, channels="gray", progress=False)
    statistics = inlaid.open(tmp_path / "e").statistics
    assert statistics["test"].class_rows.tolist() == [1, 0] and np.isnan(statistics["test"].class_mean[1]).all()
    frame = statistics.to_polars()
    assert frame.columns == ["split", "class", "rows", "mean_gray", "std_gray"]
    assert frame.filter(split="test", **{"class": "b"})["mean_gray"].is_nan().to_list() == [True]


def test_statistics_that_a_release_did_not_compute_are_empty(dataset, tmp_path):
    import shutil

    shutil.copytree(dataset, tmp_path / "d")
    manifest = json.loads((tmp_path / "d/inlaid.json").read_text())
    for info in manifest["splits"].values():
        del info["statistics"]
    # Of format version 1, which has no checksum.
    manifest["format_version"] = 1
    del manifest["checksum"], manifest["files"]
    (tmp_path / "d/inlaid.json").write_text(json.dumps(manifest))
    opened = inlaid.open(tmp_path / "d")
    train = opened.statistics["train"]
    assert (train.rows, train.mean.shape, train.class_mean.shape) == (len(opened["train"]), (0,), (3, 0))
    assert train.class_rows.sum() == len(opened["train"]) and train.source_pixels.rows.shape == (0,)
    assert opened.statistics.to_polars().columns == ["split", "class", "rows"]


def test_reprs_say_what_there_is(dataset):
    statistics = inlaid.open(dataset).statistics
    train, mean = statistics["train"], np.array2string(statistics["train"].mean, precision=2)
    assert repr(statistics).startswith(f"<inlaid.Statistics train: {train.rows} rows, validation: ")
    assert repr(train).startswith(f"<inlaid.SplitStatistics {train.rows} rows: mean {mean}, std [")
