"""The settings of batches, checked once: every number in its range, every column in the table."""

from __future__ import annotations

import difflib
import glob
import operator
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ._errors import ColumnError, NotFoundError, SettingError

if TYPE_CHECKING:
    from ._draws import Draw

MAX_THREADS = 1024
"""The most threads of a pass, as in `inlaid::RunOptions`."""


@dataclass(frozen=True)
class CastSettings:
    """What the tensors of batches are cast to; checked by the native half. See `Table.batches`."""

    layout: str | None
    dtype: str | None
    scale: str | None
    mean: Any
    std: Any

    @staticmethod
    def of(layout: Any, dtype: Any, scale: Any, mean: Any, std: Any) -> CastSettings | None:
        """The settings, or None if all of them are."""
        if all(value is None for value in (layout, dtype, scale, mean, std)):
            return None
        if dtype is not None and not isinstance(dtype, str):
            # np.float32 and np.dtype("float32") as well.
            try:
                dtype = np.dtype(dtype).name
            except TypeError:
                raise SettingError(f'dtype is a type such as "float32", not {dtype!r}') from None
        as_tuple = [tuple(value.tolist()) if isinstance(value, np.ndarray) else value for value in (mean, std)]
        return CastSettings(layout, dtype, scale, *as_tuple)


@dataclass(frozen=True)
class BatchSettings:
    """See `Table.batches`."""

    batch_size: int
    shuffle: bool | int
    seed: int
    drop_last: bool
    columns: tuple[str, ...]
    draw: Draw | None
    cast: CastSettings | None
    rank: int
    world_size: int
    uneven: Literal["keep", "drop", "pad"]
    prefetch: int
    are_ranks_found: bool
    """Whether rank and world size were found, not given."""


def checked_settings(
    *,
    batch_size: int,
    shuffle: bool | int,
    seed: int,
    drop_last: bool,
    columns: tuple[str, ...],
    draw: Draw | None,
    cast: CastSettings | None,
    ranks: tuple[int, int, bool],
    uneven: Literal["keep", "drop", "pad"] | None,
    prefetch: int,
) -> BatchSettings:
    """The settings, if each is in its range; `columns` are those of `chosen_columns`, `ranks` those of `ranks`."""
    rank, world_size, are_ranks_found = ranks
    settings = BatchSettings(
        batch_size=integer("batch_size", batch_size, 1),
        shuffle=mixing(shuffle),
        seed=integer("seed", seed, 0),
        drop_last=truth("drop_last", drop_last),
        columns=columns,
        draw=draw,
        cast=cast,
        rank=rank,
        world_size=world_size,
        uneven=("drop" if drop_last else "pad") if uneven is None else uneven,
        prefetch=integer("prefetch", prefetch, 0),
        are_ranks_found=are_ranks_found,
    )
    if settings.prefetch > MAX_THREADS:
        raise SettingError(f"prefetch is at most {MAX_THREADS} threads, not {prefetch}")
    if settings.uneven not in ("keep", "drop", "pad"):
        raise SettingError(f'uneven is "keep", "drop" or "pad", not {uneven!r}')
    return settings


def chosen_columns(names: list[str], tensor_column: str, asked: Sequence[str] | None) -> tuple[str, ...]:
    """The columns that are read beside the tensors, by default `label` if there is one."""
    if asked is None:
        return ("label",) if "label" in names else ()
    chosen = names_of_columns(asked)
    for name in chosen:
        known_column(name, names)
    return tuple(name for name in chosen if name != tensor_column)


def known_column(name: str, names: list[str]) -> str:
    """The name of a column, if the table has it."""
    if name in names:
        return name
    # Anything may be asked for, and only a text is like another one.
    alike = difflib.get_close_matches(name, names, 1) if isinstance(name, str) else []
    meant = "".join(f"; did you mean `{other}`?" for other in alike)
    raise ColumnError(f"there is no column `{name}`, the table has {', '.join(names)}{meant}")


def names_of_columns(asked: Sequence[str]) -> list[str]:
    """The names in a list, which a string is not."""
    if isinstance(asked, str):
        raise SettingError(f"columns is a list of names: [{asked!r}]")
    return list(asked)


def mixing(shuffle: Any) -> bool | int:
    """The value of `shuffle` as a bool, or a number of row groups."""
    if isinstance(shuffle, bool | np.bool_):
        return bool(shuffle)
    try:
        return integer("shuffle", shuffle, 1)
    except SettingError:
        text = f"shuffle is True, False or the number of row groups to mix, at least 1, not {shuffle!r}"
        raise SettingError(text) from None


def truth(name: str, value: Any) -> bool:
    """The value as a bool, if it is one, or one of NumPy."""
    if not isinstance(value, bool | np.bool_):
        raise SettingError(f"{name} is True or False, not {value!r}")
    return bool(value)


def integer(name: str, value: Any, least: int) -> int:
    """The value as an integer of 64 bits, if it is at least `least`."""
    try:
        number = operator.index(value)
    except TypeError:
        raise SettingError(f"{name} is an integer, not {value!r}") from None
    if not least <= number < 2**64:
        raise SettingError(f"{name} is at least {least}, not {value}")
    return number


def input_path(name: str, value: Any) -> str:
    """The value as the text of a path where something should be."""
    text = path_of(name, value)
    if glob.has_magic(text) and not os.path.lexists(text):
        raise NotFoundError(f"`{text}` does not exist: patterns are not expanded; `glob.glob` finds what matches one")
    return text


def path_of(name: str, value: Any) -> str:
    """The value as the text of a path, if it is one: a string, bytes or a path. A URL or `~` would be a folder of that
    name."""
    try:
        text = os.fsdecode(value)
    except TypeError:
        raise SettingError(f"{name} is a path, not {value!r}") from None
    if "\0" in text:
        raise SettingError(f"{name} is a path, in which a null character can't be: {value!r}")
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+://", text):
        raise SettingError(f"{name} is a local path, not a URL: {text!r}")
    if text.startswith("~") and os.path.expanduser(text) != text and not os.path.lexists(text):
        raise NotFoundError(f"`{text}` does not exist: `~` is not expanded; `os.path.expanduser` does that")
    return text


def counted(number: int, noun: str, nouns: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{number} {noun if number == 1 else nouns}"
