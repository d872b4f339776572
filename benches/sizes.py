"""The size of a dataset of photos, by storage and format of its images: bytes of all files.

    python benches/sizes.py PHOTOS [--images 1000] [--inlaid target/release/inlaid] [--json FOLDER]

With --json, it writes `sizes.json`. Needs a release build of inlaid.
"""

import shutil

import measure
import results

OPTIONS = [
    "--size 224",
    "--size 224 --storage encoded",
    "--size 224 --storage encoded --quality 75",
    "--size 224 --storage encoded --encoding png",
    "--storage encoded",
]


def megabytes(options, folder, out, words):
    """The size of a dataset."""
    measure.timed([options.inlaid, "convert", folder, "--out", out, "--quiet", *words.split()])
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    shutil.rmtree(out)
    return results.rounded(size / 1e6, 1)


def main():
    options = measure.arguments(__doc__, images=1000, repeat=1).parse_args()
    options.inlaid = measure.program(options.inlaid)
    with measure.scratch_folder(options.scratch) as scratch:
        folder = measure.class_folders(options.photos, options.images, scratch / "photos")
        rows = [[f"`{words}`", megabytes(options, folder, scratch / "dataset", words)] for words in OPTIONS]
    columns = [f"{options.images:,} photos", "MB"]
    measure.print_table(columns, [list(map(results.text, row)) for row in rows])
    results.write(options, "sizes", "Size of a dataset", columns, rows)


if __name__ == "__main__":
    main()
