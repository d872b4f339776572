"""The Python examples of the README run as they stand. Each is a fenced block after a comment line
`<!-- test: NAME -->`; it finds the sample in `photos`, converted in `dataset`, and with other options in
`dataset-binary`, `dataset-arrow` and `dataset-encoded`."""

import os
import re
import subprocess
import sys

import pytest

from conftest import REPOSITORY, SAMPLE

EXAMPLE = re.compile(r"^<!-- test: ([\w-]+) -->\n\s*```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples():
    readme = REPOSITORY / "README.md"
    text = readme.read_text() if readme.exists() else ""
    return [pytest.param(code, id=name) for name, code in EXAMPLE.findall(text)]


@pytest.fixture
def folder(sample, tmp_path):
    """Where an example runs: the datasets are linked, what it writes is its own."""
    (tmp_path / "photos").symlink_to(SAMPLE)
    (tmp_path / "dataset").symlink_to(sample())
    (tmp_path / "dataset-binary").symlink_to(sample("binary"))
    (tmp_path / "dataset-arrow").symlink_to(sample(format="arrow"))
    (tmp_path / "dataset-encoded").symlink_to(sample("encoded"))
    return tmp_path


def test_readme_has_examples():
    assert examples()


def test_readme_names_every_example_once():
    names = [example.id for example in examples()]
    assert sorted(names) == sorted(set(names))
    assert len(names) == (REPOSITORY / "README.md").read_text().count("<!-- test:")


@pytest.mark.parametrize("code", examples())
def test_example_runs(folder, code):
    (folder / "example.py").write_text(code)
    environment = {**os.environ, "HF_HOME": str(folder / "huggingface"), "PYTHONPATH": ""}
    environment.pop("HF_DATASETS_CACHE", None)
    done = subprocess.run(
        [sys.executable, "example.py"], cwd=folder, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
