"""The batches of a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ._settings import BatchSettings, integer, position

if TYPE_CHECKING:
    from ._table import Table


class Batches:
    """Batches of rows, epoch by epoch: dictionaries of arrays, the tensors first. See `Table.batches`.

    A pass that reaches its end is an epoch, and the next pass is the next epoch. A pass that stops early starts over,
    unless `load_state_dict` says where to continue.
    """

    def __init__(self, table: Table, settings: BatchSettings) -> None:
        self.table: Table = table
        """The table that is read."""
        self.columns: tuple[str, ...] = settings.columns
        """The names of the columns beside the tensors."""
        self._settings = settings
        self._epoch, self._read, self._skip = 0, 0, 0

    def __len__(self) -> int:
        """Number of batches of an epoch, for this rank."""
        return self.table._native.count_batches(self._settings)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        skip, self._skip = self._skip, 0
        names = (self.table.tensor_column, *self.columns)
        for read, arrays in enumerate(self._arrays(self._epoch, skip), skip + 1):
            self._read = read
            yield dict(zip(names, arrays, strict=True))
        self.set_epoch(self._epoch + 1)

    def __repr__(self) -> str:
        size, columns = self._settings.batch_size, "".join(f", {name}" for name in self.columns)
        return f"<inlaid.Batches {len(self)} of {size} rows: {self.table.tensor_column}{columns}>"

    def _arrays(self, epoch: int, skip: int, worker: int = 0, workers: int = 1) -> Iterator[list[Any]]:
        return self.table._native.batches(self._settings, epoch, skip, worker, workers)

    def set_epoch(self, epoch: int) -> None:
        """Makes the next pass this epoch (from 0), from its first batch."""
        self._epoch, self._read, self._skip = integer("epoch", epoch, 0), 0, 0

    def state_dict(self, batches: int | None = None) -> dict[str, int]:
        """How far reading has come: the epoch, and the number of its batches that were read, or `batches` if something
        has read ahead of the training loop."""
        return {"epoch": self._epoch, "batches": self._read if batches is None else integer("batches", batches, 0)}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Makes the next pass continue with the batch after the last one of `state`. A state fits any number of workers
        and prefetching threads; all other settings must be the same."""
        self._epoch, self._skip = position(state)
        self._read = self._skip
