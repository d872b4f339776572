"""inlaid: the Parquet files of `--storage tensor`, and `--format arrow`."""

import os

import measure

from .reader import BATCH, Reader, random_rows
from .tensors import of_tf, of_torch


class _Inlaid(Reader):
    needs = ("inlaid", "numpy")
    format = "tensor"

    def __init__(self, folder):
        import inlaid

        self.table = inlaid.open(folder)["train"]


class Batches(_Inlaid):
    name = "inlaid, batches"

    def in_order(self):
        for batch in self.table.batches(BATCH):
            yield batch["image"], batch["label"]

    def shuffled(self):
        for batch in self.table.batches(BATCH, shuffle=True, seed=int.from_bytes(os.urandom(4))):
            yield batch["image"], batch["label"]


class _Cast(Batches):
    options = {}

    def in_order(self):
        for batch in self.table.batches(BATCH, **self.options):
            yield batch["image"], batch["label"]

    def shuffled(self):
        for batch in self.table.batches(BATCH, shuffle=True, seed=int.from_bytes(os.urandom(4)), **self.options):
            yield batch["image"], batch["label"]


class Planes(_Cast):
    name = 'inlaid, batches, layout="chw"'
    options = {"layout": "chw"}
    shape = (3, measure.SIZE, measure.SIZE)


class Floats(_Cast):
    name = "inlaid, batches, float32"
    # So that the sums are those of the others.
    options = {"scale": "0..255"}


class FloatPlanes(_Cast):
    name = 'inlaid, batches, float32, layout="chw"'
    options = {"scale": "0..255", "layout": "chw"}
    shape = (3, measure.SIZE, measure.SIZE)


class Unmapped(Batches):
    name = "inlaid, batches, map=False"

    def __init__(self, folder):
        import inlaid

        self.table = inlaid.open(folder, map=False)["train"]


class Rows(_Inlaid):
    name = rival = "inlaid, table[rows]"

    def in_order(self):
        labels = self.table.column("label")
        for first in range(0, len(self.table), BATCH):
            yield self.table[first : first + BATCH], labels[first : first + BATCH]

    def shuffled(self):
        labels = self.table.column("label")
        for rows in random_rows(len(self.table)):
            yield self.table[rows], labels[rows]


class ArrowRows(Rows):
    name = rival = "inlaid, table[rows], format arrow"
    format = "arrow"


class ToTorch(_Inlaid):
    name = rival = "inlaid, to_torch"
    needs = ("inlaid", "numpy", "torch", "torch.utils.data")

    def in_order(self):
        return self._read(self.table.to_torch(BATCH))

    def shuffled(self):
        return self._read(self.table.to_torch(BATCH, shuffle=True, seed=int.from_bytes(os.urandom(4))))

    def _read(self, dataset):
        from torch.utils.data import DataLoader

        for images, labels in of_torch(DataLoader(dataset, batch_size=None)):
            # (N, H, W, C) again, which is how they lie in memory.
            yield images.transpose(0, 2, 3, 1), labels


class ToTf(_Inlaid):
    name = rival = "inlaid, to_tf"
    needs = ("inlaid", "numpy", "tensorflow")

    def __init__(self, folder):
        super().__init__(folder)
        # One for all passes, as training has it: to make one takes as long as some batches.
        self.ordered = self.table.to_tf(BATCH)
        self.random = self.table.to_tf(BATCH, shuffle=True, seed=int.from_bytes(os.urandom(4)))

    def in_order(self):
        return of_tf(self.ordered)

    def shuffled(self):
        return of_tf(self.random)


class ToJax(_Inlaid):
    name = rival = "inlaid, to_jax"
    needs = ("inlaid", "numpy", "jax")

    def in_order(self):
        return self._read(self.table.to_jax(BATCH))

    def shuffled(self):
        return self._read(self.table.to_jax(BATCH, shuffle=True, seed=int.from_bytes(os.urandom(4))))

    def _read(self, batches):
        import numpy as np

        for batch in batches:
            yield np.asarray(batch["image"]), np.asarray(batch["label"])
