"""`docs/pictures/fit.jpg` and `filter.png`: what `--fit`, `--filter` and antialiasing make of one photo, by converting
it. The binary is the one that `INLAID_BIN` names, else the release build of this repository."""

import os
import subprocess
import tempfile
from pathlib import Path

import pyarrow.parquet as pq
from PIL import Image, ImageDraw, ImageFont

REPOSITORY = Path(__file__).resolve().parents[2]
PICTURES = REPOSITORY / "docs/pictures"
PHOTO = PICTURES / "photo.jpg"
INLAID = os.environ.get("INLAID_BIN", REPOSITORY / "target/release/inlaid")

INK, SOFT, PAPER, EDGE = "#1f2328", "#59636e", "#ffffff", "#c4ccd4"
LABEL, GAP = 26, 14

FITS = [
    ("--fit stretch", []),
    ("--fit crop", ["--fit", "crop"]),
    ("--fit pad", ["--fit", "pad"]),
    ("--fit pad --pad-color white", ["--fit", "pad", "--pad-color", "white"]),
    ("--fit shortest-side --crop-ratio 0.875", ["--fit", "shortest-side", "--crop-ratio", "0.875"]),
]
FILTERS = [
    ("nearest", ["--filter", "nearest"]),
    ("bilinear", ["--filter", "bilinear"]),
    ("bicubic", ["--filter", "bicubic"]),
    ("lanczos3", ["--filter", "lanczos3"]),
    ("box", ["--filter", "box"]),
    ("bilinear, not antialiased", ["--filter", "bilinear", "--no-antialias"]),
]


def converted(size, options):
    """The photo's tensor as an image."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "source")
        source.mkdir()
        (source / "photo.jpg").symlink_to(PHOTO)
        arguments = [INLAID, "convert", source, "--out", f"{folder}/dataset", "--size", str(size), *options, "--quiet"]
        subprocess.run([*arguments, "--split", "train=1"], check=True, stdout=subprocess.DEVNULL)
        images = pq.read_table(f"{folder}/dataset/train")["image"].combine_chunks()
        return Image.fromarray(images.to_numpy_ndarray()[0])


def sheet(cells, columns):
    """Pictures with a label above each, in rows."""
    font = ImageFont.load_default(13)
    widths = [max(font.getlength(label) // 1, picture.width) for label, picture in cells]
    widths = [int(max(widths[column::columns])) + GAP for column in range(columns)]
    height = max(picture.height for _, picture in cells) + LABEL + GAP
    rows = -(-len(cells) // columns)
    paper = Image.new("RGB", (sum(widths) + GAP, rows * height + GAP), PAPER)
    draw = ImageDraw.Draw(paper)
    for number, (label, picture) in enumerate(cells):
        x, y = GAP + sum(widths[: number % columns]), GAP + number // columns * height
        draw.text((x, y + 2), label, INK, font)
        draw.rectangle((x - 1, y + LABEL - 1, x + picture.width, y + LABEL + picture.height), outline=EDGE)
        paper.paste(picture, (x, y + LABEL))
    return paper


def make():
    photo = Image.open(PHOTO)
    small = photo.resize((photo.width * 200 // photo.height, 200), Image.Resampling.LANCZOS)
    cells = [(f"the photo, {photo.width}x{photo.height}", small)]
    cells += [(label, converted(200, options)) for label, options in FITS]
    sheet(cells, 3).save(PICTURES / "fit.jpg", quality=82, optimize=True)
    small = [(label, converted(56, ["--fit", "crop", *options])) for label, options in FILTERS]
    cells = [(label, picture.resize((224, 224), Image.Resampling.NEAREST)) for label, picture in small]
    sheet(cells, 3).quantize(160, dither=Image.Dither.NONE).save(PICTURES / "filter.png", optimize=True)


if __name__ == "__main__":
    make()
