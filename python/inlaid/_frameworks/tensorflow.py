"""Batches for TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import tensorflow as tf
from numpy.typing import NDArray

from .._batches import Batches


def tf_dataset(batches: Batches) -> tf.data.Dataset:
    """See `Table.to_tf`.

    The generator only says which pass the next batch is of. A batch is taken by `tf.py_function`, whose result may be a
    tensor of TensorFlow, so that its memory is not copied; what generators yield is.
    """
    numbers = count()
    passes: dict[int, Iterator[list[NDArray[Any]]]] = {}

    def one_epoch() -> Iterator[int]:
        number = next(numbers)
        batches._begin()
        passes[number] = batches._arrays(batches._epoch, batches._read)
        try:
            for _ in range(batches._read, len(batches)):
                yield number
        finally:
            # Also when the pass is left early.
            del passes[number]

    def next_batch(number: tf.Tensor) -> list[tf.Tensor]:
        return [_tensor(values) for values in next(passes[int(number)])]

    specs = _specs(batches)

    def taken(number: tf.Tensor) -> Any:
        tensors = tf.py_function(next_batch, [number], [spec.dtype for spec in specs])
        for tensor, spec in zip(tensors, specs, strict=True):
            tensor.set_shape(spec.shape)
        return tuple(tensors) if len(specs) > 1 else tensors[0]

    dataset = tf.data.Dataset.from_generator(one_epoch, output_signature=tf.TensorSpec((), tf.int64))
    return dataset.map(taken).apply(tf.data.experimental.assert_cardinality(len(batches)))


def _specs(batches: Batches) -> list[tf.TensorSpec]:
    rows = batches._settings.batch_size if batches._settings.drop_last else None
    specs = [tf.TensorSpec((rows, *batches.shape), batches.dtype)]
    tensors = batches.table._native.tensors
    for name in batches.columns:
        if name in tensors:
            shape, dtype = tensors[name]
            specs.append(tf.TensorSpec((rows, *shape), dtype))
            continue
        column = batches.table.column(name)
        dtype = tf.string if column.dtype == object else column.dtype
        specs.append(tf.TensorSpec((rows, *column.shape[1:]), dtype))
    return specs


def _tensor(values: NDArray[Any]) -> tf.Tensor:
    """A tensor of this memory, or a copy of strings."""
    if values.dtype.kind not in "iuf" or values.size == 0:
        return tf.convert_to_tensor(values)
    return tf.experimental.dlpack.from_dlpack(values.__dlpack__())
