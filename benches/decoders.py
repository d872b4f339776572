"""JPEGs of 12 megapixels and of their original size: speed and accuracy of conversions with each decoder.

    cargo build --release --features turbojpeg
    python benches/decoders.py PHOTOS [--images 200] [--large 40] [--repeat 3] [--inlaid target/release/inlaid]
                                      [--json FOLDER]

The large ones are the photos of the folder enlarged to 4000x3000 with the noise of a sensor (deviation 3), quality 90.
Rows take turns; ratios are to libjpeg-turbo of the same repetition. The error is that of the tensors (224x224x3, 0 to
255) against libjpeg-turbo decoding the whole image: mean, that of the worst image, and the largest of all.

With --json, it writes `decoders.json` of the large ones, and `decoder-difference.json` of the others.

Needs a release build of inlaid with the feature `turbojpeg`, Pillow, NumPy and pyarrow.
"""

import shutil
from statistics import median

import measure
import numpy as np
import pyarrow.parquet as pq
import results
from PIL import Image

WHOLE = "libjpeg-turbo"
ZUNE = "zune-jpeg"
ROWS = {
    WHOLE: ["--jpeg-decoder", "libjpeg-turbo"],
    ZUNE: ["--jpeg-decoder", "zune-jpeg"],
    "--jpeg-shrink=1": ["--jpeg-decoder", "libjpeg-turbo", "--jpeg-shrink=1"],
    "--jpeg-shrink": ["--jpeg-decoder", "libjpeg-turbo", "--jpeg-shrink"],
    "--jpeg-shrink=3": ["--jpeg-decoder", "libjpeg-turbo", "--jpeg-shrink=3"],
}
LARGE_FILES = 12
NOTES = [
    "Differences are of tensors, in levels of 0 to 255, from libjpeg-turbo decoding the whole image.",
    "A build with the feature turbojpeg.",
]


def enlarge(photos, images, folder):
    """Makes photos of 12 megapixels of the first photos; `LARGE_FILES` files, the rest links."""
    source = measure.class_folders(photos, min(images, LARGE_FILES), folder / "small")
    rng = np.random.default_rng(0)
    large = folder / "made"
    large.mkdir()
    for number, (path, _) in enumerate(measure.labelled_files(source)):
        pixels = np.asarray(Image.open(path).convert("RGB").resize((4000, 3000), Image.Resampling.BICUBIC))
        noisy = pixels + rng.normal(0, 3, pixels.shape)
        Image.fromarray(noisy.round().clip(0, 255).astype(np.uint8)).save(large / f"{number}.jpg", quality=90)
    return measure.class_folders(large, images, folder / "large")


def rows_of(dataset):
    """{path: pixels} of a dataset."""
    rows = {}
    for shard in sorted(dataset.glob("*/*.parquet")):
        for batch in pq.ParquetFile(shard).iter_batches(columns=["image", "path"]):
            rows |= dict(zip(batch["path"].to_pylist(), measure.images_of(batch["image"]).astype(int), strict=True))
    return rows


def error(pixels, whole):
    """The mean error of all images, that of the worst image, and the largest error."""
    off = [np.abs(pixels[path] - whole[path]) for path in whole]
    means = [float(image.mean()) for image in off]
    return sum(means) / len(means), max(means), int(max(image.max() for image in off))


def compare(options, folder, out):
    """({decoder: seconds of each repetition}, {decoder: its error}, the number of images)."""
    pixels = {}

    def convert(row):
        command = [options.inlaid, "convert", folder, "--out", out, "--size", measure.SIZE, "--quiet", *ROWS[row]]
        command += ["--split", "train=1"]
        seconds = measure.timed(command)
        pixels.setdefault(row, rows_of(out))
        shutil.rmtree(out)
        return seconds

    seconds = measure.repeated(options.repeat, ROWS, convert)
    return seconds, {row: error(pixels[row], pixels[WHOLE]) for row in ROWS}, len(pixels[WHOLE])


def lines(seconds, errors, images):
    """A line for each decoder."""
    for row, times in seconds.items():
        rate = measure.spread([images / time for time in times], ".1f")
        mean, worst, largest = errors[row]
        words = f"{mean:.2f}, {worst:.2f}, {largest}"
        yield [row, rate, measure.spread(measure.ratios(seconds[WHOLE], times)), words]


def write_difference(options, errors):
    mean, _, largest = errors[ZUNE]
    rows = [["average difference", results.rounded(mean, 2)], ["greatest difference", largest]]
    columns = [f"tensors of {options.images:,} photos, in levels of 0 to 255", "levels"]
    notes = ["Tensors of zune-jpeg against those of libjpeg-turbo."]
    results.write(options, "decoder-difference", "zune-jpeg against libjpeg-turbo", columns, rows, notes)


def write_decoders(options, seconds, errors):
    rows = []
    for shrink, against in (("--jpeg-shrink", ZUNE), ("--jpeg-shrink", WHOLE), ("--jpeg-shrink=1", WHOLE)):
        mean, _, largest = errors[shrink]
        difference = [results.rounded(mean, 2), largest] if against == WHOLE else [None, None]
        faster = results.spread(measure.ratios(seconds[against], seconds[shrink]))
        rows.append([f"libjpeg-turbo, `{shrink}`", against, faster, *difference])
    columns = ["12-megapixel JPEGs, converted with", "against", "times as many images/s", "average difference"]
    columns.append("greatest difference")
    count = len(measure.photos_of(options.photos)[:LARGE_FILES])
    input = f"{count} JPEGs, enlarged to 12 megapixels and linked up to {options.large}; files in the page cache"
    results.write(options, "decoders", "JPEG decoders", columns, rows, NOTES, input=input)


def main():
    parser = measure.arguments(__doc__, images=200, repeat=3)
    parser.add_argument("--large", type=measure.positive, default=40, help="large images; default: %(default)s")
    options = parser.parse_args()
    options.inlaid = measure.program(options.inlaid)
    with measure.scratch_folder(options.scratch) as scratch:
        folders = {
            "as they are": measure.class_folders(options.photos, options.images, scratch / "photos"),
            "12 megapixels": enlarge(options.photos, options.large, scratch),
        }
        table, measured = [], []
        for name, folder in folders.items():
            sizes = [Image.open(path).size for path, _ in measure.labelled_files(folder)]
            title = f"{name}: {median(width * height for width, height in sizes) / 1e6:.2f} MP"
            table.append([title, "", "", ""])
            measured.append(compare(options, folder, scratch / "dataset"))
            table.extend(lines(*measured[-1]))
    measure.print_table(["photos, decoder", "images/s", "ratio", "error: mean, worst image, largest"], table)
    (_, errors, _), (seconds, large_errors, _) = measured
    write_difference(options, errors)
    write_decoders(options, seconds, large_errors)


if __name__ == "__main__":
    main()
