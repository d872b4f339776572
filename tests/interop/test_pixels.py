"""Every kind of pixel becomes 8 bits by the documented rules. Images are converted at their own size,
where scaling is an exact copy, so that most of these tests allow no difference at all."""

import io
import struct

import numpy as np
import png
import pytest
from PIL import Image

HEIGHT, WIDTH = 9, 13
PAD = (10, 200, 30)
UPRIGHT = {
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: image[::-1, ::-1].swapaxes(0, 1),
    8: lambda image: np.rot90(image, 1),
}


def noise(height, width, channels=3, depth=8):
    rng = np.random.default_rng([height, width, channels, depth])
    return rng.integers(0, 2**depth, (height, width, channels), dtype=np.uint16)


def photo(height, width):
    """Smooth colours, which JPEG keeps well."""
    down, across = np.mgrid[0:height, 0:width]
    waves = [np.sin(across / 9 + 1), np.cos(down / 7), np.sin((across + down) / 11)]
    return (np.stack(waves, axis=2) * 100 + 128).astype(np.uint8)


def over(rgba, pad):
    """RGBA on a background, by the rule at the head of `decode.rs`."""
    color, alpha = rgba[..., :3].astype(int), rgba[..., 3:].astype(int)
    return ((color * alpha + np.array(pad) * (255 - alpha) + 127) // 255).astype(np.uint8)


def luma(rgb):
    r, g, b = np.moveaxis(rgb.astype(np.uint32), 2, 0)
    return ((19_595 * r + 38_470 * g + 7_471 * b + 32_768) >> 16).astype(np.uint8)[..., None]


def saved(array, format, **options):
    out = io.BytesIO()
    Image.fromarray(array).save(out, format, **options)
    return out.getvalue()


def write(folder, files):
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def assert_rows(rows, expected):
    assert sorted(rows) == sorted(expected)
    for name, image in expected.items():
        assert np.array_equal(rows[name], image), name


# PNG


def png_variety(height=HEIGHT, width=WIDTH):
    """Every colour type at every depth, interlaced or not, with and without tRNS: arguments of
    `png.encode` by file name."""
    kinds = {}
    for color_type, depths in png.DEPTHS.items():
        for depth in depths:
            samples = noise(height, width, png.CHANNELS[color_type], depth)
            palette = noise(2**depth, 1, 3)[:, 0].astype(np.uint8) if color_type == png.PALETTE else None
            transparencies = {"": b""}
            if color_type == png.PALETTE:
                transparencies["-trns"] = bytes(range(0, 256, 255 // (2**depth - 1)))[: 2**depth - 1]
            elif color_type in (png.GRAY, png.RGB):
                transparencies["-trns"] = samples[0, 0].astype(">u2").tobytes()
            for suffix, transparency in transparencies.items():
                for interlaced in (False, True):
                    name = f"type-{color_type}-depth-{depth}{'-adam7' * interlaced}{suffix}.png"
                    kinds[name] = (samples, depth, color_type, interlaced, palette, transparency)
    return kinds


def encode_and_expect(kinds, see):
    files = {name: png.encode(*kind) for name, kind in kinds.items()}
    expected = {}
    for name, (samples, depth, color_type, _, palette, transparency) in kinds.items():
        expected[name] = see(png.rgba(samples, depth, color_type, palette, transparency))
    return files, expected


@pytest.mark.parametrize("filter", ["bilinear", "nearest"])
def test_every_kind_of_png_on_the_pad_color(pixels_of, tmp_path, filter):
    files, expected = encode_and_expect(png_variety(), lambda rgba: over(rgba, PAD))
    assert len(files) == 2 * (15 + 11)  # types and depths; those that can have tRNS; each interlaced too
    options = ("--filter", filter, "--pad-color", "10,200,30")
    assert_rows(pixels_of(write(tmp_path / "png", files), f"{HEIGHT}x{WIDTH}", *options), expected)


def test_every_kind_of_png_with_its_alpha(pixels_of, tmp_path):
    files, expected = encode_and_expect(png_variety(), lambda rgba: rgba)
    rows = pixels_of(write(tmp_path / "png", files), f"{HEIGHT}x{WIDTH}", "--channels", "rgba")
    assert_rows(rows, expected)


def test_every_kind_of_png_as_gray(pixels_of, tmp_path):
    files, expected = encode_and_expect(png_variety(), lambda rgba: luma(over(rgba, (0, 0, 0))))
    rows = pixels_of(write(tmp_path / "png", files), f"{HEIGHT}x{WIDTH}", "--channels", "gray")
    assert_rows(rows, expected)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 2), (3, 1), (4, 5), (5, 4), (8, 8)])
def test_interlaced_png_with_empty_passes(pixels_of, tmp_path, height, width):
    files, expected = encode_and_expect(png_variety(height, width), lambda rgba: over(rgba, (0, 0, 0)))
    assert_rows(pixels_of(write(tmp_path / "png", files), f"{height}x{width}"), expected)


# Sizes


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 10_000), (10_000, 1)])
def test_thin_images(pixels_of, tmp_path, height, width):
    pixels = noise(height, width).astype(np.uint8)
    files = {"thin.png": saved(pixels, "PNG"), "thin.bmp": saved(pixels, "BMP")}
    rows = pixels_of(write(tmp_path / "source", files), f"{height}x{width}")
    assert_rows(rows, dict.fromkeys(files, pixels))


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
def test_thin_images_fill_a_square(pixels_of, tmp_path, fit):
    files = {f"{h}x{w}.png": saved(np.full((h, w, 3), 77, np.uint8), "PNG") for h, w in [(1, 10_000), (10_000, 1)]}
    rows = pixels_of(write(tmp_path / "source", files), 16, "--fit", fit, "--pad-color", "77,77,77")
    assert_rows(rows, dict.fromkeys(files, np.full((16, 16, 3), 77, np.uint8)))


# EXIF


def exif(orientation):
    data = Image.Exif()
    data[0x0112] = orientation
    return data


@pytest.mark.parametrize(
    ("format", "options"), [("JPEG", {"quality": 95}), ("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {})]
)
def test_exif_orientation_is_applied(pixels_of, tmp_path, format, options):
    lying = photo(HEIGHT, WIDTH)
    suffix = format.lower()
    (plain,) = pixels_of(write(tmp_path / "plain", {f"1.{suffix}": saved(lying, format, **options)}), "9x13").values()
    assert np.abs(plain.astype(int) - lying).max() <= 12  # the loss of JPEG, far below any turn
    for size, orientations in {"9x13": [1, 2, 3, 4], "13x9": [5, 6, 7, 8]}.items():
        files = {f"{o}.{suffix}": saved(lying, format, exif=exif(o), **options) for o in orientations}
        rows = pixels_of(write(tmp_path / size, files), size)
        assert_rows(rows, {f"{o}.{suffix}": UPRIGHT[o](plain) for o in orientations})


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_ignored_on_request(pixels_of, tmp_path, orientation):
    lying = photo(HEIGHT, WIDTH)
    files = {"a.png": saved(lying, "PNG", exif=exif(orientation))}
    assert_rows(pixels_of(write(tmp_path / "source", files), "9x13", "--no-exif"), {"a.png": lying})


def test_broken_exif_is_tolerated(pixels_of, tmp_path):
    lying = photo(HEIGHT, WIDTH)
    whole = exif(6).tobytes()
    broken = {
        "empty": b"Exif\0\0",
        "garbage": b"Exif\0\0" + bytes(range(200)),
        "half": whole[: len(whole) // 2],
        "offset-beyond-end": b"Exif\0\0II*\0" + struct.pack("<I", 1 << 31),
        "offset-to-itself": b"Exif\0\0II*\0" + struct.pack("<IHHHIII", 8, 1, 0x0112, 3, 1, 0, 8),
        "orientation-0": exif(0).tobytes(),
        "orientation-9": exif(9).tobytes(),
        "many-entries": b"Exif\0\0II*\0" + struct.pack("<IH", 8, 65_535),
    }
    files = {f"{name}.png": saved(lying, "PNG", exif=data) for name, data in broken.items()}
    files |= {f"{name}.webp": saved(lying, "WEBP", lossless=True, exif=data) for name, data in broken.items()}
    assert_rows(pixels_of(write(tmp_path / "lossless", files), "9x13"), dict.fromkeys(files, lying))

    jpegs = {f"{name}.jpg": saved(lying, "JPEG", exif=data) for name, data in broken.items()}
    jpegs["none.jpg"] = saved(lying, "JPEG")
    rows = pixels_of(write(tmp_path / "jpeg", jpegs), "9x13")
    assert_rows(rows, dict.fromkeys(jpegs, rows["none.jpg"]))


# JPEG


def jpegs(mode):
    image = Image.fromarray(photo(90, 120)).convert(mode)
    files = {}
    for name, options in {
        "full-chroma": {"subsampling": 0},
        "half-chroma": {"subsampling": 1},
        "quarter-chroma": {"subsampling": 2},
        "progressive": {"progressive": True},
        "restarts": {"restart_marker_blocks": 3},
        "low-quality": {"quality": 30},
    }.items():
        out = io.BytesIO()
        image.save(out, "JPEG", **{"quality": 92} | options)
        files[f"{name}.jpg"] = out.getvalue()
    return files


def differences(rows, files):
    """How far rows are from what Pillow reads, at most and on average."""
    found = {}
    for name, data in files.items():
        reference = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), int)
        difference = np.abs(rows[name] - reference)
        found[name] = (difference.max(), difference.mean())
    return found


@pytest.mark.parametrize(("mode", "most", "mean"), [("RGB", 4, 0.5), ("L", 2, 0.1), ("CMYK", 3, 0.3)])
def test_jpeg_is_close_to_pillow(pixels_of, tmp_path, mode, most, mean):
    files = jpegs(mode)
    found = differences(pixels_of(write(tmp_path / "source", files), "90x120"), files)
    assert all(d[0] <= most and d[1] <= mean for d in found.values()), found


# Channels


def test_gray_is_the_luma_of_pillow(pixels_of, tmp_path):
    pixels = noise(64, 64).astype(np.uint8)
    files = {f"a.{suffix}": saved(pixels, format) for suffix, format in lossless_formats().items()}
    reference = np.asarray(Image.fromarray(pixels).convert("L"))[..., None]
    rows = pixels_of(write(tmp_path / "source", files), 64, "--channels", "gray")
    assert_rows(rows, dict.fromkeys(files, reference))


def lossless_formats():
    return {"png": "PNG", "bmp": "BMP", "tiff": "TIFF", "ppm": "PPM", "tga": "TGA", "qoi": "QOI"}


def test_opaque_images_get_an_opaque_alpha(pixels_of, tmp_path):
    pixels = noise(8, 8).astype(np.uint8)
    files = {f"a.{suffix}": saved(pixels, format) for suffix, format in lossless_formats().items()}
    expected = np.concatenate([pixels, np.full((8, 8, 1), 255, np.uint8)], axis=2)
    rows = pixels_of(write(tmp_path / "source", files), 8, "--channels", "rgba")
    assert_rows(rows, dict.fromkeys(files, expected))


def every_alpha():
    """All alpha values, with all kinds of colours."""
    rgba = noise(256, 64, 4).astype(np.uint8)
    rgba[..., 3] = np.arange(256)[:, None]
    return rgba


@pytest.mark.parametrize(
    ("word", "pad"),
    [("black", (0, 0, 0)), ("gray", (128,) * 3), ("white", (255,) * 3), ("#0ac81e", PAD), ("10,200,30", PAD)],
)
def test_alpha_lies_on_the_pad_color(pixels_of, tmp_path, word, pad):
    rgba = every_alpha()
    files = {
        "a.png": saved(rgba, "PNG"),
        "a.webp": saved(rgba, "WEBP", lossless=True, exact=True),
        "a.tga": saved(rgba, "TGA"),
        "a.tiff": saved(rgba, "TIFF"),
        "a.qoi": saved(rgba, "QOI"),
    }
    rows = pixels_of(write(tmp_path / "source", files), "256x64", "--pad-color", word)
    assert_rows(rows, dict.fromkeys(files, over(rgba, pad)))


def test_alpha_is_kept_as_it_is(pixels_of, tmp_path):
    rgba = every_alpha()
    files = {"a.png": saved(rgba, "PNG"), "a.tga": saved(rgba, "TGA"), "a.qoi": saved(rgba, "QOI")}
    rows = pixels_of(write(tmp_path / "source", files), "256x64", "--channels", "rgba")
    assert_rows(rows, dict.fromkeys(files, rgba))


# Fits


def test_crop_keeps_the_middle(pixels_of, tmp_path):
    wide, tall = noise(4, 11).astype(np.uint8), noise(11, 4).astype(np.uint8)
    source = write(tmp_path / "source", {"wide.png": saved(wide, "PNG"), "tall.png": saved(tall, "PNG")})
    rows = pixels_of(source, 4, "--fit", "crop")
    assert_rows(rows, {"wide.png": wide[:, 3:7], "tall.png": tall[3:7]})


@pytest.mark.parametrize(("channels", "fill"), [("rgb", PAD), ("rgba", (*PAD, 255)), ("gray", (124,))])
def test_pad_lies_around_the_middle(pixels_of, tmp_path, channels, fill):
    wide, tall = noise(4, 11).astype(np.uint8), noise(11, 4).astype(np.uint8)
    source = write(tmp_path / "source", {"wide.png": saved(wide, "PNG"), "tall.png": saved(tall, "PNG")})
    rows = pixels_of(source, 11, "--fit", "pad", "--pad-color", "10,200,30", "--channels", channels)
    see = {
        "rgb": lambda rgb: rgb,
        "rgba": lambda rgb: np.concatenate([rgb, np.full((*rgb.shape[:2], 1), 255, np.uint8)], axis=2),
        "gray": luma,
    }[channels]
    expected = {name: np.full((11, 11, len(fill)), fill, np.uint8) for name in ("wide.png", "tall.png")}
    expected["wide.png"][3:7] = see(wide)
    expected["tall.png"][:, 3:7] = see(tall)
    assert_rows(rows, expected)


def test_pad_scales_to_fit(pixels_of, tmp_path):
    white = saved(np.full((100, 300, 3), 255, np.uint8), "PNG")
    rows = pixels_of(write(tmp_path / "source", {"a.png": white}), 30, "--fit", "pad")
    expected = np.zeros((30, 30, 3), np.uint8)
    expected[10:20] = 255
    assert_rows(rows, {"a.png": expected})


# Filters


@pytest.mark.parametrize(
    ("filter", "pillow", "most"),
    [
        ("bilinear", Image.Resampling.BILINEAR, 1),
        ("bicubic", Image.Resampling.BICUBIC, 10),
        ("lanczos3", Image.Resampling.LANCZOS, 23),
    ],
)
@pytest.mark.parametrize("size", [32, 150])
def test_filter_is_close_to_that_of_pillow(pixels_of, tmp_path, filter, pillow, most, size):
    pixels = photo(90, 120)
    rows = pixels_of(write(tmp_path / "source", {"a.png": saved(pixels, "PNG")}), size, "--filter", filter)
    reference = np.asarray(Image.fromarray(pixels).resize((size, size), pillow), int)
    difference = np.abs(rows["a.png"] - reference)
    assert difference.max() <= most and difference.mean() < 0.5


def test_nearest_takes_pixels_as_they_are(pixels_of, tmp_path):
    pixels = noise(20, 20).astype(np.uint8)
    rows = pixels_of(write(tmp_path / "source", {"a.png": saved(pixels, "PNG")}), 10, "--filter", "nearest")
    colors = {tuple(pixel) for pixel in pixels.reshape(-1, 3)}
    assert all(tuple(pixel) in colors for pixel in rows["a.png"].reshape(-1, 3))


# Containers


def test_first_frame_is_taken(pixels_of, tmp_path):
    rng = np.random.default_rng(1)
    palette = rng.integers(0, 256, (16, 3), dtype=np.uint8)
    first = palette[rng.integers(0, 16, (20, 30))]
    others = [Image.new("RGB", (30, 20), color) for color in ("white", "red")]
    options = {"save_all": True, "append_images": others}
    files = {
        "a.gif": saved(first, "GIF", **options),
        "a.webp": saved(first, "WEBP", lossless=True, **options),
        "a.png": saved(first, "PNG", **options),
        "a.tiff": saved(first, "TIFF", **options),
    }
    assert_rows(pixels_of(write(tmp_path / "source", files), "20x30"), dict.fromkeys(files, first))


def test_content_decides_the_format(pixels_of, tmp_path):
    pixels = noise(8, 8).astype(np.uint8)
    formats = {"PNG": "jpg", "BMP": "png", "TIFF": "jpeg", "PPM": "tga", "QOI": "gif"}
    files = {f"{format}.{suffix}": saved(pixels, format) for format, suffix in formats.items()}
    assert_rows(pixels_of(write(tmp_path / "source", files), 8), dict.fromkeys(files, pixels))


def test_sixteen_bit_gray_is_rounded_in_every_format(pixels_of, tmp_path):
    samples = np.arange(65_536, dtype=np.uint16).reshape(256, 256)
    files = {
        "a.png": saved(samples, "PNG"),
        "a.tiff": saved(samples, "TIFF"),
        "a.pgm": b"P5 256 256 65535\n" + samples.astype(">u2").tobytes(),
    }
    expected = png.to_eight_bits(samples, 16)[..., None]
    rows = pixels_of(write(tmp_path / "source", files), 256, "--channels", "gray")
    assert_rows(rows, dict.fromkeys(files, expected))


def test_netpbm_samples_are_stretched_to_their_maximum(pixels_of, tmp_path):
    samples = np.arange(16, dtype=np.uint8).reshape(4, 4)
    text = " ".join(map(str, samples.reshape(-1)))
    files = {
        "binary.pgm": b"P5\n# a comment\n4 4\n15\n" + samples.tobytes(),
        "text.pgm": f"P2 4 4 15\n{text}\n".encode(),
        "text.ppm": f"P3 4 4 15\n{' '.join(f'{v} {v} {v}' for v in samples.reshape(-1))}\n".encode(),
    }
    expected = (samples * 17)[..., None]
    rows = pixels_of(write(tmp_path / "source", files), 4, "--channels", "gray")
    assert_rows(rows, dict.fromkeys(files, expected))


def test_netpbm_bitmap_is_black_where_its_bits_are_set(pixels_of, tmp_path):
    files = {"binary.pbm": b"P4 4 2\n\xa0\x50", "text.pbm": b"P1 4 2\n1 0 1 0\n0 1 0 1\n"}
    expected = np.array([[0, 255, 0, 255], [255, 0, 255, 0]], np.uint8)[..., None]
    rows = pixels_of(write(tmp_path / "source", files), "2x4", "--channels", "gray")
    assert_rows(rows, dict.fromkeys(files, expected))
