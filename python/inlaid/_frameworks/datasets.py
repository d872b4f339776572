"""Tables as datasets of Hugging Face, and what `datasets` lacks for columns of tensors.

`datasets` has no feature for the Arrow type of tensors, `arrow.fixed_shape_tensor`, so it refuses files that have it.
Importing this module adds one, `Tensor`. In every format its values have the shape and the type of the tensors, and
nothing is copied but what is asked for. Wherever `datasets` writes it down, it looks like a `List` of numbers, and is
loaded as one where inlaid is not imported.
"""

from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import arrow_dataset, arrow_writer, formatting
from datasets.features import Features, List, Value, features
from datasets.table import InMemoryTable, cast_table_to_features

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .._table import Table


def hf_dataset(table: Table) -> datasets.Dataset:
    """See `Table.to_hf`."""
    arrow = table.to_arrow()
    if not len(table):
        # A table without chunks has no type to cast.
        arrow = pa.Table.from_batches([pa.RecordBatch.from_pylist([], arrow.schema)])
    columns = Features.from_arrow_schema(arrow.schema)
    columns |= {field.name: tensor for field in arrow.schema if (tensor := _of_bytes(field))}
    columns[table.tensor_column] = datasets.Image() if table._are_files else Tensor(table.shape, table.dtype.name)
    if table.classes and arrow.schema.field("label").type == pa.int64():
        columns["label"] = datasets.ClassLabel(names=table.classes)
    rows = InMemoryTable(cast_table_to_features(arrow, Features(columns)))
    # A fingerprint that is not given is made of all pixels.
    return datasets.Dataset(rows, fingerprint=f"{table._native.fingerprint:016x}")


@dataclass(init=False, repr=False)
class Tensor:
    """Feature of tensors of one shape, stored as lists of one length.

    Its fields are those of a `List` of that length. The shape is in `id`, which `datasets` keeps and does not use.
    """

    # `List` came with `datasets` 4; before it there is nothing that this could look like.

    feature: Value
    length: int
    id: str
    _type: str = field(default=List.__name__, init=False)

    def __init__(self, shape: tuple[int, ...], dtype: str) -> None:
        self.feature, self.length = Value(dtype), math.prod(shape)
        self.id = f"tensor[{','.join(map(str, shape))}]"
        self._type = List.__name__

    @staticmethod
    def from_dict(written: dict[str, Any]) -> Tensor | None:
        """The feature that was written down, if it is one of tensors."""
        found = re.fullmatch(r"tensor\[(\d+(?:,\d+)*)\]", str(written.get("id")))
        if written.get("_type") != List.__name__ or not found:
            return None
        feature = written.get("feature")
        dtype = feature.get("dtype") if isinstance(feature, dict) else None
        if not isinstance(dtype, str):
            return None
        tensor = Tensor(tuple(map(int, found[1].split(","))), dtype)
        return tensor if tensor.length == written.get("length") else None

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(map(int, self.id[len("tensor[") : -1].split(",")))

    @property
    def dtype(self) -> np.dtype[Any]:
        dtype: np.dtype[Any] = np.dtype(self.feature.dtype)
        return dtype

    def __repr__(self) -> str:
        return f"Tensor(shape={self.shape}, dtype={self.feature.dtype!r})"

    def __call__(self) -> TensorType:
        return TensorType(self.feature.pa_type, self.shape)

    def encode_example(self, value: Any) -> NDArray[Any]:
        """The elements of a tensor of this shape, or of a list of them."""
        array = np.asarray(value)
        if array.shape not in (self.shape, (self.length,)):
            raise ValueError(f"a tensor of shape {array.shape} is not one of {self.shape}")
        return array.reshape(-1)

    def cast_storage(self, storage: pa.Array) -> pa.Array:
        """Lists, nested or not, or bytes, as tensors; without a copy if their elements have the type of this feature.

        Raises `TypeError` if they have another shape.
        """
        column = self()
        if pa.types.is_null(storage.type):
            return pa.nulls(len(storage), column)
        if storage.type != column.storage_type:
            valid = storage.drop_null() if storage.null_count else storage
            elements = self._elements(valid).cast(self.feature.pa_type)
            lists = pa.FixedSizeListArray.from_arrays(elements, type=column.storage_type)
            storage = lists.take(_places(storage)) if storage.null_count else lists
        return column.wrap_array(storage)

    def _elements(self, storage: pa.Array) -> pa.Array:
        if pa.types.is_fixed_size_binary(storage.type):
            return self._elements_of_bytes(storage)
        shape = []
        while pa.types.is_nested(storage.type):
            lengths = pc.unique(pc.list_value_length(storage)).to_pylist()
            shape.append(lengths[0] if len(lengths) == 1 else None)
            storage = storage.flatten()
        if len(storage) and tuple(shape) not in (self.shape, (self.length,)):
            raise TypeError(f"tensors of shape {tuple(shape)} are not ones of {self.shape}")
        return storage

    def _elements_of_bytes(self, storage: pa.Array) -> pa.Array:
        width = storage.type.byte_width
        if width != self.length * self.dtype.itemsize:
            raise TypeError(f"tensors of {width} bytes are not ones of {self.shape} and type {self.dtype}")
        pixels = storage.buffers()[1].slice(storage.offset * width, len(storage) * width)
        if pixels.address % self.dtype.itemsize:
            # Arrow wants elements that begin at a multiple of their size.
            pixels = pa.py_buffer(pixels.to_pybytes())
        return pa.Array.from_buffers(self.feature.pa_type, len(storage) * self.length, [None, pixels])


class TensorType(pa.ExtensionType):
    """Arrow type of the feature. It is no `arrow.fixed_shape_tensor`, which `datasets` can't load without inlaid."""

    def __init__(self, value_type: pa.DataType, shape: tuple[int, ...]) -> None:
        self.shape = tuple(shape)
        super().__init__(pa.list_(value_type, math.prod(shape)), "inlaid.tensor")

    def __arrow_ext_serialize__(self) -> bytes:
        return json.dumps({"shape": self.shape}).encode()

    @classmethod
    def __arrow_ext_deserialize__(cls, storage_type: pa.DataType, serialized: bytes) -> TensorType:
        # Anybody may write such a type into a file, and pyarrow ends the process at one that does not fit its storage.
        try:
            shape = tuple(json.loads(serialized)["shape"])
            fits = all(type(dim) is int and dim >= 0 for dim in shape) and pa.types.is_fixed_size_list(storage_type)
            column = cls(storage_type.value_type, shape) if fits else None
        except (KeyError, TypeError, ValueError, OverflowError):
            column = None
        if column is None or column.storage_type != storage_type:
            raise ValueError(f"a column of type inlaid.tensor: {serialized!r} does not fit {storage_type}")
        return column

    def __arrow_ext_class__(self) -> type[TensorArray]:
        return TensorArray

    def __arrow_ext_scalar_class__(self) -> type[TensorScalar]:
        return TensorScalar

    def __hash__(self) -> int:
        return hash((self.shape, self.storage_type))


class TensorArray(pa.ExtensionArray):
    """Tensors as NumPy has them."""

    def to_numpy(self, zero_copy_only: bool = True, writable: bool = False) -> NDArray[Any]:
        """The tensors (N, ...), a view; with missing ones, an array of tensors and None."""
        if self.null_count:
            rows = np.empty(len(self), object)
            rows[:] = self.to_pylist()
            return rows
        elements: NDArray[Any] = self.storage.flatten().to_numpy()
        return elements.reshape(len(self), *self.type.shape)


class TensorScalar(pa.ExtensionScalar):
    """One tensor, which to Python is an array of NumPy's."""

    def as_py(self, **keywords: Any) -> NDArray[Any] | None:
        # A copy, since what `datasets` hands out may be written to.
        return self.value.values.to_numpy().reshape(self.type.shape).copy() if self.is_valid else None


def _register() -> None:
    """Adds the feature to `datasets`."""
    patched = {
        "generate_from_arrow_type": _with_tensors_of_arrow(features.generate_from_arrow_type),
        "generate_from_dict": _with_tensors_of_dicts(features.generate_from_dict),
    }
    formats = {
        name: _keeping_types(formatting._FORMAT_TYPES[name], keywords)
        for name, keywords in _KEYWORDS.items()
        if name in formatting._FORMAT_TYPES
    }
    # Nothing is changed before all of it is found.
    with suppress(pa.ArrowKeyError):
        # Of this file when it was imported before.
        pa.unregister_extension_type("inlaid.tensor")
    pa.register_extension_type(TensorType(pa.uint8(), (1,)))
    for module in (features, arrow_dataset, arrow_writer):
        vars(module).update((name, function) for name, function in patched.items() if name in vars(module))
    formatting._FORMAT_TYPES.update(formats)


def _with_tensors_of_arrow(generate: Callable[[pa.DataType], Any]) -> Callable[[pa.DataType], Any]:
    def generate_from_arrow_type(pa_type: pa.DataType) -> Any:
        if isinstance(pa_type, pa.FixedShapeTensorType):
            dims, numbers = pa_type.permutation, pa_type.value_type
            is_plain = dims is None or dims == sorted(dims)
            if is_plain and (pa.types.is_integer(numbers) or pa.types.is_floating(numbers)):
                return Tensor(tuple(pa_type.shape), generate(numbers).dtype)
            return generate(pa_type.storage_type)
        if isinstance(pa_type, TensorType):
            return Tensor(pa_type.shape, generate(pa_type.storage_type.value_type).dtype)
        return generate(pa_type)

    return generate_from_arrow_type


def _with_tensors_of_dicts(generate: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def generate_from_dict(obj: Any) -> Any:
        return (isinstance(obj, dict) and Tensor.from_dict(obj)) or generate(obj)

    return generate_from_dict


_KEYWORDS = {
    "numpy": "np_array_kwargs",
    "torch": "torch_tensor_kwargs",
    "tensorflow": "tf_tensor_kwargs",
    "jax": "jnp_array_kwargs",
}
"""Attribute of the formatter of each format that has the keywords of its arrays."""


def _keeping_types(base: Any, keywords: str) -> Any:
    """A formatter that leaves tensors the type that they have, where `base` makes int64 or float32 of every number."""

    class Formatter(base):
        def _tensorize(self, value: Any) -> Any:
            given = getattr(self, keywords)
            if "dtype" in given or not _is_tensor(value, self.features):
                return super()._tensorize(value)
            formatter = copy.copy(self)
            setattr(formatter, keywords, {**given, "dtype": _dtype(keywords, value)})
            return super(Formatter, formatter)._tensorize(value)

    Formatter.__name__ = Formatter.__qualname__ = base.__name__
    return Formatter


def _dtype(keywords: str, value: NDArray[Any]) -> Any:
    if keywords == "torch_tensor_kwargs":
        import torch

        return getattr(torch, value.dtype.name)
    return value.dtype.name


def _is_tensor(value: Any, columns: Features | None) -> bool:
    """Whether a value is a tensor of one of the columns, or several of them."""
    if not isinstance(value, np.ndarray):
        return False
    tensors = [feature for feature in (columns or {}).values() if isinstance(feature, Tensor)]
    return any(value.dtype == tensor.dtype and value.shape[-len(tensor.shape) :] == tensor.shape for tensor in tensors)


def _of_bytes(column: pa.Field) -> Tensor | None:
    """The feature of a column of `--storage binary`."""
    metadata = column.metadata or {}
    if b"inlaid:shape" not in metadata or not pa.types.is_fixed_size_binary(column.type):
        return None
    return Tensor(tuple(json.loads(metadata[b"inlaid:shape"])["shape"]), metadata[b"inlaid:dtype"].decode())


def _places(storage: pa.Array) -> pa.Array:
    """The place of each row among those that are not null."""
    valid = np.asarray(storage.is_valid())
    return pa.array(np.cumsum(valid) - 1, mask=~valid)


_register()
