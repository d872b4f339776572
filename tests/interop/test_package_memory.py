"""Files of other tools: decoded a few pages at a time, in memory that does not grow with them, and a warning says so."""

import os
import pickle
import subprocess
import sys
import warnings

import inlaid
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

from conftest import SAMPLE

# Files of other tools are what this is about.
pytestmark = pytest.mark.filterwarnings("ignore::inlaid.DecodingWarning")

MIB = 1 << 20


def peak(path, code):
    """How many bytes more than after opening a process takes for `code`, which knows the table as `table`."""
    program = (
        "import resource, sys, warnings, inlaid\n"
        "warnings.simplefilter('ignore')\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024\n"
        "table = inlaid.open(sys.argv[1])\n"
        "before = peak()\n"
        f"{code}\n"
        "print(peak() - before)\n"
    )
    # By a process in between: the peak of a process begins with what the one that started it takes.
    start = "import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:]).returncode)"
    command = [sys.executable, "-c", start, sys.executable, "-c", program, str(path)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def noise(rows, *shape):
    return np.random.default_rng(1).integers(0, 256, (rows, *shape), np.uint8)


def write(path, values, **options):
    pq.write_table(pa.table({"image": pa.FixedShapeTensorArray.from_numpy_ndarray(values)}), path, **options)


def lists_of_zeros(rows, length):
    return pa.table({"image": pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(rows * length, np.uint8)), length)})


# Memory


@pytest.mark.parametrize("row_group_size", [None, 60])
def test_a_row_takes_a_page_and_not_its_row_group(tmp_path, row_group_size):
    write(tmp_path / "plain.parquet", noise(240, 224, 224, 3), row_group_size=row_group_size)
    assert peak(tmp_path / "plain.parquet", "table[100]") < 40 * MIB
    # All rows, of which 36 MB are kept: less than the half of what they take at once.
    assert peak(tmp_path / "plain.parquet", "for _ in table.batches(8): pass") < 120 * MIB


def test_what_is_kept_is_bounded(tmp_path):
    pq.write_table(lists_of_zeros(600, MIB), tmp_path / "zeros.parquet")
    code = "for row in range(0, 600): table[row]"
    assert 200 * MIB < peak(tmp_path / "zeros.parquet", code) < (256 + 64 + 40) * MIB


@pytest.mark.parametrize("length", [3 * MIB, 3072])
def test_a_bomb_takes_what_a_part_of_it_takes(tmp_path, length):
    """300 MiB of zeros in a few kilobytes: pages of indices that are all the same."""
    pq.write_table(lists_of_zeros(300 * MIB // length, length), tmp_path / "bomb.parquet")
    assert os.path.getsize(tmp_path / "bomb.parquet") < 40_000
    assert peak(tmp_path / "bomb.parquet", "table[0]") < 150 * MIB
    assert peak(tmp_path / "bomb.parquet", "table[len(table) - 1]") < 150 * MIB


def test_a_bomb_of_one_page_is_refused(tmp_path):
    options = {"use_dictionary": False, "compression": "zstd", "data_page_size": 2**31 - 1, "write_batch_size": 1 << 40}
    pq.write_table(lists_of_zeros(50, MIB), tmp_path / "bomb.parquet", **options)
    table = inlaid.open(tmp_path / "bomb.parquet")
    with pytest.raises(inlaid.DamagedError, match="row group 0: a page of .* decompresses to .* 1000 times as many"):
        table[0]
    with pytest.raises(inlaid.DamagedError, match="a page of .* decompresses to .* 1000 times as many"):
        inlaid.repack(tmp_path / "bomb.parquet", tmp_path / "out", progress=False)
    code = "\ntry: table[0]\nexcept inlaid.DamagedError: pass"
    assert peak(tmp_path / "bomb.parquet", code) < 20 * MIB


def test_a_long_page_that_is_no_bomb_is_read(tmp_path):
    options = {"use_dictionary": False, "compression": "zstd", "data_page_size": 1 << 30, "write_batch_size": 1 << 30}
    values = noise(20, 1000, 1000)
    write(tmp_path / "long.parquet", values, **options)
    table = inlaid.open(tmp_path / "long.parquet")
    for row in (19, 0, 7):
        assert np.array_equal(table[row], values[row])


@pytest.mark.parametrize("options", ["prefetch=0", "prefetch=2", "layout='chw', dtype='float32'"])
def test_memory_of_batches_is_flat_over_passes(tmp_path, options):
    inlaid.convert(SAMPLE, tmp_path / "dataset", 512, split={"train": 1}, progress=False)
    program = (
        "import sys, inlaid\n"
        "def anonymous():\n"
        "    with open('/proc/self/smaps_rollup') as rollup:\n"
        "        return next(int(line.split()[1]) for line in rollup if line.startswith('Anonymous:'))\n"
        "sizes = []\n"
        "table = inlaid.open(sys.argv[1])['train']\n"
        "for _ in range(60):\n"
        f"    for batch in table.batches(8, shuffle=True, {options}): pass\n"
        "    sizes.append(anonymous())\n"
        "print(sizes[1], max(sizes[1:]))\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "dataset")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    second, most = map(int, done.stdout.split())
    assert most <= 1.1 * second


# Pages that begin in the middle of a row


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float16", "float64"])
@pytest.mark.parametrize("map", [True, False])
def test_rows_are_found_wherever_pages_begin(tmp_path, version, dtype, map):
    values = (np.arange(200 * 77) % 1009).astype(dtype).reshape(200, 7, 11)
    options = {"data_page_version": version, "data_page_size": 500, "write_batch_size": 50, "row_group_size": 90}
    write(tmp_path / "x.parquet", values, **options)
    for row in (199, 0, 89, 90, 91, 150):
        assert np.array_equal(inlaid.open(tmp_path / "x.parquet", map=map)[row], values[row])
    table = inlaid.open(tmp_path / "x.parquet", map=map)
    order = np.random.default_rng(2).permutation(200)
    assert np.array_equal(table[order], values[order]) and np.array_equal(table[:], values)


def test_a_decoded_row_does_not_keep_the_others(tmp_path):
    write(tmp_path / "x.parquet", noise(200, 64, 64, 3))
    table = inlaid.open(tmp_path / "x.parquet")
    row = table[3]
    assert not np.shares_memory(row, table[:]) and not row.flags.writeable


# The warning


def test_a_table_that_is_decoded_says_so_once(tmp_path):
    write(tmp_path / "x.parquet", noise(4, 2, 2))
    with pytest.warns(inlaid.DecodingWarning) as seen:
        table = inlaid.open(tmp_path / "x.parquet")
        inlaid.open(tmp_path / "x.parquet")
        inlaid.open_table(tmp_path / "x.parquet")
        pickle.loads(pickle.dumps(table))
    (warning,) = seen
    path = str(tmp_path / "x.parquet")
    assert str(warning.message) == (
        f"the tensors of `{path}` are not stored verbatim: every row is decoded;"
        f" `inlaid.repack({path!r}, out=...)` makes files that are only mapped"
    )
    assert warning.filename == __file__ and issubclass(inlaid.DecodingWarning, UserWarning)


@pytest.mark.parametrize("open", [inlaid.open, inlaid.open_table, inlaid.Table])
def test_the_warning_names_the_line_of_the_caller(tmp_path, open):
    (tmp_path / "a").mkdir()
    feather.write_feather(pa.table({"image": pa.array([[1, 2]], pa.list_(pa.uint8(), 2))}), tmp_path / "a/x.arrow")
    with pytest.warns(inlaid.DecodingWarning, match="a`? are not stored verbatim") as seen:
        open(tmp_path / "a")
    assert [warning.filename for warning in seen] == [__file__]


def test_verbatim_tensors_are_not_warned_of(tmp_path):
    write(tmp_path / "x.parquet", noise(4, 2, 2))
    for compression in ("none", "zstd"):
        inlaid.repack(tmp_path / "x.parquet", tmp_path / compression, compression=compression, progress=False)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            inlaid.open(tmp_path / compression)
