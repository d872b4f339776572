"""Seven usual ways from photos to a tf.data training set, and inlaid: time and memory.

    python benches/pipelines.py PHOTOS [--images 1000] [--repeat 3] [--inlaid target/release/inlaid]
                                       [--json FOLDER]

Each of the seven decodes and resizes photos with TensorFlow to 224x224 float32, splits them 0.7/0.15/0.15 with
scikit-learn and calls tf.data.Dataset.from_tensor_slices. inlaid converts the folder; the training set is then `to_tf`
of its Python package, or a generator over record batches that pyarrow reads from its Parquet files; cast to float32.
Every measurement is a fresh process that uses its training set in the same way: take(1), one epoch in batches of 32,
deletion. TensorFlow's runtime runs before the clock of "create" does: the seven have decoded with it by then.

  images         seconds from files to resized images; for inlaid the whole `inlaid convert`, disk sync included
  create         seconds to create the training set
  epoch          seconds of one pass in batches of 32
  resizing peak  most memory until the images are resized; for inlaid the peak of `inlaid convert`
  peak           most memory until the epoch has ended; for inlaid, of the training process
  and mapped     the same with the pages of mapped files: page cache, which the kernel takes back when it needs memory
  take(1)        growth of the memory's peak while the first image is taken; for inlaid, the first batch
  held           memory after the arrays are deleted and collected, the training set still there
  held at end    ... and after the training set is deleted as well
  time, memory   images + create, and the greater peak, over inlaid's with its package; from single repetitions

Memory is memory of the process's own (anonymous and shared) above that after the imports, sampled every 10 ms, in MiB.
`inlaid convert` is measured whole. "One array, again and again" is a generator that gives the same batch of zeros, cast
in the same way: what tf.data takes for itself. Figures are medians.

With --json, it writes `pipelines.json`.

Needs tensorflow, scikit-learn, joblib, pyarrow, the package, and a release build of inlaid. Photos are hard-linked up
to --images, into 10 class folders; at least 100 of them.
"""

import gc
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

PIPELINES = [
    "1 list of arrays",
    "2 list of tensors",
    "3 function returning arrays",
    "4 function returning tensors",
    "5 NumPy array of arrays",
    "6 NumPy array of tensors",
    "7 joblib threads",
]
# Storage, and who reads it.
INLAID = {
    "inlaid, its package": ("tensor", "package"),
    "inlaid, pyarrow, storage tensor": ("tensor", "pyarrow"),
    "inlaid, pyarrow, storage binary": ("binary", "pyarrow"),
}
OURS = "inlaid, its package"
NOTHING = "one array, again and again"
BATCH = 32
COLUMNS = {
    "images s": "images_s",
    "create s": "create_s",
    "epoch s": "epoch_s",
    "resizing peak": "resizing_peak",
    "peak": "peak",
    "and mapped": "peak_mapped",
    "take(1)": "take",
    "held": "held",
    "held at end": "held_at_end",
}

# What the table of results calls rows that it calls otherwise.
LABELS = {
    "inlaid, pyarrow, storage tensor": "inlaid, pyarrow, `--storage tensor`",
    "inlaid, pyarrow, storage binary": "inlaid, pyarrow, `--storage binary`",
    NOTHING: "one batch of zeros, again and again: tf.data itself",
}
# The columns of the table of results, with decimals.
TABLE = {
    "images s": 1,
    "create s": 2,
    "epoch s": 2,
    "peak": 0,
    "and mapped": 0,
    "take(1)": 0,
    "held at end": 0,
}


def resized(path):
    import tensorflow as tf

    image = tf.io.decode_image(tf.io.read_file(path), channels=3, expand_animations=False)
    return tf.image.resize(image, [measure.SIZE, measure.SIZE])


def function_returning_arrays(paths):
    return [resized(path).numpy() for path in paths]


def function_returning_tensors(paths):
    return [resized(path) for path in paths]


def images_of(pipeline, paths):
    """The resized images, held in the way of a pipeline."""
    import numpy as np

    match int(pipeline[0]):
        case 1:
            images = []
            for path in paths:
                images.append(resized(path).numpy())
            return images
        case 2:
            images = []
            for path in paths:
                images.append(resized(path))
            return images
        case 3:
            return function_returning_arrays(paths)
        case 4:
            return function_returning_tensors(paths)
        case 5:
            return np.array([resized(path).numpy() for path in paths])
        case 6:
            return np.array([resized(path) for path in paths])
        case 7:
            from joblib import Parallel, delayed

            one = delayed(lambda path: resized(path).numpy())
            return np.array(Parallel(n_jobs=2, backend="threading")(map(one, paths)))


def measure_use(memory, dataset, batches):
    """Takes the first element of a training set, then all of its `batches`."""

    def first():
        for element, _ in dataset.take(1):
            element.numpy()

    take = memory.growth_while(first)
    start = time.perf_counter()
    for images, _ in batches:
        images.numpy()
    seconds = time.perf_counter() - start
    memory.now()
    peak = memory.peak
    return {"take": take.anonymous, "epoch_s": seconds, "peak": peak.anonymous, "peak_mapped": peak.resident}


def measure_pipeline(pipeline, folder):
    """One of the seven, in this process."""
    import joblib  # noqa: F401, its memory belongs to the imports
    import tensorflow as tf
    from sklearn.model_selection import train_test_split

    memory = watch.MemoryWatch(watch.of_process)
    files = measure.labelled_files(folder)
    labels = [label for _, label in files]
    start = time.perf_counter()
    images = images_of(pipeline, [path for path, _ in files])
    result = {"images_s": time.perf_counter() - start}
    memory.now()
    result["resizing_peak"] = memory.peak.anonymous
    x_train, x_rest, y_train, y_rest = train_test_split(images, labels, test_size=0.3, random_state=0)
    x_test, x_valid, y_test, y_valid = train_test_split(x_rest, y_rest, test_size=0.5, random_state=0)
    start = time.perf_counter()
    dataset = tf.data.Dataset.from_tensor_slices((x_train, y_train))
    result["create_s"] = time.perf_counter() - start
    batches = dataset.batch(BATCH)
    result |= measure_use(memory, dataset, batches)
    del images, x_train, x_rest, x_test, x_valid
    gc.collect()
    result["held"] = memory.now().anonymous
    del dataset, batches
    gc.collect()
    result["held_at_end"] = memory.now().anonymous
    return result


def batches_of(folder):
    """(images, labels) of each record batch in a folder of Parquet files; images are views of Arrow's memory."""
    import pyarrow.parquet as pq

    for path in sorted(folder.glob("*.parquet")):
        for batch in pq.ParquetFile(path, pre_buffer=False).iter_batches(BATCH, columns=["image", "label"]):
            yield measure.images_of(batch.column("image")), batch.column("label").to_numpy()


def zeros(images):
    """One batch of zeros, again and again."""
    import numpy as np

    batch = np.zeros((BATCH, measure.SIZE, measure.SIZE, 3), np.uint8), np.zeros(BATCH, np.int64)
    return (batch for _ in range(images // BATCH))


def dataset_of(reader, source):
    """The training set: of the folder `source`, or for zeros of so many images."""
    import tensorflow as tf

    if reader == "package":
        import inlaid

        return inlaid.open(source)["train"].to_tf(BATCH)
    batches = partial(zeros, int(source)) if reader == "zeros" else partial(batches_of, Path(source) / "train")
    images = tf.TensorSpec((None, measure.SIZE, measure.SIZE, 3), tf.uint8)
    signature = (images, tf.TensorSpec((None,), tf.int64))
    return tf.data.Dataset.from_generator(batches, output_signature=signature)


def measure_reading(reader, source):
    """A training set of batches, in this process. Memory of these modules belongs to the imports."""
    import inlaid  # noqa: F401
    import pyarrow.parquet  # noqa: F401
    import tensorflow as tf

    memory = watch.MemoryWatch(watch.of_process)
    tf.zeros(())
    start = time.perf_counter()
    dataset = dataset_of(reader, source)
    dataset = dataset.map(lambda images, labels: (tf.cast(images, tf.float32), labels))
    result = {"create_s": time.perf_counter() - start}
    result |= measure_use(memory, dataset, dataset)
    gc.collect()
    result["held"] = memory.now().anonymous
    del dataset
    gc.collect()
    result["held_at_end"] = memory.now().anonymous
    return result


def measure_inlaid(inlaid, storage, reader, folder, out):
    """`inlaid convert`, then a training set over what it wrote, each in a process of its own."""
    split = "train=0.7,validation=0.15,test=0.15"
    command = [inlaid, "convert", folder, "--out", out, "--size", measure.SIZE, "--quiet"]
    seconds, peak = measure.timed_with_peak([*command, "--split", split, "--storage", storage])
    result = measure.fresh_process(__file__, "reading", reader, out)
    shutil.rmtree(out)
    return {"images_s": seconds, "resizing_peak": peak, **result}


def measure_nothing(images):
    """A training set of zeros, as large as that of the others."""
    result = measure.fresh_process(__file__, "reading", "zeros", images * 7 // 10)
    return {"images_s": 0, "resizing_peak": 0, **result}


def worker(kind, *arguments):
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    if kind == "reading":
        result = measure_reading(*arguments)
    else:
        result = measure_pipeline(arguments[0], Path(arguments[1]))
    print(json.dumps(result))


def cell(name, runs):
    value = median(run[COLUMNS[name]] for run in runs)
    return f"{value:.2f}" if name.endswith(" s") else f"{value / measure.MIB:.0f}"


def seconds(runs):
    return [run["images_s"] + run["create_s"] for run in runs]


def greatest_peak(runs):
    return [max(run["resizing_peak"], run["peak"]) for run in runs]


def number(name, runs):
    """A cell of results."""
    unit = 1 if name.endswith(" s") else measure.MIB
    return results.median([run[COLUMNS[name]] / unit for run in runs], TABLE[name])


def write_results(options, measured):
    rows = []
    for name, runs in measured.items():
        label = LABELS.get(name, name.lstrip("1234567 "))
        cells = [number(column, runs) for column in TABLE]
        rows.append([label, *([None, *cells[1:]] if name == NOTHING else cells)])
    peak = results.median([run["resizing_peak"] / measure.MIB for run in measured[OURS]])
    notes = [
        "Memory in MiB: the process's own, above what it had after the imports. "
        f"`inlaid convert` takes {peak} MiB before that.",
        "`and mapped` adds the pages of mapped files, which the kernel takes back when it needs memory.",
        "`take(1)` is the jump of the peak at the first image (inlaid: the first batch).",
    ]
    left = [name for name in PIPELINES if name not in measured]
    columns = [f"{options.images:,} images", *TABLE]
    results.write(options, "pipelines", "Seven usual pipelines, and inlaid", columns, rows, notes, left)


def main():
    options = measure.arguments(__doc__, images=1000, repeat=3).parse_args()
    inlaid = measure.program(options.inlaid)
    reason = measure.lacking("joblib", "sklearn")
    there = [] if reason else PIPELINES
    if reason:
        measure.leave_out("the seven pipelines", reason)
    with measure.scratch_folder(options.scratch) as scratch:
        folder = measure.class_folders(options.photos, options.images, scratch / "images")

        def measured(row):
            if row == NOTHING:
                return measure_nothing(options.images)
            if row in INLAID:
                return measure_inlaid(inlaid, *INLAID[row], folder, scratch / "dataset")
            return measure.fresh_process(__file__, "pipeline", row, folder)

        every = measure.repeated(options.repeat, [*there, *INLAID, NOTHING], measured)
    rows = []
    for row, runs in every.items():
        times = measure.ratios(seconds(runs), seconds(every[OURS]))
        memory = measure.ratios(greatest_peak(runs), greatest_peak(every[OURS]))
        over = ["", ""] if row == NOTHING else [f"{median(times):.1f}x", f"{median(memory):.1f}x"]
        rows.append([row, *(cell(name, runs) for name in COLUMNS), *over])
    measure.print_table([f"{options.images} images", *COLUMNS, "time", "memory"], rows)
    write_results(options, every)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        worker(*sys.argv[2:])
    else:
        main()
