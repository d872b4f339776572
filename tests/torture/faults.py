"""Ways to disturb a run. Each is a function of a `Round` that runs the round's command on its folder once and returns
how it ended. The name is what the table of the campaign says.

System calls are counted among those of the main thread, which is the one that writes; strace counts for each thread
too. Only calls that name something in the round's folder are hit.
"""

import os
import random
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import power
from readers import rows_of_tree
from states import TIMEOUT, Ended, Wrong, draw_images, run
from tree import blocks, write_tree

STRACE = ["strace", "-f", "-qq", "--seccomp-bpf"]
# A failing disk fails these. Not `statx`: the same thread looks at the images, of which one that fails is a reject.
DISK_CALLS = {
    *("openat", "open", "creat", "read", "pread64", "readv", "write", "pwrite64", "writev", "fsync", "fdatasync"),
    *("rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir", "mkdir", "mkdirat", "link", "linkat"),
    *("ftruncate", "copy_file_range", "sendfile", "ioctl", "fallocate", "getdents64"),
    *("fchmod", "chmod", "fchmodat", "symlinkat"),
}
# A full one fails these.
SPACE_CALLS = {
    *("openat", "open", "creat", "write", "pwrite64", "writev", "fsync", "fdatasync", "mkdir", "mkdirat"),
    *("rename", "renameat", "renameat2", "link", "linkat", "copy_file_range", "sendfile", "ioctl", "fallocate"),
}
# Of these, what fails before a commit: what was staged is removed.
WRITE_CALLS = {"write", "pwrite64", "writev", "fdatasync"}
# What ends a run, and the exit code that says so, as a shell has it.
SIGNALS = {signal.SIGTERM: (143,), signal.SIGINT: (130,), signal.SIGHUP: (129,)}
# An exit code that no program has.
LOST_POWER = 1000
CALL = re.compile(r"^(\d+) +(\w+)\(")


def start(round_, prefix=(), failpoint=None):
    environment = {"PATH": "/usr/bin:/bin", **({"INLAID_FAILPOINT": failpoint} if failpoint else {})}
    command = [*map(str, prefix), *round_.case.command(round_.out), *round_.threads]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env=environment, **pipes)


def wait(process):
    try:
        _, stderr = process.communicate(timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise Wrong(f"hangs: it had not ended after {TIMEOUT} seconds") from None
    return Ended(process.returncode, stderr.decode())


def calls(case):
    """(name, number among those of that name) of the main thread's calls in the folder of the case, in order."""
    if not hasattr(case, "_calls"):
        out, trace = case.folder / "out", case.folder / "calls"
        write_tree(case.before, out)
        run(case.state.binary, case.words, out, prefix=[*STRACE, "-y", "-o", trace, "-e", "trace=%file,%desc"])
        numbers, found, main = {}, [], None
        for line in trace.read_text(errors="replace").splitlines():
            if not (match := CALL.match(line)):
                continue
            main = main or match[1]
            if match[1] == main:
                name = match[2]
                numbers[name] = numbers.get(name, 0) + 1
                if str(case.folder) in line and name in DISK_CALLS:
                    found.append((name, numbers[name]))
        case._calls = found
    return case._calls


def inject(round_, choice, what, every=False):
    name, number = choice
    round_.note = f"{what} at {name} {number}{' and later' if every else ''}"
    rule = f"{name}:{what}:when={number}{'+' if every else ''}"
    prefix = [*STRACE, "-o", os.devnull, "-e", f"trace={name}", "-e", f"inject={rule}"]
    return wait(start(round_, prefix))


def changes(case):
    """The calls that change something."""
    return [call for call in calls(case) if call[0] not in ("openat", "read", "getdents64")]


def drawn_call(round_, among):
    """Any call in the folder; mostly one that changes something."""
    found = changes(round_.case) if round_.draw.random() < 0.7 else calls(round_.case)
    return round_.draw.choice([call for call in found if call[0] in among])


def kill_time(round_):
    process = start(round_)
    delay = round_.case.seconds * round_.draw.uniform(0, 1.2)
    round_.note = f"killed after {delay * 1000:.1f} ms"
    time.sleep(delay)
    process.kill()
    return wait(process)


def kill_call(round_):
    return inject(round_, drawn_call(round_, DISK_CALLS), "signal=KILL")


def at_step(round_, kind):
    # A step is a call that changes something, save for some at the end that only clean up.
    most = len(changes(round_.case)) if shutil.which("strace") else 100
    step = round_.draw.randint(1, most)
    round_.note = f"INLAID_FAILPOINT={kind}:{step}"
    return wait(start(round_, failpoint=f"{kind}:{step}"))


def kill_step(round_):
    return at_step(round_, "kill")


def eio_step(round_):
    return at_step(round_, "eio")


def enospc_step(round_):
    return at_step(round_, "enospc")


def short_writes(round_):
    return at_step(round_, "short")


def eio_call(round_):
    return inject(round_, drawn_call(round_, DISK_CALLS), "error=EIO", round_.draw.random() < 0.5)


def enospc_call(round_):
    choice = drawn_call(round_, SPACE_CALLS)
    round_.cleans_up = choice[0] in WRITE_CALLS
    return inject(round_, choice, "error=ENOSPC", round_.draw.random() < 0.5)


def full_disk(round_):
    """A tmpfs of its own, with room for what is there and some of what is to come. Its last write is a short one."""
    mount = round_.folder
    spare = round_.draw.randint(1, blocks(round_.case.after) + 8)
    used = os.statvfs(mount)
    pages = used.f_blocks - used.f_bfree + spare
    round_.note, round_.cleans_up = f"{spare} pages left", True
    remount(mount, pages)
    try:
        return wait(start(round_))
    finally:
        remount(mount, 1 << 16)


def remount(mount, pages):
    subprocess.run(["mount", "-o", f"remount,size={pages * 4096}", mount], check=True)


def file_limit(round_):
    largest = max((len(data) for data in round_.case.after.values() if data is not None), default=1000)
    limit = round_.draw.randint(1, largest + 500)
    round_.note = f"prlimit --fsize={limit}"
    return wait(start(round_, ["prlimit", f"--fsize={limit}:{limit}"]))


def stop(round_):
    number = round_.draw.choice(list(SIGNALS))
    process = start(round_)
    delay = round_.case.seconds * round_.draw.uniform(0, 1.2)
    round_.note, round_.signal = f"{number.name} after {delay * 1000:.1f} ms", number
    time.sleep(delay)
    process.send_signal(number)
    ended = wait(process)
    # Before the program has a handler, the signal ends it as any other.
    round_.cleans_up = ended.code != -number
    return ended


def eight_writers(round_):
    """The same command eight times at once; whoever is refused says so and has changed nothing."""
    processes = [start(round_) for _ in range(8)]
    ended = [wait(process) for process in processes]
    round_.note = f"exit codes {[one.code for one in ended]}"
    case = round_.case
    for one in ended:
        # The second rollback has nothing to undo, and the second repacking finds its folder taken.
        refused = one.code == 1 and ("is being written by" in one.stderr or case.ends[1][0] == 1)
        if not (one.finished or refused):
            raise Wrong(f"one of eight writers ended with {one.code}: {one.stderr}")
    if not any(one.finished for one in ended):
        raise Wrong(f"none of eight writers finished: {ended[0].stderr}")
    return Ended(1, "error: one of eight")


def watched(round_):
    """A run that is slowed down at every step on the disk, and read all the time; half of them are killed."""
    calls_ = "fsync,fdatasync,rename,renameat,renameat2,unlink"
    delay = round_.draw.choice([100, 300, 1000])
    round_.note = f"slowed down by {delay} us a step"
    prefix = [*STRACE, "-o", os.devnull, "-e", f"trace={calls_}", "-e", f"inject={calls_}:delay_enter={delay}"]
    process = start(round_, prefix)
    kill_at = time.perf_counter() + round_.draw.choice([TIMEOUT, round_.draw.uniform(0, 0.15)])
    while process.poll() is None:
        round_.look(running=True)
        time.sleep(0.001)
        if time.perf_counter() > kill_at:
            # Not strace itself: its child would go on without it.
            for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
                os.kill(int(child), signal.SIGKILL)
            break
    return wait(process)


def power_loss(model):
    def lose(round_):
        case = round_.case
        record = power.recorded(case, run, STRACE)
        steps = len(record.steps)
        # Half of them at the end, where what has returned must be there, or in a commit: after a rename.
        renames = [number + 1 for number, step in enumerate(record.steps) if step[0] == "set" and len(step[1]) == 2]
        count = round_.draw.choice([round_.draw.randint(0, steps), round_.draw.choice([steps, *renames])])
        round_.note = f"after step {count} of {steps}"
        tree = record.after_power_loss(count, model, round_.draw)
        tree.pop("out/.inlaid/lock", None)
        write_tree(tree, round_.folder)
        round_.expect(*committed(case, record, count))
        return Ended(LOST_POWER, "")

    return lose


def committed(case, record, count):
    """Rows that must be there, which are those of the manifest when a journal was removed; and whether the run had
    returned."""
    steps = record.steps
    if count == len(steps):
        return case.rows_after, True
    journals = [
        number + 1
        for number, step in enumerate(steps[:count])
        if step[0] == "set" and len(step[1]) == 1 and step[1][0][1:] == ("journal.json", None)
    ]
    if not journals:
        return case.rows_before, False
    tree = record.at(journals[-1])
    return dict(rows_of_tree({name.removeprefix("out/"): data for name, data in tree.items()})), False


FAULTS = {
    "kill at a time": kill_time,
    "kill at a call": kill_call,
    "kill at a step": kill_step,
    "EIO at a call": eio_call,
    "EIO at a step": eio_step,
    "ENOSPC at a call": enospc_call,
    "ENOSPC at a step": enospc_step,
    "short writes": short_writes,
    "full disk": full_disk,
    "file size limit": file_limit,
    "SIGTERM, INT, HUP": stop,
    "8 writers": eight_writers,
    "readers meanwhile": watched,
    **{f"power loss, {model}": power_loss(model) for model in power.MODELS},
}
# How often each is drawn; 2 unless it says so here.
OFTEN = {"kill at a call": 6, "kill at a time": 4, "kill at a step": 4, "8 writers": 1, "readers meanwhile": 1}
KILLS = ["kill at a time", "kill at a call", "kill at a step"]
NEED_FAILPOINTS = {"kill at a step", "EIO at a step", "ENOSPC at a step", "short writes"}
POWER_LOSSES = {fault for fault in FAULTS if fault.startswith("power loss")}
NEED_STRACE = {*POWER_LOSSES, "kill at a call", "EIO at a call", "ENOSPC at a call", "readers meanwhile"}


def left_out(binary, scratch, mount):
    """What this machine can't do, and why."""
    found = {}
    if not shutil.which("strace"):
        found |= dict.fromkeys(NEED_STRACE, "no strace")
    elif subprocess.run([*STRACE, "-o", os.devnull, "true"], capture_output=True).returncode:
        found |= dict.fromkeys(NEED_STRACE, "strace may not trace here")
    probe = Path(scratch, "probe")
    draw_images(random.Random(0), probe, "image", 1)
    command = ["convert", probe, "--out", Path(scratch, "out"), "--size", 1, "--split", "train=1"]
    if not run(binary, command, None, failpoint="kill:1").killed:
        found |= dict.fromkeys(NEED_FAILPOINTS, "the binary was built without `--features failpoints`")
    if not shutil.which("prlimit"):
        found["file size limit"] = "no prlimit"
    if not mount:
        found["full disk"] = "no file system can be mounted here"
    return found
