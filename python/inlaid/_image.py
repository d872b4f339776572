"""Tensors as images of Pillow."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ._errors import SettingError

if TYPE_CHECKING:
    from PIL.Image import Image


def to_image(tensor: NDArray[Any], layout: str | None, spec: str | None) -> Image:
    """The image of a tensor; `spec` is that of the dataset as JSON, if it has one."""
    import PIL.Image

    if layout is None:
        raise SettingError(f"tensors of shape {tensor.shape} are no images: none of their dimensions is channels")
    pixels = np.moveaxis(tensor, 0, -1) if layout == "chw" else tensor
    channels = pixels.shape[-1]
    if channels not in (1, 3, 4):
        raise SettingError(f"images have 1, 3 or 4 channels, not {channels}")
    if np.issubdtype(pixels.dtype, np.floating):
        pixels = _levels(pixels.astype(np.float32), json.loads(spec) if spec else {})
    elif pixels.dtype == np.uint16 and channels > 1:
        # Pillow has 16 bits for gray alone.
        pixels = np.round(pixels / 257).astype(np.uint8)
    elif pixels.dtype not in (np.uint8, np.uint16):
        raise SettingError(f"elements of {pixels.dtype} are no samples of images")
    return PIL.Image.fromarray(np.ascontiguousarray(pixels[..., 0] if channels == 1 else pixels))


def _levels(pixels: NDArray[np.float32], spec: dict[str, Any]) -> NDArray[np.uint8]:
    """Floats as bytes, by the inverse of the rule that made them."""
    colors = pixels[..., :3]
    mean, std = spec.get("mean"), spec.get("std")
    if std is not None:
        colors = colors * np.asarray(std, np.float32)
    if mean is not None:
        colors = colors + np.asarray(mean, np.float32)
    scaled = np.concatenate([colors, pixels[..., 3:]], axis=-1)
    unit = {"-1..1": (scaled + 1) / 2, "0..255": scaled / 255}.get(spec.get("scale", "0..1"), scaled)
    return np.clip(np.round(unit * 255), 0, 255).astype(np.uint8)
