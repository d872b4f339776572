"""A folder as a dictionary: the bytes of files and None for folders, by path below it. The folder itself is ``""``; a
folder that is missing is an empty dictionary. The lock is left out, since it names the process that held it last."""

import os
import shutil
from pathlib import Path

LOCK = ".inlaid/lock"
MANIFEST = "inlaid.json"
JOURNAL = ".inlaid/journal.json"


def read_tree(root):
    tree = {}
    if not os.path.isdir(root):
        return tree
    for folder, _, files in os.walk(root):
        below = os.path.relpath(folder, root)
        prefix = "" if below == "." else below + "/"
        tree[prefix.rstrip("/")] = None
        for name in files:
            if prefix + name != LOCK:
                tree[prefix + name] = Path(folder, name).read_bytes()
    return tree


def write_tree(tree, root):
    """Makes the folder what the tree says."""
    shutil.rmtree(root, ignore_errors=True)
    for name in sorted(tree):
        path = os.path.join(root, name)
        if tree[name] is None:
            os.mkdir(path)
        else:
            with open(path, "wb") as file:
                file.write(tree[name])


def differences(tree, other):
    """The names of what is not the same."""
    return sorted(name for name in {*tree, *other} if tree.get(name, b"-") != other.get(name, b"-"))


def blocks(tree):
    """Pages of 4 KiB that it takes on a tmpfs."""
    return sum(-(-len(data) // 4096) for data in tree.values() if data is not None)
