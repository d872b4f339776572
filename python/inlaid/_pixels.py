"""How images are decoded, resized and augmented on their way into batches."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import numpy as np

from ._errors import SettingError
from ._settings import MAX_THREADS, CastSettings, integer

if TYPE_CHECKING:
    from typing_extensions import Self

    from ._table import Table


class PixelOptions(TypedDict, total=False):
    """How images are decoded, resized and augmented. See `Table.batches`."""

    size: int | tuple[int, int] | None
    random_resized_crop: bool | tuple[tuple[float, float], tuple[float, float]]
    crop: int | tuple[int, int] | None
    padding: int
    horizontal_flip: float
    channels: Literal["rgb", "gray", "rgba"] | None
    fit: Literal["stretch", "crop", "pad", "shortest-side"]
    crop_ratio: float
    only_shrink: bool
    pad_color: tuple[int, int, int] | str
    resize_like: Literal["tf", "tf-antialias", "pillow", "torchvision", "opencv"] | None
    filter: Literal["bilinear", "nearest", "bicubic", "lanczos3", "box", "area"]
    antialias: bool
    exif: bool
    color_profile: Literal["keep", "srgb"]
    jpeg_decoder: Literal["auto", "zune-jpeg", "libjpeg-turbo"]
    jpeg_shrink: bool | int
    truncated: Literal["reject", "keep"]
    max_pixels: int
    threads: int | None
    memory: int | str | None


@dataclass(frozen=True)
class PixelSettings:
    """The options, checked by the native half, and what tensors are cast to."""

    cast: CastSettings | None = None
    size: Any = None
    random_resized_crop: Any = False
    crop: Any = None
    padding: Any = 0
    horizontal_flip: Any = 0.0
    channels: Any = None
    fit: Any = "stretch"
    crop_ratio: Any = 1.0
    only_shrink: Any = False
    pad_color: Any = "black"
    resize_like: Any = None
    filter: Any = "bilinear"
    antialias: Any = True
    exif: Any = True
    color_profile: Any = "keep"
    jpeg_decoder: Any = "auto"
    jpeg_shrink: Any = False
    truncated: Any = "reject"
    max_pixels: Any = 178_956_970
    threads: Any = None
    memory: Any = None

    @classmethod
    def of(cls, are_files: bool, cast: CastSettings | None, options: Mapping[str, Any]) -> Self | None:
        """The settings of `PixelOptions` for a table of image files, or of tensors. None if stored tensors stay as they
        are, but for what they are cast to."""
        given = {name: _plain(value) for name, value in options.items()}
        if given.get("threads") is not None:
            integer("threads", given["threads"], 1, MAX_THREADS)
        settings = cls(cast=cast, **given)
        as_they_are = cls(cast=cast, threads=settings.threads, memory=settings.memory)
        return settings if are_files or settings != as_they_are else None

    @property
    def draws(self) -> str | None:
        """The name of an option whose effect is drawn in every epoch."""
        drawn = {"random_resized_crop": False, "crop": None, "horizontal_flip": 0}
        return next((name for name, none in drawn.items() if getattr(self, name) != none), None)

    def moves(self, height: int, width: int) -> list[str]:
        """The names of the options that move pixels of stored images of this size."""
        size = (self.size, self.size) if isinstance(self.size, int) else self.size
        still = {"random_resized_crop": False, "crop": None, "padding": 0, "horizontal_flip": 0, "crop_ratio": 1}
        moving = [name for name, none in still.items() if getattr(self, name) != none]
        return moving if size in (None, (height, width)) else ["size", *moving]

    def shared_by(self, workers: int) -> PixelSettings:
        """The settings of one of several workers of a machine, whose threads share its cores."""
        return self if self.threads is not None else replace(self, threads=max(1, (os.cpu_count() or 1) // workers))


def check_beside(table: Table, columns: Sequence[str], pixels: PixelSettings | None) -> None:
    """Refuses images in other columns, such as masks, that no longer fit those whose pixels are moved."""
    if pixels is None or table._are_files:
        return
    shape, is_planar = table.shape, table._native.layout(table.tensor_column) == "chw"
    height, width = shape[1:3] if is_planar else shape[:2]
    moving = pixels.moves(height, width)
    tensors = table._native.tensors
    beside = [name for name in columns if name in tensors and _is_image(tensors[name][0], height, width)]
    if not moving or not beside:
        return
    move = "move" if len(moving) > 1 else "moves"
    raise SettingError(
        f"{_quoted(moving)} {move} the pixels of `{table.tensor_column}` only, and {_quoted(beside)} would not fit them"
        "; leave one of the two out, or change both in a transform"
    )


def _is_image(shape: tuple[int, ...], height: int, width: int) -> bool:
    """Whether a tensor has rows and columns of pixels. One of two dimensions may be anything, such as embeddings of
    words, unless it has the proportions of the image."""
    return len(shape) > 2 or (len(shape) == 2 and shape[0] * width == shape[1] * height)


def _quoted(names: Sequence[str]) -> str:
    *others, last = [f"`{name}`" for name in names]
    return f"{', '.join(others)} and {last}" if others else last


def pixel_options(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The options among the arguments of a call."""
    return {name: arguments[name] for name in PixelOptions.__annotations__}


def _plain(value: Any) -> Any:
    """Lists and arrays as tuples, which can be compared and pickled."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return tuple(_plain(part) for part in value)
    return value
