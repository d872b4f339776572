"""Images in memory as image files that hold exactly their pixels: PNM and PAM, which are a header and the samples."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._errors import SettingError

# Modes of Pillow whose samples are those of a file.
PLAIN = ("L", "LA", "RGB", "RGBA")


def image_file(value: Any) -> Any:
    """The file of an image of Pillow, or of an array (H, W) or (H, W, C) of uint8, uint16 or bool. Paths become texts;
    any other value stays as it is."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, np.generic):
        return value.item()
    if hasattr(value, "getexif") and hasattr(value, "mode"):
        return _of_pillow(value)
    if hasattr(value, "__array__") and hasattr(value, "shape"):
        value = np.asarray(value)
        return value.tolist() if value.ndim < 2 else _file(value)
    return value


def is_image(value: Any) -> bool:
    """Whether it is an image of Pillow, or an array that could be one."""
    if hasattr(value, "getexif") and hasattr(value, "mode"):
        return True
    return hasattr(value, "__array__") and len(getattr(value, "shape", ())) >= 2


def _of_pillow(image: Any) -> bytes | None:
    """The file of an image of Pillow. One that can't be decoded is the file that it is from, or nothing: a reject."""
    try:
        samples = _samples(image)
    except SettingError:
        raise
    except (OSError, ValueError, SyntaxError):
        try:
            with open(image.filename, "rb") as file:
                return file.read()
        except (OSError, AttributeError, TypeError):
            return None
    return _file(samples)


def _samples(image: Any) -> NDArray[Any]:
    """The samples of an image of Pillow, upright."""
    from PIL import ImageOps

    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        samples = np.asarray(image)
        if samples.min(initial=0) < 0 or samples.max(initial=0) > 65_535:
            raise SettingError(f"an image of mode {image.mode} has values from 0 to 65,535: convert others first")
        return samples.astype(np.uint16)
    if image.mode == "F":
        raise SettingError("an image of mode F has no white: convert it to an array of uint8 or uint16")
    has_alpha = image.mode in ("PA", "RGBa") or "transparency" in image.info
    if has_alpha and image.mode != "RGBA":
        image = image.convert("RGBA")
    elif image.mode not in PLAIN:
        image = image.convert({"1": "L", "La": "LA"}.get(image.mode, "RGB"))
    return np.asarray(image)


def _file(pixels: NDArray[Any]) -> bytes:
    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8) * 255
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    if pixels.ndim > 3 or channels not in (1, 2, 3, 4):
        fix = ": put channels last with `transpose(1, 2, 0)`" if pixels.shape[0] in (1, 3, 4) else ""
        shapes = "(H, W) or (H, W, C) of 1 to 4 channels"
        raise SettingError(f"an image is an array {shapes}, not of shape {pixels.shape}{fix}")
    if pixels.dtype.kind != "u" or pixels.dtype.itemsize > 2:
        raise SettingError(f"an image is an array of uint8 or uint16, not of {pixels.dtype}")
    (height, width), most = pixels.shape[:2], 255 if pixels.dtype.itemsize == 1 else 65_535
    if channels in (1, 3):
        head = f"P{5 if channels == 1 else 6}\n{width} {height}\n{most}\n"
    else:
        kind = "RGB_ALPHA" if channels == 4 else "GRAYSCALE_ALPHA"
        head = f"P7\nWIDTH {width}\nHEIGHT {height}\nDEPTH {channels}\nMAXVAL {most}\nTUPLTYPE {kind}\nENDHDR\n"
    samples = pixels if most == 255 else pixels.astype(">u2")
    return head.encode() + np.ascontiguousarray(samples).tobytes()
