"""AVIF, JPEG 2000 and JPEG XL as other decoders read them, images that are cut off, and files that few decoders take.

The first three need a binary with the feature `formats`.
"""

import io
import json
import struct
import subprocess

import icc
import imagecodecs
import numpy as np
import pillow_jxl  # noqa: F401
import pytest
from PIL import Image, ImageFile, ImageOps

from test_hostile import convert

HEIGHT, WIDTH = 50, 67
SIZE = f"{HEIGHT}x{WIDTH}"
BLACK = (0, 0, 0, 255)


def picture():
    """A picture with smooth and sharp parts, its alpha, and the picture with 16 bits."""
    down, right = np.mgrid[:HEIGHT, :WIDTH]
    waves = 128 + 90 * np.sin(down / 5) * np.cos(right / 7)
    pixels = np.dstack([3 * right + 20, 4 * down + 30, waves]).clip(0, 255).astype(np.uint8)
    pixels[15:30, 20:45] = (250, 40, 60)
    alpha = np.add.outer(np.arange(HEIGHT) * 3, np.arange(WIDTH)).clip(0, 255).astype(np.uint8)
    noise = np.random.default_rng(5).integers(-128, 129, pixels.shape)
    deep = (pixels.astype(int) * 257 + noise).clip(0, 65_535).astype(np.uint16)
    return pixels, alpha, deep


PIXELS, ALPHA, DEEP = picture()
RGB, GRAY = Image.fromarray(PIXELS), Image.fromarray(PIXELS[..., 0])
RGBA, GRAY_ALPHA = Image.fromarray(np.dstack([PIXELS, ALPHA])), Image.fromarray(np.dstack([PIXELS[..., 0], ALPHA]))


def saved(image, format, **options):
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def turned(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(RGB, "AVIF", quality=80, exif=exif)


# Files that Pillow reads.
OF_PILLOW = {
    "420.avif": lambda: saved(RGB, "AVIF", quality=80),
    "422.avif": lambda: saved(RGB, "AVIF", quality=80, subsampling="4:2:2"),
    "444.avif": lambda: saved(RGB, "AVIF", quality=80, subsampling="4:4:4"),
    "limited.avif": lambda: saved(RGB, "AVIF", quality=80, range="limited"),
    "gray.avif": lambda: saved(GRAY, "AVIF", quality=80),
    "alpha.avif": lambda: saved(RGBA, "AVIF", quality=80),
    "animation.avif": lambda: saved(RGB, "AVIF", quality=80, save_all=True, append_images=[ImageOps.flip(RGB)]),
    **{f"turned-{number}.avif": lambda number=number: turned(number) for number in range(1, 9)},
    "rgb.jp2": lambda: saved(RGB, "JPEG2000"),
    "rgb.j2k": lambda: saved(RGB, "JPEG2000", no_jp2=True),
    "lossy.jp2": lambda: saved(RGB, "JPEG2000", irreversible=True, quality_mode="dB", quality_layers=[40]),
    "tiles.jp2": lambda: saved(RGB, "JPEG2000", tile_size=(32, 32)),
    "gray.jp2": lambda: saved(GRAY, "JPEG2000"),
    "alpha.jp2": lambda: saved(RGBA, "JPEG2000"),
    "gray-alpha.jp2": lambda: saved(GRAY_ALPHA, "JPEG2000"),
    "cmyk.jp2": lambda: saved(RGB.convert("CMYK"), "JPEG2000"),
    "rgb.jxl": lambda: saved(RGB, "JXL", quality=90),
    "lossless.jxl": lambda: saved(RGB, "JXL", lossless=True),
    "gray.jxl": lambda: saved(GRAY, "JXL", quality=90),
    "alpha.jxl": lambda: saved(RGBA, "JXL", quality=90),
    "gray-alpha.jxl": lambda: saved(GRAY_ALPHA, "JXL", lossless=True),
}

# Files of more than 8 bits, with the samples that they hold at 16 bits.
DEEP_FILES = {
    "10.avif": (lambda: imagecodecs.avif_encode(DEEP >> 6, level=90, bitspersample=10), imagecodecs.avif_decode, 10),
    "12.avif": (lambda: imagecodecs.avif_encode(DEEP >> 4, level=90, bitspersample=12), imagecodecs.avif_decode, 12),
    "16.jxl": (lambda: imagecodecs.jpegxl_encode(DEEP, lossless=True), imagecodecs.jpegxl_decode, 16),
    "16.jp2": (lambda: imagecodecs.jpeg2k_encode(DEEP, level=0), imagecodecs.jpeg2k_decode, 16),
    "12.jp2": (
        lambda: imagecodecs.jpeg2k_encode(DEEP[..., 0] >> 4, level=0, bitspersample=12),
        imagecodecs.jpeg2k_decode,
        12,
    ),
}


@pytest.fixture(scope="module")
def formats(inlaid_path, tmp_path_factory):
    """Skips tests of formats that the binary leaves out."""
    source = tmp_path_factory.mktemp("formats") / "source"
    source.mkdir()
    (source / "a.avif").write_bytes(OF_PILLOW["gray.avif"]())
    command = [inlaid_path, "convert", source, "--out", source.parent / "dataset", "--size", "4", "--split", "train=1"]
    if "feature `formats`" in subprocess.run(command, capture_output=True, text=True, check=False).stderr:
        pytest.skip("the binary lacks the feature `formats`")


def written(tmp_path, files):
    source = tmp_path / "source"
    source.mkdir()
    for name, content in files.items():
        (source / name).write_bytes(content)
    return source


def by_pillow(content):
    image = Image.open(io.BytesIO(content))
    image.load()
    # Of JPEG XL, the decoder has applied what the coded image states, and EXIF says nothing.
    image = image if image.format == "JXL" else ImageOps.exif_transpose(image)
    if image.mode in ("LA", "RGBA"):
        image = Image.alpha_composite(Image.new("RGBA", image.size, BLACK), image.convert("RGBA"))
    return np.asarray(image.convert("RGB")).astype(int)


def test_files_are_read_as_pillow_reads_them(formats, inlaid, tmp_path):
    files = {name: make() for name, make in OF_PILLOW.items()}
    source = written(tmp_path, files)
    _, upright, _ = convert(inlaid, source, tmp_path / "upright", "--size", SIZE, exit_code=0)
    _, aside, _ = convert(inlaid, source, tmp_path / "aside", "--size", f"{WIDTH}x{HEIGHT}", exit_code=0)
    for name, content in files.items():
        expected = by_pillow(content)
        rows = upright if expected.shape[0] == HEIGHT else aside
        difference = abs(rows[name] - expected)
        assert difference.mean() <= 1, (name, difference.mean())
        assert difference.max() <= 16, (name, difference.max())
    assert {name for name in files if by_pillow(files[name]).shape[0] == WIDTH} == {
        f"turned-{number}.avif" for number in range(5, 9)
    }
    # Lossless files have the very pixels.
    for name in ("lossless.jxl", "rgb.jp2", "rgb.j2k", "tiles.jp2"):
        assert np.array_equal(upright[name], PIXELS), name


def test_orientation_of_avif_can_be_ignored(formats, pixels_of, tmp_path):
    rows = pixels_of(written(tmp_path, {"a.avif": turned(6), "b.avif": turned(1)}), SIZE, "--no-exif")
    assert np.array_equal(rows["a.avif"], rows["b.avif"])


def test_deep_samples_are_read_at_their_depth(formats, pixels_of, tmp_path):
    files = {name: encode() for name, (encode, *_) in DEEP_FILES.items()}
    rows = pixels_of(written(tmp_path, files), SIZE, "--dtype", "u16")
    for name, (_, decode, bits) in DEEP_FILES.items():
        samples = decode(files[name])
        samples = samples if samples.ndim == 3 else np.repeat(samples[..., None], 3, axis=2)
        expected = samples / (2**bits - 1) * 65_535
        assert abs(rows[name] - expected).mean() <= 257, name
    assert np.array_equal(rows["16.jxl"], DEEP)
    assert np.array_equal(rows["16.jp2"], DEEP)


def test_alpha_is_kept(formats, pixels_of, tmp_path):
    files = {name: OF_PILLOW[name]() for name in OF_PILLOW if "alpha" in name}
    rows = pixels_of(written(tmp_path, files), SIZE, "--channels", "rgba")
    for name, row in rows.items():
        assert abs(row[..., 3].astype(int) - ALPHA).mean() <= 1, name


def test_profile_is_applied_if_asked_for(formats, pixels_of, tmp_path):
    p3 = icc.rgb(icc.P3, icc.srgb_curve())
    files = {
        "a.avif": saved(RGB, "AVIF", quality=100, subsampling="4:4:4", icc_profile=p3),
        "b.png": saved(RGB, "PNG", icc_profile=p3),
    }
    source = written(tmp_path, files)
    kept, converted = pixels_of(source, SIZE), pixels_of(source, SIZE, "--color-profile", "srgb")
    assert abs(converted["a.avif"].astype(int) - kept["a.avif"]).mean() > 1
    assert abs(converted["a.avif"].astype(int) - converted["b.png"]).mean() <= 1


HOSTILE = ["420.avif", "alpha.avif", "rgb.jp2", "tiles.jp2", "rgb.j2k", "rgb.jxl", "lossless.jxl", "alpha.jxl"]


@pytest.mark.parametrize("name", HOSTILE)
def test_cut_files_are_rejected_or_whole(formats, inlaid, tmp_path, name):
    whole, suffix = OF_PILLOW[name](), name.split(".")[1]
    files = {f"{part}.{suffix}": whole[: len(whole) * part // 8] for part in range(8)}
    source = written(tmp_path, files | {f"last.{suffix}": whole[:-1], f"whole.{suffix}": whole})
    _, rows, rejects = convert(inlaid, source, tmp_path / "dataset", "--size", SIZE, exit_code=3)
    reference = rows[f"whole.{suffix}"]
    assert all(np.array_equal(row, reference) for row in rows.values())
    reasons = {reject["reason"] for path, reject in rejects.items() if not path.startswith("0")}
    assert reasons <= {"truncated"} and set(files) <= set(rejects)


@pytest.mark.parametrize("name", HOSTILE)
def test_changed_bytes_make_a_row_or_a_reject(formats, inlaid, tmp_path, name):
    whole, suffix = OF_PILLOW[name](), name.split(".")[1]
    rng = np.random.default_rng(len(whole))
    files = {f"whole.{suffix}": whole}
    for number in range(96):
        changed = bytearray(whole)
        place = number if number < 48 else int(rng.integers(len(whole)))
        changed[place % len(whole)] ^= int(rng.integers(1, 256))
        files[f"{number:03}.{suffix}"] = bytes(changed)
    options = ("--size", SIZE, "--max-pixels", 1_000_000)
    summary, rows, _ = convert(inlaid, written(tmp_path, files), tmp_path / "dataset", *options, exit_code=3)
    assert summary["inputs"] == 97
    assert "codec-panic" not in summary["rejects_by_reason"]
    assert f"whole.{suffix}" in rows


def test_claims_of_headers_are_refused(formats, inlaid, tmp_path):
    jp2 = bytearray(OF_PILLOW["rgb.j2k"]())
    # Width and height of the image and of its tiles.
    struct.pack_into(">II8xII", jp2, 8, 20_000, 20_000, 20_000, 20_000)
    avif = OF_PILLOW["420.avif"]()
    size = avif.index(b"ispe") + 8
    large = avif[:size] + struct.pack(">II", 60_000, 60_000) + avif[size + 8 :]
    source = written(tmp_path, {"a.j2k": bytes(jp2), "b.avif": large, "c.avif": avif})
    _, rows, rejects = convert(inlaid, source, tmp_path / "dataset", "--size", 8, exit_code=3)
    assert {path: reject["reason"] for path, reject in rejects.items()} == {
        "a.j2k": "too-many-pixels",
        "b.avif": "too-many-pixels",
    }
    assert list(rows) == ["c.avif"]


def test_heic_says_what_to_do(inlaid, tmp_path):
    heic = struct.pack(">I", 24) + b"ftypheic\0\0\0\0mif1heic" + bytes(100)
    source = written(tmp_path, {"a.heic": heic, "b.png": saved(RGB, "PNG")})
    _, _, rejects = convert(inlaid, source, tmp_path / "dataset", "--size", 8, exit_code=3)
    assert rejects["a.heic"]["reason"] == "unsupported-format"
    advice = "HEIC images need a build with the feature `heif`; or save them as JPEG, PNG or AVIF first"
    assert rejects["a.heic"]["detail"] == advice


# Images that are cut off

CUT = {
    "baseline.jpg": lambda: saved(RGB, "JPEG", quality=85),
    "optimized.jpg": lambda: saved(RGB, "JPEG", quality=85, optimize=True),
    "444.jpg": lambda: saved(RGB, "JPEG", quality=85, subsampling=0),
    "gray.jpg": lambda: saved(GRAY, "JPEG", quality=85),
    "cmyk.jpg": lambda: saved(RGB.convert("CMYK"), "JPEG", quality=85),
    "restarts.jpg": lambda: saved(RGB, "JPEG", quality=85, restart_marker_blocks=7),
    "rgb.png": lambda: saved(RGB, "PNG"),
    "alpha.png": lambda: saved(RGBA, "PNG"),
    "gray.png": lambda: saved(GRAY, "PNG"),
}


def cut_files(tmp_path, names):
    """Every file at 5 to 7 eighths of its length."""
    files = {name: CUT[name]() for name in names}
    parts = {f"{part}-{name}": file[: len(file) * part // 8] for name, file in files.items() for part in range(5, 8)}
    return written(tmp_path, parts | {"whole.png": saved(RGB, "PNG")})


def lines(image):
    """Number of lines down to the last one that is not black."""
    return int(np.flatnonzero(image.reshape(HEIGHT, -1).any(axis=1))[-1]) + 1


def test_truncated_images_are_rejected_by_default(inlaid, tmp_path):
    source = cut_files(tmp_path, CUT)
    summary, rows, _ = convert(inlaid, source, tmp_path / "dataset", "--size", SIZE, exit_code=3)
    assert summary["rejects_by_reason"] == {"truncated": 27}
    assert (summary["truncated"], list(rows)) == (0, ["whole.png"])
    manifest = json.loads((tmp_path / "dataset/inlaid.json").read_text())
    assert "truncated" not in manifest["spec"]


def test_truncated_images_are_kept_as_pillow_fills_them(inlaid, tmp_path, monkeypatch):
    source = cut_files(tmp_path, CUT)
    options = ("--size", SIZE, "--truncated", "keep")
    summary, rows, _ = convert(inlaid, source, tmp_path / "dataset", *options, exit_code=0)
    assert (summary["rows"], summary["truncated"], summary["rejects"]) == (28, 27, 0)
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    for name, row in rows.items():
        pillows = by_pillow((source / name).read_bytes())
        if name.endswith("jpg"):
            assert abs(row - pillows).mean() <= 1, name
        else:
            # Lines from the top on: at least those that Pillow has.
            whole = by_pillow(saved(RGB, "PNG") if name == "whole.png" else CUT[name[2:]]())
            count = lines(row)
            assert count >= lines(pillows), name
            assert np.array_equal(row[: count - 1], whole[: count - 1]), name
    done = inlaid("convert", source, "--out", tmp_path / "again", *options, "--split", "train=1", "--folders", "none")
    assert "27 images are truncated, and were filled\n" in done.stdout


def test_truncated_progressive_image_is_kept(inlaid, tmp_path):
    """Its filling is not Pillow's, which smooths what it knows only coarsely."""
    whole = saved(RGB, "JPEG", quality=85, progressive=True)
    parts = {f"{part}.jpg": whole[: len(whole) * part // 16] for part in range(7, 16)}
    source = written(tmp_path, parts)
    options = ("--size", SIZE, "--truncated", "keep")
    summary, rows, _ = convert(inlaid, source, tmp_path / "dataset", *options, exit_code=0)
    assert (summary["rows"], summary["truncated"]) == (9, 9)
    errors = [abs(rows[name].astype(int) - by_pillow(whole)).mean() for name in sorted(rows, key=lambda n: int(n[:-4]))]
    assert errors[-1] < 6 and errors[-1] <= errors[0]


def test_jpeg_that_lacks_only_its_end_is_whole(inlaid, tmp_path):
    whole = saved(RGB, "JPEG", quality=85)
    progressive = saved(RGB, "JPEG", quality=85, progressive=True)
    source = written(tmp_path, {"a.jpg": whole, "b.jpg": whole[:-2], "c.jpg": progressive[:-2]})
    summary, rows, rejects = convert(inlaid, source, tmp_path / "dataset", "--size", SIZE, exit_code=3)
    assert np.array_equal(rows["a.jpg"], rows["b.jpg"])
    # Further scans may be missing, and Pillow rejects it too.
    assert rejects["c.jpg"]["reason"] == "truncated"
    assert summary["truncated"] == 0


def test_data_ended_by_another_marker_are_filled_as_in_pillow(inlaid, tmp_path):
    whole = saved(RGB, "JPEG", quality=85)
    start = whole.index(b"\xff\xda")
    half = start + (len(whole) - start) // 2
    kept = whole[:half].rstrip(b"\xff")
    ends = {"a.jpg": b"\xff\xe0\0\x09", "b.jpg": b"\xff\xfe\xff\xff", "c.jpg": b"\xff\xd3"}
    refused = {"d.jpg": b"", "e.jpg": b"\xff\xc6", "f.jpg": b"\xff\x02"}
    source = written(tmp_path, {name: kept + end for name, end in (ends | refused).items()})
    _, rows, rejects = convert(inlaid, source, tmp_path / "dataset", "--size", SIZE, exit_code=3)
    for name in ends:
        assert abs(rows[name] - by_pillow((source / name).read_bytes())).mean() <= 1, name
    for name in refused:
        assert rejects[name]["reason"] == "truncated"
        with pytest.raises(OSError, match="truncated|broken data stream"):
            by_pillow((source / name).read_bytes())


@pytest.mark.parametrize("name", CUT)
def test_damaged_truncated_images_make_a_row_or_a_reject(inlaid, tmp_path, name):
    whole, suffix = CUT[name](), name.split(".")[1]
    rng = np.random.default_rng(len(whole))
    files = {f"empty.{suffix}": b"", f"whole.{suffix}": whole}
    for number in range(64):
        changed = bytearray(whole[: int(rng.integers(len(whole) // 4, len(whole)))])
        changed[int(rng.integers(len(changed)))] ^= int(rng.integers(1, 256))
        files[f"{number:03}.{suffix}"] = bytes(changed)
    options = ("--size", SIZE, "--truncated", "keep", "--max-pixels", 1_000_000)
    summary, _, _ = convert(inlaid, written(tmp_path, files), tmp_path / "dataset", *options, exit_code=3)
    assert summary["inputs"] == 66
    assert "codec-panic" not in summary["rejects_by_reason"]


# Files that their decoders don't take as they are


def tiff_of_palette(bits, colors, pixels):
    """A TIFF of one strip, least significant byte first."""
    height, width = pixels.shape
    strip = pixels.astype(np.uint8).tobytes() if bits == 8 else np.packbits(pixels, axis=1).tobytes()
    values = b"".join(struct.pack("<H", 257 * color[channel]) for channel in range(3) for color in colors)
    fields = {256: width, 257: height, 258: bits, 259: 1, 262: 3, 273: 8, 277: 1, 278: height, 279: len(strip)}
    place = 8 + len(strip) + len(strip) % 2
    entries = [struct.pack("<HHIHxx", tag, 3, 1, value) for tag, value in fields.items()]
    entries.append(struct.pack("<HHII", 320, 3, 3 * len(colors), place))
    start = place + len(values)
    head = struct.pack("<2sHI", b"II", 42, start) + strip + bytes(len(strip) % 2) + values
    return head + struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)


def test_tiffs_of_palettes_are_looked_up(pixels_of, tmp_path):
    indices = np.add.outer(np.arange(HEIGHT), np.arange(WIDTH))
    colors = np.random.default_rng(3).integers(0, 256, (256, 3)).tolist()
    files = {
        "8.tif": tiff_of_palette(8, colors, indices % 256),
        "1.tif": tiff_of_palette(1, colors[:2], indices % 2),
    }
    rows = pixels_of(written(tmp_path, files), SIZE)
    for name, content in files.items():
        assert np.array_equal(rows[name], by_pillow(content)), name


def test_tiffs_of_luma_and_chroma_are_read(pixels_of, tmp_path):
    files = {
        "jpeg.tif": saved(RGB.convert("YCbCr"), "TIFF", compression="jpeg"),
        "plain.tif": saved(RGB.convert("YCbCr"), "TIFF"),
    }
    rows = pixels_of(written(tmp_path, files), SIZE)
    for name, content in files.items():
        assert abs(rows[name] - by_pillow(content)).mean() <= 1, name


def test_bmp_of_os2_is_read(pixels_of, tmp_path):
    plain = saved(GRAY, "BMP")
    pixels = struct.unpack_from("<I", plain, 10)[0]
    longer = plain[:10] + struct.pack("<II", pixels + 24, 64) + plain[18:54] + bytes(24) + plain[54:]
    rows = pixels_of(written(tmp_path, {"a.bmp": plain, "b.bmp": longer}), SIZE)
    assert np.array_equal(rows["a.bmp"], rows["b.bmp"])
