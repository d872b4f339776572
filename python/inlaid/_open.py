"""Opening whatever there is at a path."""

from __future__ import annotations

from os import PathLike
from typing import Any, TypeAlias

from . import _inlaid
from ._dataset import Dataset
from ._settings import input_path, truth
from ._table import Table

Opened: TypeAlias = Dataset | Table | dict[str, Any]
"""What `open` returns: a dataset, a table, or several of them by name."""


def open(path: str | bytes | PathLike[str], *, map: bool = True) -> Opened:
    """Opens a dataset (a folder with `inlaid.json`): the version that is committed now, whatever is appended later.

    Anything else is a `Table`: the folder of a split, a shard, or any Parquet or Arrow file with a column of fixed-size
    lists of numbers. The first such column is the tensors (`tensor_column`); others are read by their names. A folder
    of such folders is a dictionary by name, and so is a folder with the shards of several splits
    (`train-00000-of-00002.parquet`, `test-00000-of-00001.parquet`).

    The type of the result depends on what is there. Type checkers accept `open(path)["train"].batches(64)`; for all
    else, code whose types are checked calls `open_dataset` or `open_table`.

    - `map`: maps files into memory, so that tensors stored verbatim are views of them. Such a file must not be changed
      in place: the system ends a process (with SIGBUS) that reads a mapped file which was truncated. With `False` bytes
      are read when they are asked for, every array is a copy, and a truncated file raises `DamagedError`.

    Raises `NotFoundError` if there is nothing at `path`, or a folder without Parquet and Arrow files, `DamagedError` if
    it can't be read or has no tensors, and `ColumnError` if its images are encoded, or the dimensions of its tensors
    are permuted.
    """
    path, map = input_path("path", path), truth("map", map)
    kind, parts = _inlaid.find(path)
    if kind == "dataset":
        return Dataset(path, map=map)
    if kind == "folders":
        return {name: open(folder, map=map) for name, (folder,) in parts.items()}
    if kind == "splits":
        return {name: Table._from_files(files, map) for name, files in parts.items()}
    return Table(path, map=map)


def open_dataset(path: str | bytes | PathLike[str], *, map: bool = True) -> Dataset:
    """Opens a dataset, as `open` does. For `map` see there.

    Raises `NotFoundError` if `path` is not a dataset, `DamagedError` if a shard can't be read.
    """
    return Dataset(path, map=map)


def open_table(path: str | bytes | PathLike[str], *, map: bool = True) -> Table:
    """Opens a file, or all files below a folder in the order of their paths, as one table. For `map` see `open`.

    Raises `NotFoundError` if there is nothing at `path`, `DamagedError` if it can't be read or has no tensors, and
    `ColumnError` if its images are encoded, or the dimensions of its tensors are permuted.
    """
    return Table(path, map=map)
