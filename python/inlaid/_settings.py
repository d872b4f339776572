"""The settings of batches, checked once: every number in its range, every column in the table."""

from __future__ import annotations

import operator
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ._errors import ColumnError, SettingError

MAX_THREADS = 1024
"""The most threads of a pass, as in `inlaid::RunOptions`."""


@dataclass(frozen=True)
class BatchSettings:
    """See `Table.batches`."""

    batch_size: int
    shuffle: bool | int
    seed: int
    drop_last: bool
    columns: tuple[str, ...]
    rank: int
    world_size: int
    uneven: Literal["keep", "drop", "pad"]
    prefetch: int


def batch_settings(
    batch_size: int,
    shuffle: bool | int,
    seed: int,
    drop_last: bool,
    columns: tuple[str, ...],
    rank: int,
    world_size: int,
    uneven: Literal["keep", "drop", "pad"] | None,
    prefetch: int,
) -> BatchSettings:
    """The settings, if each is in its range; `columns` are those of `chosen_columns`."""
    checked = BatchSettings(
        batch_size=integer("batch_size", batch_size, 1),
        shuffle=shuffle if isinstance(shuffle, bool) else integer("shuffle", shuffle, 1),
        seed=integer("seed", seed, 0),
        drop_last=truth("drop_last", drop_last),
        columns=columns,
        rank=integer("rank", rank, 0),
        world_size=integer("world_size", world_size, 1),
        uneven=("drop" if drop_last else "keep") if uneven is None else uneven,
        prefetch=integer("prefetch", prefetch, 0),
    )
    if checked.prefetch > MAX_THREADS:
        raise SettingError(f"prefetch is at most {MAX_THREADS} threads, not {prefetch}")
    if checked.uneven not in ("keep", "drop", "pad"):
        raise SettingError(f'uneven is "keep", "drop" or "pad", not {uneven!r}')
    if checked.rank >= checked.world_size:
        raise SettingError(f"rank {rank} is not below world_size {world_size}")
    return checked


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


def position(state: dict[str, int]) -> tuple[int, int]:
    """The epoch of a state, and how many of its batches were read."""
    if not isinstance(state, dict) or not {"epoch", "batches"} <= state.keys():
        raise SettingError(f'a state is what `state_dict()` returned, with "epoch" and "batches", not {state!r}')
    return integer("epoch", state["epoch"], 0), integer("batches", state["batches"], 0)


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
