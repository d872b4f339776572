"""Loaders of JPEGs, compared: images/s in shuffled batches of 256 images of 224x224, uint8, on two cores.

    python benches/loading.py PHOTOS [--images 2048] [--repeat 5] [--workloads NAME ...] [--only NAME ...]
                                     [--json FOLDER]

  resize   the photos, decoded and resized
  decode   224x224 JPEGs of quality 90 made from them by Pillow, only decoded
  augment  the photos; a random crop of 8 to 100 % of the area and an aspect ratio of 3:4 to 4:3 is resized, and flipped
           with a probability of 0.5

The process and all that it starts stay on two cores, and each loader has two threads or two worker processes
(`benches/loaders/`), which is what its documentation has for two cores. All read the same JPEGs: inlaid from a dataset
of `--storage encoded`, Hugging Face from its Arrow files, FFCV from its own file, with the files as they are; the
others the files. All is in the page cache. A measurement is a fresh process, with the imports done:

  first batch   from before anything is opened; FFCV compiles its pipeline then
  memory        the greatest during the first pass, above that after the imports, of all processes. `mapped` adds the
                pages of mapped files: page cache, which the kernel takes back when it needs memory
  images/s      after that pass, whole passes for three seconds; of every batch, one byte in each 4 KiB is read
  faster by     images/s of `inlaid, libjpeg-turbo` over those of the row, of one repetition; median, least to greatest

The loaders don't make the same pixels. `error` is the mean difference from Pillow (0 to 255), which decodes precisely
and antialiases: its JPEG decoder is libjpeg-turbo with the DCT `islow` and smooth upsampling, and it resizes with a
triangle as wide as the reduction. torchvision does the same. For other loaders, it is the sum of:

  tf.data     libjpeg-turbo with the fast DCT `ifast`; resizes without antialiasing, bilinear
  OpenCV      the precise DCT; INTER_LINEAR doesn't antialias, INTER_AREA averages
  FFCV        the fast DCT; averages with INTER_AREA
  DALI        the precise DCT; antialiases
  SPDL        decodes with FFmpeg, and resizes with swscale, bilinear and antialiasing, before the colours are RGB
  datago      zune-jpeg; resizes with Lanczos, and takes a square out of the centre: its images are others

"In memory" is the ceiling, not a loader: two threads decode and resize files in memory, always into the same batch.
tf.data, DALI and inlaid with libjpeg-turbo decode only the part that a crop needs.

With --json, it writes `loading-resize.json`, `loading-decode.json` and `loading-augment.json`.

What does not install, run or return the right images is left out, and named. Needs the package, psutil and Pillow; the
loaders need the packages of benches/requirements-loading.txt, which says how to install them.
"""

import collections
import importlib
import json
import os
import shutil
import sys
import time
from functools import partial
from pathlib import Path
from statistics import median

import measure
import results
import watch
from loaders import LOADERS
from loaders.loader import AUGMENT, BATCH, DECODE, RESIZE, WORKERS, WORKLOADS

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "HF_HUB_OFFLINE": "1"}
os.environ |= {"HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}

SECONDS = 3.0
RIVAL = "inlaid, libjpeg-turbo"
QUALITY = 90
JPEG_SUFFIXES = {".jpg", ".jpeg"}
ORIENTATION = 0x0112
COLUMNS = ["images/s", "inlaid is faster by", "first batch, ms", "memory, MiB", "and mapped", "error"]
TITLES = {
    "resize": "JPEGs, resized to 224x224",
    "decode": "JPEGs of 224x224",
    "augment": "JPEGs, random crops to 224x224 and flips",
}

NOTES = [f"Shuffled batches of {BATCH} images; a build with the feature turbojpeg."]


def usable(path):
    """Whether all loaders decode a photo to the same image: a JPEG in RGB or grey, upright."""
    from PIL import Image

    with Image.open(path) as image:
        return image.format == "JPEG" and image.mode in ("RGB", "L") and image.getexif().get(ORIENTATION, 1) in (0, 1)


def pixels(photo):
    """A photo in RGB, 224x224, by Pillow."""
    from PIL import Image

    with Image.open(photo) as image:
        whole = image.convert("RGB")
    size = (measure.SIZE, measure.SIZE)
    return whole if whole.size == size else whole.resize(size, Image.Resampling.BILINEAR)


def write_small(photo, path):
    """The JPEG of 224x224 of a photo."""
    pixels(photo).save(path, quality=QUALITY)


def write_files(photos, images, folder, copy):
    """Makes `images` files, and the pixels that Pillow has of them. Each photo has a class folder: `copy` makes its
    first file, the others are hard links."""
    import numpy as np

    firsts = []
    for number, photo in enumerate(photos[:images]):
        firsts.append(folder / "files" / f"{number:05}" / "0000.jpg")
        firsts[-1].parent.mkdir(parents=True)
        copy(photo, firsts[-1])
    for number in range(len(firsts), images):
        link, photo = divmod(number, len(firsts))
        os.link(firsts[photo], firsts[photo].with_name(f"{link:04}.jpg"))
    np.save(folder / "pixels.npy", np.stack([np.asarray(pixels(first)) for first in firsts]))


def source(workload, scratch):
    """The folder of a workload: files, pixels, and formats of loaders."""
    return scratch / ("small" if workload == DECODE else "photos")


def missing(name, *_):
    """Why a loader can't be measured here, or None; in this process, since imports may fail in any way."""
    for module in LOADERS[name].needs:
        try:
            importlib.import_module(module)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
    return None


def files_and_folder(name, workload, scratch):
    """(path, label) of each file, where a label is the number of a photo; and the folder of the loader's format."""
    folder = source(workload, scratch)
    return measure.labelled_files(folder / "files"), str(folder / LOADERS[name].format)


def write(name, workload, scratch):
    """Writes the format of a loader."""
    files, folder = files_and_folder(name, workload, scratch)
    os.mkdir(folder)
    LOADERS[name].write(files, folder)


def check(name, workload, scratch):
    """The error of a pass. Ends the process if images or labels are not those of the files."""
    import numpy as np

    reference = np.load(source(workload, scratch) / "pixels.npy")
    files, folder = files_and_folder(name, workload, scratch)
    count, errors = collections.Counter(), []
    for images, labels in LOADERS[name](files, folder, workload).batches():
        rows = images.transpose(0, 2, 3, 1) if images.shape[1] == 3 else images
        if rows.shape != (len(labels), *reference.shape[1:]) or rows.dtype != reference.dtype:
            sys.exit(f"a batch of {len(labels)} is {images.dtype} {images.shape}")
        count.update(labels.tolist())
        known = zip(rows, reference[labels], strict=True)
        errors += [np.abs(row - exact.astype(int)).mean() for row, exact in known]
    if count != collections.Counter(label for _, label in files):
        sys.exit(f"{count.total()} images, which are not each file once")
    return None if workload == AUGMENT else float(np.mean(errors))


def touch(batches):
    """Reads one byte in each page of memory; the number of images."""
    count = touched = 0
    for images, _ in batches:
        count += len(images)
        touched += int(images.reshape(-1)[::4096].sum())
    return count


def load(name, workload, scratch):
    """What is measured of a loader."""
    missing(name)
    files, folder = files_and_folder(name, workload, scratch)
    memory = watch.MemoryWatch(watch.of_processes, 0.02)
    start = time.perf_counter()
    loader = LOADERS[name](files, folder, workload)
    batches = loader.batches()
    next(batches)
    first = time.perf_counter() - start
    touch(batches)
    peak = memory.stop()
    count, start = 0, time.perf_counter()
    while count == 0 or time.perf_counter() - start < SECONDS:
        count += touch(loader.batches())
    return {"first": first, "peak": peak, "rate": count / (time.perf_counter() - start)}


class LeftOut(Exception):
    """A loader can't be measured, and why."""


def message(text):
    """What a process that failed said last: what stands after a traceback."""
    lines = text.rstrip().splitlines()[1:]
    last = max((number for number, line in enumerate(lines) if line.startswith(" ")), default=-1)
    return " ".join(lines[last + 1 :]) or "its process ended"


def step(which, name, workload, scratch):
    """The result of one of `STEPS` in a fresh process."""
    try:
        return measure.fresh_process(__file__, which, name, workload, scratch)
    except SystemExit as end:
        raise LeftOut(message(str(end))) from None


def prepare(name, workload, scratch):
    """Writes the loader's format and checks the loader; its error."""
    if workload not in LOADERS[name].workloads:
        raise LeftOut(LOADERS[name].lacks)
    reason = step("missing", name, workload, scratch)
    if reason:
        raise LeftOut(reason)
    folder = source(workload, scratch) / LOADERS[name].format
    if not folder.exists():
        try:
            step("write", name, workload, scratch)
        except LeftOut:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    return step("check", name, workload, scratch)


def measured(options, workload, scratch):
    """({name: error}, {name: [result of each repetition]}, {name: why it is left out})."""
    errors, left = {}, {}

    def attempt(do, name):
        try:
            return do(name)
        except LeftOut as reason:
            left[name] = str(reason)

    for name in options.only:
        print(f"{workload}: checking {name}", file=sys.stderr, flush=True)
        errors[name] = attempt(lambda name: prepare(name, workload, scratch), name)
    names = [name for name in options.only if name not in left]
    run = partial(attempt, lambda name: step("load", name, workload, scratch))
    runs = measure.repeated(options.repeat, names, run)
    return errors, {name: each for name, each in runs.items() if name not in left}, left


def row_of(name, error, measured):
    """The cells of `COLUMNS`."""
    runs = measured[name]
    rates = [run["rate"] for run in runs]
    faster = None
    if RIVAL in measured and name != RIVAL:
        faster = results.spread(measure.ratios([run["rate"] for run in measured[RIVAL]], rates), 2)
    first = results.median([run["first"] * 1000 for run in runs])
    sizes = zip(*(run["peak"] for run in runs), strict=True)
    sizes = [results.median([size / measure.MIB for size in each]) for each in sizes]
    return [results.median(rates), faster, first, *sizes, None if error is None else results.rounded(error, 2)]


def compare(options, workload, scratch):
    """Measures, prints and writes a workload."""
    errors, measured_loaders, left = measured(options, workload, scratch)
    rows = [[name, *row_of(name, errors[name], measured_loaders)] for name in measured_loaders]
    header = [f"{options.images} {TITLES[workload]}", *COLUMNS]
    measure.print_table(header, [list(map(results.text, row)) for row in rows])
    print()
    # Without a reason, it is not for this workload.
    left = {name: reason for name, reason in left.items() if reason}
    for name, reason in left.items():
        measure.leave_out(f"{workload}, {name}", reason)
    results.write(options, f"loading-{workload}", TITLES[workload], ["loader", *COLUMNS], rows, NOTES, left)


def main():
    parser = measure.arguments(__doc__, images=2048, repeat=5)
    parser.add_argument(
        "--only",
        nargs="+",
        choices=LOADERS,
        default=list(LOADERS),
        metavar="NAME",
        help=f"these loaders, and `{RIVAL}`",
    )
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=WORKLOADS, help="default: all")
    options = parser.parse_args()
    options.only = [name for name in LOADERS if name == RIVAL or name in options.only]
    # Whole batches, as many for each worker.
    options.images += -options.images % (WORKERS * BATCH)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:WORKERS])
    found = sorted(path for path in options.photos.rglob("*") if path.suffix.lower() in JPEG_SUFFIXES)
    photos = [path for path in found if usable(path)]
    if not photos:
        sys.exit(f"error: `{options.photos}` holds no JPEGs")
    with measure.scratch_folder(options.scratch) as scratch:
        write_files(photos, options.images, source(RESIZE, scratch), shutil.copyfile)
        write_files(photos, options.images, source(DECODE, scratch), write_small)
        for workload in options.workloads:
            compare(options, workload, scratch)


STEPS = {"missing": missing, "write": write, "check": check, "load": load}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        print(json.dumps(STEPS[sys.argv[2]](*sys.argv[3:5], Path(sys.argv[5]))))
    else:
        main()
