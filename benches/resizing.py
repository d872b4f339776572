"""The cost of resizing like each library that `--resize-like` offers, compared with Pillow.

    python benches/resizing.py PHOTOS [--images 100] [--repeat 5] [--size 1600x1200] [--inlaid target/release/inlaid]
                                      [--json FOLDER]

The photos are enlarged or reduced to --size and saved as PPM, which takes next to nothing to decode, so that the rest of
a conversion with one thread (reading, checksums, writing) is the same for all filters. What a filter costs is processor
time beyond that of `--filter nearest`, for each image; of Pillow, the time of `Image.resize` beyond that of its nearest
neighbour. Both make 224x224 of the same pixels. Medians, with least and greatest, of ratios within one repetition.

With --json, it writes `resizing.json`.

Needs a release build of inlaid, and Pillow.
"""

import os
import shutil
import subprocess
import sys
import time
from statistics import median

import measure
import PIL
import results
from PIL import Image

# What inlaid is told, and the filter of Pillow that has as many taps.
ROWS = {
    "plain bilinear": ([], "BILINEAR"),
    "plain bicubic": (["--filter", "bicubic"], "BICUBIC"),
    "plain lanczos3": (["--filter", "lanczos3"], "LANCZOS"),
    "pillow box": (["--resize-like", "pillow", "--filter", "box"], "BOX"),
    "pillow bilinear": (["--resize-like", "pillow"], "BILINEAR"),
    "pillow bicubic": (["--resize-like", "pillow", "--filter", "bicubic"], "BICUBIC"),
    "pillow lanczos3": (["--resize-like", "pillow", "--filter", "lanczos3"], "LANCZOS"),
    "torchvision bilinear": (["--resize-like", "torchvision"], "BILINEAR"),
    "torchvision bicubic": (["--resize-like", "torchvision", "--filter", "bicubic"], "BICUBIC"),
    "tf-antialias bilinear": (["--resize-like", "tf-antialias"], "BILINEAR"),
    "tf-antialias bicubic": (["--resize-like", "tf-antialias", "--filter", "bicubic"], "BICUBIC"),
    "opencv area": (["--resize-like", "opencv", "--filter", "area"], "BOX"),
    "f32, plain bilinear": (["--dtype", "f32"], "BILINEAR"),
    "f32, plain bicubic": (["--filter", "bicubic", "--dtype", "f32"], "BICUBIC"),
}

# What the table of results calls its rows.
TABLE = {
    "pillow box": "`--resize-like pillow --filter box`",
    "pillow bilinear": "`--resize-like pillow --filter bilinear`",
    "pillow bicubic": "`--resize-like pillow --filter bicubic`",
    "torchvision bilinear": "`--resize-like torchvision`",
    "tf-antialias bilinear": "`--resize-like tf-antialias`",
    "f32, plain bilinear": "floats",
}


def ppm_files(options, folder):
    """Makes the images: at most 12 files, the rest links."""
    width, height = map(int, options.size.split("x"))
    source = measure.class_folders(options.photos, min(options.images, 12), folder / "photos")
    (folder / "made").mkdir()
    made = []
    for number, (path, _) in enumerate(measure.labelled_files(source)):
        made.append(folder / "made" / f"{number}.ppm")
        Image.open(path).convert("RGB").resize((width, height), Image.Resampling.BICUBIC).save(made[-1])
    images = folder / "images"
    images.mkdir()
    for number in range(options.images):
        os.link(made[number % len(made)], images / f"{number:06}.ppm")
    return images, made


def inlaid_seconds(options, images, out, settings):
    """Processor time of a conversion, for each image."""
    command = [options.inlaid, "convert", images, "--out", out, "--size", measure.SIZE, "--threads", 1, "--quiet"]
    command += ["--folders", "none", "--split", "train=1", *settings]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"error: `{' '.join(map(str, command))}` failed")
    shutil.rmtree(out)
    return (usage.ru_utime + usage.ru_stime) / options.images


def pillow_seconds(images, filter):
    """Time of `Image.resize`, for each image."""
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < 0.5:
        for image in images:
            image.resize((measure.SIZE, measure.SIZE), Image.Resampling[filter])
        count += len(images)
    return (time.perf_counter() - start) / count


def main():
    parser = measure.arguments(__doc__, images=100, repeat=5)
    parser.add_argument("--size", default="1600x1200", help="WIDTHxHEIGHT of the images; default: %(default)s")
    parser.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW", help="these rows")
    options = parser.parse_args()
    options.inlaid = measure.program(options.inlaid)
    with measure.scratch_folder(options.scratch) as scratch:
        images, made = ppm_files(options, scratch)
        opened = [Image.open(path).copy() for path in made]

        def beyond_nearest(row):
            """(inlaid's seconds, Pillow's seconds), one after the other."""
            settings, filter = ROWS[row]
            nearest = ["--filter", "nearest", *(["--dtype", "f32"] if "f32" in settings else [])]
            own, least = (inlaid_seconds(options, images, scratch / "dataset", of) for of in (settings, nearest))
            return own - least, pillow_seconds(opened, filter) - pillow_seconds(opened, "NEAREST")

        measured = measure.repeated(options.repeat, options.only, beyond_nearest)
    table = []
    for name, runs in measured.items():
        own, pillow = zip(*runs)
        milliseconds = [f"{median(costs) * 1000:.2f}" for costs in (own, pillow)]
        table.append([name, *milliseconds, measure.spread(measure.ratios(pillow, own))])
    measure.print_table([f"{options.size} to 224x224", "ms", f"Pillow {PIL.__version__}, ms", "Pillow / inlaid"], table)
    rows = []
    for name, label in TABLE.items():
        if name in measured:
            own, pillow = zip(*measured[name])
            rows.append([label, results.spread(measure.ratios(pillow, own))])
    notes = [
        f"{options.size} to 224x224, processor time of resizing alone; Pillow {PIL.__version__}.",
        "Medians of differences between conversions, which spread widely.",
    ]
    columns = ["inlaid with", "Pillow takes this many times as long"]
    results.write(options, "resizing", "Resizing against Pillow", columns, rows, notes)


if __name__ == "__main__":
    main()
