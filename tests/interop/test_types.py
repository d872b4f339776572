"""Type checkers accept the examples of the README and of the documentation of the package, in their strict modes."""

import shutil
import subprocess
import sys

import pytest

from conftest import REPOSITORY
from test_readme import EXAMPLE

PAGES = ["README.md", "docs/python.md"]
TYPED = """
import inlaid
import numpy as np

train = inlaid.open("dataset")["train"]
train.to_torch(8).set_epoch(1)
rows: int = len(np.asarray(train))
dataset = inlaid.open_dataset("dataset")
path: str = dataset.rejects[0].path
mean: float = dataset.statistics["train"].mean[0]
problems: int = len(dataset.verify("photos")["problems"])
"""
WRONG = """
import inlaid

table = inlaid.open_table("dataset/train")
table.column(3)
"""


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    """A folder with each example as a file."""
    folder = tmp_path_factory.mktemp("examples")
    for page in PAGES:
        for number, (_, language, code) in enumerate(EXAMPLE.findall((REPOSITORY / page).read_text())):
            if language == "python":
                (folder / f"{page.replace('/', '_').removesuffix('.md')}_{number}.py").write_text(code)
    assert len(list(folder.iterdir())) >= len(PAGES)
    (folder / "typed.py").write_text(TYPED)
    return folder


def checked(command, folder):
    done = subprocess.run([sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, timeout=600)
    return done.returncode, done.stdout + done.stderr


def mypy(folder):
    pytest.importorskip("mypy")
    # Not the settings of a folder above, and libraries of examples need not be installed.
    return checked(["mypy", "--strict", "--config-file=", "--ignore-missing-imports", "."], folder)


def pyright(folder):
    pytest.importorskip("pyright")
    if shutil.which("node") is None:
        pytest.skip("no node")
    (folder / "pyrightconfig.json").write_text('{"typeCheckingMode": "standard", "reportMissingImports": "none"}')
    return checked(["pyright", "--pythonpath", sys.executable], folder)


@pytest.mark.parametrize("check", [mypy, pyright])
def test_examples_are_typed(examples, check):
    code, told = check(examples)
    assert code == 0, told


@pytest.mark.parametrize("check", [mypy, pyright])
def test_a_wrong_type_is_found(tmp_path, check):
    (tmp_path / "wrong.py").write_text(WRONG)
    code, told = check(tmp_path)
    assert code == 1 and "wrong.py:5" in told, told
