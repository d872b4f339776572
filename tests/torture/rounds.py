"""A round: a case, a fault, and what must hold after it."""

import collections
import json
import os
import random
import re
import shutil
import subprocess

import readers
from faults import FAULTS, KILLS, LOST_POWER, OFTEN, SIGNALS, left_out
from readers import TOOLS
from states import OPERATIONS, ImageHit, State, TracerFailed, Wrong, run
from tree import JOURNAL, MANIFEST, differences, read_tree, write_tree

READS = re.compile(r"error=\w+ at (openat|open|read|pread64|readv)\b")


class Worker:
    """Rounds of a process, with the states that it has prepared."""

    def __init__(self, arguments, folder, states, twice, mount):
        self.arguments, self.folder, self.number_of_states, self.twice = arguments, folder, states, twice
        self.binary = os.path.abspath(arguments.binary)
        folder.mkdir()
        self.mount = folder / "small" if mount else None
        if mount:
            self.mount.mkdir()
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={4096 << 16}", "none", self.mount], check=True)
        self.left_out = left_out(self.binary, folder, mount)
        self.faults = [fault for fault in chosen(arguments.fault, ";", FAULTS) if fault not in self.left_out]
        self.operations = chosen(arguments.operation, ",", OPERATIONS)
        self.left_out |= dict.fromkeys(readers.LEFT_OUT, "not installed")
        self.states = {}

    def close(self):
        if self.mount:
            subprocess.run(["umount", self.mount], check=False)

    def state(self, number):
        if number not in self.states:
            folder = self.folder / f"state-{number}"
            folder.mkdir()
            self.states[number] = State(self.binary, self.arguments.seed, number, folder)
        return self.states[number]

    def round(self, number):
        """What happened, to be counted."""
        draw = random.Random(f"{self.arguments.seed}/round/{number}")
        case = self.state(draw.randrange(self.number_of_states)).case(draw.choice(self.operations), draw.randrange(4))
        # Of eight that overwrite, each may replace the one before: how many have, the manifest counts.
        faults = [fault for fault in self.faults if (fault, case.operation) != ("8 writers", "overwrite")] or KILLS[:1]
        [fault] = draw.choices(faults, [OFTEN.get(fault, 2) for fault in faults])
        folder = self.mount if fault == "full disk" else self.folder / f"round-{number}"
        folder.mkdir(exist_ok=True)
        round_ = Round(self, case, fault, folder, draw)
        message = {"number": number, "operation": case.operation, "fault": fault, "state": f"state {case.state.number}"}
        try:
            round_.go()
        except ImageHit:
            round_.counts["faults that hit an image"] += 1
        except TracerFailed:
            round_.counts["runs that strace has lost"] += 1
        except Wrong as wrong:
            kept = self.folder / f"wrong-{number}"
            shutil.copytree(folder, kept)
            write_tree(round_.left, kept / "left")
            write_tree(case.after, kept / "undisturbed")
            message |= {"wrong": str(wrong), "folder": str(kept)}
        except Exception as error:
            raise RuntimeError(f"round {number} can't be run") from error
        if folder == self.mount:
            for entry in folder.iterdir():
                shutil.rmtree(entry)
        else:
            shutil.rmtree(folder)
        seen = {json.dumps(key): count for key, count in round_.seen.items()}
        return message | {"note": round_.note, "counts": dict(round_.counts), "seen": seen}


def how_ended(ended):
    if ended.code == LOST_POWER:
        return "power losses"
    return "runs killed" if ended.killed else "runs finished" if ended.finished else "runs stopped"


def without_staging(tree):
    return {name: data for name, data in tree.items() if not name.startswith(".inlaid/staging-")}


def chosen(words, separator, all_):
    names = words.split(separator) if words else list(all_)
    for name in names:
        if name not in all_:
            raise SystemExit(f"`{name}` is none of {', '.join(all_)}")
    return names


class Round:
    """A case that is disturbed in a folder of its own."""

    def __init__(self, worker, case, fault, folder, draw):
        self.worker, self.case, self.fault, self.folder, self.draw = worker, case, fault, folder, draw
        self.out = folder / "out"
        self.counts = collections.Counter()
        self.seen = collections.Counter()
        self.note, self.signal, self.cleans_up = "", None, False
        # What the fault left, and how many rows each reader has seen.
        self.left, self.floors = {}, collections.Counter()
        self.threads = (
            [] if case.operation in ("compact", "rollback", "repack") else ["-j", str(draw.choice([1, 1, 2, 4]))]
        )
        tools = [
            name for name, (_, formats, often) in TOOLS.items() for _ in range(often) if case.state.format in formats
        ]
        self.tool = draw.choice(tools)

        # Rows that must be there, and whether the run has returned.
        self.committed, self.returned = case.rows_before, False

    def expect(self, rows, returned):
        self.committed, self.returned = rows, returned

    def go(self):
        write_tree(self.case.before, self.out)
        ended = FAULTS[self.fault](self)
        self.judge(ended)
        kills = [kill for kill in KILLS if kill not in self.worker.left_out]
        if not ended.finished and kills and self.draw.random() < self.worker.twice:
            first, second = self.note, self.draw.choice(kills)
            ended = FAULTS[second](self)
            self.note = f"{first}, then {self.note}"
            self.fault, self.cleans_up, self.signal = second, False, None
            self.judge(ended)
            self.counts["repetitions hit too"] += 1
        self.complete()

    def judge(self, ended):
        """How the run ended, and what it has left."""
        self.left = read_tree(self.out)
        in_commit = JOURNAL in self.left
        self.counts[how_ended(ended)] += 1
        self.counts["left in a commit"] += in_commit
        if "panicked" in ended.stderr or ended.code in (101, -6, -11, -7):
            raise Wrong(f"exit code {ended.code}: {ended.stderr}")
        if ended.finished:
            # Where a file can't be removed, the next run removes it.
            left = without_staging(self.left) if "error=" in self.note else self.left
            if left not in (tree for _, tree in self.case.ends):
                self.refuse_image_hit(left)
                raise Wrong(f"exit code {ended.code}, but other bytes: {differences(left, self.case.after)}")
        elif not ended.killed and ended.code != LOST_POWER:
            codes = {
                1,
                *((*SIGNALS[self.signal], -self.signal) if self.signal else ()),
                *((-25,) if self.fault == "file size limit" else ()),
            }
            # It ends so at times when what it traces is killed.
            if "strace: Unexpected wait status" in ended.stderr:
                raise TracerFailed
            if ended.code not in codes:
                raise Wrong(f"exit code {ended.code}: {ended.stderr}")
            # Where every write fails, that of the message does too.
            if ended.code == 1 and "error: " not in ended.stderr and "write" not in self.note:
                raise Wrong(f"exit code 1 without an error: {ended.stderr}")
            if self.cleans_up and not in_commit:
                self.is_clean()
        self.look()

    def refuse_image_hit(self, tree):
        """Calls are counted for each thread: one that reads images may have been hit instead of the one that writes."""
        rejects = [there.get("rejects.jsonl", b"") for there in (tree, self.case.after)]
        if READS.search(self.note) and b"nput/output error" in rejects[0] and rejects[0] != rejects[1]:
            self.verify((0,))
            raise ImageHit

    def is_clean(self):
        known = {*self.case.before, *self.case.after, "", ".inlaid"}
        left = sorted(name for name in self.left if name.startswith(".inlaid") and name not in known)
        beside = [name for name in os.listdir(self.folder) if name != "out"]
        if left or beside:
            raise Wrong(f"left behind: {left + beside}")

    def look(self, running=False):
        """All rows are there for whoever reads now."""
        case = self.case
        if case.operation == "repack":
            wholes = [case.after, *([] if self.returned else [{}])]
            if not running and self.left not in wholes:
                raise Wrong(f"there is half a folder: {sorted(self.left)}")
            return
        in_commit = running or JOURNAL in self.left
        self.read("by the list", "pyarrow", lambda: readers.read_list(self.out), in_commit)
        read, _, _ = TOOLS[self.tool]
        self.read("by the folder", self.tool, lambda: read(self.out), in_commit)
        if readers.HAS_INLAID and case.state.storage != "encoded":
            self.read("by the list", "inlaid", lambda: readers.with_inlaid(self.out), in_commit)
        if not in_commit and MANIFEST in self.left and self.draw.random() < 0.3:
            self.verify((0, 4))

    def read(self, how, tool, read, in_commit):
        """Reads, and judges the rows. Within a commit that replaces rows, who does not know of it may see anything; so
        may `datasets` within any, since it goes by a card that is renamed apart from the shards."""
        case = self.case
        may_differ = in_commit and (tool == "datasets" or (not case.adds and tool != "inlaid"))
        try:
            rows = read()
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            # The package says so, rather than to return rows that may be wrong.
            says_so = not case.adds and in_commit and "is in the middle of a commit" in what
            if not (may_differ or says_so):
                raise Wrong(f"{tool}, {how}: {what}") from error
            what = "says that it is in a commit" if says_so else f"error, {type(error).__name__}"
            self.seen[case.operation, f"{tool} {how}", what] += 1
            return
        self.counts[f"readings with {tool} {how}"] += 1
        if rows is None and (tool == "datasets" or (not self.committed and not self.floors[tool, how])):
            return
        wrong = self.fault_of(rows or [], (tool, how))
        if may_differ:
            self.seen[case.operation, f"{tool} {how}", wrong.split(":")[0] if wrong else "right"] += 1
        elif wrong:
            raise Wrong(f"{tool}, {how}: {wrong}")

    def fault_of(self, rows, who):
        """What is wrong with these rows: nothing, if they are those of a version."""
        case = self.case
        found = dict(rows)
        if len(found) != len(rows):
            return f"rows twice: {len(rows) - len(found)} of {len(rows)}"
        if case.adds:
            if missing := self.committed.keys() - found.keys():
                return f"rows lost: {len(missing)}, such as `{min(missing)}`"
            if foreign := found.keys() - case.rows_after.keys():
                return f"rows of nobody: {len(foreign)}, such as `{min(foreign)}`"
            if len(found) < self.floors[who]:
                return f"rows lost: {len(found)} are there, and {self.floors[who]} were"
            self.floors[who] = len(found)
        elif found.keys() not in [case.rows_after.keys(), *([] if self.returned else [case.rows_before.keys()])]:
            missing = min(case.rows_before.keys() - found.keys(), default=None)
            return f"rows of no version: {len(found)}, without `{missing}`"
        for key, content in rows:
            # Not a label: pyarrow returns what a row holds.
            is_content = isinstance(content, int) and abs(content) > 1 << 20
            if is_content and content not in (case.rows_before.get(key), case.rows_after.get(key)):
                return f"other content: `{key}`"
        return None

    def complete(self):
        """The same command again leaves what an undisturbed run leaves, byte for byte."""
        case = self.case
        before = read_tree(self.out)
        ended = run(case.state.binary, [*case.words, *self.threads], self.out)
        tree = read_tree(self.out)
        # It may have had its effect already: then the command is one that follows it.
        versions = [end.get(MANIFEST) for _, end in case.ends] if case.has_manifest else []
        done = JOURNAL in before or before.get(MANIFEST) in versions or before == case.after
        codes, trees = zip(*(case.ends if done else case.ends[:1]), strict=True)
        if ended.code not in codes or tree not in trees:
            self.refuse_image_hit(tree)
            changed = differences(tree, case.after)
            if changed:
                raise Wrong(
                    f"the same command again leaves other bytes: {changed}, exit code {ended.code}: {ended.stderr}"
                )
            raise Wrong(f"the same command again ends with {ended.code}, not {case.code}: {ended.stderr}")
        # A second repacking is refused, and cleans up nothing.
        unremoved = case.operation == "repack" and "error=" in self.note
        if (beside := [name for name in os.listdir(self.folder) if name != "out"]) and not unremoved:
            raise Wrong(f"left beside the dataset: {beside}")
        if case.has_manifest:
            self.verify((0,))
        self.counts["repeated commands with the same bytes"] += 1

    def verify(self, codes):
        ended = run(self.case.state.binary, ["verify", "OUT"], self.out)
        self.counts["verifications"] += 1
        if ended.code not in codes:
            raise Wrong(f"verify ends with {ended.code}: {ended.stderr}")
