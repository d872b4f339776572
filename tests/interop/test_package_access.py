"""Files that are read instead of mapped: the same arrays, and an error where a map would end the process."""

import pickle
import shutil
import subprocess
import sys

import inlaid
import numpy as np
import pyarrow as pa
import pytest

from conftest import SAMPLE
from package import address, dataset, kind  # noqa: F401


def test_arrays_of_every_kind_are_those_of_a_map(kind):
    folder, (images, labels, paths) = kind
    table = inlaid.open(folder, map=False)["train"]
    assert np.array_equal(table[:], images) and np.array_equal(table[[9, 0, 3]], images[[9, 0, 3]])
    for row in (0, 7, 8, -1):
        assert np.array_equal(table[row], images[row])
    for prefetch in (0, 2):
        batches = list(table.batches(5, columns=["label", "path"], prefetch=prefetch))
        assert np.array_equal(np.concatenate([batch["image"] for batch in batches]), images)
        assert np.array_equal(np.concatenate([batch["label"] for batch in batches]), labels)
        assert [path for batch in batches for path in batch["path"]] == paths
        assert all(address(batch["image"]) % 64 == 0 and batch["image"].flags.writeable for batch in batches)
    assert pa.table(table).equals(pa.table(inlaid.open(folder)["train"]))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32"])
@pytest.mark.parametrize("storage", ["tensor", "binary"])
@pytest.mark.parametrize("format", ["parquet", "arrow"])
def test_arrays_of_every_dtype_are_those_of_a_map(tmp_path, dtype, storage, format):
    inlaid.convert(SAMPLE, tmp_path / "d", 9, dtype=dtype, storage=storage, format=format, progress=False)
    mapped, read = inlaid.open(tmp_path / "d")["train"], inlaid.open(tmp_path / "d", map=False)["train"]
    assert read.dtype == np.dtype(dtype) and np.array_equal(read[:], mapped[:])
    assert all(np.array_equal(one, other) for one, other in zip(read, mapped, strict=True))


def test_rows_are_copies_that_nobody_else_has(dataset):
    table = inlaid.open_dataset(dataset, map=False)["train"]
    assert not np.shares_memory(table[0], table[0]) and not table[0].flags.writeable
    assert table[[0]].flags.writeable


def test_whoever_opens_a_table_again_reads_it_too(dataset, tmp_path):
    shutil.copytree(dataset, tmp_path / "d")
    tables = [
        inlaid.open(tmp_path / "d", map=False)["train"],
        inlaid.open_table(tmp_path / "d/train", map=False),
        inlaid.Table(tmp_path / "d/train", map=False),
    ]
    for table in tables:
        again = pickle.loads(pickle.dumps(table))
        assert np.array_equal(again[0], table[0]) and not np.shares_memory(again[0], again[0])


def test_whether_to_map_is_true_or_false(dataset):
    for open in (inlaid.open, inlaid.open_dataset, inlaid.open_table, inlaid.Dataset, inlaid.Table):
        with pytest.raises(inlaid.SettingError, match="map is True or False, not 'no'"):
            open(dataset, map="no")


@pytest.mark.parametrize("read", ["table[row]", "table[[row]]", "list(table.batches(1, prefetch=2))", "table.to_arrow()"])
@pytest.mark.parametrize("length", [0, 5000])
def test_a_file_that_is_truncated_in_place_is_an_error(kind, tmp_path, read, length):
    folder, _ = kind
    shutil.copytree(folder, tmp_path / "d")
    program = (
        "import glob, os, sys, inlaid\n"
        "table = inlaid.open(sys.argv[1], map=False)['train']\n"
        "for file in glob.glob(sys.argv[1] + '/train/*'): os.truncate(file, int(sys.argv[2]))\n"
        "for row in range(len(table)):\n"
        f"    try: {read}\n"
        "    except inlaid.DamagedError as error: last = error\n"
        "print(last)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "d"), str(length)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "train-00000" in done.stdout and "it was truncated after it was opened\n" in done.stdout, done.stdout
