"""A dataset's folder: its splits by name."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from . import _inlaid
from ._errors import SplitError
from ._settings import counted, path_of, truth
from ._table import Table


class Dataset(Mapping[str, Table]):
    """The splits of a dataset that have rows, in the order train, validation, test: `dataset["train"]` is a `Table`.

    For `map` see `open`.

    Raises `NotFoundError` if `path` is not a dataset, `DamagedError` if a shard has too few rows or can't be read.
    """

    def __init__(self, path: str | bytes | PathLike[str], *, map: bool = True) -> None:
        path = path_of("path", path)
        self.path: Path = Path(os.path.abspath(path))
        """The folder."""
        splits, manifest = _inlaid.open_dataset(path, truth("map", map))
        self.manifest: dict[str, Any] = json.loads(manifest)
        """The manifest: spec, classes, shards (see `schemas/manifest.schema.json`)."""
        self.classes: list[str] = self.manifest["classes"]
        """The names of the classes; a label is an index into them."""
        order = sorted(splits, key=["train", "validation", "test"].index)
        self._splits = {name: Table._new(_Split(self.path, map, name), splits[name], self.classes) for name in order}

    def __getitem__(self, split: str) -> Table:
        try:
            return self._splits[split]
        except KeyError:
            raise SplitError(f"`{self.path}` has no rows in a split `{split}`, it has {', '.join(self)}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._splits)

    def __len__(self) -> int:
        return len(self._splits)

    def __repr__(self) -> str:
        rows = ", ".join(f"{len(table)} {name}" for name, table in self.items())
        tensors = next((f" rows of {table._tensors_in_words()}" for table in self.values()), "no rows")
        return f"<inlaid.Dataset {str(self.path)!r}: {rows}{tensors}, {counted(len(self.classes), 'class', 'classes')}>"


@dataclass(frozen=True)
class _Split:
    """The origin of a table that is a split of a dataset."""

    path: Path
    map: bool
    name: str

    def open(self) -> Table:
        return Dataset(self.path, map=self.map)[self.name]
