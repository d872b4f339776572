"""The whole conversion against its ceiling and the obvious program: runs `benches/convert.rs`, which says what these are.

    python benches/convert.py PHOTOS [--images 2000] [--repeat 7] [--json FOLDER]

Each line is a run of `cargo bench`, of one type of elements, layout and JPEG decoder; the first one includes the obvious
program. Ratios are within one repetition. With --json, it writes `ceiling.json` and `obvious.json`.

Needs Rust and what builds libjpeg-turbo.
"""

import json
import re
import subprocess
import sys

import measure
import results

ZUNE, TURBO = "zune-jpeg", "libjpeg-turbo"
ELEMENTS = [("u8", ZUNE), ("u8", TURBO), ("f16", ZUNE), ("f32", ZUNE), ("u16", ZUNE)]
LAYOUTS = ("hwc", "chw")
BENCH = ["cargo", "bench", "--locked", "--quiet", "--features", "turbojpeg", "--bench", "convert", "--"]
CEILING_NOTES = [
    "Images per second of the whole conversion over those of its ceiling: the same number of threads that read, decode and "
    "resize the same files with the same libraries into memory and write nothing.",
    "For elements other than u8 the ceiling resizes to floats with fast_image_resize, which takes longer than inlaid's own "
    "loops; so a ratio can exceed 1.",
]
OBVIOUS_NOTES = [
    "The program one would write first with the same crates: decode and `resize_exact` of the image crate, a fixed-size "
    f"list column through `ArrowWriter`. inlaid decodes with {ZUNE}, as that program does.",
]


def seconds(options, dtype, decoder, layout):
    """Seconds of each repetition: of the ceiling, the same with a file, inlaid and the obvious program."""
    command = [*BENCH, options.photos, "--images", options.images, "--repeat", options.repeat, "--dtype", dtype]
    command += ["--layout", layout, "--jpeg-decoder", decoder]
    if options.scratch:
        options.scratch.mkdir(parents=True, exist_ok=True)
        command += ["--scratch", options.scratch.resolve()]
    if (dtype, decoder, layout) != ("u8", ZUNE, "hwc"):
        command.append("--no-obvious")
    print(" ".join(map(str, command)), file=sys.stderr, flush=True)
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, text=True, cwd=results.REPOSITORY)
    found = re.search(r"^seconds +(.+)$", done.stdout, re.MULTILINE)
    if done.returncode or not found:
        sys.exit(f"error: `{' '.join(map(str, command))}` failed\n{done.stdout[-2000:]}")
    return json.loads(found[1])


def main():
    parser = measure.arguments(__doc__, images=2000, repeat=7)
    options = parser.parse_args()
    options.photos = options.photos.resolve()
    rows = []
    for dtype, decoder in ELEMENTS:
        cells = []
        for layout in LAYOUTS:
            limit, _, inlaid, obvious = seconds(options, dtype, decoder, layout)
            cells.append(results.spread(measure.ratios(limit, inlaid), 3))
            if obvious:
                faster = results.spread(measure.ratios(obvious, inlaid))
        rows.append([f"{dtype}, {decoder}", *cells])
    against = [["`image` and `ArrowWriter`, on as many threads", faster]]
    columns, against_columns = ["elements, JPEG decoder", *LAYOUTS], ["program", "inlaid is faster by"]
    measure.print_table(columns, [list(map(results.text, row)) for row in rows])
    measure.print_table(against_columns, [list(map(results.text, row)) for row in against])
    results.write(options, "ceiling", "Conversion against its ceiling", columns, rows, CEILING_NOTES)
    title = "Conversion against the obvious Rust program"
    results.write(options, "obvious", title, against_columns, against, OBVIOUS_NOTES)


if __name__ == "__main__":
    main()
