"""The recipes of docs/loading.md train on every row once an epoch, in three orders, and resume where they were.

A recipe is a fenced block of Python after a line `<!-- recipe: NAME -->`. It runs as it stands in a process of its own,
over a dataset in which every row has a class of its own, so labels tell rows. It is killed in its second epoch, some
steps after a checkpoint, then started again. The other examples of the page are run by test_readme.py.
"""

import importlib.util
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import inlaid
import pytest
from PIL import Image

from conftest import REPOSITORY

RECIPE = re.compile(r"^<!-- recipe: (\S+) -->\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RECIPES = dict(RECIPE.findall((REPOSITORY / "docs/loading.md").read_text()))
RECORDER = Path(__file__).with_name("loading_recorder.py")
# Two ranks can't share them equally, and the last batch has 17.
ROWS, BATCH, EPOCHS = 2001, 64, 3


@dataclass(frozen=True)
class Run:
    """How a recipe is run, and what is expected of it."""

    recipe: str
    checkpoint: int
    """The step after which it writes the checkpoint from which it resumes."""
    needs: str
    """The frameworks that it imports."""
    processes: int = 1
    is_partial: bool = False
    """Whether it leaves out the last batch of an epoch."""
    environment: tuple[tuple[str, str], ...] = ()

    @property
    def steps(self):
        """Steps of an epoch."""
        rows = -(-ROWS // self.processes)
        return rows // BATCH if self.is_partial else -(-rows // BATCH)


DEVICES = ("XLA_FLAGS", "--xla_force_host_platform_device_count=4")
RUNS = {
    "pytorch": Run("pytorch", 32 + 25, "torch"),
    "torchdata": Run("torchdata", 50, "torch torchdata"),
    "processes": Run("processes", 16 + 10, "torch", processes=2),
    "rows": Run("rows", 16, "torch", processes=2),
    "lightning": Run("lightning", 50, "torch torchdata lightning"),
    "keras": Run("keras", 32, "keras tensorflow"),
    "keras-steps-jax": Run("keras-steps", 32, "keras jax", environment=(("KERAS_BACKEND", "jax"),)),
    "keras-steps-torch": Run("keras-steps", 32, "keras torch", environment=(("KERAS_BACKEND", "torch"),)),
    "tfdata": Run("tfdata", 32 + 25, "tensorflow"),
    "jax": Run("jax", 50, "jax", is_partial=True, environment=(DEVICES,)),
    "grain": Run("grain", 50, "grain jax"),
    "trainer": Run("trainer", 50, "torch transformers accelerate"),
}


@pytest.fixture(scope="module")
def distinct(tmp_path_factory):
    """A dataset of several files and many row groups, and the label of each row, which no other row has."""
    folder = tmp_path_factory.mktemp("loading")
    for number in range(ROWS):
        (folder / f"photos/{number:04}").mkdir(parents=True)
        Image.new("RGB", (8, 8), (number % 256, number // 256, 99)).save(folder / f"photos/{number:04}/a.bmp")
    inlaid.convert(
        folder / "photos",
        folder / "dataset",
        8,
        split={"train": 1},
        row_group_bytes=90 * 8 * 8 * 3,
        shard_bytes=500 * 8 * 8 * 3,
        progress=False,
    )
    labels = inlaid.open(folder / "dataset")["train"].column("label").tolist()
    assert len(list((folder / "dataset/train").iterdir())) == 5 and sorted(labels) == list(range(ROWS))
    return folder / "dataset", labels


def train(folder, run, stop_after=None):
    """The labels of every step of every rank, of one more start of the recipe."""
    (folder / "train.py").write_text(RECIPES[run.recipe])
    for file in folder.glob("steps-*"):
        file.unlink()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": "", **dict(run.environment)}
    if stop_after is not None:
        environment["INLAID_STOP_AFTER"] = str(stop_after)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(run.processes)]
    command = [sys.executable, *(launcher if run.processes > 1 else []), RECORDER, "train.py", "steps"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert (done.returncode == 0) == (stop_after is None), done.stderr
    ranks = [[json.loads(line) for line in file.read_text().splitlines()] for file in sorted(folder.glob("steps-*"))]
    assert len(ranks) == run.processes, done.stderr
    return ranks


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_recipe_trains_on_every_row_once_an_epoch_and_resumes(distinct, tmp_path, run):
    for framework in run.needs.split():
        if importlib.util.find_spec(framework) is None:
            pytest.skip(f"{framework} is not installed")
    dataset, stored = distinct
    (tmp_path / "dataset").symlink_to(dataset)
    # A step or more after the checkpoint, in the second epoch.
    stop_after = max(run.checkpoint, run.steps) + 2
    before = train(tmp_path, run, stop_after)
    after = train(tmp_path, run)

    whole = []
    for first, second in zip(before, after, strict=True):
        assert len(first) == stop_after
        # The steps after the checkpoint are made again, with the same rows.
        assert first[run.checkpoint :] == second[: stop_after - run.checkpoint] != []
        whole.append(first[: run.checkpoint] + second)
    assert {len(rank) for rank in whole} == {EPOCHS * run.steps}

    orders = [list(stored)]
    for epoch in range(EPOCHS):
        ranks = [sum(rank[epoch * run.steps :][: run.steps], []) for rank in whole]
        if run.is_partial:
            assert len(set(ranks[0])) == len(ranks[0]) == run.steps * BATCH
        else:
            assert {label for rank in ranks for label in rank} == set(stored)
            assert [len(rank) for rank in ranks] == [-(-ROWS // run.processes)] * run.processes
        orders.append(ranks[0])
    # Two orders of thousands of rows that have nothing to do with each other agree in a few places.
    for one, other in [*pairwise(orders), (orders[1], orders[3])]:
        assert sum(a == b for a, b in zip(one, other, strict=False)) < 20


def test_every_recipe_is_run():
    assert {run.recipe for run in RUNS.values()} == set(RECIPES)
