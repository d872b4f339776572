"""The rows of a split or of a file."""

from __future__ import annotations

import html
import operator
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, SupportsIndex, overload

import numpy as np
from numpy.typing import DTypeLike, NDArray

from . import _inlaid
from ._draws import Draw, weighted
from ._draws import balanced as balanced_draw
from ._errors import DamagedError, DecodingWarning, InlaidError, RowError, SettingError, warn
from ._loading import Loading
from ._look import Sheet, class_chart, sheet, table_of, thumbnails
from ._matching import matching
from ._pixels import PixelSettings
from ._reading import Cache, Reading, absolute, place_of
from ._settings import CastSettings, counted, known_column, names_of_columns, truth

if TYPE_CHECKING:
    import datasets
    import pyarrow
    from matplotlib.axes import Axes
    from PIL.Image import Image


class Table(Loading):
    """Rows of tensors, or of image files, with other columns beside them: `Table("photos.parquet")` opens a file,
    `Table("dataset/train")` all files below a folder in the order of their paths.

    `table[3]` is the tensor of a row and `table[10:20]` are the tensors of a slice. Both are read-only: views of the
    mapped file where the rows are contiguous in it, else copies (always with `map=False`). For the keywords see `open`.
    `table[[7, 1, 3]]` copies any rows; a mask of booleans does too. Tables can be pickled, and used by many threads,
    which don't hold the GIL while rows are gathered.

    A table returns what is stored; `batches` can cast it. `select` and `where` make tables of some of the rows,
    `inlaid.concat` and `inlaid.mix` of several tables, without a copy.

    Files of other tools are decoded a few pages at a time, and a `DecodingWarning` says so once. What is decoded is
    kept up to 256 MiB, or one tensor if that is larger. Besides, a thread that reads takes the tensors of a page or two
    (at most 64 MiB, or one tensor), that page decompressed, and ten bytes for each of 2**18 elements, or of one tensor.

    Raises `NotFoundError` if there is no such file, `DamagedError` if one is damaged or has neither tensors nor images.
    """

    def __init__(
        self,
        path: str | bytes | PathLike[str],
        *,
        map: bool = True,
        storage_options: Mapping[str, str] | None = None,
        cache: Cache = None,
        cache_bytes: int | str | None = None,
    ) -> None:
        place = place_of(path)
        self._read(place, Reading.of(place, map, storage_options, cache, cache_bytes))

    @classmethod
    def _at(cls, place: str, reading: Reading) -> Table:
        table = cls.__new__(cls)
        table._read(place, reading)
        return table

    def _read(self, place: str, reading: Reading) -> None:
        self._open(_Path(absolute(place), reading), _inlaid.Table(place, reading.native), None)
        self._warn()

    @classmethod
    def _new(cls, origin: Origin, native: _inlaid.Table, classes: list[str] | None) -> Table:
        table = cls.__new__(cls)
        table._open(origin, native, classes)
        return table

    @classmethod
    def _from_files(cls, paths: Sequence[str], reading: Reading) -> Table:
        origin = _Files(tuple(absolute(path) for path in paths), reading)
        table = cls._new(origin, origin.native(), None)
        table._warn()
        return table

    def _open(self, origin: Origin, native: _inlaid.Table, classes: list[str] | None) -> None:
        self._origin, self._native = origin, native
        self._columns: dict[str, NDArray[Any]] = {}
        self._identity: str | None = None
        self._loader: _inlaid.Loader | None = None
        self.classes: list[str] = native.classes if classes is None else classes
        """The names of the classes; a label is an index into them. Empty if the files don't name them."""
        self._shape: tuple[int, ...] | None = native.shape
        self._are_files: bool = native.are_files
        self.dtype: np.dtype[Any] = np.dtype(native.dtype)
        """Type of the elements: uint8, uint16, float16 or float32 in files that inlaid wrote; uint8 for image files."""
        self.tensor_column: str = native.tensor_column
        """The name of the column of tensors, or of image files."""
        self.files: list[Path | str] = [absolute(file) for file in native.files]
        """The files (or URLs) in the order of their rows, for other readers: `pyarrow.dataset.dataset(table.files)`."""
        self.schema: _inlaid.Schema = native.schema
        """The Arrow schema of all columns, for `pyarrow.schema(...)` or another Arrow library."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one tensor: (H, W, C) or (C, H, W), or (N,) if the file names no dimensions.

        Raises `SettingError` if the rows are image files with sizes of their own."""
        if self._shape is None:
            raise SettingError(f"the images of `{self._origin.path}` have sizes of their own; batches have a `size`")
        return self._shape

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
        if self._are_files:
            return "files" if self._shape is None else f"files {'x'.join(map(str, self._shape))}"
        return f"{'x'.join(map(str, self.shape))} {self.dtype}"

    @overload
    def __getitem__(self, rows: str) -> NoReturn: ...

    @overload
    def __getitem__(self, rows: SupportsIndex | slice | Sequence[SupportsIndex] | NDArray[Any]) -> NDArray[Any]: ...

    def __getitem__(self, rows: str | SupportsIndex | slice | Sequence[SupportsIndex] | NDArray[Any]) -> NDArray[Any]:
        """The tensor of a row (H, W, C), or the tensors of a slice or array of rows (N, H, W, C). Image files are
        decoded to RGB, each at its own size; several only if `convert` has resized them.

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
            if step == 1 and not self._are_files:
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
        tensor: NDArray[Any] = self._native.decode(counted) if self._are_files else self._native.slice(counted, 1)[0]
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
        """All rows of a column, read-only: numbers (a missing one is -1, or NaN), datetimes (or NaT), tensors (N, ...),
        or an object array of what else there may be: strings, bytes, arrays of lists, dictionaries of structs, and None
        for a missing one. It is read once and kept, but tensors are not: they are `table[:]`, and a copy each time.

        Raises `ColumnError` (a `KeyError`) if there is no such column, `TypeError` if NumPy has no such type.
        """
        if name == self.tensor_column and not self._are_files:
            return self[:]
        if name not in self._columns:
            values = self._native.column(known_column(name, self.schema.names))
            values.flags.writeable = False
            if name in self._native.tensors:
                return values
            self._columns[name] = values
        return self._columns[name]

    def select(self, rows: slice | Sequence[SupportsIndex] | NDArray[Any]) -> Table:
        """The table of these rows, in this order: a slice, an array (N,) of integers, which may repeat, or a mask (N,)
        of booleans. Takes 8 bytes per row; no tensor is copied.

        Raises `RowError` (an `IndexError`) if there is no such row.
        """
        if isinstance(rows, slice):
            if rows.step == 0:
                raise SettingError("the step of a slice is not 0")
            rows = np.arange(len(self))[rows]
        chosen = self._checked(np.asarray(rows)).astype(np.int64)
        native = self._native.select(chosen.tobytes())
        origin: Origin = self._origin
        if isinstance(origin, _Selected):
            # A selection of a selection is one of the rows below it.
            chosen = np.frombuffer(origin.rows, np.int64)[chosen]
            origin = origin.origin
        return Table._new(_Selected(origin, chosen.tobytes()), native, self.classes)

    def where(self, mask: Any = None, /, **columns: Any) -> Table:
        """The table of the rows that a mask (N,) of booleans and the values of columns choose, in stored order:
        `table.where(label=["cat", "dog"])`, `table.where(source_height=lambda height: height >= 224)`.

        - `columns`: for each column a value, several of which one fits, or a function that gets the whole column (N,)
          and gives a mask. Labels may be class names.

        Classes and labels stay what they are. Raises `ColumnError` if there is no such column, `SettingError` if there
        is no such class, `RowError` for a mask of another length.
        """
        return self.select(matching(self, mask, columns))

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

    def to_hf(self) -> datasets.Dataset:
        """A `datasets.Dataset` of all columns, with the names of the classes. The tensors are not copied where
        `to_arrow` doesn't. In every format they have their shape and type, as NumPy arrays without a format.

        Needs Hugging Face `datasets`, 4 or later.
        """
        from ._frameworks.datasets import hf_dataset

        return hf_dataset(self)

    def image(self, row: SupportsIndex) -> Image:
        """A row as an image of Pillow: normalization undone, 8 bits per channel (16 for gray of 16 bits). Needs Pillow.

        Raises `RowError` if there is no such row, `SettingError` if the tensors are no images.
        """
        from ._image import to_image

        spec = None if self._are_files else self._native.spec
        return to_image(self[operator.index(row)], self._native.layout(self.tensor_column), spec)

    def show(
        self,
        rows: int | Sequence[int] = 24,
        *,
        class_name: str | None = None,
        seed: int = 0,
        columns: int = 8,
        threads: int | None = None,
    ) -> Sheet:
        """A contact sheet of rows, with their classes and files: a picture below a cell of a notebook, or an image of
        Pillow (`.image()`).

        - `rows`: how many, evenly from all classes; or their numbers.
        - `class_name`: only rows of this class.
        - `seed`: decides which rows are drawn.
        - `columns`: pictures next to each other.
        - `threads`: threads that make pictures. `None`: one for each core.

        Raises `SettingError` if the tensors are not images or the class does not exist, `RowError` if a row does not
        exist.
        """
        return sheet({"row": self._native}, rows, class_name, seed, columns, threads)

    def plot(self, axes: Axes | None = None) -> Axes:
        """A chart of matplotlib, of the rows of each class, or of the 100 largest; drawn into `axes` if there are any.
        Needs matplotlib.

        Raises `SettingError` if rows have no classes."""
        return class_chart(self.classes, {"rows": self._class_rows()}, axes)

    def _class_rows(self) -> NDArray[np.int64]:
        """Number of rows of every class."""
        if not self.classes:
            return np.zeros(0, np.int64)
        labels = np.asarray(self.column("label"))
        if labels.ndim > 1:
            counts: NDArray[np.int64] = labels.sum(axis=0, dtype=np.int64)
            return counts
        # Rows without a class have none of these, nor have labels that are not classes.
        known = labels[(labels >= 0) & (labels < len(self.classes))]
        return np.bincount(known.astype(np.int64), minlength=len(self.classes))

    def _repr_html_(self) -> str:
        rows = self._class_rows()
        most = 20
        order = np.argsort(-rows, kind="stable")[:most]
        lines = [(self.classes[at], rows[at]) for at in order]
        if len(rows) > most:
            lines.append((f"{len(rows) - most} more", rows.sum() - rows[order].sum()))
        counts = table_of(("class", "rows"), lines) if lines else ""
        path, tensors = html.escape(str(self._origin.path)), self._tensors_in_words()
        head = f"<code>{path}</code>: {counted(len(self), 'row', 'rows')} of {tensors}"
        return f"<div>{head}<br>{thumbnails({'row': self._native})}{counts}</div>"

    def image_file(self, row: SupportsIndex) -> bytes:
        """The image file of a row, as it is stored.

        Raises `RowError` if there is no such row, `ColumnError` if the table holds tensors, `DamagedError` if the row
        has no image."""
        (chosen,) = self._checked(np.asarray([operator.index(row)]))
        return self._native.image_file(int(chosen))

    def _loaded(self) -> Table:
        return self

    def _numbered(self) -> Table:
        return self

    def _drawn(self, weights: Any, balanced: bool) -> Draw | None:
        if weights is not None and truth("balanced", balanced):
            raise SettingError("weights and balanced exclude each other")
        if weights is None and not truth("balanced", balanced):
            return None
        labels = self.column("label") if "label" in self.schema.names else None
        if weights is not None:
            return weighted(weights, len(self), labels, self.classes)
        if labels is None:
            raise SettingError("balanced=True needs a column `label`")
        return balanced_draw(labels)

    def _columns_of(self, names: Sequence[str], rows: NDArray[np.int64]) -> list[NDArray[Any]]:
        """Some rows of columns: tensors are read for these rows alone."""
        tensors = self._native.tensors
        return [
            self._native.take_of(name, rows.tobytes()) if name in tensors else self.column(name)[rows] for name in names
        ]

    @property
    def _fingerprint(self) -> str:
        """A hash that tables of other files or rows don't have."""
        if self._identity is None:
            self._identity = f"{self._native.fingerprint:016x}"
        return self._identity

    def _checked(self, rows: NDArray[Any]) -> NDArray[np.int64]:
        """Rows counted from the front, each one there."""
        if rows.dtype == bool:
            if rows.shape != (len(self),):
                raise RowError(f"a mask of shape {rows.shape} does not fit {counted(len(self), 'row', 'rows')}")
            return np.flatnonzero(rows)
        if rows.size == 0 and rows.ndim == 1:
            return np.zeros(0, np.int64)
        if rows.ndim != 1 or rows.dtype.kind not in "iu":
            raise RowError(
                f"rows are chosen by an integer, a slice, or an array (N,) of integers or booleans,"
                f" not by an array {rows.shape} of {rows.dtype}"
            )
        wrong = (rows < -len(self)) | (rows >= len(self))
        if wrong.any():
            raise RowError(f"row {rows[wrong][0]} is out of range for a table of length {len(self)}")
        rows = rows.astype(np.int64)
        return np.where(rows < 0, rows + len(self), rows)

    def _take(self, rows: NDArray[np.int64], cast: CastSettings | None = None) -> NDArray[Any]:
        chosen = rows.astype(np.int64).tobytes()
        if not self._are_files:
            return self._native.take(chosen, cast)
        if self._loader is None:
            # Without a shape, this says why there is none.
            assert self.shape
            self._loader = self._native.loader(PixelSettings())
        return self._loader.take(chosen)

    def _made(self, cast: CastSettings | None, pixels: PixelSettings | None) -> tuple[tuple[int, ...], str]:
        """The shape and type of the tensors that are made of rows."""
        if pixels is not None:
            return self._native.made(pixels)
        return (self.shape, self.dtype.name) if cast is None else self._native.cast(cast)


_REPACKED = ("uint8", "uint16", "float16", "float32")
"""The types of elements that `repack` takes."""

_warned: set[Path | str] = set()
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
    def path(self) -> Path | str:
        """A file or folder to name in messages."""

    def open(self) -> Table:
        """Opens it again."""


@dataclass(frozen=True)
class _Path:
    """A file, or a folder of files."""

    path: Path | str
    reading: Reading

    def open(self) -> Table:
        return Table._new(self, _inlaid.Table(str(self.path), self.reading.native), None)


@dataclass(frozen=True)
class _Files:
    """Files whose rows follow each other."""

    paths: tuple[Path | str, ...]
    reading: Reading

    @property
    def path(self) -> Path | str:
        return self.paths[0]

    def native(self) -> _inlaid.Table:
        return _inlaid.Table.of_files([(str(path), None) for path in self.paths], self.reading.native)

    def open(self) -> Table:
        return Table._new(self, self.native(), None)


@dataclass(frozen=True)
class _Selected:
    """Some rows of another table."""

    origin: Origin
    rows: bytes

    @property
    def path(self) -> Path | str:
        return self.origin.path

    def open(self) -> Table:
        return self.origin.open().select(np.frombuffer(self.rows, np.int64))


def _reopen(origin: Origin, rows: int, fingerprint: int) -> Table:
    """Opens what another process had open."""
    table = origin.open()
    if len(table) != rows:
        raise InlaidError(f"`{origin.path}` has {len(table)} rows now, it had {rows} when it was opened; open it again")
    if table._native.fingerprint != fingerprint:
        raise InlaidError(f"`{origin.path}` has other files now than when it was opened; open it again")
    return table
