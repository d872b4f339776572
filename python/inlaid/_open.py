"""Opening whatever there is at a path."""

from __future__ import annotations

from os import PathLike
from typing import TypeAlias

from . import _inlaid
from ._dataset import Dataset
from ._settings import path_of
from ._table import Table

Opened: TypeAlias = Dataset | Table | dict[str, "Opened"]
"""What `open` returns: a dataset, a table, or several of them by name."""


def open(path: str | bytes | PathLike[str]) -> Opened:
    """Opens a dataset (a folder with `inlaid.json`): the version that is committed now, whatever is appended later.

    Anything else is a `Table`: the folder of a split, a shard, or any Parquet or Arrow file with a column of fixed-size
    lists of numbers. A folder of such folders is a dictionary by name, and so is a folder with the shards of several
    splits (`train-00000-of-00002.parquet`, `test-00000-of-00001.parquet`).

    The type of the result depends on what is there. Code whose types are checked calls `open_dataset` or `open_table`.

    Raises `NotFoundError` if there is nothing at `path`, `DamagedError` if it can't be read or has no tensors, and
    `ColumnError` if its images are encoded, or the dimensions of its tensors are permuted.
    """
    path = path_of("path", path)
    kind, parts = _inlaid.find(path)
    if kind == "dataset":
        return Dataset(path)
    if kind == "folders":
        return {name: open(folder) for name, (folder,) in parts.items()}
    if kind == "splits":
        return {name: Table._from_files(files) for name, files in parts.items()}
    return Table(path)


def open_dataset(path: str | bytes | PathLike[str]) -> Dataset:
    """Opens a dataset, as `open` does.

    Raises `NotFoundError` if `path` is not a dataset, `DamagedError` if a shard can't be read.
    """
    return Dataset(path)


def open_table(path: str | bytes | PathLike[str]) -> Table:
    """Opens a file, or all files below a folder in the order of their paths, as one table.

    Raises `NotFoundError` if there is nothing at `path`, `DamagedError` if it can't be read or has no tensors, and
    `ColumnError` if its images are encoded, or the dimensions of its tensors are permuted.
    """
    return Table(path)
