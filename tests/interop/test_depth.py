"""Elements are computed at the full depth of the source, against NumPy. Most images are converted at their own size,
where scaling is an exact copy."""

import struct

import numpy as np
import png
import pytest
import tensorflow as tf
import torch
from PIL import Image

from test_pixels import PAD, luma, noise, over, saved, write

SIZE = (9, 13)
MEAN = np.float32([0.485, 0.456, 0.406])
STD = np.float32([0.229, 0.224, 0.225])


def tiff(samples, format, bits):
    """An uncompressed TIFF file: `format` is 1 for integers and 3 for floats."""
    height, width, channels = samples.shape
    data = samples.tobytes()
    more = struct.pack(f"<{2 * channels}H", *[bits] * channels, *[format] * channels)
    entries = [
        *((256, 3, 1, width), (257, 3, 1, height), (259, 3, 1, 1), (262, 3, 1, 2 if channels == 3 else 1)),
        *((277, 3, 1, channels), (278, 3, 1, height), (279, 4, 1, len(data))),
    ]
    begin = 8 + 2 + 12 * (len(entries) + 3) + 4
    pair = (lambda at, value: at) if channels > 2 else (lambda at, value: value)
    entries += [
        (258, 3, channels, pair(begin, bits)),
        (273, 4, 1, begin + len(more)),
        (339, 3, channels, pair(begin + 2 * channels, format)),
    ]
    out = b"II*\0" + struct.pack("<IH", 8, len(entries))
    out += b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries)) + bytes(4)
    return out + more + data


def deep(pixels, depth=16):
    return {"a.png": png.encode(pixels, depth, png.RGB)}


def size_of(image):
    return f"{image.shape[0]}x{image.shape[1]}"


@pytest.fixture
def convert(pixels_of, tmp_path):
    """A function that writes files and converts them at the given size; returns the only row."""

    def run(files, size, *options):
        folder = write(tmp_path / f"source-{len(list(tmp_path.iterdir()))}", files)
        ((_, image),) = pixels_of(folder, size, *options).items()
        return image

    return run


# 16 bits


@pytest.mark.parametrize("file", ["png", "tiff"])
def test_sixteen_bits_are_kept(convert, file):
    pixels = noise(*SIZE, depth=16)
    files = {"png": deep(pixels), "tiff": {"a.tif": tiff(pixels.astype("<u2"), 1, 16)}}[file]
    image = convert(files, "9x13", "--dtype", "u16")
    assert image.dtype == np.uint16
    assert np.array_equal(image, pixels)
    floats = convert(files, "9x13", "--dtype", "f32")
    assert np.array_equal(floats, pixels.astype(np.float32) / np.float32(65_535))


def test_gray_of_sixteen_bits_is_kept(convert):
    pixels = noise(*SIZE, channels=1, depth=16)
    files = {"a.png": png.encode(pixels, 16, png.GRAY)}
    assert np.array_equal(convert(files, "9x13", "--dtype", "u16", "--channels", "gray"), pixels)
    assert np.array_equal(convert(files, "9x13", "--dtype", "u16"), np.repeat(pixels, 3, axis=2))


def test_eight_bits_are_widened_by_257(convert):
    pixels = noise(*SIZE).astype(np.uint8)
    image = convert({"a.png": saved(pixels, "PNG")}, "9x13", "--dtype", "u16")
    assert np.array_equal(image, pixels.astype(np.uint16) * 257)


def test_luma_has_sixteen_bits(convert):
    pixels = noise(*SIZE, depth=16)
    r, g, b = np.moveaxis(pixels.astype(np.uint64), 2, 0)
    expected = (19_595 * r + 38_470 * g + 7_471 * b + 32_768) >> 16
    assert np.array_equal(convert(deep(pixels), "9x13", "--dtype", "u16", "--channels", "gray")[..., 0], expected)
    eight = noise(*SIZE).astype(np.uint8)
    wide = convert({"a.png": saved(eight, "PNG")}, "9x13", "--dtype", "u16", "--channels", "gray")
    # The rule for 8 bits, and what it rounds off.
    assert np.abs(wide / 257 - luma(eight)).max() <= 0.5


def test_alpha_is_composited_at_sixteen_bits(convert):
    pixels = noise(*SIZE, channels=4, depth=16)
    color, alpha = pixels[..., :3].astype(np.uint64), pixels[..., 3:].astype(np.uint64)
    pad = np.array(PAD, np.uint64) * 257
    expected = (color * alpha + pad * (65_535 - alpha) + 32_767) // 65_535
    files = {"a.png": png.encode(pixels, 16, png.RGB_ALPHA)}
    image = convert(files, "9x13", "--dtype", "u16", "--pad-color", ",".join(map(str, PAD)))
    assert np.array_equal(image, expected)
    assert np.array_equal(convert(files, "9x13", "--dtype", "u16", "--channels", "rgba"), pixels)


def test_bytes_of_deep_sources_are_what_they_were(convert):
    pixels = noise(*SIZE, depth=16)
    assert np.array_equal(convert(deep(pixels), "9x13"), (pixels.astype(int) + 128) // 257)


# Floats


def test_floats_are_those_of_torchvision(convert):
    pixels = noise(*SIZE).astype(np.uint8)
    files = {"a.png": saved(pixels, "PNG")}
    tensor = torch.from_numpy(pixels).permute(2, 0, 1).float().div(255)
    image = convert(files, "9x13", "--dtype", "f32", "--layout", "chw")
    assert np.array_equal(image, tensor.numpy())
    tensor.sub_(torch.from_numpy(MEAN)[:, None, None]).div_(torch.from_numpy(STD)[:, None, None])
    image = convert(files, "9x13", "--dtype", "f32", "--layout", "chw", "--mean", "imagenet", "--std", "imagenet")
    assert np.array_equal(image, tensor.numpy())


@pytest.mark.parametrize("scale", ["0..1", "-1..1", "0..255"])
@pytest.mark.parametrize("dtype", ["f32", "f16"])
def test_scales(convert, scale, dtype):
    pixels = noise(*SIZE).astype(np.uint8)
    floats = pixels.astype(np.float32)
    expected = {"0..1": floats / 255, "-1..1": floats / np.float32(127.5) - 1, "0..255": floats}[scale]
    image = convert({"a.png": saved(pixels, "PNG")}, "9x13", "--dtype", dtype, f"--scale={scale}")
    assert np.array_equal(image, expected.astype({"f32": np.float32, "f16": np.float16}[dtype]))


def test_mean_and_deviation_of_gray_are_one_number(convert):
    pixels = noise(*SIZE, channels=1).astype(np.uint8)
    files = {"a.png": saved(pixels[..., 0], "PNG")}
    options = ["--dtype", "f32", "--channels", "gray", "--scale=-1..1", "--mean=-0.25", "--std", "0.5"]
    expected = (pixels.astype(np.float32) / np.float32(127.5) - 1 + np.float32(0.25)) / np.float32(0.5)
    assert np.array_equal(convert(files, "9x13", *options), expected)


def test_luma_and_alpha_are_not_rounded(convert):
    pixels = noise(*SIZE, channels=4).astype(np.uint8)
    floats = pixels / 255
    flat = floats[..., :3] * floats[..., 3:] + np.array(PAD) / 255 * (1 - floats[..., 3:])
    files, pad = {"a.png": saved(pixels, "PNG")}, ",".join(map(str, PAD))
    image = convert(files, "9x13", "--dtype", "f32", "--pad-color", pad)
    assert np.abs(image - flat).max() < 1e-6
    assert np.abs(image * 255 - over(pixels, PAD)).max() <= 0.5001
    gray = convert(files, "9x13", "--dtype", "f32", "--pad-color", pad, "--channels", "gray")
    assert np.abs(gray[..., 0] - flat @ [0.299, 0.587, 0.114]).max() < 1e-5


def test_float_sources_are_clamped_and_not_rounded(convert):
    pixels = np.random.default_rng(1).normal(0.5, 0.5, (*SIZE, 3)).astype("<f4")
    image = convert({"a.tif": tiff(pixels, 3, 32)}, "9x13", "--dtype", "f32")
    assert np.array_equal(image, pixels.clip(0, 1))
    wide = convert({"a.tif": tiff(pixels, 3, 32)}, "9x13", "--dtype", "u16")
    assert np.abs(wide - pixels.clip(0, 1) * 65_535.0).max() <= 0.5001


# Resized


@pytest.mark.parametrize("antialias", [True, False])
def test_resized_floats_are_those_of_tensorflow(convert, antialias):
    pixels = noise(40, 51).astype(np.uint8)
    options = [] if antialias else ["--no-antialias"]
    image = convert({"a.png": saved(pixels, "PNG")}, "16x12", "--dtype", "f32", "--scale", "0..255", *options)
    reference = tf.image.resize(pixels, (16, 12), antialias=antialias).numpy()
    assert np.abs(image - reference).max() < 0.01


def test_resized_elements_agree_over_types(convert):
    pixels = noise(40, 51, depth=16)
    floats = convert(deep(pixels), "16x12", "--dtype", "f32")
    assert np.abs(convert(deep(pixels), "16x12", "--dtype", "u16") - floats * 65_535).max() <= 0.51
    assert np.array_equal(convert(deep(pixels), "16x12", "--dtype", "f16"), floats.astype(np.float16))
    assert np.abs(convert(deep(pixels), "16x12") - floats * 255.0).max() <= 1.5
    assert len(np.unique(floats)) > 256


def test_overshoot_is_clamped_for_integers_alone(convert):
    edge = np.zeros((16, 16, 3), np.uint8)
    edge[:, 8:] = 255
    files = {"a.png": saved(edge, "PNG")}
    floats = convert(files, "37x37", "--dtype", "f32", "--filter", "lanczos3")
    assert floats.min() < 0 and floats.max() > 1
    wide = convert(files, "37x37", "--dtype", "u16", "--filter", "lanczos3")
    assert np.abs(wide - floats.clip(0, 1) * 65_535.0).max() <= 0.51


def test_padding_has_the_colour_at_its_scale(convert):
    pixels = np.full((4, 8, 3), 255, np.uint8)
    options = ["--fit", "pad", "--pad-color", "51,102,0", "--dtype", "f32"]
    image = convert({"a.png": saved(pixels, "PNG")}, "8x8", *options)
    assert np.array_equal(image[0, 0], np.float32([51, 102, 0]) / 255)
    deep_image = convert({"a.png": png.encode(np.full((4, 8, 3), 65_535), 16, png.RGB)}, "8x8", *options[:-1], "u16")
    assert deep_image[0, 0].tolist() == [51 * 257, 102 * 257, 0]
    assert deep_image[4, 4].tolist() == [65_535] * 3


def test_orientation_turns_deep_samples(convert):
    gray = np.arange(6, dtype=np.uint8).reshape(2, 3) * 40
    exif = Image.Exif()
    exif[0x0112] = 6
    files = {"a.png": saved(gray, "PNG", exif=exif.tobytes())}
    image = convert(files, "3x2", "--dtype", "u16")
    assert np.array_equal(image[..., 0], np.rot90(gray, -1).astype(np.uint16) * 257)
