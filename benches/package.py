"""How fast the Python package reads, beside a NumPy memory map: images/s, 224x224x3 uint8, batches of 64.

    python benches/package.py PHOTOS [--images 2000] [--repeat 3] [--inlaid target/release/inlaid]

inlaid converts the photos into one split; the memory map and the TFRecord file (raw pixels and labels) hold its rows in
the same order. Every measurement is a fresh process: the first batch, timed from before the file is opened (imports are
done); one pass over what is open, in which all pixels are summed (every row must come to the same sum); then passes for
two seconds, timed, in which one byte in each 4 KiB is read. Everything is in the page cache.

  in order   `batches(64)`; slices of the map, copied
  at random  `table[rows]` and `batches(64, shuffle=True)`; fancy indexing of the map, rows in random order
  tf.data    `to_tf(64)`; `from_generator` over copied slices of the map; `TFRecordDataset(...).map(parse).batch(64)`

Images/s are medians; "of the reference" compares runs of one repetition, with the median, least and greatest.

Needs the package, numpy, pyarrow, tensorflow, and a release build of inlaid.
"""

import json
import os
import sys
import time
from pathlib import Path
from statistics import median

import measure

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

BATCH = 64
SECONDS = 2.0


def table(folder):
    import inlaid

    return inlaid.open(folder / "dataset")["train"]


def memory_map(folder):
    import numpy as np

    return np.load(folder / "images.npy", mmap_mode="r"), np.load(folder / "labels.npy")


def in_order(train):
    for batch in train.batches(BATCH):
        yield batch["image"], batch["label"]


def map_in_order(map):
    import numpy as np

    images, labels = map
    for first in range(0, len(images), BATCH):
        yield np.array(images[first : first + BATCH]), labels[first : first + BATCH]


def shuffled(train):
    for batch in train.batches(BATCH, shuffle=True):
        yield batch["image"], batch["label"]


def at_random(train):
    labels = train.column("label")
    for rows in random_rows(len(train)):
        yield train[rows], labels[rows]


def map_at_random(map):
    images, labels = map
    for rows in random_rows(len(images)):
        yield images[rows], labels[rows]


def random_rows(count):
    import numpy as np

    order = np.random.default_rng(0).permutation(count)
    return (order[first : first + BATCH] for first in range(0, count, BATCH))


def to_tf(folder):
    return table(folder).to_tf(BATCH)


def tf_generator(folder):
    import tensorflow as tf

    map, shape = memory_map(folder), (None, measure.SIZE, measure.SIZE, 3)
    signature = (tf.TensorSpec(shape, tf.uint8), tf.TensorSpec((None,), tf.int64))
    return tf.data.Dataset.from_generator(lambda: map_in_order(map), output_signature=signature)


def tf_records(folder):
    import tensorflow as tf

    features = {"image": tf.io.FixedLenFeature([], tf.string), "label": tf.io.FixedLenFeature([], tf.int64)}

    def parse(record):
        row = tf.io.parse_single_example(record, features)
        image = tf.reshape(tf.io.decode_raw(row["image"], tf.uint8), (measure.SIZE, measure.SIZE, 3))
        return image, row["label"]

    records = tf.data.TFRecordDataset(str(folder / "records"))
    return records.map(parse, num_parallel_calls=tf.data.AUTOTUNE).batch(BATCH)


def arrays_of(dataset):
    import numpy as np
    import tensorflow as tf

    for images, labels in dataset.prefetch(tf.data.AUTOTUNE):
        yield np.asarray(memoryview(images)), np.asarray(memoryview(labels))


# What is opened once, how a pass over it is read, and what that is compared with.
ROWS = {
    "memory map, in order": (memory_map, map_in_order, None),
    "batches": (table, in_order, "memory map, in order"),
    "memory map, at random": (memory_map, map_at_random, None),
    "table[rows]": (table, at_random, "memory map, at random"),
    "batches, shuffled": (table, shuffled, "memory map, at random"),
    "tf.data over memory map": (tf_generator, arrays_of, None),
    "to_tf": (to_tf, arrays_of, "tf.data over memory map"),
    "tf.data over TFRecords": (tf_records, arrays_of, "tf.data over memory map"),
}


def write_references(folder):
    """The rows of the dataset as two .npy files and as TFRecords."""
    import inlaid
    import numpy as np
    import tensorflow as tf

    train = inlaid.open(folder / "dataset")["train"]
    labels = np.array(train.column("label"))
    np.save(folder / "labels.npy", labels)
    pixels = np.lib.format.open_memmap(folder / "images.npy", "w+", np.uint8, (len(train), *train.shape))
    with tf.io.TFRecordWriter(str(folder / "records")) as records:
        for row, (image, label) in enumerate(zip(train, labels, strict=True)):
            pixels[row] = image
            feature = {
                "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[image.tobytes()])),
                "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
            }
            records.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
    pixels.flush()


def worker(row, folder):
    import inlaid  # noqa: F401
    import numpy  # noqa: F401

    if "tf" in row:
        import tensorflow  # noqa: F401
    opening, read, _ = ROWS[row]
    start = time.perf_counter()
    source = opening(folder)
    next(iter(read(source)))
    first = time.perf_counter() - start
    count = pixels = label_sum = 0
    for images, labels in read(source):
        count += len(images)
        pixels += int(images.sum(dtype="uint64"))
        label_sum += int(labels.sum())
    passes = touched = 0
    start = time.perf_counter()
    while passes == 0 or time.perf_counter() - start < SECONDS:
        for images, _ in read(source):
            touched += int(images.reshape(-1)[::4096].sum())
        passes += 1
    rate = passes * count / (time.perf_counter() - start)
    print(json.dumps({"rate": rate, "first": first, "content": [count, pixels, label_sum]}))


def main():
    options = measure.arguments(__doc__, images=2000, repeat=3).parse_args()
    inlaid = measure.program(options.inlaid)
    with measure.scratch_folder(options.scratch) as scratch:
        folder = measure.class_folders(options.photos, options.images, scratch / "images")
        command = [
            inlaid,
            "convert",
            folder,
            "--out",
            scratch / "dataset",
            "--size",
            measure.SIZE,
            "--split",
            "train=1",
        ]
        measure.timed([*command, "--quiet"])
        write_references(scratch)
        results = measure.repeated(options.repeat, ROWS, lambda row: measure.fresh_process(__file__, row, scratch))
    contents = {row: result[0]["content"] for row, result in results.items()}
    if len(set(map(tuple, contents.values()))) != 1:
        sys.exit(f"error: the rows read other images, pixels or labels: {contents}")
    rates = {row: [result["rate"] for result in all_of_row] for row, all_of_row in results.items()}
    table = []
    for row, (_, _, reference) in ROWS.items():
        share = measure.spread(measure.ratios(rates[row], rates[reference])) if reference else ""
        first = median(result["first"] for result in results[row]) * 1000
        table.append([row, f"{median(rates[row]):.0f}", share, f"{first:.1f}"])
    header = [f"{options.images} images", "images/s", "of the reference", "first batch, ms"]
    measure.print_table(header, table)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        worker(sys.argv[2], Path(sys.argv[3]))
    else:
        main()
