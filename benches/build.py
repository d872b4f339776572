"""The time of a clean build and a first conversion: the command of the README, with an empty folder of builds.

    python benches/build.py [--repeat 2] [--json FOLDER] [-- COMMAND ...]

With --json, it writes `build.json`. Needs Rust; crates that are not there yet are fetched before.
"""

import os
import resource
import shlex
import subprocess

import measure
import results

COMMAND = "cargo run --release -- convert tests/sample/images --out dataset --size 64"


def processor_seconds():
    """Of all programs that ended so far."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def minutes(command, scratch):
    """(wall clock, processor time) of the command."""
    before = processor_seconds()
    with measure.scratch_folder(scratch) as folder:
        os.environ["CARGO_TARGET_DIR"] = str(folder / "target")
        words = [str(folder / word) if word == "dataset" else word for word in command]
        seconds = measure.timed(words)
    return seconds / 60, (processor_seconds() - before) / 60


def range_of(values):
    """A cell: the least and the greatest, which `median` would only repeat."""
    return {"low": results.rounded(min(values), 1), "high": results.rounded(max(values), 1)}


def main():
    parser = measure.plain_arguments(__doc__, repeat=2)
    parser.add_argument("command", nargs="*", help="another command")
    options = parser.parse_args()
    command = options.command or shlex.split(COMMAND)
    os.chdir(results.REPOSITORY)
    subprocess.run(["cargo", "fetch", "--locked", "--quiet"], check=True)
    runs = measure.repeated(options.repeat, ["build"], lambda _: minutes(command, options.scratch))["build"]
    rows = [[name, range_of(times)] for name, times in zip(("wall clock", "processor time"), zip(*runs), strict=True)]
    columns = ["", "minutes"]
    measure.print_table(columns, [[name, f"{each['low']} to {each['high']}"] for name, each in rows])
    notes = [f"`{shlex.join(command)}`, with nothing built before, and crates fetched."]
    results.write(options, "build", "A clean build", columns, rows, notes, input="")


if __name__ == "__main__":
    main()
