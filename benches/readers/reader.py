"""The interface of a reader."""

import os

import measure

BATCH = 64
WORKERS = 2
# Images that a shuffle holds, where it can't go to any row.
BUFFER = 1000


class Reader:
    """Reads one format. It is opened once, with its folder, and then read in passes."""

    name = ""
    needs = ()
    """Modules, imported before anything is measured."""
    format = ""
    """The folder that it reads; readers of one format share it."""
    rival = "inlaid, batches"
    """The reader of inlaid whose batches are of the same kind."""
    shape = (measure.SIZE, measure.SIZE, 3)
    """The shape of an image."""
    shuffles = "any row"
    """What a shuffle mixes; empty if the reader has none."""

    @staticmethod
    def write(rows, folder):
        """Writes the rows of an `inlaid.Table`. Not called for the formats of inlaid."""
        raise NotImplementedError

    def __init__(self, folder):
        """Opens what `write` wrote."""
        raise NotImplementedError

    def in_order(self):
        """One pass: (images, labels) of each batch as NumPy arrays, images in one stretch of memory."""
        raise NotImplementedError

    def shuffled(self):
        """One pass in another order than the last one."""
        raise NotImplementedError


def labelled(rows):
    """(image, label) of each row of an `inlaid.Table`."""
    return zip(rows, rows.column("label").tolist(), strict=True)


def random_rows(count):
    """Numbers of rows in random order, in batches."""
    import numpy as np

    order = np.random.default_rng().permutation(count)
    return [order[first : first + BATCH] for first in range(0, count, BATCH)]


def files(folder, suffix):
    return sorted(os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(suffix))
