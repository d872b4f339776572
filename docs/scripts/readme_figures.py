"""The figures of README.md, and of the texts of pages, that are measured: each is found by the words around it, and is
made from `benches/results/`."""

import json
import math
import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
TIMES = {4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight", 9: "nine", 10: "ten"}
PARTS = {4: "quarter", 5: "fifth", 6: "sixth", 7: "seventh", 8: "eighth", 9: "ninth", 10: "tenth"}


def cell(name, row, column):
    """A number of a file of results, the median if it is a spread."""
    results = json.loads((REPOSITORY / f"benches/results/{name}.json").read_text())
    values = next(values for values in results["rows"] if values[0] == row)
    value = values[results["columns"].index(column)]
    return value["median"] if isinstance(value, dict) and "median" in value else value


def in_thousands():
    return f"{round(cell('reading', 'inlaid, `to_torch`', 'images/s shuffled'), -3):,}"


def rate_of(storage):
    return f"{cell('storage', storage, 'images/s'):,}"


def minutes():
    time = cell("build", "wall clock", "minutes")
    least = math.floor(time["low"])
    return f"{least} to {max(math.ceil(time['high']), least + 1)}"


def tensors_over_jpegs():
    tensors, files = (cell("sizes", f"`--size 224{words}`", "MB") for words in ("", " --storage encoded"))
    return round(tensors / files)


def of_the_ceiling():
    return f"{cell('ceiling', 'u8, zune-jpeg', 'hwc'):.0%}".replace("%", " %")


# The page, the words around the figure, which is the group, and what it is.
FIGURES = [
    ("README.md", r"about ([\d,]+) images/s into PyTorch", in_thousands),
    ("README.md", r"builds inlaid \((\d+ to \d+) minutes on two cores\)", minutes),
    (
        "README.md",
        r"`--storage tensor` \(the default\) \|[^|]*\| ([\d,]+) \|",
        lambda: rate_of("pyarrow, `--storage tensor`"),
    ),
    ("README.md", r"`--storage binary` \|[^|]*\| ([\d,]+) \|", lambda: rate_of("pyarrow, `--storage binary`")),
    (
        "README.md",
        r"`--format arrow` \|[^|]*\| ([\d,]+) \|",
        lambda: rate_of("pyarrow memory map, `--format arrow`, copied"),
    ),
    ("README.md", r"as JPEG in an? (\w+) of the\sspace", lambda: PARTS[tensors_over_jpegs()]),
    ("docs/storage.md", r"take (\w+) times the room of JPEGs", lambda: TIMES[tensors_over_jpegs()]),
    ("docs/storage.md", r"between the two: an? (\w+) of the room", lambda: PARTS[tensors_over_jpegs()]),
    ("docs/benchmarks.md", r"runs at (\d+ %) of its ceiling", of_the_ceiling),
]
PAGES = sorted({REPOSITORY / page for page, _, _ in FIGURES})


def filled(page):
    """The text of a page with its figures as the results are now."""
    text = page.read_text()
    for name, words, figure in FIGURES:
        if REPOSITORY / name == page:
            found = re.search(words, text)
            assert found, f"{name} has no `{words}`"
            text = text[: found.start(1)] + figure() + text[found.end(1) :]
    return text


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(filled(page))
