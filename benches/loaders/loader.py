"""The interface of a loader."""

import os

import measure

BATCH = 256
WORKERS = 2
# Batches that are decoded ahead.
AHEAD = 2

RESIZE = "resize"
DECODE = "decode"
AUGMENT = "augment"
WORKLOADS = (RESIZE, DECODE, AUGMENT)

SIZE = (measure.SIZE, measure.SIZE)


class Loader:
    """Loads JPEGs. It is opened once, for one workload, and then read in passes."""

    name = ""
    needs = ()
    """Modules, imported before anything is measured."""
    format = ""
    """The folder that it reads; empty if it reads the files themselves."""
    workloads = WORKLOADS
    """What it can do."""
    lacks = ""
    """Why it can't do the others."""

    @staticmethod
    def write(files, folder):
        """Writes (path, label) of `files` in the loader's format. Not called for the files themselves."""
        raise NotImplementedError

    def __init__(self, files, folder, workload):
        """Opens `files`, or what `write` wrote."""
        raise NotImplementedError

    def batches(self):
        """A pass in another order: (images, labels) of each batch as NumPy arrays, images [N, H, W, 3] or [N, 3, H, W].

        A batch is valid until the next one.
        """
        raise NotImplementedError


def root_of(files):
    """The folder of the class folders."""
    return os.path.dirname(os.path.dirname(files[0][0]))
