"""Converting photos to 224x224 tensors: inlaid and what people use instead, in images/s.

    python benches/peers.py PHOTOS [--images 5000] [--repeat 3] [--inlaid target/release/inlaid] [--naive PROGRAM]
                                   [--libjpeg-turbo] [--only ROW ...] [--json FOLDER]

Every run is a whole program with its imports, with two worker processes (inlaid: two threads), from class folders
in the page cache to a new folder in --scratch, which is deleted afterwards. The rows take turns in each repetition.
A ratio compares two runs of one repetition: inlaid's images/s over the row's; median (least to greatest).

inlaid syncs its output to disk (fsync of every file and folder) before it ends, and that time counts. It also hashes
every file, splits, shuffles and writes a manifest. The others leave their output in the page cache.

  Pillow, pyarrow         resize BILINEAR; one Parquet file, fixed-shape-tensor column, pyarrow's defaults
  OpenCV AREA, pyarrow    the same with INTER_AREA, uncompressed
  OpenCV LINEAR, pyarrow  the same with INTER_LINEAR, which does not antialias
  OpenCV AREA, array_record  each process writes a file of its own, a record per image, uncompressed
  tf.data, .npy           a map on two threads (fast DCT, no antialiasing: the defaults) into a memory-mapped .npy
  tf.data exact, .npy     the same with INTEGER_ACCURATE and antialias=True, as inlaid resizes
  obvious Rust            a program given with --naive, called as PROGRAM INPUT OUTPUT.parquet; left out if not given
  inlaid                  inlaid convert --threads 2 --jpeg-decoder zune-jpeg
  inlaid, libjpeg-turbo   the same with libjpeg-turbo: the pixels that OpenCV decodes; with
                          --libjpeg-turbo only, and then --inlaid was built with --features turbojpeg

With --json, it writes `peers.json`, and `peers-tf-data.json` of the rows of tf.data.

Needs pillow, opencv-python-headless, pyarrow, numpy, array_record, tensorflow, and a release build of inlaid. Photos are
hard-linked up to --images, into 10 class folders.
"""

import multiprocessing
import shutil
import struct
import sys
from functools import partial
from pathlib import Path
from statistics import median

import measure
import results

WORKERS = 2
BATCH = 256
PILLOW = "Pillow, pyarrow"
AREA = "OpenCV AREA, pyarrow"
LINEAR = "OpenCV LINEAR, pyarrow"
RECORDS = "OpenCV AREA, array_record"
TF = "tf.data, .npy"
TF_EXACT = "tf.data exact, .npy"
NAIVE = "obvious Rust"
INLAID = "inlaid"
TURBO = "inlaid, libjpeg-turbo"
OURS = {INLAID: ["--jpeg-decoder", "zune-jpeg"], TURBO: ["--jpeg-decoder", "libjpeg-turbo"]}
NEEDS = {
    PILLOW: ["PIL", "pyarrow"],
    AREA: ["cv2", "pyarrow"],
    LINEAR: ["cv2", "pyarrow"],
    RECORDS: ["cv2", "array_record"],
    TF: ["tensorflow"],
    TF_EXACT: ["tensorflow"],
}
# What the tables call the rows.
PYTHON_ROWS = {
    PILLOW: "Pillow, pyarrow tensor column",
    AREA: "OpenCV `INTER_AREA`, pyarrow tensor column",
    LINEAR: "OpenCV `INTER_LINEAR`, pyarrow tensor column",
    RECORDS: "OpenCV `INTER_AREA`, array_record",
}
TF_ROWS = {
    TF: "tf.data map into a memory-mapped `.npy`",
    TF_EXACT: "the same, accurate DCT and `antialias=True`",
}
OUR_ROWS = {INLAID: "inlaid, `--jpeg-decoder zune-jpeg`", TURBO: "inlaid, `--jpeg-decoder libjpeg-turbo`"}
PYTHON_NOTES = ["Two processes each, two threads of inlaid.", "inlaid syncs its output to disk, the others do not."]
TF_NOTES = [
    "By default tf.data decodes with the fast DCT and does not antialias; in the second row it does as inlaid does.",
    "Its output is one array of pixels and one of labels, which it leaves in the page cache.",
]
TURBO_NOTE = "A build with the feature turbojpeg."


def resized_by_pillow(path):
    import numpy as np
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert("RGB").resize((measure.SIZE, measure.SIZE), Image.Resampling.BILINEAR))


def resized_by_opencv(interpolation, path):
    import cv2

    image = cv2.imread(path, cv2.IMREAD_COLOR)
    image = cv2.resize(image, (measure.SIZE, measure.SIZE), interpolation=getattr(cv2, interpolation))
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def one_opencv_thread():
    """The processes are the parallelism; more threads would only get in their way."""
    import cv2

    cv2.setNumThreads(0)


def pixels_of(resize, path):
    return resize(path).tobytes()


def tensors(rows):
    """Pixels of several images as an Arrow array of fixed-shape tensors."""
    import pyarrow as pa

    values = pa.Array.from_buffers(pa.uint8(), len(rows) * measure.ELEMENTS, [None, pa.py_buffer(b"".join(rows))])
    lists = pa.FixedSizeListArray.from_arrays(values, measure.ELEMENTS)
    shape = [measure.SIZE, measure.SIZE, 3]
    return pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(pa.uint8(), shape), lists)


def convert_with_pyarrow(resize, initializer, folder, out, **settings):
    """Two processes resize, this one writes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = measure.labelled_files(folder)
    tensor = pa.fixed_shape_tensor(pa.uint8(), [measure.SIZE, measure.SIZE, 3])
    schema = pa.schema({"image": tensor, "label": pa.int64(), "path": pa.string()})
    with (
        multiprocessing.Pool(WORKERS, initializer) as pool,
        pq.ParquetWriter(out / "train.parquet", schema, **settings) as writer,
    ):
        pixels = pool.imap(partial(pixels_of, resize), [path for path, _ in files], chunksize=8)
        for first in range(0, len(files), BATCH):
            paths, labels = zip(*files[first : first + BATCH])
            images = tensors([next(pixels) for _ in paths])
            columns = [images, pa.array(labels, pa.int64()), pa.array(paths)]
            writer.write_table(pa.table(columns, schema=schema))


def write_records(resize, files, out):
    from array_record.python.array_record_module import ArrayRecordWriter

    one_opencv_thread()
    writer = ArrayRecordWriter(str(out), "group_size:1,uncompressed")
    for path, label in files:
        writer.write(struct.pack("<q", label) + resize(path).tobytes() + path.encode())
    writer.close()


def convert_with_array_record(resize, folder, out):
    """Two processes, each with half of the files and a writer of its own."""
    files = measure.labelled_files(folder)
    jobs = [(resize, files[part::WORKERS], out / f"train-{part}.array_record") for part in range(WORKERS)]
    with multiprocessing.Pool(WORKERS) as pool:
        pool.starmap(write_records, jobs, chunksize=1)


def convert_with_tf_data(is_exact, folder, out):
    """One process: a map of tf.data, whose batches are copied to the file."""
    import numpy as np
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(WORKERS)
    tf.config.threading.set_inter_op_parallelism_threads(WORKERS)
    files = measure.labelled_files(folder)
    paths, labels = zip(*files)

    def pixels(path):
        dct = "INTEGER_ACCURATE" if is_exact else ""
        image = tf.io.decode_jpeg(tf.io.read_file(path), channels=3, dct_method=dct)
        image = tf.image.resize(image, (measure.SIZE, measure.SIZE), antialias=is_exact)
        return tf.cast(tf.round(image), tf.uint8)

    dataset = tf.data.Dataset.from_tensor_slices(list(map(str, paths)))
    dataset = dataset.map(pixels, num_parallel_calls=WORKERS, deterministic=True).batch(BATCH).prefetch(2)
    shape = (len(files), measure.SIZE, measure.SIZE, 3)
    images = np.lib.format.open_memmap(out / "images.npy", "w+", np.uint8, shape)
    first = 0
    for batch in dataset.as_numpy_iterator():
        images[first : first + len(batch)] = batch
        first += len(batch)
    assert first == len(files), first
    np.save(out / "labels.npy", np.array(labels))


def worker(row, folder, out):
    """A row that is a Python program."""
    area, linear = (partial(resized_by_opencv, name) for name in ("INTER_AREA", "INTER_LINEAR"))
    if row == PILLOW:
        convert_with_pyarrow(resized_by_pillow, None, folder, out)
    elif row in (TF, TF_EXACT):
        convert_with_tf_data(row == TF_EXACT, folder, out)
    elif row == RECORDS:
        convert_with_array_record(area, folder, out)
    else:
        resize = area if row == AREA else linear
        convert_with_pyarrow(resize, one_opencv_thread, folder, out, compression="none")


def command_of(row, options, folder, out):
    if row in OURS:
        command = [options.inlaid, "convert", folder, "--out", out, "--size", measure.SIZE]
        return [*command, "--threads", WORKERS, "--quiet", *OURS[row]]
    if row == NAIVE:
        return [options.naive, folder, out / "train.parquet"]
    return [sys.executable, __file__, "--worker", row, folder, out]


def run(row, options, folder, out):
    """Seconds of one conversion, its output deleted."""
    if row not in OURS:
        out.mkdir()
    seconds = measure.timed(command_of(row, options, folder, out))
    shutil.rmtree(out)
    return seconds


def write_table(options, name, title, named, notes, seconds):
    """A file of results, if any of its rows was measured."""
    ours = [our for our in OURS if our in seconds]
    measured = [row for row in named if row in seconds]
    if not measured:
        return
    table = []
    for row in [*measured, *ours]:
        rate = results.median([options.images / one for one in seconds[row]])
        if row in OURS:
            faster = [1 if our == row else None for our in ours]
        else:
            faster = [results.spread(measure.ratios(seconds[row], seconds[our])) for our in ours]
        table.append([(named | OUR_ROWS)[row], rate, *faster])
    columns = ["program", "images/s", "inlaid is faster by", "with `--jpeg-decoder libjpeg-turbo`"]
    notes = [*notes, TURBO_NOTE] if TURBO in ours else notes
    left = [label for row, label in named.items() if row in options.left_out]
    results.write(options, name, title, columns[: 2 + len(ours)], table, notes, left)


def main():
    parser = measure.arguments(__doc__, images=5000, repeat=3)
    parser.add_argument("--only", nargs="+", metavar="ROW", help="compare inlaid with these rows alone")
    parser.add_argument("--naive", type=Path, help="the obvious Rust program")
    parser.add_argument("--libjpeg-turbo", action="store_true", help="inlaid was built with it; measure that too")
    options = parser.parse_args()
    options.inlaid = measure.program(options.inlaid)
    rows = list(NEEDS)
    if options.naive:
        options.naive = measure.program(options.naive)
        rows.append(NAIVE)
    unknown = sorted(set(options.only or rows) - set(rows))
    if unknown:
        parser.error(f"no row is named {', '.join(unknown)}; there are: {', '.join(rows)}")
    reasons = {row: measure.lacking(*NEEDS.get(row, [])) for row in options.only or rows}
    options.left_out = [row for row, reason in reasons.items() if reason]
    for row in options.left_out:
        measure.leave_out(row, reasons[row])
    ours = [INLAID, TURBO] if options.libjpeg_turbo else [INLAID]
    rows = [*(row for row, reason in reasons.items() if not reason), *ours]
    with measure.scratch_folder(options.scratch) as scratch:
        folder = measure.class_folders(options.photos, options.images, scratch / "images")
        seconds = measure.repeated(options.repeat, rows, lambda row: run(row, options, folder, scratch / "dataset"))
    table = []
    for row in rows:
        rate = options.images / median(seconds[row])
        ratios = [measure.ratios(seconds[row], seconds[our]) for our in ours]
        cells = [f"{median(each):.2f} ({min(each):.2f} to {max(each):.2f})" for each in ratios]
        table.append([row, f"{rate:.0f}", *cells])
    measure.print_table([f"{options.images} images", "images/s", *(f"{our} / this" for our in ours)], table)
    write_table(options, "peers", "Conversion against Python programs", PYTHON_ROWS, PYTHON_NOTES, seconds)
    write_table(options, "peers-tf-data", "Conversion against tf.data", TF_ROWS, TF_NOTES, seconds)
    if not options.naive:
        print(f"\n`{NAIVE}` was not measured: no --naive.")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        worker(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
    else:
        main()
