"""Embedded colour profiles: passed over by default, else applied as LittleCMS does, which Pillow uses."""

import io

import icc
import numpy as np
import pytest
from PIL import Image, ImageCms
from test_pixels import noise, photo, saved, write

RGB_PROFILES = {
    "p3": icc.rgb(icc.P3, icc.srgb_curve()),
    "adobe-rgb": icc.rgb(icc.ADOBE_RGB, 2.19921875),
    "linear": icc.rgb(icc.SRGB, 1.0),
}


def by_littlecms(array, profile):
    source, target = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
    return np.asarray(ImageCms.profileToProfile(Image.fromarray(array), source, target, outputMode="RGB"))


def difference(a, b):
    return np.abs(a.astype(int) - b.astype(int))


@pytest.fixture
def only(pixels_of, tmp_path):
    """A function that converts one file and returns its pixels."""

    def convert(data, size, *options, name="a.png"):
        folder = write(tmp_path / f"source-{len(list(tmp_path.iterdir()))}", {name: data})
        return pixels_of(folder, size, *options)[name]

    return convert


@pytest.mark.parametrize("name", RGB_PROFILES)
def test_rgb_is_brought_to_srgb(only, name):
    array = photo(40, 50)
    data = saved(array, "PNG", icc_profile=RGB_PROFILES[name])
    expected = by_littlecms(array, RGB_PROFILES[name])
    assert difference(expected, array).max() > 10
    assert difference(only(data, "40x50", "--color-profile", "srgb"), expected).max() <= 2
    assert np.array_equal(only(data, "40x50"), array)


def test_profiles_of_several_files_are_kept_apart(pixels_of, tmp_path):
    array = photo(40, 50)
    files = {f"{n}-{name}.png": saved(array, "PNG", icc_profile=RGB_PROFILES[name])
             for n, name in enumerate([*RGB_PROFILES, *RGB_PROFILES])}
    files["9-none.png"] = saved(array, "PNG")
    rows = pixels_of(write(tmp_path / "source", files), "40x50", "--color-profile", "srgb", "--threads", "1")
    for name, pixels in rows.items():
        profile = RGB_PROFILES.get(name[2:].removesuffix(".png"))
        assert difference(pixels, by_littlecms(array, profile) if profile else array).max() <= 2, name


def test_jpeg_and_webp_and_tiff_have_profiles(only):
    array = np.full((16, 16, 3), (200, 60, 40), np.uint8)
    expected = by_littlecms(array, RGB_PROFILES["p3"])
    for format, options in {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}, "TIFF": {}}.items():
        data = saved(array, format, icc_profile=RGB_PROFILES["p3"], **options)
        pixels = only(data, 16, "--color-profile", "srgb", name=f"a.{format.lower()}")
        assert difference(pixels, expected).max() <= 3, format


def test_profile_that_is_srgb_changes_nothing(only):
    array = noise(30, 30).astype(np.uint8)
    data = saved(array, "PNG", icc_profile=icc.rgb(icc.SRGB, icc.srgb_curve()))
    assert np.array_equal(only(data, 30, "--color-profile", "srgb"), array)


def test_alpha_is_kept(only):
    array = noise(20, 20, 4).astype(np.uint8)
    data = saved(array, "PNG", icc_profile=RGB_PROFILES["p3"])
    pixels = only(data, 20, "--color-profile", "srgb", "--channels", "rgba")
    assert np.array_equal(pixels[..., 3], array[..., 3])
    expected = by_littlecms(np.ascontiguousarray(array[..., :3]), RGB_PROFILES["p3"])
    assert difference(pixels[..., :3], expected).max() <= 2


def test_gray_is_brought_to_the_curve_of_srgb(only):
    array = np.arange(256, dtype=np.uint8).reshape(16, 16)
    data = saved(array, "PNG", icc_profile=icc.gray(1.0))
    linear = array / 255
    curve = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055) * 255
    pixels = only(data, 16, "--color-profile", "srgb", "--channels", "gray")
    assert np.abs(pixels[..., 0] - curve).max() <= 1.01


def test_sixteen_bits_are_brought_to_srgb(only):
    import png

    samples = noise(20, 20, depth=16)
    data = png.encode(samples, 16, png.RGB)
    header, rest = data[:33], data[33:]
    import zlib

    profile = png.chunk(b"iCCP", b"p\0\0" + zlib.compress(RGB_PROFILES["p3"]))
    eight = png.to_eight_bits(samples, 16)
    expected = by_littlecms(eight, RGB_PROFILES["p3"])
    pixels = only(header + profile + rest, 20, "--color-profile", "srgb")
    assert difference(pixels, expected).max() <= 3


@pytest.mark.parametrize("profile", [b"no profile", RGB_PROFILES["p3"][:200], icc.gray(1.0)],
                         ids=["nonsense", "cut-off", "of-other-samples"])
def test_profile_that_fits_nothing_is_passed_over(only, profile):
    array = noise(12, 12).astype(np.uint8)
    data = saved(array, "PNG", icc_profile=profile)
    assert np.array_equal(only(data, 12, "--color-profile", "srgb"), array)
