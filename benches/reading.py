"""Readers of the same images, compared: images/s in batches of 64, 224x224x3 uint8, on two cores.

    python benches/reading.py PHOTOS [--images 2000] [--repeat 3] [--only NAME ...] [--inlaid target/release/inlaid]
                                     [--json FOLDER]
    python benches/reading.py PHOTOS --memory [--images 50000]
    python benches/reading.py PHOTOS --passes 600

inlaid converts the photos into one split, once for each storage; every other format gets the pixels of its rows as they
are, written as its documentation has it (`benches/readers/`). A measurement is a fresh process for each reader and
repetition, with the imports done:

  first batch   from before anything is opened
  memory        the greatest during a first pass in order and one shuffled, in which all pixels are summed (every reader
                must come to the same sum), above that after the imports. `mapped` adds the pages of mapped files and of
                libraries: page cache, which the kernel takes back when it needs memory
  in order      passes for two seconds, timed; of every batch, one byte in each 4 KiB is read
  shuffled      the same, in another order each pass: any row may follow any other, except that TFRecords and webdataset
                mix 1,000 images at a time, and MosaicML blocks
  short         passes in order, each of which opens everything anew

A batch is one stretch of memory: a NumPy array, or a tensor of TensorFlow or PyTorch. "inlaid is faster by" compares
with the reader of inlaid that gives the same, in one repetition; medians, with least and greatest. A view's rate is one
of page faults, not of bandwidth. Everything is in the page cache.

With --memory, inlaid alone reads 1,000, 20,000 and --images images: whether memory grows with them, and how long the
first batch takes.

With --passes, inlaid alone reads --images images (640) that many times, shuffled: the anonymous memory after the second
pass, and the most after any later one.

With --json, it writes `reading.json`, `storage.json`, `views.json` and `loops.json`; with --memory `reading-memory.json`,
and with --passes `passes.json`.

Needs the package, psutil, and a release build of inlaid; the other readers need the packages of
benches/requirements-reading.txt, which says how to install them. What is not installed is left out, and named.
"""

import importlib
import json
import os
import re
import shutil
import sys
import time
from pathlib import Path
from statistics import median

import measure
import results
import watch
from readers import READERS
from readers.reader import BATCH

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "HF_HUB_OFFLINE": "1"}
os.environ |= {"HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}

SECONDS = 2.0
# The formats that inlaid writes; in that of Arrow, no batch crosses a row group.
OURS = {
    "tensor": ["--storage", "tensor"],
    "binary": ["--storage", "binary"],
    "arrow": ["--storage", "tensor", "--format", "arrow", "--row-group-bytes", 128 * measure.ELEMENTS],
}
FEW = (1_000, 20_000)
ALONE = ("inlaid, batches", "inlaid, to_torch", "inlaid, to_tf")
PASSES = (*ALONE, "inlaid, batches, float32", "inlaid, to_jax")

# The readers of each table of results, and what it calls them.
BATCHES = "inlaid, batches"
COPIED = "NumPy memory map, copied"
PEERS = {
    BATCHES: "inlaid, `batches`",
    "inlaid, table[rows]": "inlaid, `table[rows]`",
    "inlaid, to_torch": "inlaid, `to_torch`",
    "inlaid, to_tf": "inlaid, `to_tf`",
    COPIED: "NumPy memory map, copied",
    "pyarrow, storage tensor": "pyarrow, the same file",
    "polars, storage tensor": "polars, the same file",
    "Hugging Face datasets": "Hugging Face `datasets`",
    "Lance": "Lance",
    "array_record, grain": "array_record, grain",
    "FFCV": "FFCV",
    "webdataset": "webdataset",
    "MosaicML streaming": "MosaicML streaming",
    "tf.data generator over NumPy memory map": "generator over a NumPy memory map",
    "TFRecords, parsed in batches": "TFRecords of raw pixels, parsed in batches",
}
STORAGES = {
    "pyarrow, storage tensor": "pyarrow, `--storage tensor`",
    "polars, storage tensor": "polars, `--storage tensor`",
    "pyarrow, storage binary": "pyarrow, `--storage binary`",
    "polars, storage binary": "polars, `--storage binary`",
    "pyarrow memory map, format arrow, copied": "pyarrow memory map, `--format arrow`, copied",
    "pyarrow memory map, format arrow, views": "pyarrow memory map, `--format arrow`, views",
}
LOOPS = {
    BATCHES: "inlaid, `batches`",
    'inlaid, batches, layout="chw"': 'inlaid, `batches`, `layout="chw"`',
    "inlaid, batches, float32": "inlaid, `batches`, float32",
    'inlaid, batches, float32, layout="chw"': 'inlaid, `batches`, float32, `layout="chw"`',
    "inlaid, to_torch": "inlaid, `to_torch`",
    "inlaid, to_tf": "inlaid, `to_tf`",
    "tf.data, py_function of tensors in memory": "tf.data, a function that gives out tensors in memory",
    COPIED: "NumPy memory map, copied",
}
ONE_PROCESS = f"Batches of {BATCH} images of 224x224x3 uint8, one process."
PEERS_NOTES = [
    ONE_PROCESS,
    "Every reader gets the same pixels, written as its own documentation says.",
    "Shuffled: any row may follow any other, except that TFRecords and webdataset mix 1,000 images at a time, and MosaicML "
    "streaming mixes blocks.",
]


def missing(name):
    """Why a reader can't be measured here, or None; in this process, since imports may fail in any way."""
    for module in READERS[name].needs:
        try:
            importlib.import_module(module)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
    return None


def write(name, scratch):
    """Writes the format of a reader."""
    import inlaid

    reader = READERS[name]
    folder = scratch / reader.format
    folder.mkdir()
    reader.write(inlaid.open(scratch / "tensor")["train"], str(folder))


def checked_pass(batches, shape):
    """[images, sum of pixels, sum of labels] of a pass; ends the bench if a batch is no single array."""
    content = [0, 0, 0]
    for images, labels in batches:
        if images.shape[1:] != shape or not images.flags.c_contiguous:
            sys.exit(f"error: a batch is {images.shape}, with strides {images.strides}")
        content[0] += len(images)
        content[1] += int(images.sum(dtype="uint64" if images.dtype == "uint8" else "float64"))
        content[2] += int(labels.sum())
    return content


def touch(batches):
    """Reads one byte in each page of memory; the number of images."""
    count = touched = 0
    for images, _ in batches:
        count += len(images)
        touched += int(images.reshape(-1).view("uint8")[::4096].sum())
    return count


def rate(a_pass):
    """Images/s of passes for `SECONDS`."""
    count, start = 0, time.perf_counter()
    while count == 0 or time.perf_counter() - start < SECONDS:
        count += touch(a_pass())
    return count / (time.perf_counter() - start)


def opened(name, scratch):
    """(an open reader, seconds to its first batch, the watch over its memory)."""
    reader = READERS[name]
    for module in reader.needs:
        importlib.import_module(module)
    memory = watch.MemoryWatch(watch.of_processes, 0.02)
    start = time.perf_counter()
    reading = reader(str(scratch / reader.format))
    next(iter(reading.in_order()))
    return reading, time.perf_counter() - start, memory


def read(name, scratch):
    """What is measured of a reader."""
    reading, first, memory = opened(name, scratch)
    contents = [checked_pass(reading.in_order(), reading.shape)]
    if reading.shuffles:
        contents.append(checked_pass(reading.shuffled(), reading.shape))
    peak = memory.stop()
    result = {"first": first, "peak": peak, "contents": contents, "in order": rate(reading.in_order)}
    if reading.shuffles:
        result["shuffled"] = rate(reading.shuffled)
    result["short"] = rate(lambda: READERS[name](str(scratch / reading.format)).in_order())
    return result


def anonymous():
    """Bytes of memory of this process that no file has."""
    with open("/proc/self/smaps_rollup") as rollup:
        return next(int(line.split()[1]) * 1024 for line in rollup if line.startswith("Anonymous:"))


def read_passes(name, scratch):
    """Anonymous memory after each pass but the first."""
    reading, passes = READERS[name](str(scratch / READERS[name].format)), int(os.environ["INLAID_PASSES"])
    sizes = [(touch(reading.shuffled()), anonymous())[1] for _ in range(passes)]
    return {"second": sizes[1], "most": max(sizes[1:])}


def read_once(name, scratch):
    """What is measured of a reader with --memory."""
    reading, first, memory = opened(name, scratch)
    count = touch(reading.in_order()) + touch(reading.shuffled())
    return {"first": first, "peak": memory.stop(), "images": count // 2}


def convert(options, images, storage, out):
    command = [options.inlaid, "convert", images, "--out", out, "--size", measure.SIZE, "--quiet"]
    measure.timed([*command, "--split", "train=1", *storage])


def write_formats(options, names, scratch):
    """Everything that the readers read."""
    folder = measure.class_folders(options.photos, options.images, scratch / "images")
    formats = {READERS[name].format: name for name in names}
    for format in {"tensor"} | (OURS.keys() & formats):
        convert(options, folder, OURS[format], scratch / format)
    shutil.rmtree(folder)
    for format in formats.keys() - OURS:
        print(f"writing {format}", file=sys.stderr, flush=True)
        measure.fresh_process(__file__, "write", formats[format], scratch)


def bytes_of(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def cells(runs, name, order):
    """Images/s, and by how much inlaid is faster."""
    if order not in runs[name][0]:
        return ["", ""]
    own, rival = ([run[order] for run in runs[reader]] for reader in (name, READERS[name].rival))
    faster = "1" if READERS[name].rival == name else measure.spread(measure.ratios(rival, own))
    return [f"{median(own):.0f}", faster]


def first_and_peak(runs):
    """Milliseconds to the first batch, and MiB of memory without and with mapped pages."""
    first = median(run["first"] for run in runs) * 1000
    sizes = (median(sizes) / measure.MIB for sizes in zip(*(run["peak"] for run in runs)))
    return [f"{number:.0f}" for number in (first, *sizes)]


def repeated(options, step, names, scratch):
    """{name: [result of each repetition]} of one of `STEPS`."""
    return measure.repeated(options.repeat, names, lambda name: measure.fresh_process(__file__, step, name, scratch))


def compare(options, scratch):
    """The readers against each other."""
    reasons = {name: measure.fresh_process(__file__, "missing", name, scratch) for name in options.only}
    names = [name for name, reason in reasons.items() if not reason]
    write_formats(options, names, scratch)
    runs = repeated(options, "read", names, scratch)
    contents = {name: each[0]["contents"] for name, each in runs.items()}
    if len({tuple(content) for both in contents.values() for content in both}) != 1:
        sys.exit(f"error: the readers read other images, pixels or labels: {contents}")
    table = []
    for name in names:
        first, *peak = first_and_peak(runs[name])
        size = bytes_of(scratch / READERS[name].format) / measure.MIB
        speed = [cell for order in ("in order", "shuffled", "short") for cell in cells(runs, name, order)]
        table.append([name, *speed, first, *peak, f"{size:.0f}"])
    faster = "inlaid is faster by"
    header = ["in order, images/s", faster, "shuffled, images/s", faster, "short, images/s", faster]
    header += ["first batch, ms", "memory, MiB", "and mapped", "on disk, MiB"]
    measure.print_table([f"{options.images} images", *header], table)
    print()
    for name, reason in reasons.items():
        if reason:
            measure.leave_out(name, reason)
    write_peers(options, runs)
    write_storages(options, runs)
    write_views(options, runs)
    write_loops(options, runs)


def rates(runs, name, order):
    """Images/s of each repetition, of a reader that has the order."""
    return [run[order] for run in runs[name]]


def rate_and_faster(runs, name, order, rival):
    """Two cells of results: images/s, and by how much the rival is faster."""
    if order not in runs[name][0]:
        return [None, None]
    own = rates(runs, name, order)
    if rival is None:
        return [results.median(own), None]
    return [results.median(own), 1 if rival == name else results.spread(measure.ratios(rates(runs, rival, order), own))]


def measured(table, runs):
    """(name, what the table calls it) of the readers that were measured, and what it calls the others."""
    there = [(name, label) for name, label in table.items() if name in runs]
    return there, [label for name, label in table.items() if name not in runs]


def write_peers(options, runs):
    there, left = measured(PEERS, runs)
    rows = []
    for name, label in there:
        # What inlaid gives in other ways is compared with nothing.
        rival = None if READERS[name].rival == name != BATCHES else READERS[name].rival
        cells = [cell for order in ("in order", "shuffled") for cell in rate_and_faster(runs, name, order, rival)]
        rows.append([label, *cells, rival and rival.removeprefix("inlaid, ")])
    faster = "inlaid is faster by"
    columns = ["reader", "images/s in order", faster, "images/s shuffled", faster, "compared with"]
    results.write(options, "reading", "Reading", columns, rows, PEERS_NOTES, left)


def write_storages(options, runs):
    there, left = measured(STORAGES, runs)
    if COPIED not in runs:
        return
    rows = []
    for name, label in there:
        own, copied = (rates(runs, reader, "in order") for reader in (name, COPIED))
        rows.append([label, results.median(own), results.spread(measure.ratios(own, copied))])
    columns = ["reader", "images/s", "of a NumPy memory map, copied"]
    results.write(
        options, "storage", "Reading each storage without inlaid", columns, rows, [f"In order. {ONE_PROCESS}"], left
    )


def write_views(options, runs):
    views, mapped, to_tf = "inlaid, table[rows], format arrow", "NumPy memory map, views", "inlaid, to_tf"
    if not {views, mapped, to_tf} <= runs.keys():
        return
    random = measure.ratios(*(rates(runs, name, "shuffled") for name in (views, mapped)))
    first, first_of_tf = ([run["first"] * 1000 for run in runs[name]] for name in (BATCHES, to_tf))
    rows = [
        ["views, `table[a:b]` of mapped files, images/s", results.median(rates(runs, views, "in order"))],
        ["views of a NumPy memory map, images/s", results.median(rates(runs, mapped, "in order"))],
        ["random rows, `table[rows]` of `--format arrow`, over a NumPy memory map (rate)", results.spread(random)],
        ["first batch after opening, ms", results.median(first)],
        ["first batch after opening, `to_tf`, ms", results.median(first_of_tf)],
    ]
    results.write(options, "views", "Views and first batches", ["", "value"], rows)


def write_loops(options, runs):
    there, left = measured(LOOPS, runs)
    rows = []
    for name, label in there:
        rival = BATCHES if READERS[name].rival == BATCHES else None
        cells = [cell for order in ("in order", "shuffled") for cell in rate_and_faster(runs, name, order, rival)]
        rows.append([label, *cells, results.median(rates(runs, name, "short"))])
    faster = "`batches` is faster by"
    columns = ["reader", "images/s in order", faster, "images/s shuffled", faster, "images/s in short passes"]
    notes = [
        f"A short pass opens everything anew and reads the {options.images:,} images once.",
        "Batches of float32 are four times as long: they move more bytes in a second than others.",
    ]
    results.write(options, "loops", "Casts and short passes", columns, rows, notes, left)


def compare_sizes(options, scratch):
    """inlaid on growing datasets."""
    measured = {}
    for images in [few for few in FEW if few < options.images] + [options.images]:
        here = scratch / str(images)
        folder = measure.class_folders(options.photos, images, here / "images")
        convert(options, folder, OURS["tensor"], here / "tensor")
        shutil.rmtree(folder)
        measured[images] = repeated(options, "once", ALONE, here)
        shutil.rmtree(here)
    table = [
        [name, f"{runs[name][0]['images']}", *first_and_peak(runs[name])]
        for name in ALONE
        for runs in measured.values()
    ]
    measure.print_table(["", "images", "first batch, ms", "memory, MiB", "and mapped"], table)
    rows = [[f"`{name.removeprefix('inlaid, ')}`, MiB"] for name in ALONE]
    for row, name in zip(rows, ALONE, strict=True):
        row += [results.median([run["peak"][0] / measure.MIB for run in runs[name]]) for runs in measured.values()]
    first = [results.median([run["first"] * 1000 for run in runs[BATCHES]]) for runs in measured.values()]
    rows.append(["first batch of `batches` after opening, ms", *first])
    columns = ["", *(f"{images:,} images" for images in measured)]
    results.write(options, "reading-memory", "Memory of reading", columns, rows)


def compare_passes(options, scratch):
    """Memory of inlaid over many passes."""
    os.environ["INLAID_PASSES"] = str(max(options.passes, 2))
    folder = measure.class_folders(options.photos, options.images, scratch / "images")
    convert(options, folder, OURS["tensor"], scratch / "tensor")
    reasons = {name: measure.fresh_process(__file__, "missing", name, scratch) for name in PASSES}
    for name, reason in reasons.items():
        if reason:
            measure.leave_out(name, reason)
    names = [name for name, reason in reasons.items() if not reason]
    runs = repeated(options, "passes", names, scratch)
    table, rows = [], []
    for name in names:
        second, most = (median(run[size] for run in runs[name]) / measure.MIB for size in ("second", "most"))
        table.append([name, f"{second:.0f}", f"{most:.0f}", f"{most / second:.2f}"])
        label = re.sub(r"\b(batches|to_\w+)", r"`\1`", name)
        rows.append([label, round(second), round(most), results.rounded(most / second, 2)])
    measure.print_table([f"{options.passes} passes", "after the second, MiB", "at most, MiB", "ratio"], table)
    columns = ["reader", "after the second pass, MiB", "at most, MiB", "ratio"]
    notes = [f"{options.passes:,} passes over {options.images:,} images of 224x224x3, shuffled, in batches of {BATCH}."]
    left = [name for name, reason in reasons.items() if reason]
    results.write(options, "passes", "Anonymous memory over many passes", columns, rows, notes, left)


def main():
    parser = measure.arguments(__doc__, images=None, repeat=3)
    parser.add_argument("--images", type=measure.positive, help="default: 2000; with --memory 50000")
    parser.add_argument("--memory", action="store_true", help="measure memory of growing datasets")
    parser.add_argument("--passes", type=measure.positive, help="measure memory over this many passes")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=READERS,
        default=list(READERS),
        metavar="NAME",
        help="these readers, and those of inlaid that they are compared with",
    )
    options = parser.parse_args()
    options.inlaid = measure.program(options.inlaid)
    options.images = options.images or (50_000 if options.memory else 640 if options.passes else 2000)
    rivals = {READERS[name].rival for name in options.only}
    options.only = [name for name in READERS if name in rivals or name in options.only]
    with measure.scratch_folder(options.scratch) as scratch:
        run = compare_sizes if options.memory else compare_passes if options.passes else compare
        run(options, scratch)


STEPS = {
    "missing": lambda name, _: missing(name),
    "write": write,
    "read": read,
    "once": read_once,
    "passes": read_passes,
}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        print(json.dumps(STEPS[sys.argv[2]](sys.argv[3], Path(sys.argv[4]))))
    else:
        main()
