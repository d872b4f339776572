"""Runs the binary, and converts the sample folder once for every kind of dataset.

The binary is the one that `INLAID_BIN` names, else the release build of this repository. With `INLAID_LIGHT_TESTS=1`
the tests that need TensorFlow, PyTorch, JAX or mlcroissant are left out: requirements-light.txt is enough for the others.
"""

import os
import re
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

# Before any of these libraries is imported: nothing is fetched, and nothing is written outside a
# folder that is removed at the end.
CACHE = tempfile.TemporaryDirectory(prefix="inlaid-interop-")
os.environ.update(
    HF_HOME=CACHE.name,
    HF_DATASETS_CACHE=f"{CACHE.name}/datasets",
    HF_HUB_OFFLINE="1",
    HF_DATASETS_DISABLE_PROGRESS_BARS="1",
    TF_CPP_MIN_LOG_LEVEL="3",
)

import pyarrow.parquet as pq
import pytest

IS_LIGHT = "INLAID_LIGHT_TESTS" in os.environ
if find_spec("torchvision"):
    # Before TensorFlow, whose copy of LLVM ends the process when that of Triton comes after it.
    import torchvision.transforms.v2  # noqa: F401

REPOSITORY = Path(__file__).resolve().parents[2]
SAMPLE = REPOSITORY / "tests/sample/images"
SIZE = 64
CLASSES = ["circle", "square", "triangle"]

IMPORTS_A_FRAMEWORK = re.compile(r"^(?:import|from) (?:cv2|jax|mlcroissant|tensorflow|torch|torchvision)\b", re.MULTILINE)
collect_ignore = []
if IS_LIGHT:
    tests = sorted(Path(__file__).parent.glob("test_*.py"))
    collect_ignore += [test.name for test in tests if IMPORTS_A_FRAMEWORK.search(test.read_text())]
    # Some of their examples import frameworks.
    collect_ignore += ["test_loading.py", "test_readme.py"]


def many_files(bytes_of_a_row=SIZE * SIZE * 3):
    """Options that give the training split of the sample several files, and these several row groups."""
    return ("--row-group-bytes", str(4 * bytes_of_a_row), "--shard-bytes", str(16 * bytes_of_a_row))


def pytest_report_header():
    return f"left out: {', '.join(collect_ignore)} (INLAID_LIGHT_TESTS)" if IS_LIGHT else []


@pytest.fixture(scope="session")
def inlaid_path():
    """The binary."""
    return os.environ.get("INLAID_BIN", REPOSITORY / "target/release/inlaid")


@pytest.fixture(scope="session")
def inlaid(inlaid_path):
    """A function that runs the binary and asserts its exit code, and that nothing panicked."""

    def run(*arguments, exit_code=0):
        done = subprocess.run([inlaid_path, *map(str, arguments)], capture_output=True, text=True, timeout=300)
        assert done.returncode == exit_code, f"exit code {done.returncode}\n{done.stderr}"
        assert "panicked at" not in done.stderr, done.stderr
        return done

    return run


@pytest.fixture(scope="session")
def sample(inlaid, tmp_path_factory):
    """A function that converts the sample folder, once for the same options."""
    made = {}

    def convert(storage="tensor", format="parquet", compression="none", *more):
        options = (storage, format, compression, *more)
        if options not in made:
            out = tmp_path_factory.mktemp("-".join(options[:3])) / "dataset"
            inlaid(
                *("convert", SAMPLE, "--out", out, "--size", SIZE),
                *("--storage", storage, "--format", format, "--compression", compression),
                *more,
            )
            made[options] = out
        return made[options]

    return convert


@pytest.fixture
def pixels_of(inlaid, tmp_path):
    """A function that converts a folder without labels and splits, and returns its rows by path:
    arrays of height, width and channels."""
    count = iter(range(1_000_000))

    def convert(source, size, *options, exit_code=0):
        out = tmp_path / f"dataset-{next(count)}"
        inlaid(
            *("convert", source, "--out", out, "--size", size, "--folders", "none", "--split", "train=1"),
            *options,
            exit_code=exit_code,
        )
        return read_rows(out)

    return convert


def read_rows(dataset):
    """All rows of a Parquet dataset by path, as arrays."""
    rows = {}
    for shard in sorted(dataset.glob("*/*.parquet")):
        for batch in pq.ParquetFile(shard).iter_batches(columns=["image", "path"]):
            images = batch["image"].to_numpy_ndarray()
            rows |= dict(zip(batch["path"].to_pylist(), images, strict=True))
    return rows
