"""A file of results: the rows of a table, and where, when and how they were measured. Not a bench itself.

    python benches/results.py       # what is measured here: the commit, and the machine

`docs/scripts/result_tables.py` makes a table of each file. A cell is a number, a text, None, or a `spread`.
"""

import json
import os
import platform
import re
import shlex
import statistics
import subprocess
import sys
from datetime import date
from pathlib import Path

import measure

REPOSITORY = Path(__file__).resolve().parent.parent
# What is made of the results, so that they can be of one commit.
MADE = ["benches/results", "docs", "README.md"]
COUNTS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
# Options that say where things are, not what is measured.
PLACES = ("--inlaid", "--json", "--scratch")


def write(options, name, title, columns, rows, notes=(), left_out=(), input=None):
    """Writes `NAME.json` into the folder of `--json`, if there is one. `left_out` names the rows that it lacks, and
    `input` says what was read, unless it was photos."""
    if not options.json:
        return
    left = f"Not measured there: {'; '.join(left_out)}." if left_out else ""
    fields = {
        "title": title,
        "command": command_of(options),
        "commit": commit(),
        "date": date.today().isoformat(),
        "machine": machine(),
        "input": input if input is not None else photos(options.photos),
        "repetitions": "one run" if options.repeat == 1 else f"{options.repeat} repetitions",
        "notes": [*notes, *filter(None, [left])],
        "columns": columns,
    }
    head = json.dumps({key: value for key, value in fields.items() if value}, indent=2, ensure_ascii=False)
    lines = ",\n".join(f"    {json.dumps(row, ensure_ascii=False)}" for row in rows)
    options.json.mkdir(parents=True, exist_ok=True)
    (options.json / f"{name}.json").write_text(head.removesuffix("\n}") + f',\n  "rows": [\n{lines}\n  ]\n}}\n')


def spread(values, digits=None):
    """A cell of values: median, least and greatest, or the number if there is one alone. Without `digits`, it is a
    ratio: two decimals below 10, none above."""
    median = statistics.median(values)
    if digits is None:
        digits = 2 if median < 10 else 0
    cells = {"median": median, "low": min(values), "high": max(values)}
    cells = {which: rounded(value, digits) for which, value in cells.items()}
    return cells if len(values) > 1 else cells["median"]


def median(values, digits=0):
    """A cell of the median alone."""
    return rounded(statistics.median(values), digits)


def rounded(value, digits):
    return round(value, digits) if digits > 0 else round(value)


def text(cell):
    """A cell as it is printed."""
    if isinstance(cell, dict):
        return f"{cell['median']:,} ({cell['low']:,} to {cell['high']:,})"
    return "" if cell is None else cell if isinstance(cell, str) else f"{cell:,}"


def command_of(options):
    """The command that measures the same, from the root of the repository."""
    words, place = [], False
    for word in sys.argv[1:]:
        if not place and word.split("=")[0] not in PLACES:
            words.append("PHOTOS" if Path(word) == getattr(options, "photos", None) else word)
        place = word in PLACES
    return shlex.join(["python", f"benches/{Path(sys.argv[0]).name}", *words])


def commit():
    """The commit of the checkout, with `-dirty` if the tree has other changes than what is made of results."""
    changes = git("status", "--porcelain", "--", ".", *(f":!{path}" for path in MADE))
    return git("rev-parse", "--short=7", "HEAD") + ("-dirty" if changes else "")


def git(*words):
    return subprocess.run(["git", *words], cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout.strip()


def machine():
    """The processor, and how many of its cores this process may use."""
    cores = len(os.sched_getaffinity(0))
    count = COUNTS[cores] if cores < len(COUNTS) else f"{cores}"
    name = processor()
    article = "an" if name[0] in "AEIOU" else "a"
    return f"{count} core{'' if cores == 1 else 's'} of {article} {name}"


def processor():
    """What the kernel calls the processor, less what says nothing."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    found = re.search(r"^model name\s*: (.+)$", cpuinfo, re.MULTILINE)
    if not found:
        return f"{platform.machine()} processor"
    name = re.sub(r"\((R|TM)\)|\b(CPU|Processor|\d+-Core)\b", "", found[1], flags=re.IGNORECASE)
    name, _, speed = name.partition("@")
    return " ".join([*name.split(), *([f"at {speed.strip()}"] if speed else [])])


def photos(folder):
    """The photos of a folder, in words."""
    sizes = [path.stat().st_size for path in measure.photos_of(folder)]
    kilobytes = round(statistics.mean(sizes) / 1000)
    return (
        f"{len(sizes)} photos of {kilobytes} kB on average, linked up to the number of images; files in the page cache"
    )


if __name__ == "__main__":
    print(commit(), machine(), sep="\n")
