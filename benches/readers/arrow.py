"""Arrow libraries: pyarrow and polars on the files of inlaid, Hugging Face `datasets` and Lance on their own."""

import os
import shutil

import measure

from .reader import BATCH, Reader, files, labelled, random_rows


class PyarrowTensor(Reader):
    name = "pyarrow, storage tensor"
    needs = ("numpy", "pyarrow", "pyarrow.parquet")
    format = "tensor"
    shuffles = ""

    def __init__(self, folder):
        self.files = files(os.path.join(folder, "train"), ".parquet")

    def in_order(self):
        import pyarrow.parquet as pq

        for file in self.files:
            for batch in pq.ParquetFile(file, pre_buffer=False).iter_batches(BATCH, columns=["image", "label"]):
                yield measure.images_of(batch["image"]), batch["label"].to_numpy()


class PyarrowBinary(PyarrowTensor):
    name = "pyarrow, storage binary"
    format = "binary"


class PolarsTensor(Reader):
    name = "polars, storage tensor"
    needs = ("numpy", "polars", "pyarrow")
    format = "tensor"

    def __init__(self, folder):
        self.files = os.path.join(folder, "train/*.parquet")

    def frame(self):
        import polars as pl

        return pl.read_parquet(self.files, columns=["image", "label"])

    def in_order(self):
        return self._batches(self.frame())

    def shuffled(self):
        return self._batches(self.frame().sample(fraction=1, shuffle=True))

    def _batches(self, frame):
        for part in frame.iter_slices(BATCH):
            yield self.images(part["image"]), part["label"].to_numpy()

    def images(self, column):
        return column.ext.storage().to_numpy().reshape(-1, measure.SIZE, measure.SIZE, 3)


class PolarsBinary(PolarsTensor):
    name = "polars, storage binary"
    format = "binary"

    def images(self, column):
        import numpy as np

        array = column.to_arrow()
        first = np.frombuffer(array.buffers()[1], np.int64)[array.offset]
        pixels = np.frombuffer(array.buffers()[2], np.uint8, len(array) * measure.ELEMENTS, first)
        return pixels.reshape(-1, measure.SIZE, measure.SIZE, 3)


class MapViews(Reader):
    name = "pyarrow memory map, format arrow, views"
    needs = ("numpy", "pyarrow")
    format = "arrow"
    rival = "inlaid, table[rows], format arrow"
    shuffles = ""

    def __init__(self, folder):
        import pyarrow as pa

        shards = files(os.path.join(folder, "train"), ".arrow")
        self.readers = [pa.ipc.open_file(pa.memory_map(shard)) for shard in shards]

    def in_order(self):
        for reader in self.readers:
            for number in range(reader.num_record_batches):
                batch = reader.get_batch(number)
                for first in range(0, len(batch), BATCH):
                    part = batch.slice(first, BATCH)
                    yield measure.images_of(part["image"]), part["label"].to_numpy()


class MapCopied(MapViews):
    name = "pyarrow memory map, format arrow, copied"
    rival = "inlaid, batches"

    def in_order(self):
        for images, labels in super().in_order():
            yield images.copy(), labels


class HuggingFace(Reader):
    name = "Hugging Face datasets"
    needs = ("numpy", "datasets")
    format = "huggingface"

    @staticmethod
    def write(rows, folder):
        from datasets import Array3D, ClassLabel, Dataset, Features

        features = Features({"image": Array3D(rows.shape, "uint8"), "label": ClassLabel(names=rows.classes)})
        # It is written twice: to the cache, and from there to the folder.
        cache = os.path.join(folder, "cache")
        made = Dataset.from_generator(HuggingFace._examples, features, cache, gen_kwargs={"rows": rows})
        made.save_to_disk(os.path.join(folder, "rows"))
        shutil.rmtree(cache)

    @staticmethod
    def _examples(rows):
        for image, label in labelled(rows):
            yield {"image": image, "label": label}

    def __init__(self, folder):
        from datasets import load_from_disk

        self.rows = load_from_disk(os.path.join(folder, "rows")).with_format("numpy", dtype="uint8")

    def in_order(self):
        return self._batches(self.rows)

    def shuffled(self):
        return self._batches(self.rows.shuffle(keep_in_memory=True))

    def _batches(self, rows):
        for batch in rows.iter(BATCH):
            yield batch["image"], batch["label"].astype("int64")


class Lance(Reader):
    name = "Lance"
    needs = ("numpy", "pyarrow", "lance")
    format = "lance"

    @staticmethod
    def write(rows, folder):
        import lance
        import pyarrow as pa

        schema = pa.schema({"image": pa.list_(pa.uint8(), measure.ELEMENTS), "label": pa.int64()})

        def batches():
            labels = rows.column("label")
            for first in range(0, len(rows), BATCH):
                images = pa.array(rows[first : first + BATCH].reshape(-1))
                images = pa.FixedSizeListArray.from_arrays(images, measure.ELEMENTS)
                yield pa.record_batch([images, pa.array(labels[first : first + BATCH])], schema=schema)

        lance.write_dataset(pa.RecordBatchReader.from_batches(schema, batches()), os.path.join(folder, "rows.lance"))

    def __init__(self, folder):
        import lance

        self.rows = lance.dataset(os.path.join(folder, "rows.lance"))

    def in_order(self):
        for batch in self.rows.to_batches(batch_size=BATCH, columns=["image", "label"]):
            yield self._images(batch["image"]), batch["label"].to_numpy()

    def shuffled(self):
        for rows in random_rows(self.rows.count_rows()):
            table = self.rows.take(rows, columns=["image", "label"]).combine_chunks()
            yield self._images(table["image"].chunk(0)), table["label"].to_numpy()

    def _images(self, lists):
        return lists.flatten().to_numpy().reshape(-1, measure.SIZE, measure.SIZE, 3)
