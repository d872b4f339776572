"""The cost of `inlaid repack`: MB/s of pixels, memory and whether it grows with the rows, and the gain in reading.

    python benches/repack.py PHOTOS [--images 10000] [--few 1000] [--repeat 3] [--inlaid target/release/inlaid]
                                    [--json FOLDER]

The photos are converted to 224x224x3, and pyarrow writes their tensors again and again into one Parquet file, as it
does by default: dictionary and Snappy, row groups of 1,000. "pyarrow" reads the same file in batches of 64 and writes
them with the same settings: what one would write to change a file without holding it in memory. Everything is in the
page cache; inlaid brings its output to disk, pyarrow does not. Reading is a first pass over
`inlaid.open(FILE).batches(64)`.

With --json, it writes `repack.json`.

Needs a release build of inlaid, the package, and pyarrow; disk for three times the pixels (150 kB an image).
"""

import json
import shutil
import sys
import time
from statistics import median

import measure
import pyarrow as pa
import pyarrow.parquet as pq
import results

BATCH = 64
PYARROW = """
import sys
import pyarrow.parquet as pq
source = pq.ParquetFile(sys.argv[1], pre_buffer=False)
with pq.ParquetWriter(sys.argv[2], source.schema_arrow) as out:
    for batch in source.iter_batches(64):
        out.write_batch(batch)
"""


def write_table(pixels, rows, path):
    """Writes a file of so many rows."""
    with pq.ParquetWriter(path, pa.schema({"pixels": pixels.type})) as out:
        for start in range(0, rows, 1000):
            needed = min(1000, rows - start)
            parts = [pixels.slice(0, min(len(pixels), needed - at)) for at in range(0, needed, len(pixels))]
            out.write_table(pa.table({"pixels": pa.chunked_array(parts)}))


def images_per_second(path):
    """Of a first pass, opening included."""
    import inlaid

    start = time.perf_counter()
    table = inlaid.open(path)
    for batch in table.batches(BATCH):
        batch["pixels"].reshape(-1)[::4096].sum()
    return len(table) / (time.perf_counter() - start)


def compare(options, scratch, rows, path):
    """{name: [(seconds, peak bytes) of each repetition]} for a file."""
    out = scratch / "out"
    commands = {
        "inlaid repack": [options.inlaid, "repack", path, "--out", out, "--quiet"],
        "pyarrow": [sys.executable, "-c", PYARROW, path, scratch / "out.parquet"],
    }
    speeds = []

    def run(name):
        result = measure.timed_with_peak(commands[name])
        if name == "inlaid repack":
            speeds.append([measure.fresh_process(__file__, file) for file in (path, out / path.name)])
            shutil.rmtree(out)
        return result

    measured = measure.repeated(options.repeat, commands, run)
    gains = measure.ratios([after for _, after in speeds], [before for before, _ in speeds])
    print(f"{rows} rows repacked are read {measure.spread(gains, '.1f')} times as fast by inlaid", flush=True)
    return measured


def rates(rows, runs):
    """MB/s of pixels of each repetition."""
    return [rows * measure.ELEMENTS / 1e6 / seconds for seconds, _ in runs]


def mebibytes(runs):
    return median(peak for _, peak in runs) / measure.MIB


def lines(rows, measured):
    """Lines of the table for a file."""
    for name, runs in measured.items():
        faster = measure.spread(measure.ratios(rates(rows, runs), rates(rows, measured["pyarrow"])))
        yield [f"{name}, {rows} rows", f"{median(rates(rows, runs)):.0f}", f"{mebibytes(runs):.0f}", faster]


def write_results(options, measured):
    own, other = (rates(options.images, runs) for runs in measured[options.images].values())
    faster = results.spread(measure.ratios(own, other))
    rows = [
        ["MB/s of pixels", results.median(own), results.median(other)],
        ["times as fast as pyarrow reading and writing the same table", faster, 1],
    ]
    for count, both in measured.items():
        peaks = [round(mebibytes(runs)) for runs in both.values()]
        rows.append([f"peak memory for {count:,} rows, MiB", *peaks])
    results.write(options, "repack", "Repacking", ["", "inlaid", "pyarrow"], rows)


def main():
    parser = measure.arguments(__doc__, images=10_000, repeat=3)
    parser.add_argument("--few", type=measure.positive, default=1000, help="default: %(default)s")
    options = parser.parse_args()
    options.inlaid = measure.program(options.inlaid)
    with measure.scratch_folder(options.scratch) as scratch:
        folder = measure.class_folders(options.photos, 250, scratch / "photos")
        command = [options.inlaid, "convert", folder, "--out", scratch / "dataset", "--size", measure.SIZE, "--quiet"]
        measure.timed([*command, "--split", "train=1"])
        pixels = pq.read_table(scratch / "dataset/train", columns=["image"])["image"].combine_chunks()
        measured = {}
        for rows in (options.few, options.images):
            path = scratch / f"{rows}.parquet"
            write_table(pixels, rows, path)
            measured[rows] = compare(options, scratch, rows, path)
            path.unlink()
    table = [line for rows, both in measured.items() for line in lines(rows, both)]
    measure.print_table(["", "MB/s", "peak MiB", "faster than pyarrow"], table)
    write_results(options, measured)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        print(json.dumps(images_per_second(sys.argv[2])))
    else:
        main()
