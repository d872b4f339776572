"""The native half of the package (see `python/src`)."""

from collections.abc import Sequence
from os import PathLike
from typing import Any, final

from numpy.typing import NDArray

__version__: str

def main(arguments: Sequence[str]) -> int:
    """Runs the command line, the program's name first; returns its exit code."""

def write(arguments: Sequence[str], progress: object) -> str:
    """Runs `inlaid convert`, `append` or `repack`; returns the summary as JSON."""

def open_dataset(folder: str | PathLike[str]) -> tuple[dict[str, Table], str]:
    """The splits of a dataset, and its manifest as JSON."""

@final
class Schema:
    """The names and types of columns, for other Arrow libraries."""

    @property
    def names(self) -> list[str]:
        """Of all columns, in order."""

    def __len__(self) -> int: ...
    def __arrow_c_schema__(self) -> object: ...

@final
class Batches:
    """Batches that are being read: the tensors (N, H, W, C), then the columns."""

    def __iter__(self) -> Batches: ...
    def __next__(self) -> list[NDArray[Any]]: ...

@final
class Table:
    """The rows of one or several files."""

    def __new__(cls, path: str | PathLike[str]) -> Table: ...
    @staticmethod
    def of_files(paths: Sequence[str | PathLike[str]]) -> Table:
        """Files whose rows follow each other."""

    def __len__(self) -> int: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> str: ...
    @property
    def fingerprint(self) -> int: ...
    @property
    def tensor_column(self) -> str: ...
    @property
    def classes(self) -> list[str]: ...
    @property
    def schema(self) -> Schema: ...
    def slice(self, start: int, rows: int) -> NDArray[Any]:
        """The tensors of a stretch of rows, read-only: a view where they lie together, else a copy."""

    def take(self, rows: bytes) -> NDArray[Any]:
        """A copy of the tensors of these rows: int64, one after the other."""

    def column(self, name: str) -> NDArray[Any]: ...
    def batches(self, settings: dict[str, Any], epoch: int, skip: int, worker: int, workers: int) -> Batches:
        """The batches of an epoch from the batch `skip` on; of these, a worker gets every so many."""

    def count_batches(self, settings: dict[str, Any]) -> int:
        """How many batches an epoch has."""

    def stream(self, columns: Sequence[str] | None) -> object:
        """The rows as an Arrow stream (a PyCapsule): all columns, or some."""
