"""A NumPy memory map of all pixels: the least that reading can cost."""

import os

import measure

from .reader import BATCH, Reader, random_rows
from .tensors import of_tf


class _Map(Reader):
    needs = ("numpy",)
    format = "npy"

    @staticmethod
    def write(rows, folder):
        import numpy as np

        np.save(os.path.join(folder, "labels.npy"), rows.column("label"))
        path = os.path.join(folder, "images.npy")
        pixels = np.lib.format.open_memmap(path, "w+", np.uint8, (len(rows), *rows.shape))
        for row, image in enumerate(rows):
            pixels[row] = image
        pixels.flush()

    def __init__(self, folder):
        import numpy as np

        self.images = np.load(os.path.join(folder, "images.npy"), mmap_mode="r")
        self.labels = np.load(os.path.join(folder, "labels.npy"))

    def in_order(self):
        for first in range(0, len(self.images), BATCH):
            yield self.images[first : first + BATCH], self.labels[first : first + BATCH]

    def shuffled(self):
        for rows in random_rows(len(self.images)):
            yield self.images[rows], self.labels[rows]


class Copied(_Map):
    name = "NumPy memory map, copied"

    def in_order(self):
        for images, labels in super().in_order():
            yield images.copy(), labels


class Views(_Map):
    name = "NumPy memory map, views"
    rival = "inlaid, table[rows], format arrow"


class TfGenerator(Copied):
    name = "tf.data generator over NumPy memory map"
    needs = ("numpy", "tensorflow")
    rival = "inlaid, to_tf"

    def in_order(self):
        return self._read(super().in_order)

    def shuffled(self):
        return self._read(super().shuffled)

    def _read(self, batches):
        import tensorflow as tf

        images = tf.TensorSpec((None, measure.SIZE, measure.SIZE, 3), tf.uint8)
        signature = (images, tf.TensorSpec((None,), tf.int64))
        return of_tf(tf.data.Dataset.from_generator(batches, output_signature=signature))


class TfInMemory(_Map):
    """What tf.data takes for batches that nobody reads: they are tensors already, and a function gives them out."""

    name = "tf.data, py_function of tensors in memory"
    needs = ("numpy", "tensorflow")
    rival = "inlaid, to_tf"

    def __init__(self, folder):
        import tensorflow as tf

        super().__init__(folder)
        self.batches = [(tf.constant(images), tf.constant(labels)) for images, labels in super().in_order()]

    def in_order(self):
        return self._read(range(len(self.batches)))

    def shuffled(self):
        import numpy as np

        return self._read(np.random.default_rng().permutation(len(self.batches)))

    def _read(self, order):
        import tensorflow as tf

        def give(number):
            return self.batches[int(number)]

        def taken(number):
            images, labels = tf.py_function(give, [number], [tf.uint8, tf.int64])
            images.set_shape((None, measure.SIZE, measure.SIZE, 3))
            labels.set_shape((None,))
            return images, labels

        return of_tf(tf.data.Dataset.from_tensor_slices(list(order)).map(taken))
