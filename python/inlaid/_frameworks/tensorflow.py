"""Tables for TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import tensorflow as tf

from .._batches import Batches


def tf_dataset(batches: Batches) -> tf.data.Dataset:
    """See `Table.to_tf`."""
    table, epochs = batches.table, count()

    def one_epoch() -> Iterator[Any]:
        for arrays in batches._arrays(next(epochs), 0):
            yield tuple(arrays) if batches.columns else arrays[0]

    settings = batches._settings
    rows = settings.batch_size if settings.drop_last else None
    specs = [tf.TensorSpec((rows, *table.shape), table.dtype)]
    for name in batches.columns:
        column = table.column(name)
        dtype = tf.string if column.dtype == object else column.dtype
        specs.append(tf.TensorSpec((rows, *column.shape[1:]), dtype))
    signature = tuple(specs) if batches.columns else specs[0]
    dataset = tf.data.Dataset.from_generator(one_epoch, output_signature=signature)
    return dataset.apply(tf.data.experimental.assert_cardinality(len(batches)))
