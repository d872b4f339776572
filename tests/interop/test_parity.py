"""`--resize-like` gives what the named libraries give, from the same pixels; `docs/parity.md` says how nearly.

With `INLAID_WRITE_PARITY=1` the figures of that file are written anew. `INLAID_PARITY_SEED=2` draws other sizes, and
`INLAID_PARITY_PAIRS=20000` more of them."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import parity
import pytest
from conftest import REPOSITORY, read_rows

DOCUMENT = REPOSITORY / "docs/parity.md"
KINDS = ["noise", "edges", "slopes"]
CASES = [(like, filter) for like, (_, filters, _) in parity.LIBRARIES.items() for filter in filters]
# Of sizes without a draw.
SOURCES = [(90, 120), (97, 61), (1, 1), (1, 37), (41, 1), (2, 3), (7, 5), (300, 4), (3, 257), (64, 64), (601, 433)]

FIRST = (1, 5000)
SEED = int(os.environ.get("INLAID_PARITY_SEED", FIRST[0]))
PAIRS = int(os.environ.get("INLAID_PARITY_PAIRS", FIRST[1]))
# Of how many draws one is compared as floats, which cost most. No divisor of what draws repeat.
DRAWS_OF_FLOATS = 4

# What is promised of any image: of bytes, and of floats on the scale 0 to 255.
PROMISED = {like: (1, 0.01) if like.startswith("tf") else (1, 1.0) for like in parity.LIBRARIES}
# Of floats, where more source pixels become one: sums in single precision depend on their order.
MANY_PIXELS, PROMISED_OF_MANY = 4000, 0.1


def generated(kind, height, width, channels=3):
    rng = np.random.default_rng([height, width, channels, KINDS.index(kind)])
    if kind == "noise":
        return rng.integers(0, 256, (height, width, channels), dtype=np.uint8)
    if kind == "edges":
        # Black and white, where kernels with negative lobes overshoot most.
        return rng.integers(0, 2, (height, width, channels), dtype=np.uint8) * np.uint8(255)
    down, across = np.mgrid[0:height, 0:width]
    slopes = [255 * across / max(width - 1, 1), 255 * down / max(height - 1, 1), (across * 3 + down * 5) % 256]
    return np.stack([slopes[channel % 3] for channel in range(channels)], axis=2).astype(np.uint8)


def pam(pixels):
    height, width, channels = pixels.shape
    kind = {1: "GRAYSCALE", 3: "RGB", 4: "RGB_ALPHA"}[channels]
    head = f"P7\nWIDTH {width}\nHEIGHT {height}\nDEPTH {channels}\nMAXVAL 255\nTUPLTYPE {kind}\nENDHDR\n"
    return head.encode() + pixels.tobytes()


def written(folder, images):
    folder.mkdir()
    for name, pixels in images.items():
        (folder / name).write_bytes(pam(pixels))
    return folder


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """The draws, each with a folder and its images by file name."""
    folder = tmp_path_factory.mktemp("parity")
    made = []
    for number, draw in enumerate(parity.draws(SEED, PAIRS)):
        images = {}
        for place, (h, w) in enumerate(draw.sources):
            kind = KINDS[place % len(KINDS)]
            images[f"{place:03}-{kind}-{h}x{w}.pam"] = generated(kind, h, w, draw.channels)
        made.append((draw, written(folder / str(number), images), images))
    yield made
    shutil.rmtree(folder)


@pytest.fixture
def compare(inlaid, tmp_path):
    """A function that converts the images of draws and returns the greatest difference to what a library makes of them,
    which `reference` computes from pixels, a height, a width, and the function of the library's fit."""

    def compare(draws, like, filter, promised, reference, *options):
        def rows(number):
            draw, folder, _ = draws[number]
            out = tmp_path / str(number)
            inlaid(
                *("convert", folder, "--out", out, "--size", "{}x{}".format(*draw.target)),
                *("--folders", "none", "--split", "train=1", "--channels", {1: "gray", 3: "rgb"}[draw.channels]),
                *("--resize-like", like, "--filter", filter, *parity.FITS[draw.fit], *options),
            )
            made = read_rows(out)
            shutil.rmtree(out)
            return made

        differences = []
        # The next draw is converted meanwhile.
        with ThreadPoolExecutor(1) as executor:
            for (draw, _, images), made in zip(draws, executor.map(rows, range(len(draws))), strict=True):
                assert made.keys() == images.keys()
                resize = parity.fitted(like, draw.fit)
                for name, pixels in images.items():
                    expected = reference(pixels, *draw.target, resize)
                    difference = np.abs(made[name].astype(np.float32) - expected).max()
                    covered = pixels.shape[0] * pixels.shape[1] / (draw.target[0] * draw.target[1])
                    most = max(promised, PROMISED_OF_MANY) if covered > MANY_PIXELS else promised
                    differences.append((float(difference), most, name, draw))
        # Also what is not a number.
        too_far = sorted((one for one in differences if not one[0] <= one[1]), key=lambda one: one[0], reverse=True)
        told = [
            f"{name} to {draw.target[0]}x{draw.target[1]}, {draw.fit}, like {like} {filter}: {difference}"
            for difference, _, name, draw in too_far[:20]
        ]
        if told:
            pytest.fail("\n".join([f"{len(too_far)} of {len(differences)} differ by more than is promised:", *told]))
        return max(difference for difference, *_ in differences)

    return compare


@pytest.fixture(scope="module")
def floats(inlaid):
    """The options for floats on the scale 0 to 255."""
    if "--dtype" not in inlaid("convert", "--help").stdout:
        pytest.skip("tensors are bytes")
    return ("--dtype", "f32", "--scale", "0..255")


def farthest(rows, images, resize):
    """The greatest difference to what `resize` makes of the images, and of which."""
    differences = {}
    for name, row in rows.items():
        difference = np.abs(row.astype(np.float64) - resize(images[name]))
        differences[name] = difference.max()
    name = max(differences, key=differences.get)
    return differences[name], name


def stated():
    """The figures of the document: of bytes and of floats, by library and filter."""
    lines = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| `")]
    cells = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines]
    return {(like, filter): (of_bytes, of_floats) for like, filter, _, of_bytes, of_floats in cells}


def check(like, filter, place, measured):
    """Holds a figure against the document, which is of the first draw, or writes it there."""
    if os.environ.get("INLAID_WRITE_PARITY"):
        write(like, filter, place, measured)
    elif (SEED, PAIRS) == FIRST:
        assert measured <= float(stated()[like, filter][place]), "the document says less"


def write(like, filter, place, measured):
    figures = stated()
    figure = list(figures.get((like, filter), ("", "")))
    figure[place] = str(int(measured)) if place == 0 else rounded_up(measured)
    figures[like, filter] = tuple(figure)
    head = DOCUMENT.read_text().split("\n| `")[0]
    rows = [
        f"| `{like}` | `{filter}` | {parity.LIBRARIES[like][0]} | {' | '.join(figures.get((like, filter), ('', '')))} |"
        for like, filter in CASES
    ]
    DOCUMENT.write_text("\n".join([head, *rows]) + "\n")


def rounded_up(measured):
    """One of few figures, so that another processor seldom gives another one."""
    return next(step for step in ("0", "0.0001", "0.001", "0.01", "0.1", "1") if measured <= float(step))


@pytest.mark.parametrize(("like", "filter"), CASES)
def test_bytes_are_those_of_the_library(compare, drawn, like, filter):
    def reference(pixels, height, width, resize):
        # TensorFlow gives floats.
        return np.clip(np.rint(resize(pixels, height, width, filter)), 0, 255)

    promised = PROMISED[like][0]
    check(like, filter, 0, compare(drawn, like, filter, promised, reference))


@pytest.mark.parametrize(("like", "filter"), CASES)
def test_floats_are_those_of_the_library(compare, drawn, floats, like, filter):
    def reference(pixels, height, width, resize):
        return resize(pixels.astype(np.float32), height, width, filter)

    promised = PROMISED[like][1]
    check(like, filter, 1, compare(drawn[::DRAWS_OF_FLOATS], like, filter, promised, reference, *floats))


def test_document_has_every_case():
    assert list(stated()) == CASES


@pytest.mark.parametrize("channels", ["gray", "rgba"])
@pytest.mark.parametrize("like", parity.LIBRARIES)
def test_other_channels_are_those_of_the_library(pixels_of, tmp_path, like, channels):
    count = {"gray": 1, "rgba": 4}[channels]
    images = {f"{h}x{w}.pam": generated("noise", h, w, count) for h, w in SOURCES}
    source = written(tmp_path / "source", images)
    for height, width in [(32, 45), (150, 100)]:
        rows = pixels_of(source, f"{height}x{width}", "--resize-like", like, "--channels", channels)

        def reference(pixels):
            return np.rint(parity.LIBRARIES[like][2](pixels, height, width, "bilinear"))

        difference, name = farthest(rows, images, reference)
        assert difference <= 1, name


# Fits


def resize_and_center_crop(ratio):
    return partial(parity.resize_and_center_crop, ratio=ratio)


# Whose lengths stay above one pixel: libraries refuse the others or leave them out.
FITTED = [(90, 120), (97, 61), (64, 64), (64, 65), (37, 41), (601, 433), (333, 500), (500, 375), (15, 10), (101, 34)]


@pytest.mark.parametrize(
    ("like", "options", "size", "reference"),
    [
        ("tf", ("--fit", "crop"), (64, 64), parity.keras_crop),
        ("tf", ("--fit", "crop"), (50, 77), parity.keras_crop),
        ("tf", ("--fit", "pad"), (64, 64), parity.tf_pad),
        ("tf", ("--fit", "pad"), (50, 77), parity.tf_pad),
        ("pillow", ("--fit", "crop"), (64, 64), parity.pillow_fit),
        ("pillow", ("--fit", "crop"), (50, 77), parity.pillow_fit),
        ("pillow", ("--fit", "pad"), (64, 64), parity.pillow_pad),
        ("pillow", ("--fit", "pad"), (50, 77), parity.pillow_pad),
        ("torchvision", ("--fit", "shortest-side"), (64, 64), resize_and_center_crop(1)),
        ("torchvision", ("--fit", "shortest-side", "--crop-ratio", "0.875"), (224, 224), resize_and_center_crop(0.875)),
        ("torchvision", ("--fit", "shortest-side", "--crop-ratio", "0.95"), (57, 57), resize_and_center_crop(0.95)),
        ("torchvision", ("--fit", "shortest-side", "--crop-ratio", "0.5"), (28, 28), resize_and_center_crop(0.5)),
    ],
)
def test_fit_is_that_of_the_library(pixels_of, tmp_path, like, options, size, reference):
    images = {f"{kind}-{h}x{w}.pam": generated(kind, h, w) for kind in KINDS for h, w in FITTED}
    source = written(tmp_path / "source", images)
    rows = pixels_of(source, f"{size[0]}x{size[1]}", "--resize-like", like, *options)
    difference, name = farthest(rows, images, lambda pixels: np.rint(reference(pixels, *size, "bilinear")))
    assert difference <= 1, name


def test_nothing_is_enlarged_when_only_shrinking(pixels_of, tmp_path):
    small, large = generated("noise", 5, 8), generated("noise", 40, 40)
    source = written(tmp_path / "source", {"small.pam": small, "large.pam": large})
    for fit in ("stretch", "crop", "pad", "shortest-side"):
        rows = pixels_of(source, 20, "--resize-like", "pillow", "--only-shrink", "--fit", fit, "--pad-color", "7,8,9")
        expected = np.full((20, 20, 3), (7, 8, 9), np.uint8)
        expected[7:12, 6:14] = small
        assert (rows["small.pam"] == expected).all(), fit
        assert (rows["large.pam"] == parity.pillow(large, 20, 20, "bilinear")).all(), fit
