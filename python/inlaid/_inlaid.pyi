"""The native half of the package (see `python/src`)."""

from collections.abc import Sequence
from typing import Any, Literal, final

from numpy.typing import NDArray

from ._pixels import PixelSettings
from ._settings import BatchSettings, CastSettings

__all__ = [
    "Batches",
    "Loader",
    "Reading",
    "Rejects",
    "Schema",
    "Table",
    "__version__",
    "append",
    "card",
    "commit",
    "compact",
    "convert",
    "find",
    "in_python",
    "info",
    "main",
    "missing",
    "open_dataset",
    "outcomes",
    "plan",
    "planned",
    "random_crop",
    "repack",
    "report",
    "rollback",
    "sheet",
    "verify",
    "work",
]

__version__: str

def main(arguments: Sequence[str]) -> int:
    """Runs the command line, the program's name first; returns its exit code."""

def convert(sources: Sequence[str], out: str, keywords: dict[str, Any], progress: object) -> str:
    """Makes a dataset; returns the summary as JSON. Takes the keywords out of the dictionary."""

def append(sources: Sequence[str], out: str, keywords: dict[str, Any], progress: object) -> str:
    """Adds to a dataset; otherwise as `convert`."""

def repack(sources: Sequence[str], out: str, keywords: dict[str, Any], progress: object) -> str:
    """Rewrites files of other tools; otherwise as `convert`."""

def card(folder: str, keywords: dict[str, Any]) -> str:
    """Writes the card of a dataset; returns the files that describe it, and remarks on them, as JSON."""

def report(progress: bool, place: str, reading: Reading, out: str, rows: int, seed: int, threads: int | None) -> None:
    """Writes the page of a report on what is at a path or URL."""

def sheet(
    tables: Sequence[tuple[str, Table]],
    rows: Sequence[int] | None,
    class_name: str | None,
    count: int,
    seed: int,
    columns: int,
    threads: int | None,
    is_jpeg: bool,
) -> bytes:
    """A contact sheet of rows of tables, which are splits with names, as a PNG or a JPEG file."""

def plan(sources: Sequence[str], out: str, keywords: dict[str, Any]) -> str:
    """Plans a conversion; returns what was planned as JSON. Takes the keywords out of the dictionary."""

def planned(run: str, keywords: dict[str, Any]) -> str:
    """What was planned; otherwise as `plan`."""

def missing(run: str, keywords: dict[str, Any]) -> str:
    """The items that are not done, as JSON."""

def outcomes(run: str, items: list[int], keywords: dict[str, Any]) -> str:
    """What became of these items, of those that are done, as JSON."""

def random_crop(
    height: int, width: int, scale: tuple[float, float], ratio: tuple[float, float], numbers: Sequence[float]
) -> tuple[int, int, int, int]:
    """The part of an image that random numbers choose: left, top, width and height. For tests."""

def work(run: str, item: int, keywords: dict[str, Any]) -> str:
    """Makes the file of an item; returns what became of it as JSON."""

def commit(run: str, keywords: dict[str, Any]) -> str:
    """Makes the dataset of a plan; returns the summary as JSON."""

def info(folder: str, keywords: dict[str, Any]) -> tuple[str, Exception | None]:
    """The manifest of a dataset as JSON, and why an interrupted commit can't be completed."""

def verify(folder: str, sources: Sequence[str], keywords: dict[str, Any], progress: object) -> str:
    """Reads back a dataset; returns the result as JSON. Takes the keywords out of the dictionary."""

def compact(folder: str, progress: object) -> str:
    """Merges small files; returns the snapshot, and a remark on the card, as JSON."""

def rollback(folder: str, progress: object) -> str:
    """Undoes the last append; otherwise as `compact`."""

def in_python(text: str) -> str:
    """A message or hint of the command line in the words of Python."""

def find(path: str, reading: Reading) -> tuple[Literal["dataset", "table", "folders", "splits"], dict[str, list[str]]]:
    """Says what there is to open at a path or URL; folders and splits come with their names and paths."""

def open_dataset(folder: str, reading: Reading) -> tuple[dict[str, Table], str, Rejects]:
    """The splits of a dataset, its manifest as JSON, and its rejects."""

@final
class Reading:
    """How files are read, and what is kept of those in object stores."""

    def __new__(cls, keywords: dict[str, Any]) -> Reading:
        """Takes the keywords out of the dictionary."""

@final
class Rejects:
    """The rejects of a snapshot."""

    def __len__(self) -> int: ...
    def read(self) -> list[tuple[str, Literal["discover", "decode", "resize"], str, str]]:
        """Path, stage, reason and detail of each."""

@final
class Schema:
    """The names and types of columns, for other Arrow libraries. Schemas are equal if their columns are, and can be
    pickled."""

    @property
    def names(self) -> list[str]:
        """The names of all columns, in order."""

    @staticmethod
    def from_stream(bytes: bytes) -> Schema:
        """The schema of an Arrow stream."""

    def __len__(self) -> int: ...
    def __hash__(self) -> int: ...
    def __arrow_c_schema__(self) -> object: ...

@final
class Batches:
    """Batches that are being read: lists of arrays, the tensors (N, H, W, C) first, then the columns."""

    def __iter__(self) -> Batches: ...
    def __next__(self) -> list[NDArray[Any]]: ...
    def skipped(self) -> list[tuple[int, str]]:
        """The rows that the last batch lacks, and why."""

@final
class Loader:
    """Makes tensors of the rows of a table."""

    def take(self, rows: bytes) -> NDArray[Any]:
        """The tensors of these rows: int64, one after the other."""

@final
class Table:
    """The rows of one or several files."""

    def __new__(cls, path: str, reading: Reading) -> Table: ...
    @staticmethod
    def of_files(files: Sequence[tuple[str, int | None]], reading: Reading) -> Table:
        """Opens files whose rows follow each other; of each as many bytes as are told, or all."""

    def __len__(self) -> int: ...
    @property
    def shape(self) -> tuple[int, ...] | None:
        """The shape of tensors; None for image files with sizes of their own."""

    @property
    def dtype(self) -> str: ...
    @property
    def are_files(self) -> bool:
        """Whether the rows are image files."""

    def made(self, pixels: PixelSettings) -> tuple[tuple[int, ...], str]:
        """The shape and type of tensors that are made of rows."""

    def loader(self, pixels: PixelSettings) -> Loader:
        """A loader of rows by number."""

    def decode(self, row: int) -> NDArray[Any]:
        """The image of a row at its own size, of image files."""

    def image_file(self, row: int) -> bytes:
        """The image file of a row."""

    @property
    def decodes(self) -> bool:
        """Whether tensors have to be decoded, since they are not stored verbatim."""

    @property
    def fingerprint(self) -> int: ...
    @property
    def tensor_column(self) -> str: ...
    @property
    def tensors(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """The shape and type of the tensors of each column of tensors."""

    @property
    def spec(self) -> str | None:
        """The spec of the dataset that the files are of, as JSON."""

    @property
    def classes(self) -> list[str]: ...
    @property
    def schema(self) -> Schema: ...
    @property
    def files(self) -> list[str]: ...
    @property
    def stored(self) -> tuple[int, int] | None:
        """Bytes of files in object stores, and how many of them a cache keeps; None if the files are on a disk."""

    @property
    def lengths(self) -> list[int]:
        """The length of each file in bytes, as far as it is read."""

    def slice(self, start: int, rows: int) -> NDArray[Any]:
        """The tensors of a range of rows, read-only: a view where they are contiguous, else a copy."""

    def layout(self, column: str) -> Literal["hwc", "chw"] | None:
        """The layout of the tensors in a column, if they have channels."""

    def take(self, rows: bytes, cast: CastSettings | None) -> NDArray[Any]:
        """A copy of the tensors of these rows: int64, one after the other; cast as one batch."""

    def take_of(self, column: str, rows: bytes) -> NDArray[Any]:
        """A copy of the tensors of these rows in any column of tensors."""

    def cast(self, cast: CastSettings) -> tuple[tuple[int, ...], str]:
        """The shape and type of tensors that are cast."""

    def select(self, rows: bytes) -> Table:
        """A table of these rows: int64, one after the other."""

    @staticmethod
    def concat(tables: Sequence[Table]) -> Table:
        """The rows of several tables, one after the other."""

    def column(self, name: str) -> NDArray[Any]: ...
    def batches(self, settings: BatchSettings, epoch: int, skip: int, worker: int, workers: int) -> Batches:
        """The batches of an epoch from the batch `skip` on, or every `workers`-th of these, from `worker` on."""

    def count_batches(self, settings: BatchSettings) -> int:
        """The number of batches of an epoch."""

    def stream(self, columns: Sequence[str] | None) -> object:
        """The rows as an Arrow stream (a PyCapsule): all columns, or some."""
