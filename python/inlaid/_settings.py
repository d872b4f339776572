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
    from ._pixels import PixelSettings

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
        if scale is not None and scale not in SCALES:
            raise SettingError(f'scale is "0..1", "-1..1" or "0..255", not {scale!r}')
        numbers = [value.tolist() if isinstance(value, np.ndarray | np.generic) else value for value in (mean, std)]
        _check_mean(numbers[0], scale or "0..1")
        return CastSettings(layout, None if dtype is None else name_of_dtype(dtype), scale, *map(_hashable, numbers))


SCALES = {"0..1": (0.0, 1.0), "-1..1": (-1.0, 1.0), "0..255": (0.0, 255.0)}
"""Black and white on each scale."""


def name_of_dtype(dtype: Any) -> str:
    """The name of a type of elements: of NumPy's types and PyTorch's too."""
    if isinstance(dtype, str):
        return dtype
    if type(dtype).__module__ == "torch":
        return str(dtype).removeprefix("torch.")
    try:
        name: str = np.dtype(dtype).name
        return name
    except TypeError:
        raise SettingError(f'dtype is a type such as "float32", not {dtype!r}') from None


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _check_mean(mean: Any, scale: str) -> None:
    """A mean that no image has is one on another scale, and makes every element nearly the same."""
    black, white = SCALES[scale]
    numbers = mean if isinstance(mean, list | tuple) else [mean]
    for number in numbers:
        if isinstance(number, int | float) and not black <= number <= white:
            raise SettingError(
                f'a mean of {number:g} is outside of the scale {scale}; elements of 0 to 255 are scale="0..255"'
            )


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
    pixels: PixelSettings | None
    on_error: Literal["raise", "skip"]
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
    pixels: PixelSettings | None,
    on_error: Literal["raise", "skip"],
    ranks: tuple[int, int, bool],
    uneven: Literal["keep", "drop", "pad"] | None,
    prefetch: int,
) -> BatchSettings:
    """The settings, if each is in its range; `columns` are those of `chosen_columns`, `ranks` those of `ranks`."""
    rank, world_size, are_ranks_found = ranks
    settings = BatchSettings(
        batch_size=integer("batch_size", batch_size, 1),
        shuffle=mixing(shuffle),
        seed=integer("seed", seed, 0, 2**64 - 1),
        drop_last=truth("drop_last", drop_last),
        columns=columns,
        draw=draw,
        cast=cast,
        pixels=pixels,
        on_error=on_error,
        rank=rank,
        world_size=world_size,
        uneven=("drop" if drop_last else "pad") if uneven is None else uneven,
        prefetch=integer("prefetch", prefetch, 0, MAX_THREADS),
        are_ranks_found=are_ranks_found,
    )
    if settings.on_error not in ("raise", "skip"):
        raise SettingError(f'on_error is "raise" or "skip", not {on_error!r}')
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


def meant(split: Any) -> str:
    """A question, if a split is called by another of its names."""
    names = {"val": "validation", "valid": "validation", "dev": "validation", "training": "train", "testing": "test"}
    name = names.get(str(split))
    return f"; did you mean `{name}`?" if name else ""


def names_of_columns(asked: Sequence[str]) -> list[str]:
    """The names in a list, which a string is not."""
    if isinstance(asked, str | bytes) or not hasattr(asked, "__iter__"):
        raise SettingError(f'columns is a list of names, as in ["label"], not {asked!r}')
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


MOST = 2**63 - 1
"""The most that an integer may be."""


def integer(name: str, value: Any, least: int, most: int = MOST) -> int:
    """The value as an integer, if it is from `least` to `most`."""
    try:
        number = operator.index(value)
    except TypeError:
        raise SettingError(f"{name} is an integer, not {value!r}") from None
    if number < least:
        raise SettingError(f"{name} is at least {least}, not {value}")
    if number > most:
        raise SettingError(f"{name} is at most {most}, not {value}")
    return number


def is_url(path: str) -> bool:
    """Whether it is a URL rather than a path."""
    return re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+://", path) is not None


def source_path(value: Any) -> str:
    """The value as the text of a path of images, or of a URL."""
    text = os.fsdecode(value) if isinstance(value, str | bytes | os.PathLike) else ""
    return text if is_url(text) and "\0" not in text else input_path("a source", value)


def place_of(name: str, value: Any) -> str:
    """The value as the text of a path, or of a URL."""
    text = os.fsdecode(value) if isinstance(value, str | bytes | os.PathLike) else ""
    return text if is_url(text) and "\0" not in text else path_of(name, value)


def dataset_place(name: str, value: Any) -> str:
    """The value as the text of a path where a dataset should be, or of a URL."""
    place = place_of(name, value)
    return place if is_url(place) else input_path(name, value)


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
        raise SettingError(f"{name} is a path, not {in_short(value)}") from None
    if "\0" in text:
        raise SettingError(f"{name} is a path, in which a null character can't be: {value!r}")
    if is_url(text):
        raise SettingError(f"{name} is a local path, not a URL: {text!r}")
    if text.startswith("~") and os.path.expanduser(text) != text and not os.path.lexists(text):
        raise NotFoundError(f"`{text}` does not exist: `~` is not expanded; `os.path.expanduser` does that")
    return text


def in_short(value: Any) -> str:
    """A value in a message, or its type if it is long, as arrays are."""
    text = repr(value)
    if len(text) <= 80 and text.isprintable() and not hasattr(value, "__array__"):
        return text
    kind = type(value)
    return f"a {kind.__qualname__}" if kind.__module__ == "builtins" else f"a {kind.__module__}.{kind.__qualname__}"


def listed(names: Sequence[str], most: int = 10) -> str:
    """Names in a sentence, the first ones if there are many."""
    if not names:
        return "not named"
    others = f" and {len(names) - most} others" if len(names) > most else ""
    return ", ".join(names[:most]) + others


def counted(number: int, noun: str, nouns: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{number} {noun if number == 1 else nouns}"
