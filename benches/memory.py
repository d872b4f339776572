"""Peak memory of `inlaid convert`: whether it stays constant as the number of images grows.

    python benches/memory.py PHOTOS [--images 20000] [--few 1000] [--repeat 3] [--inlaid target/release/inlaid]
                                    [--json FOLDER]
    python benches/memory.py PHOTOS --list-only [--images 1000000] [--few 1000]

Compares conversions of few and of many images (hard links to the photos, 10 class folders): peak resident memory of
each run, and the ratio of the two runs of one repetition; medians, least and greatest in brackets.

With --list-only, `inlaid convert --dry-run` only lists and plans, so what grows is what a record costs: bytes for
each image by which many take more than few. The files are then links to small stand-ins, because no pixel is read.

With --json, it writes `memory.json`, or `listing.json`.

Needs a release build of inlaid, and disk for the output (150 kB an image).
"""

import os
import shutil
import sys
from statistics import median

import measure
import results

LINKS = 50_000  # ext4 allows 65,000 links to a file


def stand_ins(images, folder):
    """Makes `images` tiny files in class folders: hard links to one file for every `LINKS` of them."""
    for number in range(measure.CLASSES):
        (folder / f"class-{number}").mkdir(parents=True)
    for number in range(images):
        target = folder / f"class-{number % measure.CLASSES}" / f"{number:07}.jpg"
        if number % LINKS == 0:
            file = target
            file.write_bytes(b"no image %d" % number)
        else:
            os.link(file, target)
    return folder


def run(options, folder, out):
    """(seconds, peak bytes) of one conversion, its output deleted."""
    command = [options.inlaid, "convert", folder, "--out", out, "--size", measure.SIZE, "--quiet"]
    if options.list_only:
        command.append("--dry-run")
    if options.threads:
        command += ["--threads", options.threads]
    result = measure.timed_with_peak(command)
    shutil.rmtree(out, ignore_errors=True)
    return result


def mebibytes(runs):
    """A cell of the peaks of runs."""
    return results.median([peak / measure.MIB for _, peak in runs])


def write_memory(options, measured):
    rows = [[images, mebibytes(runs)] for images, runs in measured.items()]
    results.write(options, "memory", "Peak memory of a conversion", ["images", "MiB"], rows)


def write_listing(options, costs, runs):
    rows = [
        ["memory per file, bytes", results.median(costs)],
        ["memory in all, MiB", mebibytes(runs)],
        ["seconds", results.median([seconds for seconds, _ in runs], 1)],
    ]
    title = f"Listing and planning {options.images:,} files"
    results.write(options, "listing", title, ["", "value"], rows, input=f"{options.images:,} small files")


def main():
    parser = measure.arguments(__doc__, images=None, repeat=3)
    parser.add_argument("--images", type=measure.positive, help="default: 20000; with --list-only 1000000")
    parser.add_argument("--few", type=measure.positive, default=1000, help="default: %(default)s")
    parser.add_argument("--threads", type=measure.positive, help="default: inlaid's own")
    parser.add_argument("--list-only", action="store_true", help="measure --dry-run")
    options = parser.parse_args()
    options.inlaid = measure.program(options.inlaid)
    options.images = options.images or (1_000_000 if options.list_only else 20_000)
    if options.images <= options.few:
        sys.exit("error: --images must be more than --few")
    with measure.scratch_folder(options.scratch) as scratch:
        folders = {}
        for images in (options.few, options.images):
            folder = scratch / str(images)
            many = stand_ins(images, folder) if options.list_only else None
            folders[images] = many or measure.class_folders(options.photos, images, folder)
        measured = measure.repeated(
            options.repeat, folders, lambda row: run(options, folders[row], scratch / "dataset")
        )
    base = [peak for _, peak in measured[options.few]]
    table = []
    for images, runs in measured.items():
        peaks = [peak for _, peak in runs]
        seconds = median(seconds for seconds, _ in runs)
        mib = measure.spread([peak / measure.MIB for peak in peaks], ".1f")
        table.append([f"{images}", f"{seconds:.2f}", mib, measure.spread(measure.ratios(peaks, base))])
    if options.list_only:
        costs = [(peak - less) / (options.images - options.few) for peak, less in zip(peaks, base)]
        table[0].append("")
        table[1].append(measure.spread(costs, ".0f"))
    header = ["images", "seconds", "peak MiB", f"peak / {options.few} images'"]
    measure.print_table([*header, "bytes a record"] if options.list_only else header, table)
    if options.list_only:
        write_listing(options, costs, measured[options.images])
    else:
        write_memory(options, measured)


if __name__ == "__main__":
    main()
