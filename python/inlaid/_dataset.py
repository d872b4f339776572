"""A dataset's folder: its splits by name."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from . import _inlaid, _maintain, _write
from ._errors import InlaidError, SplitError
from ._look import Sheet, class_chart, sheet, table_of, thumbnails, write_report
from ._progress import Progress
from ._reading import Cache, Reading, absolute, place_of
from ._rejects import Rejects
from ._settings import counted, meant
from ._statistics import Statistics
from ._table import Table
from ._write import ColumnType, Rows, Source, Sources

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Dataset(Mapping[str, Table]):
    """The splits of a dataset that have rows, in the order train, validation, test: `dataset["train"]` is a `Table`.

    A dataset is the snapshot that was committed when it was opened. Its methods `append`, `compact` and `rollback` make
    another one, which has to be opened: `inlaid.open(dataset.path)`. For the keywords see `open`.

    Raises `NotFoundError` if `path` is not a dataset, `DamagedError` if a shard has too few rows or can't be read.
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
    def _open(cls, place: str, reading: Reading) -> Dataset:
        dataset = cls.__new__(cls)
        dataset._read(place, reading)
        return dataset

    def _read(self, place: str, reading: Reading) -> None:
        self.path: Path | str = absolute(place)
        """The folder, or its URL."""
        self._reading = reading
        self._storage_options = None if reading.storage_options is None else dict(reading.storage_options)
        splits, manifest, rejects = _inlaid.open_dataset(place, reading.native)
        self.manifest: dict[str, Any] = json.loads(manifest)
        """The manifest: spec, classes, shards (see `schemas/manifest.schema.json`)."""
        self.classes: list[str] = self.manifest["classes"]
        """The names of the classes; a label is an index into them."""
        self.rejects: Rejects = Rejects(rejects)
        """The inputs that could not become rows: a sequence of `Reject`, and a frame of polars or pandas."""
        order = sorted(splits, key=["train", "validation", "test"].index)
        self._splits = {
            name: Table._new(self._origin(name, splits[name], reading), splits[name], self.classes) for name in order
        }

    def _origin(self, name: str, native: _inlaid.Table, reading: Reading) -> _Split:
        files = (str(absolute(file)) for file in native.files)
        return _Split(self.path, reading, name, tuple(zip(files, native.lengths, strict=True)), tuple(self.classes))

    def __getitem__(self, split: str) -> Table:
        try:
            return self._splits[split]
        except KeyError:
            raise SplitError(
                f"`{self.path}` has no rows in a split `{split}`, it has {', '.join(self)}{meant(split)}"
            ) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._splits)

    def __len__(self) -> int:
        return len(self._splits)

    def __repr__(self) -> str:
        rows = ", ".join(f"{len(table)} {name}" for name, table in self.items())
        tensors = next((f" rows of {table._tensors_in_words()}" for table in self.values()), "no rows")
        return f"<inlaid.Dataset {str(self.path)!r}: {rows}{tensors}, {counted(len(self.classes), 'class', 'classes')}>"

    @property
    def files(self) -> list[Path | str]:
        """The files of all splits, for other readers: `pyarrow.dataset.dataset(dataset.files)`."""
        return [file for table in self.values() for file in table.files]

    @cached_property
    def statistics(self) -> Statistics:
        """Mean, standard deviation and counts of each split and class: a mapping by split, and a frame."""
        return Statistics(self.manifest, list(self))

    def info(self, *, storage_options: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The manifest as it is committed now, whatever was open: `inlaid.info`. `storage_options` are those with which
        it was opened, if there are none here; so are those of `verify` and `append`."""
        return _maintain.info(self.path, storage_options=self._storage(storage_options))

    def verify(
        self,
        sources: Sources = (),
        *,
        threads: int | None = None,
        check: bool = False,
        storage_options: Mapping[str, Any] | None = None,
        progress: Progress = True,
    ) -> dict[str, Any]:
        """Reads back what is committed now, and returns the problems found: `inlaid.verify`."""
        return _maintain.verify(
            self.path,
            sources,
            threads=threads,
            check=check,
            storage_options=self._storage(storage_options),
            progress=progress,
        )

    def append(
        self,
        sources: Sources | Rows,
        *,
        root: Source | None = None,
        name: str = "rows",
        metadata: Source | None = None,
        file_column: str | None = None,
        image_column: str | None = None,
        label_column: str | Sequence[str] | None = None,
        column_types: Mapping[str, ColumnType] | None = None,
        keep_columns: Sequence[str] | None = None,
        missing: Literal["reject", "stop"] = "reject",
        files_from: Source | None = None,
        storage_options: Mapping[str, Any] | None = None,
        folders: Literal["auto", "classes", "splits", "none"] | None = None,
        on_changed: Literal["skip", "stop"] = "skip",
        history: bool = True,
        croissant: bool = False,
        threads: int | None = None,
        memory: int | str | None = None,
        on_error: Literal["skip", "stop"] = "skip",
        max_errors: int | str | None = None,
        small_classes: Literal["fill", "stop"] = "fill",
        single_writer: bool = False,
        dry_run: bool = False,
        progress: Progress = True,
    ) -> dict[str, Any]:
        """Adds new images to the dataset, and returns the summary: `inlaid.append`. Open it again to see their rows."""
        keywords = {name: value for name, value in locals().items() if name != "self"}
        keywords["storage_options"] = self._storage(storage_options)
        return _write.append(out=self.path, **keywords)

    def card(
        self,
        *,
        title: str | None = None,
        license: str | None = None,
        source: str | None = None,
        croissant: bool = False,
        pictures: bool = True,
        storage_options: Mapping[str, Any] | None = None,
    ) -> list[Path | str]:
        """Writes the card of what is committed now, and returns the files that describe it: `inlaid.card`."""
        return _maintain.card(
            self.path,
            title=title,
            license=license,
            source=source,
            croissant=croissant,
            pictures=pictures,
            storage_options=self._storage(storage_options),
        )

    def compact(self, *, progress: Progress = True) -> dict[str, Any]:
        """Merges small files, and returns the new snapshot: `inlaid.compact`. Open tables read the old files."""
        return _maintain.compact(self.path, progress=progress)

    def rollback(self, *, progress: Progress = True) -> dict[str, Any]:
        """Undoes the last append, and returns the restored snapshot: `inlaid.rollback`. Open it again to read it."""
        return _maintain.rollback(self.path, progress=progress)

    def _storage(self, given: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        return self._storage_options if given is None else given

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)

    def show(
        self,
        rows: int | Sequence[int] = 24,
        *,
        class_name: str | None = None,
        seed: int = 0,
        columns: int = 8,
        threads: int | None = None,
    ) -> Sheet:
        """A contact sheet of rows of all splits, which follow each other: as `Table.show`."""
        return sheet(self._natives(), rows, class_name, seed, columns, threads)

    def plot(self, axes: Axes | None = None) -> Axes:
        """A chart of matplotlib, of the rows of each class by split: as `Table.plot`."""
        return class_chart(self.classes, {name: table._class_rows() for name, table in self.items()}, axes)

    def report(
        self,
        out: str | PathLike[str] = "report.html",
        *,
        rows: int = 5_000,
        seed: int = 0,
        threads: int | None = None,
    ) -> Path:
        """Writes a page that shows what the dataset holds, and returns its path: `inlaid.report`."""
        return write_report(str(self.path), self._reading.native, out, rows, seed, threads)

    def _natives(self) -> dict[str, _inlaid.Table]:
        return {name: table._native for name, table in self.items()}

    def _repr_html_(self) -> str:
        lines = table_of(("split", "rows", "classes", "tensors"), list(self._lines()))
        path = f"<code>{html.escape(str(self.path))}</code>"
        return f"<div>{path}{lines}{thumbnails(self._natives())}</div>"

    def _lines(self) -> Iterator[tuple[object, ...]]:
        for name, table in self.items():
            classes = sum(rows > 0 for rows in self.manifest["splits"][name]["labels"])
            yield name, len(table), f"{classes} of {len(self.classes)}", table._tensors_in_words()


@dataclass(frozen=True)
class _Split:
    """The origin of a table that is a split of a dataset."""

    path: Path | str
    reading: Reading
    name: str
    shards: tuple[tuple[str, int], ...]
    """The files, and how many bytes of each are read."""
    classes: tuple[str, ...]

    def open(self) -> Table:
        try:
            # Appends lengthen files, and keep what they were.
            native = _inlaid.Table.of_files(self.shards, self.reading.native)
            return Table._new(self, native, list(self.classes))
        except InlaidError:
            return Dataset._open(str(self.path), self.reading)[self.name]
