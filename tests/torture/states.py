"""What is hit: datasets drawn at random, and what is done to them.

A `State` is drawn from its number: settings, folders of small images, and the datasets that a conversion and up to
three appends leave. A `Case` is an operation on one of these, run once undisturbed: what it leaves is what every
disturbed run must come to.
"""

import random
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from readers import rows_of_tree
from tree import read_tree, write_tree

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "interop"))
import png

OPERATIONS = ["convert", "resume", "append", "append-rejects", "compact", "rollback", "overwrite", "repack"]
# They add rows and keep the others where they are: readers notice nothing.
ADDS = {"convert", "resume", "append", "append-rejects"}
TIMEOUT = 60
# A run is hit up to twice, and what is left is repeated once.
MOST_HITS = 3


class Wrong(Exception):
    """Something is lost or wrong."""


class ImageHit(Exception):
    """The fault hit an image that is read, which so became a reject: nothing can be compared."""


class TracerFailed(Exception):
    """strace has lost the run, so nothing can be said of how it ended."""


@dataclass
class Ended:
    code: int
    stderr: str

    @property
    def finished(self):
        return self.code in (0, 3)

    @property
    def killed(self):
        return self.code == -9


def draw_images(generator, folder, name, most, broken=0, others=()):
    """A folder of class folders with up to `most` images in each class; and files that are no images."""
    for class_ in ("cat", "dog", *others):
        (folder / class_).mkdir(parents=True)
        for number in range(generator.randint(1, most)):
            pixels = np.frombuffer(generator.randbytes(60), np.uint8).reshape(4, 5, 3)
            (folder / class_ / f"{name}-{number:02}.png").write_bytes(png.encode(pixels, 8, png.RGB))
    for number in range(broken):
        (folder / "cat" / f"{name}-broken-{number}.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")


class State:
    """Settings and images of a number, and the datasets after a conversion and each append."""

    def __init__(self, binary, seed, number, folder):
        self.binary, self.folder, self.number = binary, folder, number
        self.cases = {}
        draw = random.Random(f"{seed}/state/{number}")
        side = draw.choice([2, 4, 8])
        self.format = draw.choice(["parquet", "parquet", "arrow"])
        self.storage = draw.choice(["tensor", "tensor", "tensor", "encoded"])
        # Of the smallest shards, each has a row group or two; of the largest, appends lengthen the last.
        group = draw.choice([1, 2, 8]) * side * side * 3
        self.words = [
            *("--size", side, "--format", self.format, "--storage", self.storage, "--seed", draw.randint(0, 99)),
            *("--split", draw.choice(["train=1", "train=0.6,test=0.4", "train=0.5,validation=0.3,test=0.2"])),
            *("--order", draw.choice(["shuffled", "path"]), "--row-group-bytes", group),
            *("--shard-bytes", group * draw.choice([1, 2, 5, 20])),
        ]
        if self.storage == "tensor":
            self.words += ["--compression", draw.choice(["none", "none", "lz4", "zstd"])]
        else:
            self.words += ["--encoding", "png"]
        self.sources = folder / "sources"
        draw_images(draw, self.sources / "first", "first", draw.choice([4, 12, 30]), draw.choice([0, 0, 1, 2]))
        draw_images(draw, self.sources / "other", "other", 15)
        depth = draw.randint(1, 3)
        for step in range(depth + 1):
            draw_images(
                draw,
                self.sources / f"more-{step}",
                f"more-{step}",
                draw.choice([1, 4, 12]),
                others=draw.choice([(), ("bird",)]),
            )
            rejects = self.sources / f"rejects-{step}"
            draw_images(draw, rejects, f"rejects-{step}", draw.choice([1, 4]), draw.randint(1, 3))
            # A row's image with other bytes is a reject too.
            changed = next((self.sources / "first/cat").iterdir())
            (rejects / "cat" / changed.name).write_bytes(png.encode(np.zeros((3, 3, 3), np.uint8), 8, png.RGB))
        self.kill_at = draw.randint(5, 60)
        # After the conversion, and after each append.
        self.chain = [self._leave({}, self.convert())]
        for step in range(depth):
            source = draw.choice(["more", "more", "rejects"])
            self.chain.append(self._leave(self.chain[-1], self.append(f"{source}-{step}")))

    def convert(self):
        return ["convert", self.sources / "first", "--out", "OUT", *self.words]

    def append(self, source):
        return ["append", self.sources / source, "--out", "OUT"]

    def _leave(self, tree, words, **others):
        out = self.folder / "chain" / "out"
        out.parent.mkdir(exist_ok=True)
        write_tree(tree, out)
        ended = run(self.binary, words, out, **others)
        if not ended.finished and not ended.killed:
            raise RuntimeError(f"{words}: {ended.code}: {ended.stderr}")
        return read_tree(out)

    def case(self, operation, depth):
        """The operation on the dataset after so many appends, or after as many as there are."""
        depth = min(depth, len(self.chain) - 1)
        if operation == "rollback":
            depth = max(depth, 1)
        elif operation in ("convert", "resume"):
            depth = 0
        elif operation == "repack" and self.storage == "encoded":
            operation = "compact"
        key = (operation, depth)
        if key not in self.cases:
            self.cases[key] = self._case(operation, depth)
        return self.cases[key]

    def _case(self, operation, depth):
        before = self.chain[depth]
        if operation == "convert":
            before, words = {}, self.convert()
        elif operation == "resume":
            before, words = self._leave({}, self.convert(), failpoint=f"kill:{self.kill_at}"), self.convert()
        elif operation == "append":
            words = self.append(f"more-{depth}")
        elif operation == "append-rejects":
            words = self.append(f"rejects-{depth}")
        elif operation == "overwrite":
            words = ["convert", self.sources / "other", "--out", "OUT", "--overwrite", *self.words]
        elif operation == "repack":
            source = self.folder / f"shards-{depth}"
            write_tree(before, source)
            before, words = {}, ["repack", source / "train", "--out", "OUT"]
        else:
            words = [operation, "OUT"]
        return Case(self, operation, words, before, self.folder / "reference")


@dataclass
class Case:
    """An operation on a dataset, and what it must come to."""

    state: State
    operation: str
    words: list
    before: dict
    folder: Path
    # (exit code, what is left) of the command, and of the same command after that, and so on: each hit that had its
    # effect makes it one more.
    ends: list = field(default_factory=list)

    def __post_init__(self):
        out = self.folder / "out"
        self.folder.mkdir(exist_ok=True)
        write_tree(self.before, out)
        begin = time.perf_counter()
        ended = run(self.state.binary, self.words, out)
        self.seconds = time.perf_counter() - begin
        if not ended.finished:
            raise RuntimeError(f"{self.words}: {ended.code}: {ended.stderr}")
        self.ends.append((ended.code, read_tree(out)))
        for _ in range(MOST_HITS if self.operation == "overwrite" else 1):
            self.ends.append((run(self.state.binary, self.words, out).code, read_tree(out)))
        self.code, self.after = self.ends[0]
        self.single_thread = [] if self.operation in ("compact", "rollback", "repack") else ["-j", "1"]
        self.adds = self.operation in ADDS
        self.has_manifest = self.operation != "repack"
        self.rows_before = dict(rows_of_tree(self.before))
        self.rows_after = dict(rows_of_tree(self.after))
        if self.adds and self.ends[1][1] != self.after:
            raise RuntimeError(f"{self.words}: once more, it changes something")

    def command(self, out):
        return [str(self.state.binary), *filled(self.words, out)]

    def name(self):
        return f"{self.operation} of state {self.state.number}"


def filled(words, out):
    return [str(out if word == "OUT" else word) for word in words]


def run(binary, words, out, failpoint=None, prefix=()):
    command = [*map(str, prefix), str(binary), *filled(words, out)]
    environment = {"PATH": "/usr/bin:/bin", **({"INLAID_FAILPOINT": failpoint} if failpoint else {})}
    ended = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
        timeout=TIMEOUT,
    )
    return Ended(ended.returncode, ended.stderr.decode())
