"""A dataset's folder: its splits by name."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from . import _inlaid
from ._errors import ColumnError, NotFoundError
from ._table import Table


def open(path: str | PathLike[str]) -> Dataset | Table:
    """Opens a dataset (a folder with `inlaid.json`): the version that is committed now, whatever is appended later.

    Opens as one `Table` what is no dataset: a folder of a split, a shard, or any Parquet or Arrow file with a column of
    fixed-size lists of numbers.

    Raises `NotFoundError` if there is nothing at `path`, `DamagedError` if it can't be read or has no tensors.
    """
    if not os.path.exists(path):
        raise NotFoundError(f"`{os.fspath(path)}` does not exist")
    if os.path.isdir(path) and os.path.exists(os.path.join(path, "inlaid.json")):
        return Dataset(path)
    return Table(path)


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
