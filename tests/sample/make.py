"""Draws the sample images: three classes, 40 small files of many formats, sizes and sample types.

    python tests/sample/make.py            # writes tests/sample/images

Needs Pillow and NumPy (versions: tests/interop/requirements.txt). Running it again gives the same
bytes. What Pillow cannot write (16-bit colour, 2-bit gray) is written by `png` below.
"""

import io
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SEED = 20_240_607
FOLDER = Path(__file__).parent / "images"
CLASSES = ["circle", "square", "triangle"]
OVERSAMPLING = 4


def draw(shape, width, height, rng):
    """A shape on a two-colour slope, as RGB, and how much of the shape covers each pixel, as L."""
    across, down = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    slope = (across * rng.uniform(0.3, 1) + down * rng.uniform(0.3, 1)) / 2
    near, far, color = rng.integers(0, 256, (3, 3))
    background = near + slope[..., None] * (far - near)

    w, h = width * OVERSAMPLING, height * OVERSAMPLING
    radius = min(w, h) * rng.uniform(0.28, 0.42)
    x, y = w * rng.uniform(0.42, 0.58), h * rng.uniform(0.42, 0.58)
    mask = Image.new("L", (w, h))
    pen = ImageDraw.Draw(mask)
    if shape == "circle":
        pen.ellipse([x - radius, y - radius, x + radius, y + radius], fill=255)
    else:
        corners = {"square": 4, "triangle": 3}[shape]
        pen.regular_polygon((x, y, radius), corners, rotation=int(rng.integers(0, 30)), fill=255)
    mask = mask.resize((width, height), Image.Resampling.BOX)
    cover = np.asarray(mask, np.float64)[..., None] / 255
    pixels = background * (1 - cover) + color * cover
    return Image.fromarray(pixels.round().astype(np.uint8), "RGB"), mask


def png(width, height, depth, color_type, rows):
    """A PNG file of rows that are packed already."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def save(image, format, **options):
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def with_alpha(rgb, mask):
    """The shape is opaque, what surrounds it half transparent."""
    image = rgb.convert("RGBA")
    image.putalpha(mask.point(lambda v: 96 + v * 159 // 255))
    return image


def gray_alpha(rgb, mask):
    return Image.merge("LA", (rgb.convert("L"), with_alpha(rgb, mask).getchannel("A")))


def frames(rgb):
    """The image, then two that are nothing like it."""
    others = [Image.new("RGB", rgb.size, color) for color in ("white", "red")]
    return {"save_all": True, "append_images": others, "duration": 80}


def oriented(rgb):
    exif = Image.Exif()
    exif[0x0112] = 6
    return save(rgb.rotate(90, expand=True), "JPEG", quality=90, exif=exif)


def gray_16(rgb):
    """Not multiples of 257, so that they have to be rounded."""
    return save(Image.fromarray(np.asarray(rgb.convert("L"), np.uint16) * 256 + 100), "PNG")


def rgb_16(rgb):
    rows = (np.asarray(rgb, np.uint16) * 257).astype(">u2")
    return png(rgb.width, rgb.height, 16, 2, [row.tobytes() for row in rows])


def gray_2(rgb):
    """Four grays a byte; the width is a multiple of four."""
    four = np.asarray(rgb.convert("L")) >> 6
    packed = four[:, 0::4] << 6 | four[:, 1::4] << 4 | four[:, 2::4] << 2 | four[:, 3::4]
    return png(rgb.width, rgb.height, 2, 0, [row.tobytes() for row in packed])


# Name, width, height, writer.
VARIANTS = {
    "rgb.jpg": (120, 90, lambda rgb, mask: save(rgb, "JPEG", quality=90)),
    "progressive.jpg": (96, 128, lambda rgb, mask: save(rgb, "JPEG", quality=85, progressive=True)),
    "full-chroma.jpeg": (75, 75, lambda rgb, mask: save(rgb, "JPEG", quality=95, subsampling=0)),
    "gray.jpg": (100, 60, lambda rgb, mask: save(rgb.convert("L"), "JPEG", quality=90)),
    "cmyk.jpg": (80, 80, lambda rgb, mask: save(rgb.convert("CMYK"), "JPEG", quality=90)),
    "orientation-6.jpg": (60, 110, lambda rgb, mask: oriented(rgb)),
    "rgb.png": (64, 64, lambda rgb, mask: save(rgb, "PNG", optimize=True)),
    "large-rgb.png": (160, 120, lambda rgb, mask: save(rgb, "PNG", optimize=True)),
    "gray.png": (50, 70, lambda rgb, mask: save(rgb.convert("L"), "PNG", optimize=True)),
    "palette.png": (90, 66, lambda rgb, mask: save(rgb.quantize(32), "PNG", optimize=True)),
    "one-bit.png": (101, 53, lambda rgb, mask: save(mask.convert("1"), "PNG")),
    "two-bit.png": (72, 72, lambda rgb, mask: gray_2(rgb)),
    "gray-16-bit.png": (48, 64, lambda rgb, mask: gray_16(rgb)),
    "rgb-16-bit.png": (40, 40, lambda rgb, mask: rgb_16(rgb)),
    "rgba.png": (70, 52, lambda rgb, mask: save(with_alpha(rgb, mask), "PNG", optimize=True)),
    "gray-alpha.png": (66, 66, lambda rgb, mask: save(gray_alpha(rgb, mask), "PNG", optimize=True)),
    "lossy.webp": (128, 85, lambda rgb, mask: save(rgb, "WEBP", quality=80)),
    "lossless.webp": (64, 48, lambda rgb, mask: save(rgb, "WEBP", lossless=True)),
    "lossless-rgba.webp": (55, 77, lambda rgb, mask: save(with_alpha(rgb, mask), "WEBP", lossless=True, exact=True)),
    "animated.webp": (48, 48, lambda rgb, mask: save(rgb, "WEBP", lossless=True, **frames(rgb))),
    "palette.gif": (84, 63, lambda rgb, mask: save(rgb.quantize(64), "GIF")),
    "animated.gif": (60, 60, lambda rgb, mask: save(rgb, "GIF", **frames(rgb))),
    "rgb.bmp": (45, 33, lambda rgb, mask: save(rgb, "BMP")),
    "palette.bmp": (57, 41, lambda rgb, mask: save(rgb.quantize(16), "BMP")),
    "lzw.tiff": (64, 80, lambda rgb, mask: save(rgb, "TIFF", compression="tiff_lzw")),
    "gray.tif": (40, 50, lambda rgb, mask: save(rgb.convert("L"), "TIFF")),
    "rgb.ppm": (36, 48, lambda rgb, mask: save(rgb, "PPM")),
    "gray.pgm": (44, 30, lambda rgb, mask: save(rgb.convert("L"), "PPM")),
    "rgb.tga": (50, 38, lambda rgb, mask: save(rgb, "TGA")),
    "rle-rgba.tga": (38, 50, lambda rgb, mask: save(with_alpha(rgb, mask), "TGA", compression="tga_rle")),
    "rgb.qoi": (58, 58, lambda rgb, mask: save(rgb, "QOI")),
    "rgba.ico": (32, 32, lambda rgb, mask: save(with_alpha(rgb, mask), "ICO", sizes=[(32, 32)])),
}

# Every class has the common formats; the rest is dealt out in turn.
COMMON = ["rgb.jpg", "rgb.png", "lossless.webp", "palette.png"]


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    rest = [name for name in VARIANTS if name not in COMMON]
    number = 0
    for index, shape in enumerate(CLASSES):
        (FOLDER / shape).mkdir(parents=True)
        for name in COMMON + rest[index :: len(CLASSES)]:
            number += 1
            width, height, write = VARIANTS[name]
            rgb, mask = draw(shape, width, height, np.random.default_rng([SEED, number]))
            (FOLDER / shape / f"{number:02}-{name}").write_bytes(write(rgb, mask))


if __name__ == "__main__":
    main()
