"""Which storage to take: images/s read from a converted dataset into batches of 64, 224x224x3 uint8.

    python benches/reading.py PHOTOS [--images 2000] [--repeat 3] [--inlaid target/release/inlaid]

inlaid converts the photos once for each storage, everything into one split. Every measurement is a fresh process:
one pass to warm up, in which all pixels are summed (every row must come to the same sum), then passes for a second,
timed. Of every batch, one byte in each 4 KiB is read and the labels become NumPy arrays. No batch crosses a record
batch of its reader, so some are smaller than 64.

  pyarrow  ParquetFile(pre_buffer=False).iter_batches(64), images as NumPy view of Arrow's memory
  polars   read_parquet of the folder, then slices of 64
  Arrow memory map  record batches of --format arrow: views of the map, or each copied
  NumPy memory map  the same pixels as .npy file, each batch copied: the reference, 1.00

A view's rate is one of page faults, not of bandwidth. The file is in the page cache. Images/s are medians; "of the
reference" compares runs of one repetition, with the median, least and greatest.

Needs pyarrow, polars, numpy, and a release build of inlaid. Photos are hard-linked up to --images.
"""

import json
import sys
import time
from pathlib import Path
from statistics import median

import measure

BATCH = 64
SECONDS = 1.0
REFERENCE = "NumPy memory map, copied"
DATASETS = {
    "tensor": ["--storage", "tensor"],
    "binary": ["--storage", "binary"],
    "arrow": ["--storage", "tensor", "--format", "arrow"],
}


def from_pyarrow(folder):
    import pyarrow.parquet as pq

    for path in sorted(folder.glob("train/*.parquet")):
        for batch in pq.ParquetFile(path, pre_buffer=False).iter_batches(BATCH, columns=["image", "label"]):
            yield measure.images_of(batch.column("image")), batch.column("label").to_numpy()


def from_polars(folder):
    import numpy as np
    import polars as pl

    for part in pl.read_parquet(folder / "train/*.parquet", columns=["image", "label"]).iter_slices(BATCH):
        column = part["image"]
        if column.dtype == pl.Binary:
            column = column.to_arrow()
            first = np.frombuffer(column.buffers()[1], np.int64)[column.offset]
            pixels = np.frombuffer(column.buffers()[2], np.uint8, len(column) * measure.ELEMENTS, first)
        else:
            pixels = column.to_numpy()
        yield pixels.reshape(-1, measure.SIZE, measure.SIZE, 3), part["label"].to_numpy()


def from_arrow_views(folder):
    import pyarrow as pa

    for path in sorted(folder.glob("train/*.arrow")):
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        for number in range(reader.num_record_batches):
            batch = reader.get_batch(number)
            for first in range(0, len(batch), BATCH):
                part = batch.slice(first, BATCH)
                yield measure.images_of(part.column("image")), part.column("label").to_numpy()


def from_arrow_copied(folder):
    for images, labels in from_arrow_views(folder):
        yield images.copy(), labels


def from_numpy_copied(folder):
    import numpy as np

    images = np.load(folder / "images.npy", mmap_mode="r")
    labels = np.load(folder / "labels.npy")
    for first in range(0, len(images), BATCH):
        yield np.array(images[first : first + BATCH]), labels[first : first + BATCH]


ROWS = {
    "pyarrow, storage tensor": (from_pyarrow, "tensor"),
    "pyarrow, storage binary": (from_pyarrow, "binary"),
    "polars, storage tensor": (from_polars, "tensor"),
    "polars, storage binary": (from_polars, "binary"),
    "Arrow memory map, views": (from_arrow_views, "arrow"),
    "Arrow memory map, copied": (from_arrow_copied, "arrow"),
    REFERENCE: (from_numpy_copied, "numpy"),
}


def write_numpy(source, out):
    """The rows of an Arrow dataset as two .npy files."""
    import numpy as np

    labels = np.concatenate([labels for _, labels in from_arrow_views(source)])
    out.mkdir()
    np.save(out / "labels.npy", labels)
    shape = (len(labels), measure.SIZE, measure.SIZE, 3)
    pixels = np.lib.format.open_memmap(out / "images.npy", "w+", np.uint8, shape)
    first = 0
    for images, _ in from_arrow_views(source):
        pixels[first : first + len(images)] = images
        first += len(images)
    pixels.flush()


def worker(row, datasets):
    read, name = ROWS[row]
    count = pixels = label_sum = 0
    for images, labels in read(datasets / name):
        count += len(images)
        pixels += int(images.sum(dtype="uint64"))
        label_sum += int(labels.sum())
    passes = touched = 0
    start = time.perf_counter()
    while passes == 0 or time.perf_counter() - start < SECONDS:
        for images, _ in read(datasets / name):
            touched += int(images.reshape(-1)[::4096].sum())
        passes += 1
    rate = passes * count / (time.perf_counter() - start)
    print(json.dumps({"rate": rate, "content": [count, pixels, label_sum]}))


def main():
    options = measure.arguments(__doc__, images=2000, repeat=3).parse_args()
    inlaid = measure.program(options.inlaid)
    with measure.scratch_folder(options.scratch) as scratch:
        folder = measure.class_folders(options.photos, options.images, scratch / "images")
        for name, storage in DATASETS.items():
            command = [inlaid, "convert", folder, "--out", scratch / name, "--size", measure.SIZE, "--quiet"]
            measure.timed([*command, "--split", "train=1", *storage])
        write_numpy(scratch / "arrow", scratch / "numpy")
        results = measure.repeated(options.repeat, ROWS, lambda row: measure.fresh_process(__file__, row, scratch))
    contents = {row: result[0]["content"] for row, result in results.items()}
    if any(content != contents[REFERENCE] for content in contents.values()):
        sys.exit(f"error: the rows read other images, pixels or labels: {contents}")
    rates = {row: [result["rate"] for result in all_of_row] for row, all_of_row in results.items()}
    table = []
    for row in ROWS:
        share = measure.spread(measure.ratios(rates[row], rates[REFERENCE]))
        table.append([row, f"{median(rates[row]):.0f}", share])
    measure.print_table([f"{options.images} images", "images/s", "of the reference"], table)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        worker(sys.argv[2], Path(sys.argv[3]))
    else:
        main()
