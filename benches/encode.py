"""Finishing pages of tensors, against memcpy and `ArrowWriter`: runs `benches/encode.rs`, which says what these are.

    python benches/encode.py [--json FOLDER]

The figures are the medians of criterion. With --json, it writes `pages.json`. Needs Rust.
"""

import json
import os
import subprocess
from pathlib import Path

import measure
import results

# With the feature of `convert.py`, so that nothing is built twice.
BENCH = ["cargo", "bench", "--locked", "--quiet", "--features", "turbojpeg", "--bench", "encode", "--"]
OURS, COPY, THEIRS = "inlaid, verbatim pages", "memcpy", "parquet ArrowWriter"
NOTES = ["Finishing a page of tensors, one copy included.", "`cargo bench` builds everything at full optimization."]


def medians(folder):
    """{what is measured: nanoseconds}, as criterion left them in a folder."""
    found = {}
    for path in folder.glob("*/*/new/benchmark.json"):
        name = json.loads(path.read_text())["function_id"]
        found[name] = json.loads(path.with_name("estimates.json").read_text())["median"]["point_estimate"]
    return found


def main():
    parser = measure.plain_arguments(__doc__, repeat=1)
    parser.add_argument("settings", nargs="*", help="settings of criterion")
    options = parser.parse_args()
    with measure.scratch_folder(options.scratch) as scratch:
        os.environ["CRITERION_HOME"] = str(scratch)
        subprocess.run([*BENCH, *options.settings], cwd=results.REPOSITORY, check=True)
        times = medians(Path(scratch))
    rows = [
        [
            "the `ArrowWriter` of the parquet crate, same rows: inlaid is faster by",
            results.spread([times[THEIRS] / times[OURS]]),
        ],
        ["memcpy: inlaid's speed is this fraction", results.spread([times[COPY] / times[OURS]])],
    ]
    columns = ["against", "ratio"]
    measure.print_table(columns, [list(map(results.text, row)) for row in rows])
    results.write(options, "pages", "Finishing pages of tensors", columns, rows, NOTES, input="")


if __name__ == "__main__":
    main()
