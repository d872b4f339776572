"""Damaged, malicious and odd files become rejects with a reason; all others still become rows."""

import io
import json
import os
import struct
import subprocess
import sys
import zlib

import numpy as np
import png
import pyarrow.parquet as pq
import pytest
from PIL import Image

from conftest import read_rows

HEIGHT, WIDTH = 24, 32
STEP = 37

SAVE = {
    "baseline.jpg": ("JPEG", {"quality": 90}),
    "progressive.jpg": ("JPEG", {"quality": 90, "progressive": True}),
    "rgb.png": ("PNG", {}),
    "palette.gif": ("GIF", {}),
    "lossless.webp": ("WEBP", {"lossless": True}),
    "lossy.webp": ("WEBP", {"quality": 90}),
    "rgb.bmp": ("BMP", {}),
    "lzw.tiff": ("TIFF", {"compression": "tiff_lzw"}),
    "raw.tiff": ("TIFF", {}),
    "rgb.ppm": ("PPM", {}),
    "rgb.tga": ("TGA", {}),
    "rle.tga": ("TGA", {"compression": "tga_rle"}),
    "rgb.qoi": ("QOI", {}),
    "rgba.ico": ("ICO", {"sizes": [(WIDTH, HEIGHT)]}),
    "bitmap.ico": ("ICO", {"sizes": [(WIDTH, HEIGHT)], "bitmap_format": "bmp"}),
}


def picture(channels=3):
    """Noise on a slope: no codec can shrink it to a few bytes."""
    rng = np.random.default_rng(7)
    slope = np.linspace(0, 200, WIDTH)[None, :, None] + np.zeros((HEIGHT, WIDTH, channels))
    return Image.fromarray((slope + rng.integers(0, 55, slope.shape)).astype(np.uint8))


def encoded(name):
    format, options = SAVE[name]
    out = io.BytesIO()
    # A PNG within an icon has to be RGBA.
    picture(4 if format == "ICO" else 3).save(out, format, **options)
    return out.getvalue()


def rejects_of(dataset):
    path = dataset / "rejects.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return {reject["path"]: reject for reject in map(json.loads, lines)}


def convert(inlaid, source, out, *options, exit_code):
    """A run without labels and splits: summary, rows and rejects."""
    done = inlaid(
        *("convert", source, "--out", out, "--folders", "none", "--split", "train=1", "--json"),
        *options,
        exit_code=exit_code,
    )
    summary = json.loads(done.stdout)
    rows, rejects = read_rows(out), rejects_of(out)
    assert summary["inputs"] == summary["rows"] + summary["rejects"]
    assert (len(rows), len(rejects)) == (summary["rows"], summary["rejects"])
    return summary, rows, rejects


# Truncated files


@pytest.mark.parametrize("name", SAVE)
def test_truncated_image_is_rejected_or_whole(inlaid, tmp_path, name):
    whole = encoded(name)
    suffix = name.split(".")[1]
    source = tmp_path / "source"
    source.mkdir()
    (source / f"whole.{suffix}").write_bytes(whole)
    cuts = range(0, len(whole), STEP)
    for length in cuts:
        (source / f"{length:05}.{suffix}").write_bytes(whole[:length])
    size = f"{HEIGHT}x{WIDTH}"
    summary, rows, rejects = convert(inlaid, source, tmp_path / "dataset", "--size", size, exit_code=3)
    assert summary["inputs"] == len(cuts) + 1
    assert "codec-panic" not in summary["rejects_by_reason"]
    reference = rows.pop(f"whole.{suffix}")
    damaged = [path for path, image in rows.items() if not np.array_equal(image, reference)]
    assert damaged == [], f"rows with wrong pixels, of a file of {len(whole)} bytes"
    assert rejects[f"00000.{suffix}"]["reason"] == "empty"


def test_only_truncated_images_stop_the_run(inlaid, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for length in (100, 200):
        (source / f"{length}.png").write_bytes(encoded("rgb.png")[:length])
    done = inlaid(
        *("convert", source, "--out", tmp_path / "dataset", "--size", 8, "--folders", "none", "--split", "train=1"),
        exit_code=1,
    )
    assert done.stderr.startswith("error: none of the 2 inputs can be used; the first is `")
    assert not (tmp_path / "dataset").exists()


# Flipped bits


@pytest.mark.parametrize("name", SAVE)
def test_flipped_bytes_never_stop_the_run(inlaid, tmp_path, name):
    whole = encoded(name)
    suffix = name.split(".")[1]
    source = tmp_path / "source"
    source.mkdir()
    (source / f"whole.{suffix}").write_bytes(whole)
    rng = np.random.default_rng(len(whole))
    # The first bytes decide most: each of them is hit; further ones at random.
    places = [*range(min(64, len(whole))), *rng.integers(0, len(whole), 64)]
    for number, place in enumerate(places):
        damaged = bytearray(whole)
        damaged[place] ^= int(rng.integers(1, 256))
        (source / f"{number:03}.{suffix}").write_bytes(damaged)
    options = ("--size", f"{HEIGHT}x{WIDTH}", "--max-pixels", 1_000_000)
    summary, rows, _ = convert(inlaid, source, tmp_path / "dataset", *options, exit_code=3)
    assert summary["inputs"] == len(places) + 1
    assert f"whole.{suffix}" in rows


# Bombs


def bomb_png(width, height):
    """A whole PNG of black 1-bit pixels: a few kilobytes that decode to gigabytes."""
    line = b"\0" + bytes((width + 7) // 8)
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(line) for _ in range(height)) + packer.flush()
    body = png.chunk(b"IDAT", data) + png.chunk(b"IEND", b"")
    return png.header(width, height, 1, png.GRAY) + body


def peak_memory(command):
    """Exit code and peak memory of a command in bytes; measured in a process of its own, as the
    operating system keeps one maximum for all children."""
    measure = (
        "import resource, subprocess, sys;"
        "code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode;"
        "print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", measure, *map(str, command)], capture_output=True, text=True, check=True
    )
    code, kibibytes = done.stdout.split()
    assert "panicked at" not in done.stderr
    return int(code), int(kibibytes) * 1024


def test_bomb_is_refused_from_its_header(inlaid_path, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    header_only = png.header(65_535, 65_535) + png.chunk(b"IDAT", zlib.compress(bytes(1000)))
    (source / "header.png").write_bytes(header_only)
    (source / "whole.png").write_bytes(bomb_png(65_535, 8_000))
    (source / "good.png").write_bytes(encoded("rgb.png"))
    out = tmp_path / "dataset"
    command = [inlaid_path, "convert", source, "--out", out, "--size", 8, "--folders", "none", "--split", "train=1"]
    code, peak = peak_memory(command)
    assert code == 3
    assert peak < 200 << 20
    rejects = rejects_of(out)
    assert {path: reject["reason"] for path, reject in rejects.items()} == {
        "header.png": "too-many-pixels",
        "whole.png": "too-many-pixels",
    }
    detail = "the image is 65535 pixels wide and 65535 high, more than the 178956970 pixels allowed"
    assert rejects["header.png"]["detail"] == detail
    assert list(read_rows(out)) == ["good.png"]


# Headers that promise gigabytes, with nothing behind them.
BOMBS = {
    "a.bmp": b"BM" + struct.pack("<IIIIIIHHIIIIII", 54, 0, 54, 40, 65_535, 65_535, 1, 24, 0, 0, 0, 0, 0, 0),
    "a.gif": b"GIF89a\xff\xff\xff\xff\x80\0\0" + bytes(6) + b",\0\0\0\0\xff\xff\xff\xff\0\2\0;",
    "a.ppm": b"P6 65535 65535 255\n" + bytes(100),
    # Its decoder calls more than 400 million pixels malformed before we see them.
    "a.qoi": b"qoif" + struct.pack(">IIBB", 16_000, 16_000, 3, 0) + bytes(100),
    "a.tga": b"\0\0\2" + bytes(9) + b"\xff\xff\xff\xff\x18\0" + bytes(100),
    "a.jpg": b"\xff\xd8\xff\xc0\0\x0b\x08\xff\xff\xff\xff\1\1\x11\0\xff\xda\0\x08\1\1\0\0\x3f\0\xff\xd9",
    "a.hdr": b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 65535 +X 65535\n" + bytes(100),
    "a.ff": b"farbfeld" + struct.pack(">II", 65_535, 65_535) + bytes(100),
}


def test_bombs_of_other_formats_are_refused_too(inlaid_path, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for name, data in BOMBS.items():
        (source / name).write_bytes(data)
    (source / "good.png").write_bytes(encoded("rgb.png"))
    out = tmp_path / "dataset"
    command = [inlaid_path, "convert", source, "--out", out, "--size", 8, "--folders", "none", "--split", "train=1"]
    code, peak = peak_memory(command)
    assert code == 3
    assert peak < 200 << 20
    reasons = {path: reject["reason"] for path, reject in rejects_of(out).items()}
    assert reasons == dict.fromkeys(BOMBS, "too-many-pixels")


# Metadata that inflate, claims that no file keeps: memory stays within the formula of the crate's documentation.

GIBIBYTE = 1 << 30
ROW_GROUP, PAGE, OF_THREAD = 16 << 20, 5 << 18, 32 << 20
THREADS = 2


def zeros(count):
    packer = zlib.compressobj(9)
    piece = bytes(1 << 20)
    return b"".join(packer.compress(piece) for _ in range(count >> 20)) + packer.flush()


def small_png(chunks, side=10):
    lines = zlib.compress((b"\0" + b"\x40" * 3 * side) * side)
    return png.header(side, side) + chunks + png.chunk(b"IDAT", lines) + png.chunk(b"IEND", b"")


def segment(marker, content):
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def riff(*chunks):
    body = b"WEBP" + b"".join(name + struct.pack("<I", len(content)) + content for name, content in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def tiff(*fields):
    body = b"".join(struct.pack("<HHII", *field) for field in fields)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(fields)) + body + struct.pack("<I", 0) + b"\x55" * 300


def metadata_bombs():
    """Files by name; all of them are small images, or claim to be larger than they are."""
    inflating = zeros(GIBIBYTE)
    bombs = {
        "iccp.png": small_png(png.chunk(b"iCCP", b"x\0\0" + inflating)),
        "icc-stored.png": small_png(png.chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(50 << 20), 0))),
        "ztxt.png": small_png(png.chunk(b"zTXt", b"x\0\0" + inflating)),
        "itxt.png": small_png(png.chunk(b"iTXt", b"x\0\1\0\0\0" + inflating)),
        "exif.png": small_png(png.chunk(b"eXIf", b"MM\0*" + bytes(64 << 20))),
        "idat.png": png.header(10, 10) + png.chunk(b"IDAT", inflating) + png.chunk(b"IEND", b""),
        "palette.png": small_png(png.chunk(b"PLTE", bytes(48 << 20))),
    }
    bombs["icon.ico"] = struct.pack("<HHHBBBBHHII", 0, 1, 1, 10, 10, 0, 0, 1, 32, len(bombs["iccp.png"]), 22)
    bombs["icon.ico"] += bombs["iccp.png"]
    jpeg = encoded("baseline.jpg")
    for name, marker, content in [("app2.jpg", 0xE2, b"ICC_PROFILE\0\1\1"), ("app1.jpg", 0xE1, b"Exif\0\0MM\0*")]:
        bombs[name] = jpeg[:2] + 500 * segment(marker, content + bytes(65_000)) + jpeg[2:]
    # Extended XMP that claims 4 GiB.
    xmp = b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32 + struct.pack(">II", 0xFFFFFFFF, 0)
    bombs["xmp.jpg"] = jpeg[:2] + segment(0xE1, xmp) + jpeg[2:]
    lossy = b"\x30\1\0\x9d\1\x2a\xff\x3f\xff\x3f" + bytes(100)
    canvas = b"\0\0\0\0" + b"\x09\0\0\x09\0\0"
    bombs["frame.webp"] = riff((b"VP8X", canvas), (b"VP8 ", lossy))
    bombs["exif.webp"] = riff((b"VP8X", b"\x08" + canvas[1:]), (b"VP8 ", lossy))[:-4] + b"EXIF\xff\xff\xff\xff"
    sides = ((256, 4, 1, 10), (257, 4, 1, 10), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (277, 3, 1, 1))
    strips = ((273, 4, 8 << 20, 8), (278, 4, 1, 1), (279, 4, 8 << 20, 8))
    bombs["strips.tif"] = tiff(*sides, *strips) + bytes(33 << 20)
    profile = ((273, 4, 1, 200), (279, 4, 1, 100), (34_675, 7, 8 << 20, 8))
    bombs["profile.tif"] = tiff(*sides, *profile) + bytes(9 << 20)
    # A frame of 134 million pixels on a canvas of a hundred.
    canvas, frame = b"\x0a\0\x0a\0", b"\0\0\0\0\xff\x2f\xff\x2f\0"
    bombs["frame.gif"] = b"GIF89a" + canvas + b"\x80\0\0" + bytes(6) + b"," + frame + b"\2\2\x44\1\0;"
    return bombs


@pytest.fixture(scope="module")
def bombs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bombs")
    for name, data in metadata_bombs().items():
        (folder / name).write_bytes(data)
    return folder


@pytest.mark.parametrize("options", ["", "--color-profile srgb", "--dtype f32", "--no-exif"])
def test_memory_stays_within_the_formula(inlaid_path, tmp_path, bombs, options):
    largest = max(path.stat().st_size for path in bombs.iterdir())
    formula = 2 * ROW_GROUP + 4 * THREADS * PAGE + THREADS * OF_THREAD + THREADS * 2 * largest
    assert formula < 400 << 20
    out = tmp_path / "dataset"
    command = [inlaid_path, "convert", bombs, "--out", out, "--size", 8, "--folders", "none", "--split", "train=1"]
    code, peak = peak_memory([*command, "--threads", THREADS, *options.split()])
    assert code == 3
    assert peak < formula
    rows = read_rows(out).keys()
    assert rows >= {"app1.jpg", "app2.jpg", "xmp.jpg"}
    assert rows >= {"exif.png", "icc-stored.png", "iccp.png", "idat.png", "itxt.png", "ztxt.png"}
    reasons = {path: reject["reason"] for path, reject in rejects_of(out).items()}
    assert {"icon.ico", "frame.webp", "strips.tif", "frame.gif", "palette.png"} <= reasons.keys()
    assert set(reasons.values()) <= {"malformed", "truncated", "unsupported-format"}


@pytest.mark.parametrize("name", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "PPM", "TGA", "GIF"])
@pytest.mark.parametrize("dtype", ["u8", "f32"])
def test_memory_of_large_images_is_shared(inlaid_path, tmp_path, name, dtype):
    source = tmp_path / "source"
    source.mkdir()
    image = picture().resize((4000, 3000))
    image.save(source / f"0.{name.lower()}", name, **({"progressive": True} if name == "JPEG" else {}))
    for number in range(1, 8):
        os.link(source / f"0.{name.lower()}", source / f"{number}.{name.lower()}")
    out = tmp_path / "dataset"
    command = [inlaid_path, "convert", source, "--out", out, "--size", 8, "--folders", "none", "--split", "train=1"]
    threads = 8
    code, peak = peak_memory([*command, "--threads", threads, "--memory", "400MiB", "--dtype", dtype])
    assert code == 0
    assert peak < (400 << 20) + 2 * ROW_GROUP + 4 * threads * PAGE + threads * OF_THREAD


# Odd files


def test_odd_files_are_rejected_and_the_rest_becomes_rows(inlaid, tmp_path):
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    good = encoded("rgb.png")
    (source / "good.png").write_bytes(good)
    (source / "deep/good.png").write_bytes(good)
    (source / "wrong-name.jpg").write_bytes(good)
    (source / "empty.jpg").touch()
    (source / "text.jpg").write_text("This is no image.\n")
    (source / "zeros.jpg").write_bytes(bytes(5000))
    (source / "zeros.tga").write_bytes(bytes(5000))
    (source / "html.png").write_text("<!doctype html><title>404</title>")
    (source / "photo.avif").write_bytes(b"\0\0\0\x1cftypavif" + bytes(100))
    (source / "photo.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    (source / "renamed-heic.jpg").write_bytes(b"\0\0\0\x18ftypmif1" + bytes(100))
    (source / "photo.jxl").write_bytes(b"\xff\x0a" + bytes(100))
    (source / "photo.jp2").write_bytes(b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(100))
    (source / "gone.png").symlink_to("nowhere.png")
    (source / "linked.png").symlink_to("good.png")
    os.mkfifo(source / "pipe.jpg")
    (source / "folder.png").mkdir()
    summary, rows, rejects = convert(inlaid, source, tmp_path / "dataset", "--size", 8, exit_code=3)
    assert sorted(rows) == ["deep/good.png", "good.png", "linked.png", "wrong-name.jpg"]
    reasons = {path: reject["reason"] for path, reject in rejects.items()}
    # As the binary has the feature `formats` or not.
    for name in ("photo.avif", "photo.jxl", "photo.jp2"):
        assert reasons.pop(name) in ("malformed", "truncated", "unsupported-format")
    assert reasons.pop("zeros.tga") in ("malformed", "no-pixels", "truncated")
    assert reasons == {
        "empty.jpg": "empty",
        "text.jpg": "unknown-format",
        "zeros.jpg": "unknown-format",
        "html.png": "unknown-format",
        "photo.heic": "unsupported-format",
        "renamed-heic.jpg": "unsupported-format",
        "gone.png": "broken-link",
        "pipe.jpg": "not-a-file",
    }


def test_name_that_is_not_utf8_is_rejected(inlaid, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "good.png").write_bytes(encoded("rgb.png"))
    with open(os.fsencode(source) + b"/caf\xe9.png", "wb") as file:
        file.write(encoded("rgb.png"))
    _, rows, rejects = convert(inlaid, source, tmp_path / "dataset", "--size", 8, exit_code=3)
    assert list(rows) == ["good.png"]
    assert [reject["reason"] for reject in rejects.values()] == ["name-not-utf8"]


def test_awkward_names_are_kept(inlaid, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    names = ["with space.png", "ünïcödé.png", "quote'\".png", "line\nbreak.png", "#hash?.png", "-dash.png", "図.png"]
    for name in names:
        (source / name).write_bytes(encoded("rgb.png"))
    _, rows, _ = convert(inlaid, source, tmp_path / "dataset", "--size", 8, exit_code=0)
    assert sorted(rows) == sorted(names)


def test_awkward_class_names_reach_every_reader(inlaid, tmp_path):
    import datasets

    names = ["it's", 'a "b"', "c: d", "# e", "ünï", "null", "1", "- f", "{g}"]
    for name in names:
        folder = tmp_path / "source" / name
        folder.mkdir(parents=True)
        (folder / "a.png").write_bytes(encoded("rgb.png"))
    out = tmp_path / "dataset"
    inlaid("convert", tmp_path / "source", "--out", out, "--size", 8, "--split", "train=1")
    assert json.loads((out / "inlaid.json").read_text())["classes"] == sorted(names)
    metadata = pq.read_metadata(out / "train/train-00000.parquet").metadata
    assert json.loads(metadata[b"inlaid.classes"]) == sorted(names)
    train = datasets.load_dataset(str(out), split="train")
    assert train.features["label"].names == sorted(names)
