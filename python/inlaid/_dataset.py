"""A dataset's folder: its splits by name."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from . import _inlaid
from ._errors import ColumnError, NotFoundError
from ._table import Table


# The names of shards: those of inlaid, and those of Hugging Face `datasets` with `-of-00002` behind the number.
_SHARD = re.compile(r"(?P<split>\w+(\.\w+)*)-\d{5,}(-of-\d{5,})?\.(parquet|arrow)")


def open(path: str | PathLike[str]) -> Any:
    """Opens a dataset (a folder with `inlaid.json`): the version that is committed now, whatever is appended later.

    What is no dataset is a `Table`: a folder of a split, a shard, or any Parquet or Arrow file with a column of
    fixed-size lists of numbers. A folder of such folders is a dictionary of them by name, and so is a folder with the
    shards of several splits (`train-00000-of-00002.parquet`, `test-00000-of-00001.parquet`).

    What it returns depends on what is there; `Dataset(path)` and `Table(path)` are for code whose types are checked.

    Raises `NotFoundError` if there is nothing at `path`, `DamagedError` if it can't be read or has no tensors, and
    `ColumnError` if its images are encoded, or the dimensions of its tensors permuted.
    """
    path = os.fsdecode(path)
    if not os.path.exists(path):
        raise NotFoundError(f"`{path}` does not exist")
    if not os.path.isdir(path):
        return Table(path)
    if os.path.exists(os.path.join(path, "inlaid.json")):
        return Dataset(path)
    visible = sorted(entry for entry in Path(path).iterdir() if not entry.name.startswith((".", "_")))
    files = [entry for entry in visible if _is_table(entry)]
    folders = [entry for entry in visible if entry.is_dir() and _has_files(entry)]
    if folders and not files:
        return {folder.name: open(folder) for folder in folders}
    splits: dict[str, list[Path]] = {}
    for file in files:
        shard = _SHARD.fullmatch(file.name)
        splits.setdefault(shard["split"] if shard else "", []).append(file)
    if len(splits) > 1 and "" not in splits and not folders:
        return {split: Table._of_files(shards) for split, shards in splits.items()}
    return Table(path)


def _has_files(folder: Path) -> bool:
    """Whether files that may be opened lie anywhere below."""
    return any(_is_table(file) for file in folder.rglob("*"))


def _is_table(path: Path) -> bool:
    return path.suffix.lower() in (".parquet", ".pq", ".arrow", ".arrows", ".feather", ".ipc") and path.is_file()


class Dataset(Mapping[str, Table]):
    """The splits of a dataset that have rows, in the order train, validation, test: `dataset["train"]` is a `Table`.

    Raises `NotFoundError` if `path` is no dataset, `DamagedError` if a shard is missing rows or can't be read.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path: Path = Path(os.path.abspath(path))
        """The folder."""
        splits, manifest = _inlaid.open_dataset(path)
        self.manifest: dict[str, Any] = json.loads(manifest)
        """The manifest: spec, classes, shards (see `schemas/manifest.schema.json`)."""
        self.classes: list[str] = self.manifest["classes"]
        """The names of the classes; a label is an index into them."""
        order = sorted(splits, key=["train", "validation", "test"].index)
        self._splits = {name: Table._of_split(self.path, name, splits[name], self.classes) for name in order}

    def __getitem__(self, split: str) -> Table:
        try:
            return self._splits[split]
        except KeyError:
            raise ColumnError(f"`{self.path}` has no rows in a split `{split}`, it has {', '.join(self)}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._splits)

    def __len__(self) -> int:
        return len(self._splits)

    def __repr__(self) -> str:
        splits = ", ".join(f"{name}: {len(table)}" for name, table in self.items())
        return f"<inlaid.Dataset {splits}; {len(self.classes)} classes>"
