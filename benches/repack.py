"""The cost of `inlaid repack`: MB/s of pixels, memory and whether it grows with the rows, and the gain in reading.

    python benches/repack.py PHOTOS [--images 10000] [--few 1000] [--repeat 3] [--inlaid target/release/inlaid]

The photos are converted to 224x224x3, and pyarrow writes their tensors again and again into one Parquet file, as it
does by default: dictionary and Snappy, row groups of 1,000. "pyarrow" reads the same file in batches of 64 and writes
them with the same settings: what one would write to change a file without holding it in memory. Everything is in the
page cache; inlaid brings its output to disk, pyarrow does not. Reading is a first pass over
`inlaid.open(FILE).batches(64)`.

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
    """Lines of the table for a file."""
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

    results = measure.repeated(options.repeat, commands, run)
    size = rows * measure.ELEMENTS / 1e6
    seconds = {name: [seconds for seconds, _ in runs] for name, runs in results.items()}
    for name, runs in results.items():
        rate = f"{size / median(seconds[name]):.0f}"
        peak = f"{median(peak for _, peak in runs) / measure.MIB:.0f}"
        yield [f"{name}, {rows} rows", rate, peak, measure.spread(measure.ratios(seconds["pyarrow"], seconds[name]))]
    gains = measure.ratios([after for _, after in speeds], [before for before, _ in speeds])
    print(f"{rows} rows repacked are read {measure.spread(gains, '.1f')} times as fast by inlaid", flush=True)


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
        table = []
        for rows in (options.few, options.images):
            path = scratch / f"{rows}.parquet"
            write_table(pixels, rows, path)
            table.extend(compare(options, scratch, rows, path))
            path.unlink()
    measure.print_table(["", "MB/s", "peak MiB", "faster than pyarrow"], table)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        print(json.dumps(images_per_second(sys.argv[2])))
    else:
        main()
