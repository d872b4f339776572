"""What the benches share: folders of photos, fresh processes, and the table that they print. `results.py` writes it.

Linux only (`PR_SET_CHILD_SUBREAPER`). Not a bench itself.
"""

import argparse
import ctypes
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median

MIB = 2**20
SIZE = 224
ELEMENTS = SIZE * SIZE * 3
CLASSES = 10
PHOTO_SUFFIXES = {".jpg", ".jpeg", ".png"}
INLAID = os.environ.get("INLAID_BIN", "target/release/inlaid")


def arguments(bench, images, repeat):
    """A parser with what every bench of photos takes; `bench` is the docstring of its file."""
    parser = plain_arguments(bench, repeat)
    parser.add_argument("photos", type=Path, help="folder of photos, searched to any depth")
    if images:
        parser.add_argument("--images", type=positive, default=images, help="default: %(default)s")
    parser.add_argument("--inlaid", type=Path, default=Path(INLAID), help="default: %(default)s")
    return parser


def plain_arguments(bench, repeat):
    """A parser with what every bench takes."""
    parser = argparse.ArgumentParser(description=bench, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=positive, default=repeat, help="repetitions; default: %(default)s")
    parser.add_argument("--scratch", type=Path, help="folder for images and outputs; default: the system's")
    parser.add_argument("--json", type=Path, metavar="FOLDER", help="folder for files of results")
    return parser


def positive(text):
    """An argument that counts something."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def program(path):
    """The absolute path of a program, or the end of the bench before anything long has begun."""
    if not os.access(path, os.X_OK):
        sys.exit(f"error: `{path}` is no program")
    return path.resolve()


def lacking(*modules):
    """Why rows that need modules can't be measured here, or None."""
    missing = [module for module in modules if not importlib.util.find_spec(module)]
    return f"no {', '.join(missing)}" if missing else None


def leave_out(name, reason):
    """Names a row that can't be measured here."""
    print(f"left out: {name} ({reason})", flush=True)


@contextmanager
def scratch_folder(parent):
    """A folder that is gone afterwards."""
    if parent:
        parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="inlaid-bench-", dir=parent) as folder:
        yield Path(folder).resolve()


def photos_of(folder):
    """The paths of all photos in a folder, in order."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in PHOTO_SUFFIXES and path.is_file())


def class_folders(photos, images, folder):
    """Makes `images` photos in `CLASSES` class folders: each photo copied once, then hard links to the copy.

    The copies leave the photos in the page cache.
    """
    found = photos_of(photos)
    if not found:
        sys.exit(f"error: `{photos}` holds no photos")
    for number in range(CLASSES):
        (folder / f"class-{number}").mkdir(parents=True)
    copies = []
    for number in range(images):
        photo = found[number % len(found)]
        target = folder / f"class-{number % CLASSES}" / f"{number:07}{photo.suffix}"
        if number < len(found):
            shutil.copyfile(photo, target)
            copies.append(target)
        else:
            os.link(copies[number % len(found)], target)
    return folder


def labelled_files(folder):
    """(path, label) of each file in class folders, in order."""
    classes = sorted(path for path in folder.iterdir() if path.is_dir())
    return [(str(path), label) for label, one in enumerate(classes) for path in sorted(one.iterdir())]


def images_of(column):
    """An Arrow array of tensors or fixed-size binaries as NumPy array [N, H, W, C], without a copy."""
    import numpy as np
    import pyarrow as pa

    if isinstance(column, pa.FixedShapeTensorArray):
        return column.to_numpy_ndarray()
    pixels = np.frombuffer(column.buffers()[1], np.uint8, len(column) * ELEMENTS, column.offset * ELEMENTS)
    return pixels.reshape(-1, SIZE, SIZE, 3)


def fresh_process(script, *arguments):
    """Calls `script --worker ARGUMENTS` in a new interpreter and returns the object that it prints last."""
    command = [sys.executable, script, "--worker", *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"error: `{' '.join(command)}` failed\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def timed(command):
    """Seconds that a program takes; ends the bench if it fails."""
    start = time.perf_counter()
    done = subprocess.run(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    seconds = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"error: `{' '.join(map(str, command))}` failed\n{done.stderr[-2000:]}")
    return seconds


def timed_with_peak(command):
    """(seconds, peak resident bytes) of a program; ends the bench if it fails.

    The kernel counts the memory of whoever started a program as the program's own peak: 11 MiB of this interpreter.
    So a shell of 1 MiB starts it, and ends first, which leaves the program to this process to wait for.
    """
    if ctypes.CDLL(None).prctl(36, 1, 0, 0, 0):  # PR_SET_CHILD_SUBREAPER
        sys.exit("error: can't become the parent of orphans")
    script = 'exec 3<&0; { read -r go <&3 && exec "$@" 3<&-; } >/dev/null & echo $!'
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with tempfile.TemporaryFile("w+") as messages:
        shell = subprocess.Popen(["sh", "-c", script, "sh", *map(str, command)], **pipes, stderr=messages, text=True)
        pid = int(shell.stdout.readline())
        shell.wait()
        start = time.perf_counter()
        shell.communicate("go\n")
        _, status, usage = os.wait4(pid, 0)
        seconds = time.perf_counter() - start
        if status:
            messages.seek(0)
            sys.exit(f"error: `{' '.join(map(str, command))}` failed\n{messages.read()[-2000:]}")
    return seconds, usage.ru_maxrss * 1024


def repeated(repeat, rows, measure):
    """{row: [result of each repetition]}, the rows taking turns, and going backwards every second time."""
    results = {row: [] for row in rows}
    for repetition in range(repeat):
        for row in rows if repetition % 2 == 0 else reversed(rows):
            print(f"repetition {repetition + 1} of {repeat}: {row}", file=sys.stderr, flush=True)
            results[row].append(measure(row))
    return results


def ratios(ours, theirs):
    """The ratio of each repetition; 1.0 means equal."""
    return [mine / other for mine, other in zip(ours, theirs, strict=True)]


def spread(values, form=".2f"):
    """`median (least-greatest)`."""
    return f"{median(values):{form}} ({min(values):{form}}-{max(values):{form}})"


def print_table(header, rows):
    """A Markdown table, its columns aligned: the first to the left, the others to the right."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    for line in (header, rule, *rows):
        cells = [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:]))]
        print(f"| {' | '.join(cells)} |")
