"""The rows of a split or of a file."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from inspect import signature
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Protocol, SupportsIndex, overload

import numpy as np
from numpy.typing import DTypeLike, NDArray

from . import _inlaid
from ._batches import Batches
from ._errors import DamagedError, DecodingWarning, InlaidError, RowError, SettingError, warn
from ._settings import (
    batch_settings,
    chosen_columns,
    counted,
    input_path,
    known_column,
    names_of_columns,
    truth,
)

if TYPE_CHECKING:
    import pyarrow
    import tensorflow as tf

    from ._frameworks.jax import JaxBatches
    from ._frameworks.torch import BatchesDataset, RowsDataset


class Table:
    """Rows of tensors, with other columns beside them: `Table("photos.parquet")` opens a file, `Table("dataset/train")`
    all files below a folder in the order of their paths.

    `table[3]` is the tensor of a row and `table[10:20]` are the tensors of a slice. Both are read-only: views of the
    mapped file where the rows are contiguous in it, else copies (always with `map=False`, see `open`).
    `table[[7, 1, 3]]` copies any rows; a mask of booleans does too. Tables can be pickled, and used by many threads,
    which don't hold the GIL while rows are gathered.

    A table returns what is stored: it has no `map` and no transforms. Transform batches in the training loop, or with
    the `map` of `to_tf`.

    Files of other tools are decoded a few pages at a time, and a `DecodingWarning` says so once. What is decoded is
    kept up to 256 MiB, or one tensor if that is larger. Besides, a thread that reads takes the tensors of a page or two
    (at most 64 MiB, or one tensor), that page decompressed, and ten bytes for each of 2**18 elements, or of one tensor.

    Raises `NotFoundError` if there is no such file, `DamagedError` if one is damaged or has no tensors.
    """

    def __init__(self, path: str | bytes | PathLike[str], *, map: bool = True) -> None:
        path = input_path("path", path)
        self._open(_Path(Path(os.path.abspath(path)), map), _inlaid.Table(path, truth("map", map)), None)
        self._warn()

    @classmethod
    def _new(cls, origin: Origin, native: _inlaid.Table, classes: list[str] | None) -> Table:
        table = cls.__new__(cls)
        table._open(origin, native, classes)
        return table

    @classmethod
    def _from_files(cls, paths: Sequence[Path], map: bool) -> Table:
        origin = _Files(tuple(Path(os.path.abspath(path)) for path in paths), map)
        table = cls._new(origin, _inlaid.Table.of_files(paths, map), None)
        table._warn()
        return table

    def _open(self, origin: Origin, native: _inlaid.Table, classes: list[str] | None) -> None:
        self._origin, self._native = origin, native
        self._columns: dict[str, NDArray[Any]] = {}
        self.classes: list[str] = native.classes if classes is None else classes
        """The names of the classes; a label is an index into them. Empty if the files don't name them."""
        self.shape: tuple[int, ...] = native.shape
        """Shape of one tensor: (H, W, C) or (C, H, W), or (N,) if the file names no dimensions."""
        self.dtype: np.dtype[Any] = np.dtype(native.dtype)
        """Type of the elements: uint8, uint16, float16 or float32 in files that inlaid wrote."""
        self.tensor_column: str = native.tensor_column
        """The name of the column of tensors."""
        self.files: list[Path] = [Path(os.path.abspath(file)) for file in native.files]
        """The files in the order of their rows, for other readers: `pyarrow.dataset.dataset(table.files)`."""
        self.schema: _inlaid.Schema = native.schema
        """The Arrow schema of all columns, for `pyarrow.schema(...)` or another Arrow library."""

    def _warn(self) -> None:
        """Warns, once for the same files, if their tensors have to be decoded."""
        if self._origin.path in _warned or not self._native.decodes:
            return
        _warned.add(self._origin.path)
        path = os.fspath(self._origin.path)
        text = f"the tensors of `{path}` are not stored verbatim: every row is decoded"
        if self.dtype.name in _REPACKED:
            text += f"; `inlaid.repack({path!r}, out=...)` makes files that are only mapped"
        warn(text, DecodingWarning)

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (self._origin, len(self), self._native.fingerprint)

    def __len__(self) -> int:
        return len(self._native)

    def __repr__(self) -> str:
        others = [name for name in self.schema.names if name != self.tensor_column]
        columns = ", ".join([f"{self.tensor_column} {self._tensors_in_words()}", *others])
        classes = f"; {counted(len(self.classes), 'class', 'classes')}" if self.classes else ""
        return f"<inlaid.Table {counted(len(self), 'row', 'rows')}: {columns}{classes}>"

    def _tensors_in_words(self) -> str:
        return f"{'x'.join(map(str, self.shape))} {self.dtype}"

    @overload
    def __getitem__(self, rows: str) -> NoReturn: ...

    @overload
    def __getitem__(self, rows: SupportsIndex | slice | Sequence[SupportsIndex] | NDArray[Any]) -> NDArray[Any]: ...

    def __getitem__(self, rows: str | SupportsIndex | slice | Sequence[SupportsIndex] | NDArray[Any]) -> NDArray[Any]:
        """The tensor of a row (H, W, C), or the tensors of a slice or array of rows (N, H, W, C).

        Raises `RowError` (an `IndexError`) if there is no such row, or `rows` are not integers or booleans. A tuple,
        which would choose pixels, is refused too, and so is the name of a column.
        """
        if isinstance(rows, str):
            raise RowError(f"rows are chosen by an integer, a slice or an array; `table.column({rows!r})` is a column")
        if isinstance(rows, bool | np.bool_):
            raise RowError(f"rows are chosen by an integer, a slice or an array, not by {bool(rows)}")
        if isinstance(rows, tuple):
            raise RowError("rows are chosen by an array or list, not by a tuple; `table[3][0, 0]` is a pixel of row 3")
        if isinstance(rows, slice):
            if rows.step == 0:
                raise SettingError("the step of a slice is not 0")
            start, stop, step = rows.indices(len(self))
            if step == 1:
                return self._native.slice(start, max(stop - start, 0))
            return self._take(np.arange(start, stop, step))
        try:
            row = operator.index(rows)  # type: ignore[arg-type]
        except TypeError:
            try:
                chosen = np.asarray(rows)
            except ValueError:
                text = "rows are chosen by an array (N,) of integers or booleans, not by nested lists"
                raise RowError(text) from None
            return self._take(self._checked(chosen))
        counted = row + len(self) if row < 0 else row
        if not 0 <= counted < len(self):
            raise RowError(f"row {row} is out of range for a table of length {len(self)}")
        tensor: NDArray[Any] = self._native.slice(counted, 1)[0]
        return tensor

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[row] for row in range(len(self)))

    def to_numpy(self) -> NDArray[Any]:
        """All tensors (N, H, W, C), read-only: a view of the mapped file if all of them are contiguous in it, else a
        copy in memory."""
        return self[:]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """All tensors, for `numpy.asarray(table)`: those of `to_numpy` if they have the type and need not be a copy."""
        tensors = self[:]
        if copy is False and not np.may_share_memory(tensors, self[:1]):
            raise ValueError("the tensors are not contiguous in a mapped file, so an array of them is a copy")
        return np.array(tensors, dtype, copy=copy)

    def column(self, name: str) -> NDArray[Any]:
        """All rows of a column, read-only: numbers (a missing label is -1), an object array of strings, or tensors
        (N, ...). It is read once and kept.

        Raises `ColumnError` (a `KeyError`) if there is no such column, `TypeError` if NumPy has no such type.
        """
        if name not in self._columns:
            values = self._native.column(known_column(name, self.schema.names))
            values.flags.writeable = False
            self._columns[name] = values
        return self._columns[name]

    def batches(
        self,
        batch_size: int,
        *,
        shuffle: bool | int = False,
        seed: int = 0,
        drop_last: bool = False,
        columns: Sequence[str] | None = None,
        rank: int = 0,
        world_size: int = 1,
        uneven: Literal["keep", "drop", "pad"] | None = None,
        prefetch: int = 2,
    ) -> Batches:
        """The rows in batches: dictionaries of arrays that may be written to, the tensors (N, H, W, C) and `columns`
        (N,).

        - `batch_size`: rows of a batch, at least 1; the last batch of an epoch may have fewer.
        - `shuffle`: `True` makes every order of the rows equally likely; a number such as 8 mixes the rows of that many
          row groups (16 MiB each) at a time, for files larger than memory. Every pass has another order.
        - `seed`: decides the orders, 0 to 2**64 - 1.
        - `drop_last`: leaves out a last batch of fewer rows, so that all batches are full.
        - `columns`: names of the columns beside the tensors; by default `label` if there is one. See `column` for their
          types.
        - `rank`, `world_size`: reads the part of process `rank` (from 0) of `world_size` processes.
        - `uneven`: what to do with rows that the ranks can't share equally. "keep" gives some ranks one more row, so
          that every row is read once, and some ranks may have one more batch; "drop" leaves these rows out; "pad" reads
          the first rows of the epoch again at its end, as `DistributedSampler` does. With "drop" and "pad" all ranks
          have the same number of rows and batches. By default "drop" with `drop_last`, else "keep".
        - `prefetch`: threads that make batches ahead, at most 2 each; with 0 a batch is made when it is asked for.

        Raises `SettingError` (a `ValueError`) or `ColumnError` (a `KeyError`), which name what is wrong.
        """
        settings = batch_settings(
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
            drop_last=drop_last,
            columns=chosen_columns(self.schema.names, self.tensor_column, columns),
            rank=rank,
            world_size=world_size,
            uneven=uneven,
            prefetch=prefetch,
        )
        return Batches(self, settings)

    def to_arrow(self, columns: Sequence[str] | None = None) -> pyarrow.Table:
        """A `pyarrow.Table` of all columns, or of `columns`. The tensors are views of the mapped file where it stores
        them verbatim, in one chunk for each contiguous run of rows. Needs pyarrow; other Arrow libraries take the table
        itself, as `polars.DataFrame(table)` does.

        Raises `ColumnError` if there is no such column, `SettingError` if `columns` is not a list of names,
        `DamagedError` if a row group is damaged.
        """
        import pyarrow

        names = None if columns is None else names_of_columns(columns)
        if names is not None and not names:
            raise SettingError("columns is a list of at least one name")
        for name in names or ():
            known_column(name, self.schema.names)
        try:
            return pyarrow.RecordBatchReader.from_stream(_Stream(self._native, names)).read_all()
        except (pyarrow.ArrowException, OSError) as error:
            raise DamagedError(str(error)) from None

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._native.stream(None)

    def __arrow_c_schema__(self) -> object:
        return self.schema.__arrow_c_schema__()

    def to_tf(
        self,
        batch_size: int,
        *,
        shuffle: bool | int = False,
        seed: int = 0,
        drop_last: bool = False,
        columns: Sequence[str] | None = None,
        rank: int = 0,
        world_size: int = 1,
        uneven: Literal["keep", "drop", "pad"] | None = None,
        prefetch: int = 2,
    ) -> tf.data.Dataset:
        """A `tf.data.Dataset` of tuples: tensors (N, H, W, C), then the columns; of tensors alone if there are no
        columns. For the keywords see `batches`.

        Its cardinality is the number of batches; with `drop_last=True` the batch size is in its `element_spec`. Each
        pass over it is the next epoch, so `shuffle` gives another order. Needs TensorFlow.
        """
        keywords = _without_self(locals())
        from ._frameworks.tensorflow import tf_dataset

        return tf_dataset(self.batches(**keywords))

    @overload
    def to_torch(self, batch_size: None = None, *, columns: Sequence[str] | None = None) -> RowsDataset: ...

    @overload
    def to_torch(
        self,
        batch_size: int,
        *,
        shuffle: bool | int = False,
        seed: int = 0,
        drop_last: bool = False,
        columns: Sequence[str] | None = None,
        rank: int = 0,
        world_size: int = 1,
        uneven: Literal["keep", "drop", "pad"] | None = None,
        prefetch: int = 2,
    ) -> BatchesDataset: ...

    def to_torch(self, batch_size: int | None = None, **keywords: Any) -> BatchesDataset | RowsDataset:
        """A dataset of PyTorch, of tuples: tensors, then the columns; of tensors alone if there are no columns. Needs
        PyTorch.

        With a `batch_size`: an `IterableDataset` of batches for `DataLoader(dataset, batch_size=None)`, whose workers
        share the batches and return them in order. Takes the keywords of `batches`; call `set_epoch` before each pass.

        Without: a map-style `Dataset` of rows, for samplers such as `DistributedSampler`. Takes `columns` only.
        """
        from ._frameworks.torch import BatchesDataset, RowsDataset

        if batch_size is None:
            _refuse_keywords_of_batches(keywords)
            return RowsDataset(self, **keywords)
        return BatchesDataset(self.batches(batch_size, **keywords))

    def to_jax(
        self,
        batch_size: int,
        *,
        shuffle: bool | int = False,
        seed: int = 0,
        drop_last: bool = False,
        columns: Sequence[str] | None = None,
        rank: int = 0,
        world_size: int = 1,
        uneven: Literal["keep", "drop", "pad"] | None = None,
        prefetch: int = 2,
    ) -> JaxBatches:
        """The batches as JAX arrays on the default device, without a copy on a CPU. For the keywords see `batches`.
        Columns of strings stay NumPy arrays. JAX makes 32-bit numbers of 64-bit ones unless its `jax_enable_x64` is
        set. Needs JAX.
        """
        keywords = _without_self(locals())
        from ._frameworks.jax import JaxBatches

        return JaxBatches(self, self.batches(**keywords)._settings)

    def _checked(self, rows: NDArray[Any]) -> NDArray[np.int64]:
        """Rows counted from the front, each one there."""
        if rows.dtype == bool:
            if rows.shape != (len(self),):
                raise RowError(f"a mask of shape {rows.shape} does not fit {counted(len(self), 'row', 'rows')}")
            return np.flatnonzero(rows)
        if rows.ndim != 1 or not (np.issubdtype(rows.dtype, np.integer) or rows.size == 0):
            raise RowError(
                f"rows are chosen by an integer, a slice, or an array (N,) of integers or booleans,"
                f" not by an array {rows.shape} of {rows.dtype}"
            )
        wrong = (rows < -len(self)) | (rows >= len(self))
        if wrong.any():
            raise RowError(f"row {rows[wrong][0]} is out of range for a table of length {len(self)}")
        rows = rows.astype(np.int64)
        return np.where(rows < 0, rows + len(self), rows)

    def _take(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        return self._native.take(rows.astype(np.int64).tobytes())


_REPACKED = ("uint8", "uint16", "float16", "float32")
"""The types of elements that `repack` takes."""

_warned: set[Path] = set()
"""Files and folders that a `DecodingWarning` was about."""


class _Stream:
    """Some columns of a table, for Arrow libraries."""

    def __init__(self, native: _inlaid.Table, columns: list[str] | None) -> None:
        self._native, self._columns = native, columns

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._native.stream(self._columns)


class Origin(Protocol):
    """What a table was opened from. It is pickled in the place of the table."""

    @property
    def path(self) -> Path:
        """A file or folder to name in messages."""

    def open(self) -> Table:
        """Opens it again."""


@dataclass(frozen=True)
class _Path:
    """A file, or a folder of files."""

    path: Path
    map: bool

    def open(self) -> Table:
        return Table._new(self, _inlaid.Table(self.path, self.map), None)


@dataclass(frozen=True)
class _Files:
    """Files whose rows follow each other."""

    paths: tuple[Path, ...]
    map: bool

    @property
    def path(self) -> Path:
        return self.paths[0]

    def open(self) -> Table:
        return Table._new(self, _inlaid.Table.of_files(self.paths, self.map), None)


def _reopen(origin: Origin, rows: int, fingerprint: int) -> Table:
    """Opens what another process had open."""
    table = origin.open()
    if len(table) != rows:
        raise InlaidError(f"`{origin.path}` has {len(table)} rows now, it had {rows} when it was opened; open it again")
    if table._native.fingerprint != fingerprint:
        raise InlaidError(f"`{origin.path}` has other files now than when it was opened; open it again")
    return table


def _refuse_keywords_of_batches(keywords: dict[str, Any]) -> None:
    known = signature(Table.batches).parameters.keys() - {"columns"}
    for name in filter(known.__contains__, keywords):
        raise SettingError(
            f"{name} needs a batch_size, as in `to_torch(64, {name}=...)`; without one, a `DataLoader` and its sampler"
            " decide which rows are read"
        )


def _without_self(arguments: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if name != "self"}
