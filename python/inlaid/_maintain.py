"""Looking at datasets that are there, and maintaining them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import _inlaid
from ._errors import DamagedError, DatasetWarning, warn
from ._progress import Progress, reporter
from ._reading import absolute
from ._settings import counted, dataset_place, input_path, truth
from ._write import Source, Sources, paths_of


def info(path: Source, *, storage_options: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The manifest of the dataset in `path`, a folder or a URL, as it is committed now: spec, classes, shards,
    statistics (`schemas/manifest.schema.json`). It has the key "unfinished" while a run is in progress,
    or if one was interrupted.

    - `storage_options`: settings and credentials of the object store that it is in, as for `convert`.

    A commit that was interrupted is completed first. Where this user can't complete it, the snapshot before it is
    returned, with a `DatasetWarning`. Raises `NotFoundError` if `path` is not a dataset, `DamagedError` if its manifest
    can't be read.
    """
    manifest, open_commit = _inlaid.info(dataset_place("path", path), {"storage_options": storage_options})
    if open_commit is not None:
        warn(str(open_commit), DatasetWarning)
    described: dict[str, Any] = json.loads(manifest)
    return described


def verify(
    path: Source,
    sources: Sources = (),
    *,
    threads: int | None = None,
    check: bool = False,
    storage_options: Mapping[str, Any] | None = None,
    progress: Progress = True,
) -> dict[str, Any]:
    """Reads every byte of the dataset in `path`, a folder or a URL, and verifies its checksums, pages, keys, labels and
    counts.

    - `sources`: folders whose files are compared with the rows that were made from them.
    - `threads`: threads that read, 1 to 1024. `None`: one for each core.
    - `check`: raises `DamagedError` if there are problems.
    - `storage_options`: settings and credentials of object stores that dataset or `sources` are in, as for `convert`.
    - `progress`: as for `convert`; it counts rows, those of the dataset and then those of `sources`.

    Returns what was found (`schemas/verification.schema.json`). `["problems"]` is a list of dictionaries with the keys
    "file" and "problem", empty if the dataset is intact; `["notices"]` are remarks, such as that the card was edited;
    `["unfinished"]` is whether a run on it was interrupted.

    Ctrl-C (`KeyboardInterrupt`) stops it. Raises `SettingError` for an invalid keyword, `NotFoundError` if `path` is
    not a dataset or a source not a folder, `DamagedError` if its manifest can't be read, `InlaidError` if it changes in
    the meantime.
    """
    path, check = dataset_place("path", path), truth("check", check)
    keywords = {"threads": threads, "storage_options": storage_options}
    found: dict[str, Any] = json.loads(_inlaid.verify(path, paths_of(sources), keywords, reporter(progress, "rows")))
    if check and found["problems"]:
        raise _damaged(path, found["problems"])
    return found


def card(
    path: Source,
    *,
    title: str | None = None,
    license: str | None = None,
    source: str | None = None,
    croissant: bool = False,
    pictures: bool = True,
    storage_options: Mapping[str, Any] | None = None,
) -> list[Path | str]:
    """Writes the card of the dataset in `path`, a folder or a URL, anew, with what only people know about it. What else
    they wrote into it stays. `None` keeps what was said before, and an empty text removes it.

    - `title`: the name of the dataset, for people.
    - `license`: an identifier such as "cc-by-4.0", or a URL.
    - `source`: where the images are from, a URL or a text.
    - `croissant`: describes the dataset in `croissant.json` too, for search engines and loaders (MLCommons Croissant
      1.1). From then on every change keeps the file up to date.
    - `pictures`: shows some of the images and the rows of each class. `False` removes them.
    - `storage_options`: settings and credentials of the object store that it is in, as for `convert`.

    Returns the files that describe the dataset. Raises `SettingError` for an invalid keyword, `NotFoundError` if `path`
    is not a dataset, `LockedError` if another process writes to it, `InlaidError` if the card can't be rewritten.
    """
    place = dataset_place("path", path)
    keywords = {"title": title, "license": license, "source": source, "croissant": croissant, "pictures": pictures}
    written = json.loads(_inlaid.card(place, {**keywords, "storage_options": storage_options}))
    for note in written["notes"]:
        warn(note, DatasetWarning)
    folder = absolute(place)
    return [f"{folder}/{name}" if isinstance(folder, str) else folder / name for name in written["files"]]


def compact(path: Source, *, progress: Progress = True) -> dict[str, Any]:
    """Merges the small files and row groups that appends to the dataset in the folder `path` have left. Rows keep their
    order; the last append can't be rolled back any more. Tables that are open read the old files.

    - `progress`: as for `convert`; it counts rows.

    Returns the new snapshot, or the old one if there is nothing to merge: "dataset_version", "classes", "splits",
    "inputs" and "rejects", as in the manifest.

    Ctrl-C (`KeyboardInterrupt`) stops it, and nothing has changed, unless the exception says that it was done before it
    could be stopped. Raises `NotFoundError` if `path` is not a dataset,
    `LockedError` if another process writes to it, `DamagedError`, `DiskFullError`, and `InlaidError` if a run on it was
    interrupted.
    """
    return _snapshot(_inlaid.compact(input_path("path", path), reporter(progress, "rows")))


def rollback(path: Source, *, progress: Progress = True) -> dict[str, Any]:
    """Undoes the last append to the dataset in the folder `path`. Tables that are open keep the rows of before.

    - `progress`: as for `convert`; it counts rows.

    Returns the snapshot that was restored, as `compact` does.

    Ctrl-C (`KeyboardInterrupt`) stops it as it does `compact`. Raises as `compact` does, and `InlaidError` if there
    is no append to undo: only the last one can be, and not after `compact`, or if it was made with `history=False`.
    """
    return _snapshot(_inlaid.rollback(input_path("path", path), reporter(progress, "rows")))


def _snapshot(changed: str) -> dict[str, Any]:
    change = json.loads(changed)
    for note in change["card"]:
        warn(note, DatasetWarning)
    snapshot: dict[str, Any] = change["snapshot"]
    return snapshot


def _damaged(path: str, problems: list[dict[str, str]]) -> DamagedError:
    first = "`{file}`: {problem}".format_map(problems[0])
    error = DamagedError(f"`{path}` has {counted(len(problems), 'problem', 'problems')}; the first is {first}")
    error.kind = "damaged"
    return error
