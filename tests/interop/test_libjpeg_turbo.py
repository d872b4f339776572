"""JPEGs by libjpeg-turbo, in a build with the feature `turbojpeg`, which `INLAID_C_LIBRARIES_BIN` names."""

import io
import os

import numpy as np
import pytest
from conftest import SAMPLE
from PIL import Image
from test_pixels import photo, saved, write

pytestmark = pytest.mark.skipif("INLAID_C_LIBRARIES_BIN" not in os.environ, reason="needs a build with libjpeg-turbo")
TURBO = ("--jpeg-decoder", "libjpeg-turbo")


@pytest.fixture(scope="session")
def inlaid_path():
    return os.environ["INLAID_C_LIBRARIES_BIN"]


def jpegs():
    """Every way of coding that Pillow writes."""
    array = photo(75, 101)
    for subsampling in (0, 1, 2):
        for progressive in (False, True):
            options = {"subsampling": subsampling, "progressive": progressive, "quality": 88}
            yield f"{subsampling}-{progressive}.jpg", saved(array, "JPEG", **options)
    yield "gray.jpg", saved(array[..., 0], "JPEG")
    yield "restarts.jpg", saved(array, "JPEG", restart_marker_blocks=3)
    out = io.BytesIO()
    Image.fromarray(array).convert("CMYK").save(out, "JPEG")
    yield "cmyk.jpg", out.getvalue()


@pytest.mark.parametrize(("name", "data"), list(jpegs()), ids=lambda value: value if isinstance(value, str) else "")
def test_pixels_are_those_of_pillow(pixels_of, tmp_path, name, data):
    pixels = pixels_of(write(tmp_path / "source", {name: data}), "75x101", *TURBO)[name]
    assert np.array_equal(pixels, np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))


def test_pixels_of_the_rust_decoder_differ_little(pixels_of, tmp_path):
    source = write(tmp_path / "source", dict(jpegs()))
    turbo, rust = pixels_of(source, "75x101", *TURBO), pixels_of(source, "75x101")
    for name, pixels in rust.items():
        difference = np.abs(pixels.astype(int) - turbo[name].astype(int))
        assert difference.max() <= 4 and difference.mean() < 0.5, name


def test_what_libjpeg_turbo_warns_about_is_judged_as_ever(pixels_of, tmp_path):
    good = saved(photo(75, 101), "JPEG")
    files = {"cut.jpg": good[:-900], "extra.jpg": good[:-2] + b"\x12\x34" + good[-2:], "good.jpg": good}
    source = write(tmp_path / "source", files)
    rust, turbo = pixels_of(source, "75x101", exit_code=3), pixels_of(source, "75x101", *TURBO, exit_code=3)
    assert rust.keys() == turbo.keys() == {"extra.jpg", "good.jpg"}


def test_shrinking_keeps_what_resizing_leaves(pixels_of, tmp_path):
    source = write(tmp_path / "source", {"a.jpg": saved(photo(1200, 1600), "JPEG", quality=95)})
    whole = pixels_of(source, 64, *TURBO)["a.jpg"].astype(int)
    for times, most in (("=1", 8), ("", 5), ("=4", 3)):
        shrunk = pixels_of(source, 64, *TURBO, f"--jpeg-shrink{times}")["a.jpg"]
        assert 0 < np.abs(shrunk - whole).max() <= most, times
    assert np.array_equal(pixels_of(source, 64, *TURBO, "--jpeg-shrink=19")["a.jpg"], whole)


def test_shrinking_tells_the_size_of_the_source_and_turns_it(inlaid, tmp_path):
    import pyarrow.parquet as pq

    array = photo(800, 1200)
    exif = Image.Exif()
    exif[0x0112] = 6
    source = write(tmp_path / "source", {"a.jpg": saved(array, "JPEG", exif=exif)})
    out = tmp_path / "out"
    inlaid("convert", source, "--out", out, "--size", "300x50", "--folders", "none", "--split", "train=1",
           *TURBO, "--jpeg-shrink")
    row = pq.read_table(out / "train", columns=["source_height", "source_width"]).to_pylist()
    assert row == [{"source_height": 1200, "source_width": 800}]


def test_spec_says_how_jpegs_were_decoded(inlaid, tmp_path):
    import json

    out = tmp_path / "out"
    inlaid("convert", SAMPLE, "--out", out, "--size", 16, *TURBO, "--jpeg-shrink=3")
    spec = json.loads((out / "inlaid.json").read_text())["spec"]
    assert (spec["jpeg_decoder"], spec["jpeg_shrink"]) == ("libjpeg-turbo", 3)


def test_it_is_the_default_where_it_was_built_in(inlaid, tmp_path):
    import json

    folders = [tmp_path / name for name in ("default", "named", "other", "files")]
    inlaid("convert", SAMPLE, "--out", folders[0], "--size", 16)
    inlaid("convert", SAMPLE, "--out", folders[1], "--size", 16, *TURBO)
    inlaid("convert", SAMPLE, "--out", folders[2], "--size", 16, "--jpeg-decoder", "zune-jpeg")
    inlaid("convert", SAMPLE, "--out", folders[3], "--storage", "encoded")
    specs = [json.loads((folder / "inlaid.json").read_text())["spec"]["jpeg_decoder"] for folder in folders]
    # Files that stay as they are can be appended to by any build.
    assert specs == ["libjpeg-turbo", "libjpeg-turbo", "zune-jpeg", "zune-jpeg"]
    shards = [(folder / "train/train-00000.parquet").read_bytes() for folder in folders]
    assert shards[0] == shards[1] != shards[2]


def test_build_without_it_does_not_append(inlaid, tmp_path):
    import subprocess
    from conftest import REPOSITORY

    out = tmp_path / "out"
    inlaid("convert", SAMPLE, "--out", out, "--size", 16, *TURBO)
    plain = os.environ.get("INLAID_BIN", REPOSITORY / "target/release/inlaid")
    done = subprocess.run([plain, "append", SAMPLE, "--out", out], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (
        2,
        "error: this build of inlaid does not include `libjpeg-turbo`\n"
        "hint: build inlaid with the feature `turbojpeg`, or use `--jpeg-decoder zune-jpeg` for a new dataset\n",
    )
