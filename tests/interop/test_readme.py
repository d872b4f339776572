"""The Python and shell examples of the README and of the documentation run as they stand.

An example is a fenced block of `python` or `sh`. It finds the sample in `photos`, other images in `more-photos`, the
sample converted in `dataset` (several files and row groups in each split), and with other options in `dataset-binary`,
`dataset-arrow` and `dataset-encoded`, except
the one that it makes itself. What others have written of random images is in `shards`, `cifar10` and `mnist`. A comment line before it may say `<!-- not run: WHY -->`,
`<!-- continues the example before -->`, or `<!-- recipe: NAME -->`: test_loading.py runs these.
"""

import os
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import datasets
import numpy as np
import pytest
import webdataset
from PIL import Image

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


def pixels(side, *channels):
    return np.random.default_rng(1).integers(0, 256, (20, side, side, *channels), np.uint8)


def write_shards(folder):
    for shard in range(2):
        with webdataset.TarWriter(str(folder / f"train-{shard:03}.tar")) as tar:
            for number, image in enumerate(pixels(40, 3)):
                tar.write({"__key__": f"{shard}{number:05}", "jpg": image, "cls": number % 3, "json": {"id": number}})


def write_cifar10(folder):
    features = datasets.Features({"img": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    rows = {"img": [Image.fromarray(image) for image in pixels(32, 3)], "label": [0, 1] * 10}
    datasets.Dataset.from_dict(rows, features).to_parquet(folder / "train-00000-of-00001.parquet")


def write_mnist(folder):
    images, labels = pixels(28), np.arange(20, dtype=np.uint8) % 10
    for name in ["train", "t10k"]:
        head = struct.pack(">4I", 0x803, *images.shape)
        (folder / f"{name}-images-idx3-ubyte").write_bytes(head + images.tobytes())
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 0x801, 20) + labels.tobytes())


WRITERS = {"shards": write_shards, "cifar10": write_cifar10, "mnist": write_mnist}


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
    converted = {
        "dataset": ("tensor", "parquet", "none", *many_files()),
        "dataset-binary": ("binary", "parquet", "none", *many_files()),
        "dataset-arrow": ("tensor", "arrow", "none", *many_files()),
        "dataset-encoded": ("encoded",),
    }
    for name, write in WRITERS.items():
        if name in request.node.callspec.params["code"]:
            (tmp_path / name).mkdir()
            write(tmp_path / name)
    for name, options in converted.items():
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
