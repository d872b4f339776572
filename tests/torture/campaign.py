"""A campaign of crashes: every round takes a dataset drawn at random and an operation on it, disturbs the run, reads
what is there with other tools, repeats the command, and compares all bytes with those of an undisturbed run.

    tests/torture/run --rounds 10000 --seed 1

A round depends on nothing but the seed, its number and the choice of operations and faults: `--only NUMBER` repeats
one. Where the fault comes at a moment in time (`kill at a time`, the signals) it hits another step each time. What is
lost or wrong is printed as it is found, with its folder: `out` as it is now, `left` as the fault left it, `undisturbed`
as it should be. These folders are kept, and everything else is removed. Exits with 1 if there was any.
"""

import argparse
import collections
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
INSIDE = "INLAID_TORTURE_NAMESPACE"
# Datasets of a campaign: preparing one takes as long as a few rounds.
STATES = 24
# Rounds whose repetition is killed too.
TWICE = 0.3


def main():
    arguments = parse()
    if not os.access(arguments.binary, os.X_OK):
        sys.exit(f"there is no binary `{arguments.binary}`: INLAID_BIN names it, or --binary")
    if not os.environ.get(INSIDE):
        enter_namespace()
    if arguments.worker is not None:
        for message in work(arguments, Path(arguments.folder), arguments.worker, arguments.jobs):
            print(json.dumps(message), flush=True)
        return
    folder = Path(tempfile.mkdtemp(prefix="inlaid-torture-", dir=arguments.scratch))
    report = Report(arguments)
    try:
        for message in rounds(arguments, folder):
            report.add(message)
        report.print()
    finally:
        remove_all_but_wrong(folder)
    sys.exit(1 if report.wrong or report.broken else 0)


def remove_all_but_wrong(folder):
    for worker in folder.iterdir():
        for entry in worker.iterdir():
            if not entry.name.startswith("wrong-"):
                shutil.rmtree(entry, ignore_errors=True)
        if not any(worker.iterdir()):
            worker.rmdir()
    if not any(folder.iterdir()):
        folder.rmdir()


def parse():
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else tempfile.gettempdir()
    parser = argparse.ArgumentParser(prog="tests/torture/run", description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=1000, help="how many [1000]")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no round after so long")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="this round alone")
    parser.add_argument("--operation", help="these alone, separated by commas")
    parser.add_argument("--fault", help="these alone, separated by semicolons")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="processes [one per core]")
    parser.add_argument("--scratch", default=memory, help=f"where the folders are [{memory}]")
    parser.add_argument("--binary", default=os.environ.get("INLAID_BIN", REPOSITORY / "target/release/inlaid"))
    # Of the processes that this one starts.
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    return parser.parse_args()


def enter_namespace():
    """Starts this program again where it may mount file systems, if there is such a place."""
    for options in (["-Urm"], ["-m"]):
        command = ["unshare", *options]
        try:
            probe = [*command, "mount", "-t", "tmpfs", "none", "/mnt"]
            allowed = subprocess.run(probe, capture_output=True).returncode == 0
        except FileNotFoundError:
            allowed = False
        if allowed:
            os.environ[INSIDE] = "mounts"
            os.execvp("unshare", [*command, sys.executable, *sys.argv])
    os.environ[INSIDE] = "nothing"


def rounds(arguments, folder):
    """The messages of all workers, as they come."""
    if arguments.only is not None or arguments.jobs == 1:
        yield from work(arguments, folder, 0, 1)
        return
    command = [sys.executable, str(HERE / "campaign.py"), *sys.argv[1:], "--folder", str(folder)]
    workers = [
        subprocess.Popen([*command, "--worker", str(number)], stdout=subprocess.PIPE, text=True)
        for number in range(arguments.jobs)
    ]
    messages = queue.Queue()
    for worker in workers:
        threading.Thread(target=pass_on, args=(worker, messages), daemon=True).start()
    running = len(workers)
    try:
        while running:
            if (message := messages.get()) is None:
                running -= 1
            else:
                yield message
    finally:
        for worker in workers:
            worker.terminate()


def pass_on(worker, messages):
    for line in worker.stdout:
        messages.put(json.loads(line))
    if code := worker.wait():
        messages.put({"broken": f"a worker ended with {code}"})
    messages.put(None)


def work(arguments, folder, worker, workers):
    """The rounds of one of so many workers."""
    from rounds import Worker

    mount = os.environ.get(INSIDE) == "mounts"
    own = Worker(arguments, folder / f"worker-{worker}", STATES, TWICE, mount)
    try:
        yield {"left_out": own.left_out}
        begin = time.monotonic()
        numbers = [arguments.only] if arguments.only is not None else range(worker, arguments.rounds, workers)
        for number in numbers:
            if time.monotonic() - begin > arguments.seconds:
                break
            yield own.round(number)
    finally:
        own.close()


class Report:
    """What was tried and what was found."""

    def __init__(self, arguments):
        self.arguments, self.begin = arguments, time.monotonic()
        self.tried = collections.Counter()
        self.counts = collections.Counter()
        self.seen = collections.Counter()
        self.left_out, self.wrong, self.broken = {}, [], []

    def add(self, message):
        if "broken" in message:
            self.broken.append(message["broken"])
            print(message["broken"], file=sys.stderr)
            return
        if "left_out" in message:
            self.left_out |= message["left_out"]
            return
        self.tried[message["operation"], message["fault"]] += 1
        self.counts.update(message["counts"])
        self.seen.update({tuple(json.loads(key)): count for key, count in message["seen"].items()})
        if "wrong" in message:
            self.wrong.append(message)
            print(self.line(message), flush=True)

    def line(self, message):
        again = f"--seed {self.arguments.seed} --only {message['number']}"
        for option in ("operation", "fault"):
            if words := getattr(self.arguments, option):
                again += f' --{option} "{words}"'
        return (
            f"round {message['number']}: {message['operation']}, {message['fault']} ({message['note']}), "
            f"{message['state']}: {message['wrong']}\n  in {message['folder']}\n  again: tests/torture/run {again}"
        )

    def print(self):
        seconds = time.monotonic() - self.begin
        rounds = sum(self.tried.values())
        operations = list(dict.fromkeys(operation for operation, _ in sorted(self.tried)))
        faults = list(dict.fromkeys(fault for _, fault in sorted(self.tried)))
        print_table(
            ["", *operations, "all"],
            [
                [
                    fault,
                    *(self.tried[operation, fault] for operation in operations),
                    sum(self.tried[operation, fault] for operation in operations),
                ]
                for fault in faults
            ],
        )
        print()
        for name, count in sorted(self.counts.items()):
            print(f"{count:8}  {name}")
        print("\nin a commit, read by those who don't know of it: runs that replace rows, and `datasets`:")
        for (operation, how, what), count in sorted(self.seen.items()):
            print(f"{count:8}  {operation}, {how}: {what}")
        for name, why in sorted(self.left_out.items()):
            print(f"left out: {name} ({why})")
        print(f"{rounds} rounds in {seconds:.0f} s, {rounds / seconds:.1f} a second; seed {self.arguments.seed}")
        print(f"{len(self.wrong)} of {rounds} lost or wrong")
        kinds = collections.Counter(f"{one['operation']}, {one['fault']}: {one['wrong'][:100]}" for one in self.wrong)
        for kind, count in kinds.most_common():
            print(f"{count:8}  {kind}")


def print_table(header, rows):
    widths = [max(len(str(row[column])) for row in [header, *rows]) for column in range(len(header))]
    for row in [header, *rows]:
        print(
            "  ".join(
                str(cell).ljust(width) if column == 0 else str(cell).rjust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
        )


if __name__ == "__main__":
    main()
