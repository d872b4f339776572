"""The cost of an append, the effect of many appends, and the speed of `inlaid verify`.

    python benches/append.py PHOTOS [--images 20000] [--new 100] [--appends 1000] [--repeat 5]
        [--inlaid target/release/inlaid] [--json FOLDER]

  append   `inlaid append` of --new photos to a dataset of --images, against `inlaid convert` of the same photos into
           a dataset of their own; `inlaid rollback` undoes it in between. Seconds of whole programs.
  verify   `inlaid verify --threads 1` of the dataset of --images, in bytes per second.
  many     --appends appends of 10 photos each, one after the other: seconds of the first and the last fifty, files
           of the largest split, then `inlaid compact`, then reading it with pyarrow and polars, against a dataset of
           the same photos that was converted at once. Every reader makes one pass to warm up, in a process that
           reads both in turn; a ratio above 1 says that the appended one is slower.

The files are in the page cache. Figures are medians, with least and greatest in brackets.

With --json, it writes `append.json`.

Needs pyarrow, polars, and a release build of inlaid. Photos are hard-linked; about 150 kB of disk for each image.
"""

import json
import os
import shutil
import sys
import time
from pathlib import Path
from statistics import median

import measure
import results

TOGETHER = 10

# Ten photos of ten classes are too few for shares of every class.
SETTINGS = ["--size", measure.SIZE, "--split-by", "random"]


def read_with_pyarrow(folder):
    import pyarrow.parquet as pq

    rows = 0
    for path in sorted(folder.glob("train/*.parquet")):
        for batch in pq.ParquetFile(path, pre_buffer=False).iter_batches(64, columns=["image", "label"]):
            rows += len(batch)
    return rows


def read_with_polars(folder):
    import polars as pl

    return sum(
        len(pl.read_parquet(path, columns=["image", "label"])) for path in sorted(folder.glob("train/*.parquet"))
    )


READERS = {"pyarrow": read_with_pyarrow, "polars": read_with_polars}


def worker(reader, repeat, *folders):
    """Seconds of each pass over each folder, taking turns."""
    read = READERS[reader]
    seconds = {folder: [] for folder in folders}
    for repetition in range(int(repeat) + 1):
        for folder in folders:
            start = time.perf_counter()
            rows = read(Path(folder))
            seconds[folder] += [time.perf_counter() - start] if repetition else []
            assert rows
    print(json.dumps(list(seconds.values())))


def inlaid(options, *words):
    return measure.timed([options.inlaid, *words])


def links(folder, numbers, out):
    """The photos of these numbers, by the names that `measure.class_folders` gives, as links in a folder of their own."""
    for number in numbers:
        source = folder / f"class-{number % measure.CLASSES}"
        path = next(source.glob(f"{number:07}.*"))
        target = out / source.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(path, target)
    return out


def one_append(options, scratch):
    """Lines of the printed table, and rows of the results."""
    there = measure.class_folders(options.photos, options.images, scratch / "there")
    photos = measure.class_folders(options.photos, options.images + options.new, scratch / "photos")
    new = links(photos, range(options.images, options.images + options.new), scratch / "new")
    dataset, own = scratch / "dataset", scratch / "own"
    inlaid(options, "convert", there, "--out", dataset, *SETTINGS, "--quiet")

    def seconds(row):
        if row == "append":
            taken = inlaid(options, "append", new, "--out", dataset, "--quiet")
            inlaid(options, "rollback", dataset)
        else:
            taken = inlaid(options, "convert", new, "--out", own, *SETTINGS, "--quiet")
            shutil.rmtree(own)
        return taken

    measured = measure.repeated(options.repeat, ["append", "convert"], seconds)
    ratios = measure.ratios(measured["append"], measured["convert"])
    size = sum(path.stat().st_size for path in dataset.rglob("*.parquet"))
    rates = [size / inlaid(options, "verify", dataset, "--threads", 1) / 1e9 for _ in range(options.repeat)]
    shutil.rmtree(dataset)
    lines = [
        [f"append {options.new} to {options.images}, s", measure.spread(measured["append"], ".3f")],
        [f"convert {options.new}, s", measure.spread(measured["convert"], ".3f")],
        ["append / convert", measure.spread(ratios)],
        ["verify, one thread, GB/s", measure.spread(rates)],
    ]
    append = f"appending {options.new:,} images to a dataset of {options.images:,}, over converting them alone (time)"
    return lines, [
        [append, results.spread(ratios)],
        ["`inlaid verify --threads 1`, GB/s", results.spread(rates)],
    ]


def many_appends(options, scratch):
    """Lines of the printed table, and rows of the results."""
    count = options.appends * TOGETHER
    everything = measure.class_folders(options.photos, count, scratch / "photos")
    at_once, grown = scratch / "at-once", scratch / "grown"
    inlaid(options, "convert", everything, "--out", at_once, *SETTINGS, "--quiet")
    seconds = []
    for number in range(options.appends):
        part = links(everything, range(number * TOGETHER, (number + 1) * TOGETHER), scratch / "part")
        words = ["append", part, "--out", grown] if number else ["convert", part, "--out", grown, *SETTINGS]
        seconds.append(inlaid(options, *words, "--quiet"))
        shutil.rmtree(part)
    files = len(list(grown.glob("train/*.parquet")))
    inlaid(options, "compact", grown)
    compacted = len(list(grown.glob("train/*.parquet")))
    lines = [
        [f"{options.appends} appends of {TOGETHER}, s each, first 50", measure.spread(seconds[1:51], ".3f")],
        ["... last 50", measure.spread(seconds[-50:], ".3f")],
        ["files of train", str(files)],
        ["... after compact", str(compacted)],
    ]
    rows = [
        [f"files of a split after {options.appends:,} appends of {TOGETHER} images", files],
        ["the same after `inlaid compact`", compacted],
    ]
    for reader in READERS:
        slow, fast = measure.fresh_process(__file__, reader, options.repeat, grown, at_once)
        ratios = measure.ratios(slow, fast)
        lines.append([f"{reader}: compacted / at once", measure.spread(ratios)])
        rows.append([f"{reader} reading the compacted dataset, over one made at once (time)", results.spread(ratios)])
    return lines, rows


def main():
    parser = measure.arguments(__doc__, images=20_000, repeat=5)
    parser.add_argument("--new", type=measure.positive, default=100, help="default: %(default)s")
    parser.add_argument("--appends", type=measure.positive, default=1000, help="default: %(default)s")
    options = parser.parse_args()
    options.inlaid = measure.program(options.inlaid)
    lines, rows = [], []
    for part in (one_append, many_appends):
        with measure.scratch_folder(options.scratch) as scratch:
            for whole, more in zip((lines, rows), part(options, scratch), strict=True):
                whole.extend(more)
    measure.print_table(["224x224x3", "median (least-greatest)"], lines)
    results.write(options, "append", "Appends", ["", "value"], rows)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        worker(*sys.argv[2:])
    else:
        main()
