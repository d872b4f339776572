"""Batches for TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from threading import Lock
from typing import Any

import tensorflow as tf
from numpy.typing import NDArray

from .._batches import Batches
from .._errors import SettingError

_ALIGNMENT = 64
"""Of the memory of tensors, in bytes."""


def tf_dataset(batches: Batches) -> tf.data.Dataset:
    """See `Table.to_tf`.

    Batches are taken by `tf.py_function`, whose result may be a tensor of TensorFlow, so that its memory is not copied;
    what generators yield is.
    """
    passes, specs = _Passes(batches), _specs(batches)

    def of_pass(number: tf.Tensor) -> tf.data.Dataset:
        def taken(_: tf.Tensor) -> Any:
            tensors = tf.py_function(passes.next_batch, [number], [spec.dtype for spec in specs])
            for tensor, spec in zip(tensors, specs, strict=True):
                tensor.set_shape(spec.shape)
            return tuple(tensors) if len(specs) > 1 else tensors[0]

        return tf.data.Dataset.range(len(batches)).map(taken)

    begin = tf.data.Dataset.range(1).map(lambda _: tf.py_function(passes.begin, [], tf.int64))
    return begin.flat_map(of_pass).apply(tf.data.experimental.assert_cardinality(len(batches)))


class _Passes:
    """The passes that tf.data reads, by their numbers. It doesn't say when one is left early: so the one begun last has
    its threads, and another that goes on gets new ones."""

    def __init__(self, batches: Batches) -> None:
        self._batches, self._numbers, self._lock = batches, count(), Lock()
        # The epoch of each pass that is not at its end, and how many batches of it were read.
        self._places: dict[int, tuple[int, int]] = {}
        self._open: tuple[int, Iterator[list[NDArray[Any]]]] | None = None

    def begin(self) -> int:
        with self._lock:
            number = next(self._numbers)
            self._batches._begin()
            self._places[number] = self._batches._epoch, self._batches._read
            return number

    def next_batch(self, number: tf.Tensor) -> list[tf.Tensor]:
        with self._lock:
            key = int(number)
            epoch, read = self._places[key]
            if self._open is None or self._open[0] != key:
                self._open = key, self._batches._arrays(epoch, read)
            arrays = next(self._open[1])
            if read + 1 == len(self._batches):
                self._open = None
                del self._places[key]
            else:
                self._places[key] = epoch, read + 1
        return [_tensor(values) for values in arrays]


def _specs(batches: Batches) -> list[tf.TensorSpec]:
    settings = batches._settings
    rows = settings.batch_size if settings.drop_last and settings.on_error == "raise" else None
    specs = [tf.TensorSpec((rows, *batches.shape), batches.dtype)]
    tensors = batches.table._native.tensors
    for name in batches.columns:
        if name in tensors:
            shape, kind = tensors[name]
            specs.append(tf.TensorSpec((rows, *shape), kind))
            continue
        column = batches.table.column(name)
        if column.dtype.kind not in "biufO" or (column.dtype == object and not _are_texts(column)):
            kind = "objects or missing values" if column.dtype == object else str(column.dtype)
            raise SettingError(
                f"column `{name}` holds {kind}, for which TensorFlow has no type; leave it out of columns"
            )
        dtype = tf.string if column.dtype == object else column.dtype
        specs.append(tf.TensorSpec((rows, *column.shape[1:]), dtype))
    return specs


def _are_texts(column: NDArray[Any]) -> bool:
    return all(isinstance(value, str | bytes) for value in column)


def _tensor(values: NDArray[Any]) -> tf.Tensor:
    """A tensor of this memory, or a copy of what it can't be made of."""
    address: int = values.__array_interface__["data"][0]
    # TensorFlow ends the process at a tensor that is not aligned.
    if values.dtype.kind not in "iuf" or values.size == 0 or address % _ALIGNMENT:
        return tf.convert_to_tensor(values)
    return tf.experimental.dlpack.from_dlpack(values.__dlpack__())
