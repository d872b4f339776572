"""Tensors or image files: the room they take, how fast they are loaded, and when a conversion to tensors pays.

    python benches/storage.py PHOTOS [--images 2000] [--repeat 5] [--threads 2] [--jpeg-decoder zune-jpeg] [--json FOLDER]

  conversion    seconds of `inlaid.convert` of all photos
  room          bytes of the dataset
  images/s      of whole passes in shuffled batches of 256 images of 224x224, uint8, after the first one
  first batch   from before the dataset is opened, in a process that has imported inlaid
  pays after    epochs after which a conversion to tensors has taken less time than the files of the row cost more than
                tensors in each epoch; the photos themselves have to be packed into a dataset in either case. Tensors have
                no random crops of whole photos

Rows take turns, each in a fresh process on as many cores as threads; medians of the repetitions. Files are in the page
cache. With --json, it writes `image-files.json`. Needs the package, whose build must have the decoder.
"""

import json
import os
import shutil
import sys
import time
from statistics import median

import measure
import results

TENSORS = "tensors of 224x224"
CROP = {"random_resized_crop": True, "horizontal_flip": 0.5}
ROWS = {
    TENSORS: ({"size": measure.SIZE}, {}),
    "tensors of 224x224, flipped": ({"size": measure.SIZE}, {"horizontal_flip": 0.5}),
    "JPEGs of 224x224": (
        {"size": measure.SIZE, "storage": "encoded"},
        {"decoder": True},
    ),
    "photos as they are": (
        {"storage": "encoded"},
        {"size": measure.SIZE, "decoder": True},
    ),
    "photos as they are, random crops": (
        {"storage": "encoded"},
        {"size": measure.SIZE, "decoder": True, **CROP},
    ),
}
BATCH = 256


def keywords_of(row, decoder, threads):
    """The keywords of a conversion, and those of batches."""
    convert, load = ROWS[row]
    load = {**load, "threads": threads, "prefetch": 2, "shuffle": True}
    if load.pop("decoder", False):
        load["jpeg_decoder"] = decoder
    if convert.get("size"):
        convert = {**convert, "jpeg_decoder": decoder}
    return {
        **convert,
        "threads": threads,
        "split": {"train": 1.0},
        "progress": False,
    }, load


def convert(row, photos, out, decoder, threads):
    """Seconds of a conversion, and the bytes that it leaves."""
    import inlaid

    start = time.perf_counter()
    inlaid.convert(photos, out, **keywords_of(row, decoder, threads)[0])
    seconds = time.perf_counter() - start
    files = [os.path.join(folder, name) for folder, _, names in os.walk(out) for name in names]
    return [seconds, sum(map(os.path.getsize, files))]


def load(row, dataset, decoder, threads):
    """Seconds until the first batch, and images/s of the passes after the first."""
    import inlaid

    start = time.perf_counter()
    batches = inlaid.open(dataset)["train"].batches(BATCH, **keywords_of(row, decoder, threads)[1])
    first = None
    for batch in batches:
        first = first or time.perf_counter() - start
    images, start = 0, time.perf_counter()
    while time.perf_counter() - start < 3.0:
        for batch in batches:
            # One byte of each page is read.
            batch["image"].reshape(-1)[::4096].sum()
            images += len(batch["image"])
    return [first, images / (time.perf_counter() - start)]


def compare(options, photos, scratch):
    """A row of results for each way to store the photos."""
    made, loaded = {}, {}
    settings = (options.jpeg_decoder, options.threads)

    def run(row):
        dataset = scratch / "dataset"
        conversion = measure.fresh_process(__file__, "convert", row, photos, dataset, *settings)
        batches = measure.fresh_process(__file__, "load", row, dataset, *settings)
        shutil.rmtree(dataset)
        made.setdefault(row, []).append(conversion)
        loaded.setdefault(row, []).append(batches)

    measure.repeated(options.repeat, ROWS, run)
    of_tensors = (
        [time for time, _ in made[TENSORS]],
        [rate for _, rate in loaded[TENSORS]],
    )
    for row in ROWS:
        seconds, room = zip(*made[row], strict=True)
        first, rates = zip(*loaded[row], strict=True)
        costs = [options.images * (1 / rate - 1 / best) for rate, best in zip(rates, of_tensors[1], strict=True)]
        pays = [whole / cost if cost > 0 else float("inf") for whole, cost in zip(of_tensors[0], costs, strict=True)]
        has_pay = "storage" in ROWS[row][0] and CROP.keys().isdisjoint(ROWS[row][1])
        yield [
            row,
            results.median([size / options.images / 1000 for size in room], 1),
            results.spread(seconds, 1),
            results.spread(rates, 0),
            results.spread([1000 * value for value in first], 0),
            ("never" if median(pays) == float("inf") else results.median(pays, 1)) if has_pay else None,
        ]


def main():
    parser = measure.arguments(__doc__, images=2000, repeat=5)
    parser.add_argument("--threads", type=measure.positive, default=2, help="and cores; default: %(default)s")
    parser.add_argument("--jpeg-decoder", default="zune-jpeg", help="default: %(default)s")
    options = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    with measure.scratch_folder(options.scratch) as scratch:
        photos = measure.class_folders(options.photos, options.images, scratch / "photos")
        rows = list(compare(options, photos, scratch))
    columns = ["", "MB for 1,000", "conversion, s", "images/s", "first batch, ms", "pays after epochs"]
    measure.print_table(columns, [[results.text(cell) for cell in row] for row in rows])
    notes = [f"Shuffled batches of {BATCH} images of 224x224x3 uint8; {results.COUNTS[options.threads]} threads."]
    notes.append(f"JPEGs are decoded by {options.jpeg_decoder}.")
    results.write(options, "image-files", "Tensors or image files", columns, rows, notes)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        task, row, *rest, decoder, threads = sys.argv[2:]
        print(json.dumps({"convert": convert, "load": load}[task](row, *rest, decoder, int(threads))))
    else:
        main()
