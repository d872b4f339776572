"""JPEGs of 12 megapixels and of their original size: speed and accuracy of conversions with each decoder.

    cargo build --release --features turbojpeg
    python benches/decoders.py PHOTOS [--images 200] [--large 40] [--repeat 3] [--inlaid target/release/inlaid]

The large ones are the photos of the folder enlarged to 4000x3000 with the noise of a sensor (deviation 3), quality 90.
Rows take turns; ratios are to libjpeg-turbo of the same repetition. The error is that of the tensors (224x224x3, 0 to
255) against libjpeg-turbo decoding the whole image: mean, that of the worst image, and the largest of all.

Needs a release build of inlaid with the feature `turbojpeg`, Pillow, NumPy and pyarrow.
"""

import shutil
from statistics import median

import measure
import numpy as np
import pyarrow.parquet as pq
from PIL import Image

WHOLE = "libjpeg-turbo"
ROWS = {
    WHOLE: ["--jpeg-decoder", "libjpeg-turbo"],
    "zune-jpeg": ["--jpeg-decoder", "zune-jpeg"],
    "--jpeg-shrink=1": ["--jpeg-decoder", "libjpeg-turbo", "--jpeg-shrink=1"],
    "--jpeg-shrink": ["--jpeg-decoder", "libjpeg-turbo", "--jpeg-shrink"],
    "--jpeg-shrink=3": ["--jpeg-decoder", "libjpeg-turbo", "--jpeg-shrink=3"],
}


def enlarge(photos, images, folder):
    """Makes photos of 12 megapixels of the first photos; 12 files, the rest links."""
    source = measure.class_folders(photos, min(images, 12), folder / "small")
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
    """What the error of all images is, in words."""
    off = [np.abs(pixels[path] - whole[path]) for path in whole]
    means = [image.mean() for image in off]
    return f"{np.mean(means):.2f}, {max(means):.2f}, {max(image.max() for image in off)}"


def compare(options, folder, out):
    """A line for each decoder."""
    pixels = {}

    def convert(row):
        command = [options.inlaid, "convert", folder, "--out", out, "--size", measure.SIZE, "--quiet", *ROWS[row]]
        command += ["--split", "train=1"]
        seconds = measure.timed(command)
        pixels.setdefault(row, rows_of(out))
        shutil.rmtree(out)
        return seconds

    seconds = measure.repeated(options.repeat, ROWS, convert)
    for row, times in seconds.items():
        rate = measure.spread([len(pixels[row]) / time for time in times], ".1f")
        ratio = measure.spread(measure.ratios(seconds[WHOLE], times))
        yield [row, rate, ratio, error(pixels[row], pixels[WHOLE])]


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
        table = []
        for name, folder in folders.items():
            sizes = [Image.open(path).size for path, _ in measure.labelled_files(folder)]
            title = f"{name}: {median(width * height for width, height in sizes) / 1e6:.2f} MP"
            table.append([title, "", "", ""])
            table.extend(compare(options, folder, scratch / "dataset"))
    measure.print_table(["photos, decoder", "images/s", "ratio", "error: mean, worst image, largest"], table)


if __name__ == "__main__":
    main()
