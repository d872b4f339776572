"""The settings of batches, checked once: every number in its range, every column in the table."""

from __future__ import annotations

import operator
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ._errors import ColumnError, SettingError

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
        shuffle=bool(shuffle) if isinstance(shuffle, bool | np.bool_) else integer("shuffle", shuffle, 1),
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
        if name not in names:
            raise ColumnError(f"there is no column `{name}`, the table has {', '.join(names)}")
    return tuple(name for name in chosen if name != tensor_column)


def names_of_columns(asked: Sequence[str]) -> list[str]:
    """The names in a list, which a string is not."""
    if isinstance(asked, str):
        raise SettingError(f"columns is a list of names: [{asked!r}]")
    return list(asked)


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


def path_of(name: str, value: Any) -> str:
    """The value as the text of a path, if it is one: a string, bytes or a path."""
    try:
        text = os.fsdecode(value)
    except TypeError:
        raise SettingError(f"{name} is a path, not {value!r}") from None
    if "\0" in text:
        raise SettingError(f"{name} is a path, in which a null character can't be: {value!r}")
    return text


def counted(number: int, noun: str, nouns: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{number} {noun if number == 1 else nouns}"
