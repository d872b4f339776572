"""Tables as datasets of PyTorch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import Dataset, IterableDataset, get_worker_info

from ._batches import Batches, _columns, position

if TYPE_CHECKING:
    from ._table import Table


class BatchesDataset(IterableDataset[Any]):
    """Batches of an epoch, which the workers of a `DataLoader` share."""

    def __init__(self, batches: Batches) -> None:
        self._batches = batches
        # Shared, so that workers that live on see what the training loop sets.
        self._position = torch.zeros(2, dtype=torch.int64).share_memory_()

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Any]:
        worker = get_worker_info()
        number, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        epoch, skip = self._position.tolist()
        for arrays in self._batches._arrays(epoch, skip, number, workers):
            yield _element([_tensor(values) for values in arrays])

    def set_epoch(self, epoch: int) -> None:
        """The next pass is this epoch (from 0), from its first batch. To be called before each pass, as with
        `DistributedSampler`."""
        self.load_state_dict({"epoch": epoch, "batches": 0})

    def state_dict(self, batches: int) -> dict[str, int]:
        """How far the training loop has come: `batches` is how many of this epoch it has taken. Workers read ahead of
        it, so nobody else knows."""
        return {"epoch": int(self._position[0]), "batches": batches}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """The next pass goes on with exactly the batch after the last one of `state`, with any number of workers."""
        self._position[0], self._position[1] = position(state)


class RowsDataset(Dataset[Any]):
    """Rows by number."""

    def __init__(self, table: Table, columns: Sequence[str] | None = None) -> None:
        self._table, self._columns = table, _columns(table, columns)

    def __len__(self) -> int:
        return len(self._table)

    def __getitem__(self, row: int) -> Any:
        return self.__getitems__([row])[0]

    def __getitems__(self, rows: list[int]) -> list[Any]:
        """Several rows at once, which is what a `DataLoader` asks for."""
        chosen = np.asarray(rows)
        tensors = torch.from_numpy(self._table[chosen])
        columns = [self._table.column(name)[chosen].tolist() for name in self._columns]
        return [_element(row) for row in zip(tensors, *columns)]


def _element(values: Sequence[Any]) -> Any:
    return tuple(values) if len(values) > 1 else values[0]


def _tensor(values: np.ndarray) -> Any:
    """A tensor of numbers, or a list of texts."""
    if values.dtype == object:
        return values.tolist()
    return torch.from_numpy(values)
