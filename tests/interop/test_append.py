"""Other readers read a dataset while it is appended to, after a run on it was killed, and after
appends have added classes.

The binary must have been built with `--features failpoints`, so that it can be killed at a given
step. `INLAID_LONG_TESTS=1` kills at every step instead of every seventh.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import threading
from pathlib import Path

import datasets
import duckdb
import fastparquet
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

import png

APPENDS = 100
SIZE = 16
STEPS = 1 if "INLAID_LONG_TESTS" in os.environ else 7

# 16 rows a shard, 8 a row group.
SMALL_SHARDS = ("--size", SIZE, "--row-group-bytes", "6KiB", "--shard-bytes", "12KiB")


@pytest.fixture
def folder():
    """A folder in memory, where there is such a thing: a disk is slow to bring 100 appends to."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as path:
        yield Path(path)


@pytest.fixture
def kill(inlaid_path, folder):
    """A function that runs the binary until a step on the disk; whether it was killed there."""

    def run(step, *arguments):
        environment = {**os.environ, "INLAID_FAILPOINT": f"kill:{step}"}
        command = [inlaid_path, *map(str, arguments)]
        return subprocess.run(command, env=environment, capture_output=True, timeout=60).returncode == -signal.SIGKILL

    make_images(folder / "probe", ["cat"], 1)
    if not kill_probe(run, folder):
        pytest.fail("the binary was not built with `--features failpoints`")
    return run


def kill_probe(run, folder):
    return run(1, "convert", folder / "probe", "--out", folder / "probe-out", "--size", 1, "--split", "train=1")


def make_images(source, classes, count):
    """Images whose pixels depend on class and number."""
    for class_ in classes:
        (source / class_).mkdir(parents=True)
        for number in range(count):
            pixels = np.full((4, 5, 3), number * 9 % 256, np.uint8)
            pixels[..., 1] = ord(class_[0])
            pixels[..., 2] += np.arange(5, dtype=np.uint8) * 20
            (source / class_ / f"{source.name}-{number:02}.png").write_bytes(png.encode(pixels, 8, png.RGB))


# While it is appended to


def count_with_pyarrow(split):
    return pq.read_table(split).num_rows


def count_with_polars(split):
    return len(pl.read_parquet(split))


def count_with_pyarrow_dataset(split):
    return ds.dataset(split).to_table(columns=["path", "image"]).num_rows


def count_with_duckdb(split):
    return len(duckdb.connect().sql(f"select path, image from '{split}/*.parquet'").fetchall())


def test_readers_never_miss_a_row_while_images_are_appended(inlaid, folder):
    make_images(folder / "first", ["cat", "dog"], 10)
    inlaid("convert", folder / "first", "--out", folder / "out", "--split", "train=0.7,test=0.3", *SMALL_SHARDS)
    for number in range(APPENDS):
        make_images(folder / f"more-{number}", ["cat", "dog"], 1 + number % 4)
    counters = [count_with_pyarrow, count_with_polars, count_with_pyarrow_dataset, count_with_duckdb]
    counts = {count: [] for count in counters}
    failures = []
    ended = threading.Event()

    def read(count):
        while not ended.is_set():
            try:
                counts[count].append(count(folder / "out/train"))
            except BaseException as failure:
                failures.append(f"{count.__name__}: {failure}")

    threads = [threading.Thread(target=read, args=[count]) for count in counters]
    for thread in threads:
        thread.start()
    for number in range(APPENDS):
        inlaid("append", folder / f"more-{number}", "--out", folder / "out")
    ended.set()
    for thread in threads:
        thread.join()
    print({count.__name__: len(seen) for count, seen in counts.items()})
    assert failures == []
    for count, seen in counts.items():
        assert len(seen) > 5, f"{count.__name__} has hardly read at all: {len(seen)} times"
        assert seen == sorted(seen), f"{count.__name__} has missed rows"
        assert count(folder / "out/train") >= seen[-1]
    inlaid("verify", folder / "out")


# After a run was killed


def read_with_pyarrow(dataset):
    return [path for split in splits(dataset) for path in pq.read_table(split)["path"].to_pylist()]


def read_with_polars(dataset):
    return [path for split in splits(dataset) for path in pl.read_parquet(split)["path"].to_list()]


def splits(dataset):
    return sorted(path.parent for path in dataset.glob("*/*-00000.parquet"))


@pytest.mark.parametrize("command", ["convert", "append"])
def test_readers_read_what_a_killed_run_leaves(command, kill, inlaid, folder):
    make_images(folder / "few", ["cat", "dog"], 10)
    make_images(folder / "more", ["ant", "cat", "dog"], 14)
    shares = ("--split", "train=0.6,test=0.4")
    before, out = folder / "before", folder / "out"
    if command == "append":
        inlaid("convert", folder / "few", "--out", before, *shares, *SMALL_SHARDS)
        run = ("append", folder / "more", "--out", out)
    else:
        run = ("convert", folder / "more", "--out", out, *shares, *SMALL_SHARDS)
    rows = read_with_pyarrow(before)
    for step in range(1, 5000, STEPS):
        shutil.rmtree(out, ignore_errors=True)
        if before.exists():
            shutil.copytree(before, out)
        if not kill(step, *run):
            break
        seen = read_with_pyarrow(out)
        assert sorted(read_with_polars(out)) == sorted(seen)
        assert len(set(seen)) == len(seen) and set(seen) >= set(rows), f"step {step}: rows are gone, or there twice"
        rows = seen
    assert step > 40
    assert len(read_with_pyarrow(out)) == (62 if command == "append" else 42)


# After classes were added

# In the order in which they came, and by name in each append.
CLASSES = ["cat", "dog", "ant", "zebra", "bee"]


@pytest.fixture(scope="module", params=["parquet", "arrow"])
def grown(request, inlaid, tmp_path_factory):
    """A dataset that got new classes twice, its format, and the rows of `train` it had at first: by
    path, label and pixels."""
    folder = tmp_path_factory.mktemp("grown")
    make_images(folder / "first", ["cat", "dog"], 20)
    make_images(folder / "second", ["ant", "dog", "zebra"], 4)
    make_images(folder / "third", ["bee", "cat"], 30)
    out = folder / "out"
    shares = ("--split", "train=0.7,test=0.3", "--format", request.param)
    inlaid("convert", folder / "first", "--out", out, *shares, *SMALL_SHARDS)
    first = read_rows(out)
    inlaid("append", folder / "second", "--out", out)
    inlaid("append", folder / "third", "--out", out)
    inlaid("verify", out, "--sources", folder / "first", folder / "second", folder / "third")
    return out, request.param, first


def read_rows(dataset):
    """Label and pixels of the rows of `train` by path, by pyarrow."""
    if list(dataset.glob("train/*.arrow")):
        table = ds.dataset(dataset / "train", format="ipc").to_table()
    else:
        table = pq.read_table(dataset / "train")
    images = table["image"].combine_chunks().to_numpy_ndarray()
    return dict(zip(table["path"].to_pylist(), zip(table["label"].to_pylist(), images), strict=True))


def files(dataset):
    return sorted(str(path) for path in (dataset / "train").iterdir())


def assert_rows(rows, grown):
    """Rows are path, label and pixels."""
    out, _, first = grown
    reference = read_rows(out)
    seen = {path: (label, np.asarray(image, np.uint8).reshape(SIZE, SIZE, 3)) for path, label, image in rows}
    assert sorted(seen) == sorted(reference) and len(rows) == len(seen)
    for path, (label, image) in seen.items():
        assert CLASSES[label] == path.split("/")[0]
        assert np.array_equal(image, reference[path][1]), path
    for path, (label, image) in first.items():
        assert seen[path][0] == label and np.array_equal(seen[path][1], image), path


def test_old_rows_stay_first_and_new_classes_come_last(grown):
    out, _, first = grown
    rows = read_rows(out)
    assert list(rows)[: len(first)] == list(first)
    assert {CLASSES[label] for label, _ in rows.values()} == set(CLASSES)
    assert len(files(out)) > 2


def test_pyarrow_reads_added_classes(grown):
    assert_rows([(path, label, image) for path, (label, image) in read_rows(grown[0]).items()], grown)


def test_polars_reads_added_classes(grown):
    out, format, _ = grown
    frame = pl.read_ipc(files(out)) if format == "arrow" else pl.read_parquet(out / "train")
    images = list(frame["image"].ext.storage().to_numpy())
    assert_rows(list(zip(frame["path"].to_list(), frame["label"].to_list(), images, strict=True)), grown)


def test_duckdb_reads_added_classes(grown):
    out, format, _ = grown
    if format == "parquet":
        assert_rows(duckdb.sql(f"select path, label, image from '{out}/train/*.parquet'").fetchall(), grown)


def test_fastparquet_reads_added_classes(grown):
    out, format, _ = grown
    if format == "parquet":
        frame = fastparquet.ParquetFile(files(out)).to_pandas(columns=["path", "label", "image"])
        assert_rows(list(zip(frame["path"], frame["label"], frame["image"], strict=True)), grown)


@pytest.mark.parametrize("streaming", [False, True])
def test_huggingface_knows_all_class_names(grown, streaming):
    out, _, _ = grown
    loaded = datasets.load_dataset(str(out), streaming=streaming)
    assert list(loaded) == ["train", "test"]
    for split in loaded.values():
        assert split.features["label"] == datasets.ClassLabel(names=CLASSES)
    rows = [(row["path"], row["label"], row["image"]) for row in loaded["train"]]
    assert [loaded["train"].features["label"].int2str(label) for _, label, _ in rows] == [
        path.split("/")[0] for path, _, _ in rows
    ]
    assert_rows(rows, grown)


def test_pyarrow_reads_one_tensor_column_from_old_and_new_files(grown):
    out, format, _ = grown
    schema = ds.dataset(out / "train", format="ipc" if format == "arrow" else "parquet").schema
    assert isinstance(schema.field("image").type, pa.FixedShapeTensorType)
