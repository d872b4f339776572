"""How the files of datasets and tables are read: the keywords of `open`, and what is kept of files in object stores."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from multiprocessing.context import get_spawning_popen
from os import PathLike
from pathlib import Path
from typing import Any, Literal, TypeAlias

from . import _inlaid
from ._errors import SettingError
from ._settings import input_path, is_url, path_of, truth

Cache: TypeAlias = str | bytes | PathLike[str] | Literal[False] | None
"""A folder, None for the usual one, or False for none."""

MOST_BY_DEFAULT = 50 << 30
"""The most bytes that a cache has, unless more are asked for."""


def place_of(value: Any) -> str:
    """The value as the text of a path where something should be, or of a URL."""
    # Paths of other libraries are URLs as texts; those of `pathlib` can't be.
    text = os.fsdecode(value) if isinstance(value, bytes) else str(value)
    return text if is_url(text) and "\0" not in text else input_path("path", value)


def absolute(place: str) -> Path | str:
    """A path from the root, or a URL as it is."""
    return place if is_url(place) else Path(os.path.abspath(place))


@dataclass(frozen=True)
class Reading:
    """How files are read. It is pickled with tables, without what may be secret."""

    map: bool
    storage_options: tuple[tuple[str, str], ...] | None = None
    cache: str | None = None
    """The folder of the cache; None for memory."""
    cache_bytes: int | str = 1

    @staticmethod
    def of(
        place: str,
        map: bool,
        storage_options: Mapping[str, str] | None,
        cache: Cache,
        cache_bytes: int | str | None,
    ) -> Reading:
        """The keywords for a path or URL, if each can have its value."""
        map = truth("map", map)
        if not is_url(place):
            if storage_options is not None:
                raise SettingError("storage_options is for datasets in object stores, such as s3://bucket/dataset")
            # A cache would only hold copies of files that are on a disk.
            return Reading(map)
        if storage_options is not None and not _are_texts(storage_options):
            # What was given may be secret.
            text = 'storage_options is a mapping of names to texts, as in {"region": "eu-west-1"}'
            raise SettingError(text)
        folder = _usual_folder() if cache is None else None if cache is False else path_of("cache", cache)
        if folder is not None:
            folder = os.path.abspath(folder)
        bytes = cache_bytes if cache_bytes is not None else 1 if folder is None else _usual_bytes(folder)
        options = None if storage_options is None else tuple(sorted(storage_options.items()))
        return Reading(map, options, folder, bytes)

    @property
    def native(self) -> _inlaid.Reading:
        """The same for the native half; tables of a process that are read alike share a cache."""
        return _native(self)

    def __repr__(self) -> str:
        return f"Reading(map={self.map}, cache={self.cache!r}, cache_bytes={self.cache_bytes!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        # Options go to processes that are being spawned, by way of memory; a pickle elsewhere may be kept.
        known = self if get_spawning_popen() is not None else replace(self, storage_options=None)
        return Reading, (known.map, known.storage_options, known.cache, known.cache_bytes)


def _are_texts(options: Any) -> bool:
    return isinstance(options, Mapping) and all(isinstance(text, str) for pair in options.items() for text in pair)


@lru_cache(maxsize=64)
def _native(reading: Reading) -> _inlaid.Reading:
    options = None if reading.storage_options is None else dict(reading.storage_options)
    keywords = {"map": reading.map, "storage_options": options, "cache": reading.cache}
    return _inlaid.Reading({**keywords, "cache_bytes": reading.cache_bytes})


def _usual_folder() -> str | None:
    """The folder of caches of this user; None if there is none."""
    named = os.environ.get("INLAID_CACHE")
    if named:
        return named
    above = os.environ.get("XDG_CACHE_HOME") or os.path.join("~", ".cache")
    folder = os.path.join(os.path.expanduser(above), "inlaid")
    return folder if os.path.isabs(folder) else None


def _usual_bytes(folder: str) -> int:
    """Half of what is free for a cache, those of its own bytes included."""
    there = Path(folder)
    while not there.exists() and there != there.parent:
        there = there.parent
    try:
        own = int((Path(folder) / "lock").read_text())
    except (OSError, ValueError):
        own = 0
    try:
        return min((shutil.disk_usage(there).free + own) // 2, MOST_BY_DEFAULT)
    except OSError:
        return MOST_BY_DEFAULT
