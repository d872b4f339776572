"""inlaid: Parquet files of `--storage encoded`, every file as it is."""

import os
from typing import ClassVar

import measure

from . import draws
from .loader import AHEAD, AUGMENT, BATCH, RESIZE, WORKERS, Loader, root_of


class Zune(Loader):
    name = "inlaid"
    needs = ("inlaid", "numpy")
    format = "inlaid"
    decoder: ClassVar = {"jpeg_decoder": "zune-jpeg"}
    """How it decodes."""

    @staticmethod
    def write(files, folder):
        import inlaid

        settings = {"storage": "encoded", "split": {"train": 1}, "progress": False}
        inlaid.convert(root_of(files), os.path.join(folder, "dataset"), **settings)

    def __init__(self, files, folder, workload):
        import inlaid

        settings = {"size": measure.SIZE, "threads": WORKERS, "prefetch": AHEAD, **self.decoder}
        if workload == AUGMENT:
            settings |= {"random_resized_crop": (draws.AREA, draws.ASPECT), "horizontal_flip": draws.FLIP}
        table = inlaid.open(os.path.join(folder, "dataset"))["train"]
        self.passes = table.batches(BATCH, shuffle=True, seed=int.from_bytes(os.urandom(4)), **settings)

    def batches(self):
        for batch in self.passes:
            yield batch["image"], batch["label"]


class Turbo(Zune):
    name = "inlaid, libjpeg-turbo"
    decoder: ClassVar = {"jpeg_decoder": "libjpeg-turbo"}


class Shrunk(Zune):
    name = "inlaid, libjpeg-turbo, jpeg_shrink=1"
    decoder: ClassVar = {"jpeg_decoder": "libjpeg-turbo", "jpeg_shrink": 1}
    workloads = (RESIZE, AUGMENT)
