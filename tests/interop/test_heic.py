"""HEIC as pillow-heif reads it, in a build with the feature `heif`, which `INLAID_C_LIBRARIES_BIN` names."""

import io
import os
import struct

import icc
import numpy as np
import pillow_heif
import pytest
from PIL import Image

from test_formats import ALPHA, DEEP, GRAY, HEIGHT, PIXELS, RGB, RGBA, SIZE, WIDTH, by_pillow, saved, written
from test_hostile import convert

pytestmark = pytest.mark.skipif("INLAID_C_LIBRARIES_BIN" not in os.environ, reason="needs a build with libheif")
pillow_heif.register_heif_opener()


@pytest.fixture(scope="session")
def inlaid_path():
    return os.environ["INLAID_C_LIBRARIES_BIN"]


def heic(image, **options):
    return saved(image, "HEIF", **({"quality": 90} | options))


def turned(kind, value):
    """The file of RGB with a property by which readers turn or mirror it, whatever EXIF data say."""
    exif = Image.Exif()
    exif[0x0112] = 3
    # 4:4:4: where the halved chroma of an odd width goes differs between versions of libheif.
    file = bytearray(heic(RGB, exif=exif, chroma=444))
    property_ = struct.pack(">I4sB", 9, kind, value)
    ipma = file.index(b"ipma")
    # The associations of the first item, of one byte each.
    count = ipma + 4 + 4 + 4 + 2
    number = 1 + max(place & 0x7F for place in file[count + 1 : count + 1 + file[count]])
    file.insert(count + 1 + file[count], 0x80 | number)
    file[count] += 1
    file[ipma - 4 : ipma - 4] = property_
    for name, more in [(b"ipco", 9), (b"ipma", 1), (b"iprp", 10), (b"meta", 10)]:
        place = file.index(name) - 4
        struct.pack_into(">I", file, place, struct.unpack_from(">I", file, place)[0] + more)
    # What lies after these boxes is ten bytes later: items of one place each, of a base and an offset of four bytes.
    iloc = file.index(b"iloc") + 4
    assert file[iloc] == 0 and file[iloc + 4 : iloc + 6] == b"\x44\x40"
    for item in range(struct.unpack_from(">H", file, iloc + 6)[0]):
        place = iloc + 8 + 18 * item + 4
        base, _, offset = struct.unpack_from(">IHI", file, place)
        struct.pack_into(">I", file, place, base + 10 if base else 0)
        struct.pack_into(">I", file, place + 6, offset if base else offset + 10)
    return bytes(file)


def deep(bits):
    """DEEP as a file of so many bits."""
    pillow_heif.options.SAVE_HDR_TO_12_BIT = bits == 12
    file = pillow_heif.from_bytes(mode="RGB;16", size=(WIDTH, HEIGHT), data=DEEP.tobytes())
    out = io.BytesIO()
    file.save(out, quality=95, chroma=444)
    return out.getvalue()


FILES = {
    "420.heic": lambda: heic(RGB),
    "422.heic": lambda: heic(RGB, chroma=422),
    "444.heic": lambda: heic(RGB, chroma=444),
    "gray.heic": lambda: heic(GRAY),
    "alpha.heic": lambda: heic(RGBA),
    "sequence.heic": lambda: heic(RGB, save_all=True, append_images=[RGBA]),
    **{f"turned-{steps}.heic": lambda steps=steps: turned(b"irot", steps) for steps in range(4)},
    "mirrored-0.heic": lambda: turned(b"imir", 0),
    "mirrored-1.heic": lambda: turned(b"imir", 1),
}


def test_files_are_read_as_pillow_reads_them(inlaid, tmp_path):
    files = {name: make() for name, make in FILES.items()}
    source = written(tmp_path, files)
    _, upright, _ = convert(inlaid, source, tmp_path / "upright", "--size", SIZE, exit_code=0)
    _, aside, _ = convert(inlaid, source, tmp_path / "aside", "--size", f"{WIDTH}x{HEIGHT}", exit_code=0)
    for name, content in files.items():
        expected = by_pillow(content)
        rows = upright if expected.shape[0] == HEIGHT else aside
        difference = abs(rows[name] - expected)
        assert difference.mean() <= 1, (name, difference.mean())
    # Those that are turned are seen to be.
    quarter, mirrored = by_pillow(files["turned-1.heic"]), by_pillow(files["mirrored-0.heic"])
    assert abs(np.rot90(PIXELS.astype(int)) - quarter).mean() < 5
    assert min(abs(np.flip(PIXELS.astype(int), axis) - mirrored).mean() for axis in (0, 1)) < 5


def test_deep_samples_are_read_at_their_depth(pixels_of, tmp_path):
    files = {f"{bits}.heic": deep(bits) for bits in (10, 12)}
    rows = pixels_of(written(tmp_path, files), SIZE, "--dtype", "u16")
    for name, row in rows.items():
        opened = pillow_heif.open_heif(files[name], convert_hdr_to_8bit=False)
        expected = np.asarray(opened).astype(int)
        assert opened.mode == "RGB;16" and abs(row - expected).mean() <= 257, name
        # Lossy, but not by much.
        assert abs(row.astype(int) - DEEP).mean() <= 3 * 257, name


def test_alpha_is_kept(pixels_of, tmp_path):
    rows = pixels_of(written(tmp_path, {"a.heic": FILES["alpha.heic"]()}), SIZE, "--channels", "rgba")
    assert abs(rows["a.heic"][..., 3].astype(int) - ALPHA).mean() <= 2


def test_profile_is_applied_if_asked_for(pixels_of, tmp_path):
    p3 = icc.rgb(icc.P3, icc.srgb_curve())
    files = {
        "a.heic": heic(RGB, quality=100, chroma=444, icc_profile=p3),
        "b.png": saved(RGB, "PNG", icc_profile=p3),
    }
    source = written(tmp_path, files)
    kept, converted = pixels_of(source, SIZE), pixels_of(source, SIZE, "--color-profile", "srgb")
    assert abs(converted["a.heic"].astype(int) - kept["a.heic"]).mean() > 1
    assert abs(converted["a.heic"].astype(int) - converted["b.png"]).mean() <= 1


def test_cut_files_are_rejected_or_whole(inlaid, tmp_path):
    whole = FILES["alpha.heic"]()
    files = {f"{part}.heic": whole[: len(whole) * part // 8] for part in range(8)}
    source = written(tmp_path, files | {"last.heic": whole[:-1], "whole.heic": whole})
    _, rows, rejects = convert(inlaid, source, tmp_path / "dataset", "--size", SIZE, exit_code=3)
    assert set(files) <= set(rejects)
    assert all(np.array_equal(row, rows["whole.heic"]) for row in rows.values())


def test_changed_bytes_make_a_row_or_a_reject(inlaid, tmp_path):
    whole = FILES["alpha.heic"]()
    rng = np.random.default_rng(3)
    files = {"whole.heic": whole}
    for number in range(400):
        changed = bytearray(whole)
        place = number if number < 200 else int(rng.integers(len(whole)))
        changed[place % len(whole)] ^= int(rng.integers(1, 256))
        files[f"{number:03}.heic"] = bytes(changed)
    options = ("--size", SIZE, "--max-pixels", 1_000_000)
    summary, rows, _ = convert(inlaid, written(tmp_path, files), tmp_path / "dataset", *options, exit_code=3)
    assert summary["inputs"] == 401 and "codec-panic" not in summary["rejects_by_reason"]
    assert "whole.heic" in rows


def test_claims_of_headers_are_refused(inlaid, tmp_path):
    whole = FILES["420.heic"]()
    size = whole.index(b"ispe") + 8
    large = whole[:size] + struct.pack(">II", 30_000, 30_000) + whole[size + 8 :]
    source = written(tmp_path, {"a.heic": large, "b.heic": whole})
    _, rows, rejects = convert(inlaid, source, tmp_path / "dataset", "--size", 8, exit_code=3)
    assert rejects["a.heic"]["reason"] in ("too-many-pixels", "malformed") and list(rows) == ["b.heic"]


def test_threads_make_no_difference(pixels_of, tmp_path):
    files = {f"{n}.heic": heic(RGB, quality=50 + n) for n in range(40)}
    source = written(tmp_path, files)
    one, four = (pixels_of(source, SIZE, "--threads", threads) for threads in (1, 4))
    assert all(np.array_equal(one[name], four[name]) for name in files)
    assert abs(one["39.heic"].astype(int) - PIXELS).mean() < 5
