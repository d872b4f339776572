"""Opening whatever there is at a path or URL."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

from . import _inlaid
from ._dataset import Dataset
from ._look import write_report
from ._reading import Cache, Reading, place_of
from ._table import Table

Opened: TypeAlias = Dataset | Table | dict[str, Any]
"""What `open` returns: a dataset, a table, or several of them by name."""


def open(
    path: str | bytes | PathLike[str],
    *,
    map: bool = True,
    storage_options: Mapping[str, str] | None = None,
    cache: Cache = None,
    cache_bytes: int | str | None = None,
) -> Opened:
    """Opens a dataset (a folder with `inlaid.json`): the version that is committed now, whatever is appended later.

    Anything else is a `Table`: the folder of a split, a shard, or any Parquet or Arrow file with a column of fixed-size
    lists of numbers, or of image files. The first such column is the tensors (`tensor_column`); others are read by
    their names. A folder of such folders is a dictionary by name, and so is a folder with the shards of several splits
    (`train-00000-of-00002.parquet`, `test-00000-of-00001.parquet`).

    `path` may be the URL of any of these in an object store, such as `s3://bucket/dataset`. What is read there is kept
    on this machine, for all processes and for later.

    The type of the result depends on what is there. Type checkers accept `open(path)["train"].batches(64)`; for all
    else, code whose types are checked calls `open_dataset` or `open_table`.

    - `map`: maps files into memory, so that tensors stored verbatim are views of them. Such a file must not be changed
      in place: the system ends a process (with SIGBUS) that reads a mapped file which was truncated. With `False` bytes
      are read when they are asked for, every array is a copy, and a truncated file raises `DamagedError`. For files on
      a disk.

    For URLs; what is on a disk needs no cache:

    - `storage_options`: settings and credentials of the store, as in {"region": "eu-west-1"}. They take precedence over
      the environment, and go to workers of a `DataLoader`, but into no pickle. `None`: the environment alone.
    - `cache`: folder for the row groups that were fetched. `None`: `INLAID_CACHE` in the environment, else
      `~/.cache/inlaid`. `False`: 512 MiB in memory.
    - `cache_bytes`: most bytes in that folder, of all processes and datasets, as a number or a string such as "200GiB".
      What was used longest ago is removed. `None`: half of what is free on its disk, at most 50 GiB.

    Raises `NotFoundError` if there is nothing at `path`, or a folder without Parquet and Arrow files, `DamagedError` if
    it can't be read or has neither tensors nor images, `ColumnError` if the dimensions of its tensors are permuted, and
    `StoreError` if a store denies access or does not answer.
    """
    place = place_of(path)
    reading = Reading.of(place, map, storage_options, cache, cache_bytes)
    return _opened(place, reading)


def _opened(place: str, reading: Reading) -> Opened:
    kind, parts = _inlaid.find(place, reading.native)
    if kind == "dataset":
        return Dataset._open(place, reading)
    if kind == "folders":
        return {name: _opened(folder, reading) for name, (folder,) in parts.items()}
    if kind == "splits":
        return {name: Table._from_files(files, reading) for name, files in parts.items()}
    return Table._at(place, reading)


def open_dataset(
    path: str | bytes | PathLike[str],
    *,
    map: bool = True,
    storage_options: Mapping[str, str] | None = None,
    cache: Cache = None,
    cache_bytes: int | str | None = None,
) -> Dataset:
    """Opens a dataset, as `open` does. For the keywords see there.

    Raises `NotFoundError` if `path` is not a dataset, `DamagedError` if a shard can't be read, `StoreError` if a store
    denies access or does not answer.
    """
    return Dataset(path, map=map, storage_options=storage_options, cache=cache, cache_bytes=cache_bytes)


def open_table(
    path: str | bytes | PathLike[str],
    *,
    map: bool = True,
    storage_options: Mapping[str, str] | None = None,
    cache: Cache = None,
    cache_bytes: int | str | None = None,
) -> Table:
    """Opens a file, or all files below a folder in the order of their paths, as one table. For the keywords see `open`.

    Raises `NotFoundError` if there is nothing at `path`, `DamagedError` if it can't be read or has neither tensors nor
    images, `ColumnError` if the dimensions of its tensors are permuted, and `StoreError` if a store denies access or
    does not answer.
    """
    return Table(path, map=map, storage_options=storage_options, cache=cache, cache_bytes=cache_bytes)


def report(
    path: str | bytes | PathLike[str],
    out: str | PathLike[str] = "report.html",
    *,
    rows: int = 5_000,
    seed: int = 0,
    threads: int | None = None,
    storage_options: Mapping[str, str] | None = None,
) -> Path:
    """Writes a page that shows what a dataset holds, and returns its path: counts, a contact sheet and a mean image of
    every class, sizes of the sources, images that stand out, copies, rejects, and how the dataset was made. The page is
    one file that needs nothing else. `path` is a dataset, or any Parquet and Arrow files of tensors or images.

    - `out`: file of the page. An earlier report there is replaced.
    - `rows`: rows whose images are looked at, evenly from all classes.
    - `seed`: decides which rows these are.
    - `threads`: threads that look at them. `None`: one for each core.
    - `storage_options`: settings and credentials of the object store that it is in, as for `open`.

    Raises `NotFoundError` if there is nothing at `path`, `ExistsError` if `out` is something other than a report, and
    otherwise as `open`.
    """
    reading = Reading.of(place_of(path), True, storage_options, False, None)
    return write_report(place_of(path), reading.native, out, rows, seed, threads)
