"""The Python and shell examples of the README and of the documentation run as they stand.

An example is a fenced block of `python` or `sh`. It finds the sample in `photos`, other images in `more-photos`, the
sample converted in `dataset` (several files and row groups in each split), and with other options in `dataset-binary`,
`dataset-arrow` and `dataset-encoded`, except
the one that it makes itself. A comment line before it may say `<!-- not run: WHY -->`,
`<!-- continues the example before -->`, or `<!-- recipe: NAME -->`: test_loading.py runs these.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import REPOSITORY, SAMPLE, many_files

PAGES = [REPOSITORY / "README.md", REPOSITORY / "python/README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
EXAMPLE = re.compile(r"^(?:<!-- (.*?) -->\n)?```(python|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MADE = re.compile(r"""convert .*--out (\S+)|convert\(.*out="([\w-]+)\"""")


def examples():
    for page in PAGES:
        text, before = page.read_text(), ""
        for found in EXAMPLE.finditer(text):
            comment, language, code = found[1] or "", found[2], found[3]
            if comment.startswith(("not run: ", "recipe: ")):
                continue
            if comment == "continues the example before":
                code = before + code
            before = code
            line = text[: found.start(3)].count("\n") + 1
            yield pytest.param(language, code, id=f"{page.relative_to(REPOSITORY)}:{line}")


@pytest.fixture
def folder(inlaid_path, sample, tmp_path, request):
    """Where an example runs: everything in it is its own."""
    makes = {name for found in MADE.findall(request.node.callspec.params["code"]) for name in found}
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/inlaid").symlink_to(Path(inlaid_path).resolve())
    (tmp_path / "photos").symlink_to(SAMPLE)
    for path in sorted(SAMPLE.glob("*/*-rgb.jpg")):
        more = tmp_path / "more-photos" / path.parent.name
        more.mkdir(parents=True)
        shutil.copy(path, more / f"more-{path.name}")
    datasets = {
        "dataset": ("tensor", "parquet", "none", *many_files()),
        "dataset-binary": ("binary", "parquet", "none", *many_files()),
        "dataset-arrow": ("tensor", "arrow", "none", *many_files()),
        "dataset-encoded": ("encoded",),
    }
    for name, options in datasets.items():
        if name not in makes:
            shutil.copytree(sample(*options), tmp_path / name)
    return tmp_path


def test_pages_have_examples():
    names = [example.id.split(":")[0] for example in examples()]
    pages = ["python", "loading", "readers", "storage", "format"]
    assert {"README.md", *(f"docs/{page}.md" for page in pages)} <= set(names)


@pytest.mark.parametrize(("language", "code"), list(examples()))
def test_example_runs(folder, language, code):
    (folder / "example").write_text(code)
    program = [sys.executable] if language == "python" else ["bash", "-euo", "pipefail"]
    environment = {**os.environ, "HF_HOME": str(folder / "huggingface"), "PYTHONPATH": ""}
    environment["PATH"] = f"{folder / 'bin'}:{os.environ['PATH']}"
    environment.pop("HF_DATASETS_CACHE", None)
    done = subprocess.run(
        [*program, "example"], cwd=folder, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
