"""Power loss: what a run asked the kernel to do, and what a disk may hold of it at any moment.

A run is recorded by strace, with all bytes: creations, writes, truncations, copies, renames, removals and syncs in the
folder of the round. The record is replayed in memory; that its end is what the run has left shows that nothing is
missing in it. Then the power goes after some step of it. What was not synced until then may be there or not:

- *Bytes* of a file that were not synced: none, some of the writes, all of them, the file cut anywhere, or zeros in the
  place of its end. `fsync` and `fdatasync` of the file keep what was written before them, and its length, for good.
- *Names* (creations, renames, removals), by one of three models, each weaker than the one before:
  - `ordered`: one journal for the whole file system. Names reach the disk in the order in which they were changed; a
    sync of anything takes all changes before it along. This is what ext4, XFS and, mostly, Btrfs do.
  - `by folder`: a journal for each folder. The changes in a folder reach the disk in order, and `fsync` of the folder
    takes those before it along; folders do not wait for each other, so that a later rename in one may be kept and an
    earlier one in another lost. A rename from a folder to another is kept in both or in neither.
  - `by name`: every name for itself, kept or lost, whatever happened to others in its folder. A rename to another
    folder may leave the file under both names, but never under none. A sync of the folder is the only barrier. No file
    system that journals is so careless; POSIX allows it.

A sync of a file keeps no name. What happened before the run is on disk.
"""

import posixpath
import re

from tree import differences, write_tree

TRACED = (
    "openat,open,creat,close,dup,dup2,dup3,fcntl,read,readv,pread64,write,pwrite64,writev,pwritev,pwritev2,lseek,ftruncate,"
    "truncate,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,rmdir,link,linkat,symlink,symlinkat,fsync,fdatasync,"
    "sync_file_range,syncfs,sync,copy_file_range,sendfile,splice,ioctl,fallocate,mmap"
)
LINE = re.compile(r"^(\d+) +(.*)$")
RESUMED = re.compile(r"^<\.\.\. \w+ resumed>(.*)$")
CALL = re.compile(r"^(\w+)\((.*)\)\s*= (-?\w+)(.*)$", re.DOTALL)
ARGUMENT = re.compile(r'(?:"[^"]*"|<[^>]*>|\[[^]]*\]|\{[^}]*\}|\([^)]*\)|[^,"<\[{(])+')
MODELS = ["ordered", "by folder", "by name"]


class Untraceable(Exception):
    """The record has something that is not understood: the program is to be mended, not the binary."""


def unescaped(text):
    return bytes.fromhex(text.replace("\\x", ""))


class Record:
    """The steps of a run below a folder, as they reach the kernel.

    A step is one of ("set", [(folder, name, node or None), ...]), which changes names, all at once if the model says
    so; ("write", node, offset, bytes); ("cut", node, length); ("sync", node). Nodes are numbers; 0 is the folder of the
    round.
    """

    def __init__(self, root, tree):
        self.root = str(root)
        # What is there now: names of folders, bytes of files.
        self.folders, self.files = {0: {}}, {}
        self.nodes = 1
        self.steps = []
        # (process, descriptor) to [node, offset].
        self.open = {}
        for name in sorted(name for name in tree if name is not None):
            self._add_initial(name, tree[name])
        self.first_folders = {node: dict(names) for node, names in self.folders.items()}
        self.first_files = {node: bytes(data) for node, data in self.files.items()}

    def _add_initial(self, name, data):
        *parents, last = name.split("/")
        folder = 0
        for parent in parents:
            folder = self.folders[folder][parent]
        self.folders[folder][last] = self._node(data)

    def _node(self, data):
        node, self.nodes = self.nodes, self.nodes + 1
        if data is None:
            self.folders[node] = {}
        else:
            self.files[node] = bytearray(data)
        return node

    # Reading the trace

    def read(self, text):
        pending = {}
        for line in text.splitlines():
            process, rest = LINE.match(line).groups()
            if rest.endswith("<unfinished ...>"):
                pending[process] = rest.removesuffix("<unfinished ...>")
                if rest.startswith("close("):
                    # Its number is free from now on: another thread may be given it before this call is resumed.
                    self.open.pop(number(rest.removeprefix("close(")), None)
                continue
            if match := RESUMED.match(rest):
                rest = pending.pop(process) + match[1]
                if rest.startswith("close("):
                    continue
            if (match := CALL.match(rest)) and not match[3].startswith("-"):
                self._call(match[1], match[2], match[3], match[4])

    def _call(self, name, text, result, rest):
        do = getattr(self, f"_do_{name}", None)
        if do:
            do(split_arguments(text), int(result, 0) if result != "?" else 0, rest)

    def _path(self, at, text=None):
        """Path below the root of a quoted name and the folder that it is relative to; None if it is elsewhere."""
        text = at if text is None else text
        path = unescaped(text.strip('"')).decode()
        if not path.startswith("/"):
            path = f"{described(at)}/{path}" if at is not text else path
        # A folder may be opened as `.` in itself.
        return self._below(posixpath.normpath(path))

    def _below(self, path):
        if path == self.root:
            return ""
        return path[len(self.root) + 1 :] if path.startswith(self.root + "/") else None

    def _find(self, path):
        """(folder, name, node or None)."""
        if path == "":
            return None, "", 0
        *parents, last = path.rstrip("/").split("/")
        folder = 0
        for parent in parents:
            folder = self.folders[folder][parent]
        return folder, last, self.folders[folder].get(last)

    def _set(self, *changes):
        self.steps.append(("set", list(changes)))
        for folder, name, node in changes:
            if node is None:
                self.folders[folder].pop(name, None)
            else:
                self.folders[folder][name] = node

    def _do_openat(self, arguments, descriptor, rest):
        path = self._path(arguments[0], arguments[1])
        if path is None:
            self.open.pop(descriptor, None)
            return
        folder, name, node = self._find(path)
        if node is None:
            node = self._node(b"")
            self._set((folder, name, node))
        elif "O_TRUNC" in arguments[2] and self.files.get(node):
            self._cut(node, 0)
        if "O_APPEND" in arguments[2]:
            raise Untraceable("O_APPEND")
        self.open[descriptor] = [node, 0]

    def _do_open(self, arguments, descriptor, rest):
        self._do_openat(["AT_FDCWD<\\x2f>", *arguments], descriptor, rest)

    def _do_close(self, arguments, result, rest):
        self.open.pop(number(arguments[0]), None)

    def _do_dup(self, arguments, descriptor, rest):
        if (place := self.open.get(number(arguments[0]))) is not None:
            self.open[descriptor] = place
        else:
            self.open.pop(descriptor, None)

    _do_dup2 = _do_dup3 = _do_dup

    def _do_fcntl(self, arguments, descriptor, rest):
        if arguments[1].startswith("F_DUPFD"):
            self._do_dup(arguments, descriptor, rest)

    def _do_read(self, arguments, count, rest):
        if place := self.open.get(number(arguments[0])):
            place[1] += count

    _do_readv = _do_read

    def _do_lseek(self, arguments, offset, rest):
        if place := self.open.get(number(arguments[0])):
            place[1] = offset

    def _write(self, node, offset, data):
        if data:
            self.steps.append(("write", node, offset, data))
            apply_write(self.files[node], offset, data)

    def _cut(self, node, length):
        self.steps.append(("cut", node, length))
        apply_cut(self.files[node], length)

    def _do_write(self, arguments, count, rest):
        if place := self.open.get(number(arguments[0])):
            self._write(place[0], place[1], unescaped(arguments[1].strip('"'))[:count])
            place[1] += count

    def _do_pwrite64(self, arguments, count, rest):
        if place := self.open.get(number(arguments[0])):
            self._write(place[0], int(arguments[3]), unescaped(arguments[1].strip('"'))[:count])

    def _do_ftruncate(self, arguments, result, rest):
        if place := self.open.get(number(arguments[0])):
            self._cut(place[0], int(arguments[1]))

    def _do_copy_file_range(self, arguments, count, rest):
        """Also of `sendfile`, by its arguments in another order."""
        source, target = self.open.get(number(arguments[0])), self.open.get(number(arguments[2]))
        if target is None:
            return
        if source is None or arguments[1] != "NULL" or arguments[3] != "NULL":
            raise Untraceable(f"copy_file_range({arguments})")
        self._write(target[0], target[1], bytes(self.files[source[0]][source[1] : source[1] + count]))
        source[1] += count
        target[1] += count

    def _do_sendfile(self, arguments, count, rest):
        self._do_copy_file_range([arguments[1], arguments[2], arguments[0], "NULL"], count, rest)

    def _do_ioctl(self, arguments, result, rest):
        place = self.open.get(number(arguments[0]))
        if place and "FICLONE" in arguments[1]:
            source = self.open.get(number(arguments[2]))
            if source is None or "RANGE" in arguments[1]:
                raise Untraceable(f"ioctl({arguments})")
            self._cut(place[0], 0)
            self._write(place[0], 0, bytes(self.files[source[0]]))

    def _do_fsync(self, arguments, result, rest):
        if place := self.open.get(number(arguments[0])):
            self.steps.append(("sync", place[0]))

    _do_fdatasync = _do_fsync

    def _rename(self, source, target):
        if source is None and target is None:
            return
        if source is None or target is None:
            raise Untraceable("a rename into the folder or out of it")
        (from_folder, from_name, node), (to_folder, to_name, _) = self._find(source), self._find(target)
        self._set((to_folder, to_name, node), (from_folder, from_name, None))

    def _do_rename(self, arguments, result, rest):
        self._rename(self._path(arguments[0]), self._path(arguments[1]))

    def _do_renameat(self, arguments, result, rest):
        self._rename(self._path(*arguments[0:2]), self._path(*arguments[2:4]))

    _do_renameat2 = _do_renameat

    def _remove(self, path):
        if path is not None:
            folder, name, _ = self._find(path)
            self._set((folder, name, None))

    def _do_unlink(self, arguments, result, rest):
        self._remove(self._path(arguments[0]))

    _do_rmdir = _do_unlink

    def _do_unlinkat(self, arguments, result, rest):
        self._remove(self._path(*arguments[0:2]))

    def _mkdir(self, path):
        if path is not None:
            folder, name, _ = self._find(path)
            self._set((folder, name, self._node(None)))

    def _do_mkdir(self, arguments, result, rest):
        self._mkdir(self._path(arguments[0]))

    def _do_mkdirat(self, arguments, result, rest):
        self._mkdir(self._path(*arguments[0:2]))

    def _unknown(self, arguments, result, rest):
        if any(self._below(described(argument) or "") is not None for argument in arguments if "<" in argument):
            raise Untraceable(f"a call that is not known: {arguments}")

    _do_writev = _do_pwritev = _do_pwritev2 = _do_splice = _do_fallocate = _do_linkat = _do_symlinkat = _unknown
    _do_sync_file_range = _do_truncate = _unknown

    def _do_mmap(self, arguments, result, rest):
        if "PROT_WRITE" in arguments[2] and "MAP_SHARED" in arguments[3]:
            self._unknown(arguments, result, rest)

    # What a disk may hold

    def tree(self, folders=None, files=None):
        """What is there now, or in these folders and files, as a tree below the root."""
        folders, files = folders or self.folders, files or self.files
        tree = {"": None}

        def walk(prefix, node):
            for name, child in folders[node].items():
                path = prefix + name
                if child in folders:
                    tree[path] = None
                    walk(path + "/", child)
                else:
                    tree[path] = bytes(files[child])

        walk("", 0)
        return tree

    def at(self, count):
        """What there was after so many steps, as if nothing were ever lost."""
        folders, files = self._begin()
        for step in self.steps[:count]:
            if step[0] == "set":
                apply_names(folders, step[1])
            elif step[0] != "sync":
                apply_bytes(files, step)
        return self.tree(folders, files)

    def _begin(self):
        folders = {node: {} for node in self.folders}
        folders |= {node: dict(names) for node, names in self.first_folders.items()}
        files = {node: bytearray() for node in self.files}
        return folders, files | {node: bytearray(data) for node, data in self.first_files.items()}

    def after_power_loss(self, count, model, draw):
        """What a disk may hold if the power goes after so many steps."""
        folders, files = self._begin()
        steps = self.steps[:count]
        keep = draw.choice(["none", "all", "some", "some"])
        kept = {"ordered": kept_in_order, "by folder": kept_by_folder}.get(model)
        if kept:
            for changes in kept(steps, keep, draw):
                apply_names(folders, changes)
        else:
            for folder, name, node in kept_by_name(steps, keep, draw):
                apply_names(folders, [(folder, name, node)])
        self._keep_bytes(files, steps, draw)
        return self.tree(folders, files)

    def _keep_bytes(self, files, steps, draw):
        synced = {step[1]: number for number, step in enumerate(steps) if step[0] == "sync"}
        later = {}
        for number, step in enumerate(steps):
            if step[0] in ("write", "cut"):
                if number < synced.get(step[1], -1):
                    apply_bytes(files, step)
                else:
                    later.setdefault(step[1], []).append(step)
        for node, unsynced in later.items():
            how = draw.choice(["none", "none", "all", "some", "cut", "zeros"])
            kept = {"none": [], "some": [step for step in unsynced if draw.random() < 0.5]}.get(how, unsynced)
            for step in kept:
                apply_bytes(files, step)
            where = draw.randint(0, len(files[node]))
            if how == "cut":
                apply_cut(files[node], where)
            elif how == "zeros":
                files[node][where:] = bytes(len(files[node]) - where)


def split_arguments(text):
    """Arguments of a call as strace prints them: commas within quotes and brackets separate nothing."""
    return [match.strip() for match in ARGUMENT.findall(text)]


def number(argument):
    return int(argument.split("<")[0])


def described(argument):
    """The path that strace gives for a descriptor."""
    match = re.search(r"<((?:\\x..)*)>", argument)
    return unescaped(match[1]).decode() if match else None


def apply_names(folders, changes):
    for folder, name, node in changes:
        if node is None:
            folders[folder].pop(name, None)
        else:
            folders[folder][name] = node


def apply_bytes(files, step):
    if step[0] == "write":
        apply_write(files[step[1]], step[2], step[3])
    else:
        apply_cut(files[step[1]], step[2])


def apply_write(file, offset, data):
    if offset > len(file):
        file.extend(bytes(offset - len(file)))
    file[offset : offset + len(data)] = data


def apply_cut(file, length):
    if length < len(file):
        del file[length:]
    else:
        file.extend(bytes(length - len(file)))


def kept_in_order(steps, keep, draw):
    synced = max((number for number, step in enumerate(steps) if step[0] == "sync"), default=0)
    count = {"none": synced, "all": len(steps)}.get(keep, draw.randint(synced, len(steps)))
    return [step[1] for step in steps[:count] if step[0] == "set"]


def kept_by_folder(steps, keep, draw):
    # Of each folder, how many of its changes are kept; and which changes each has, in order.
    changes = {}
    least = {}
    for number_, step in enumerate(steps):
        if step[0] == "set":
            for folder in {folder for folder, _, _ in step[1]}:
                changes.setdefault(folder, []).append(number_)
        elif step[0] == "sync" and step[1] in changes:
            least[step[1]] = len(changes[step[1]])
    # A rename that is kept in a folder is kept in the other one.
    grow = True
    while grow:
        durable = {number_ for folder, count in least.items() for number_ in changes[folder][:count]}
        grow = False
        for folder, numbers in changes.items():
            last = max((index + 1 for index, number_ in enumerate(numbers) if number_ in durable), default=0)
            if last > least.get(folder, 0):
                least[folder], grow = last, True
    count = {
        folder: {"none": least.get(folder, 0), "all": len(numbers)}.get(
            keep, draw.randint(least.get(folder, 0), len(numbers))
        )
        for folder, numbers in changes.items()
    }
    shrink = True
    while shrink:
        lost = {number_ for folder, numbers in changes.items() for number_ in numbers[count[folder] :]}
        shrink = False
        for folder, numbers in changes.items():
            first = next((index for index, number_ in enumerate(numbers) if number_ in lost), len(numbers))
            if first < count[folder]:
                count[folder], shrink = first, True
    kept = {number_ for folder, numbers in changes.items() for number_ in numbers[: count[folder]]}
    return [step[1] for number_, step in enumerate(steps) if number_ in kept]


def kept_by_name(steps, keep, draw):
    # The values of each name over time, and which of them is on disk at least.
    values, least = {}, {}
    pairs = []
    for step in steps:
        if step[0] == "set":
            for folder, name, node in step[1]:
                values.setdefault((folder, name), []).append(node)
            if len(step[1]) == 2:
                target, source = ((folder, name) for folder, name, _ in step[1])
                pairs.append((target, len(values[target]), source, len(values[source])))
        elif step[0] == "sync":
            for key in values:
                if key[0] == step[1]:
                    least[key] = len(values[key])
    count = {
        key: {"none": least.get(key, 0), "all": len(all_)}.get(keep, draw.randint(least.get(key, 0), len(all_)))
        for key, all_ in values.items()
    }
    # Whose old name is gone has the new one; within a folder, the reverse holds as well.
    grow = True
    while grow:
        grow = False
        for target, to, source, from_ in pairs:
            if count[source] >= from_ and count[target] < to:
                count[target], grow = to, True
            if target[0] == source[0] and count[target] >= to and count[source] < from_:
                count[source], grow = from_, True
    return [(*key, values[key][count[key] - 1]) for key in values if count[key]]


def recorded(case, run, strace):
    """The record of the undisturbed run of a case, from a folder where it is repeated."""
    if not hasattr(case, "_record"):
        folder = case.folder / "recorded"
        out, trace = folder / "out", case.folder / "power"
        write_tree({"": None}, folder)
        if case.before:
            write_tree(case.before, out)
        record = Record(folder, below_out(case.before))
        prefix = [*strace, "-y", "-xx", "-s", str(1 << 24), "-o", trace, "-e", f"trace={TRACED}"]
        ended = run(case.state.binary, [*case.words, *case.single_thread], out, prefix=prefix)
        record.read(trace.read_text())
        left = {name: data for name, data in record.tree().items() if name != "out/.inlaid/lock"}
        expected = {"": None, **below_out(case.after)}
        if ended.code != case.code or left != expected:
            raise Untraceable(f"the record of {case.name()} ends with other files: {differences(left, expected)}")
        case._record = record
    return case._record


def below_out(tree):
    """A tree of the folder that `out` is in."""
    return {f"out/{name}".rstrip("/"): data for name, data in tree.items()}
