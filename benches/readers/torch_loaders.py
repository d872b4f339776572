"""Formats with a loader for PyTorch: webdataset, MosaicML streaming, FFCV."""

import os

import measure

from .reader import BATCH, BUFFER, WORKERS, Reader, files, labelled
from .tensors import of_torch


class _Loader(Reader):
    rival = "inlaid, to_torch"
    _in_order = _shuffled = None
    """The loaders, made for the first pass: their processes stay for the next ones."""

    def in_order(self):
        if self._in_order is None:
            self._in_order = self.loader(shuffle=False)
        return of_torch(self.pairs(self._in_order))

    def shuffled(self):
        if self._shuffled is None:
            self._shuffled = self.loader(shuffle=True)
        return of_torch(self.pairs(self._shuffled))

    def loader(self, shuffle):
        raise NotImplementedError

    def pairs(self, batches):
        """Batches as (images, labels)."""
        return batches


class WebDataset(_Loader):
    name = "webdataset"
    needs = ("numpy", "torch", "webdataset")
    format = "webdataset"
    shuffles = f"{BUFFER} images"

    @staticmethod
    def write(rows, folder):
        import webdataset as wds

        # A shard for each worker.
        shard = -(-len(rows) // WORKERS)
        with wds.ShardWriter(os.path.join(folder, "%03d.tar"), maxcount=shard, verbose=0) as writer:
            for row, (image, label) in enumerate(labelled(rows)):
                writer.write({"__key__": f"{row:08}", "npy": image, "cls": label})

    def __init__(self, folder):
        self.files = files(folder, ".tar")

    def loader(self, shuffle):
        import webdataset as wds

        rows = wds.WebDataset(self.files, shardshuffle=len(self.files) if shuffle else False)
        if shuffle:
            rows = rows.shuffle(BUFFER)
        batches = rows.decode().to_tuple("npy", "cls").batched(BATCH, collation_fn=_stacked)
        return wds.WebLoader(batches, batch_size=None, num_workers=WORKERS, persistent_workers=True)


def _stacked(rows):
    """Tensors, which go from one process to the other in shared memory."""
    import numpy as np
    import torch

    images, labels = zip(*rows)
    return torch.from_numpy(np.stack(images)), torch.tensor(labels)


class Mosaic(_Loader):
    name = "MosaicML streaming"
    needs = ("numpy", "torch", "streaming")
    format = "mosaicml"
    shuffles = "blocks"

    @staticmethod
    def write(rows, folder):
        from streaming import MDSWriter

        shape = ",".join(map(str, rows.shape))
        with MDSWriter(out=folder, columns={"image": f"ndarray:uint8:{shape}", "label": "int"}) as writer:
            for image, label in labelled(rows):
                writer.write({"image": image, "label": label})

    def __init__(self, folder):
        self.folder = folder

    def loader(self, shuffle):
        from streaming import StreamingDataset
        from streaming.base.util import clean_stale_shared_memory
        from torch.utils.data import DataLoader

        clean_stale_shared_memory()
        rows = StreamingDataset(local=self.folder, shuffle=shuffle, batch_size=BATCH)
        return DataLoader(rows, batch_size=BATCH, num_workers=WORKERS, persistent_workers=True)

    def pairs(self, batches):
        return ((batch["image"], batch["label"]) for batch in batches)


class _Indexed:
    """Rows as FFCV takes them."""

    def __init__(self, rows):
        self.rows, self.labels = rows, rows.column("label").tolist()

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, row):
        return self.rows[row], self.labels[row]


class Ffcv(_Loader):
    name = "FFCV"
    needs = ("numpy", "torch", "ffcv", "ffcv.loader")
    format = "ffcv"

    @staticmethod
    def write(rows, folder):
        import numpy as np
        from ffcv.fields import IntField, NDArrayField
        from ffcv.writer import DatasetWriter

        fields = {"image": NDArrayField(np.dtype("uint8"), rows.shape), "label": IntField()}
        writer = DatasetWriter(os.path.join(folder, "rows.beton"), fields, num_workers=WORKERS)
        writer.from_indexed_dataset(_Indexed(rows))

    def __init__(self, folder):
        self.file = os.path.join(folder, "rows.beton")

    def loader(self, shuffle):
        from ffcv.fields.basics import IntDecoder
        from ffcv.fields.ndarray import NDArrayDecoder
        from ffcv.loader import Loader, OrderOption
        from ffcv.transforms import Squeeze, ToTensor

        steps = {"image": [NDArrayDecoder(), ToTensor()], "label": [IntDecoder(), ToTensor(), Squeeze()]}
        order = OrderOption.RANDOM if shuffle else OrderOption.SEQUENTIAL
        settings = {"num_workers": WORKERS, "os_cache": True, "drop_last": False}
        return Loader(self.file, BATCH, order=order, pipelines=steps, **settings)
