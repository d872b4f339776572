"""Tables as datasets of PyTorch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import Dataset, IterableDataset, get_worker_info

from .._batches import Batches
from .._errors import SettingError
from .._settings import chosen_columns, integer, position

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .._table import Table


class BatchesDataset(IterableDataset[Any]):
    """The batches of an epoch, which the workers of a `DataLoader` share."""

    def __init__(self, batches: Batches) -> None:
        self._batches = batches
        # Shared, so that workers that live on see what the training loop sets, and it sees that they have read.
        self._position = torch.zeros(2, dtype=torch.int64).share_memory_()
        self._workers_read = torch.zeros(1, dtype=torch.bool).share_memory_()
        self._read = 0

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Any]:
        worker = get_worker_info()
        number, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        if worker:
            self._workers_read[0] = True
        epoch, skip = self._position.tolist()
        for read, arrays in enumerate(self._batches._arrays(epoch, skip, number, workers), skip + 1):
            self._read = read
            yield _element([_tensor(values) for values in arrays])

    def set_epoch(self, epoch: int) -> None:
        """Makes the next pass this epoch (from 0), from its first batch. Call it before each pass, as with
        `DistributedSampler`."""
        self.load_state_dict({"epoch": epoch, "batches": 0})

    def state_dict(self, batches: int | None = None) -> dict[str, int]:
        """How far reading has come: the epoch, and the number of its batches that were read. Workers read ahead of the
        training loop, so with workers `batches` has to say how many of this epoch the loop has taken.

        Raises `SettingError` if workers have read and `batches` is missing.
        """
        if batches is None:
            if self._workers_read[0]:
                raise SettingError("workers read ahead: `state_dict(batches=...)` needs the number that the loop took")
            batches = self._read
        return {"epoch": int(self._position[0]), "batches": integer("batches", batches, 0)}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Makes the next pass continue with the batch after the last one of `state`, with any number of workers."""
        self._position[0], self._position[1] = position(state)
        self._read = int(self._position[1])
        self._workers_read[0] = False


class RowsDataset(Dataset[Any]):
    """Rows by number."""

    def __init__(self, table: Table, columns: Sequence[str] | None = None) -> None:
        self._table, self._columns = table, chosen_columns(table.schema.names, table.tensor_column, columns)

    def __len__(self) -> int:
        return len(self._table)

    def __getitem__(self, row: int) -> Any:
        return self.__getitems__([row])[0]

    def __getitems__(self, rows: list[int]) -> list[Any]:
        """Several rows at once, which is what a `DataLoader` asks for."""
        chosen = np.asarray(rows)
        tensors = torch.from_numpy(self._table[chosen])
        columns = [_values(self._table.column(name)[chosen]) for name in self._columns]
        return [_element(row) for row in zip(tensors, *columns, strict=True)]


def _values(column: NDArray[Any]) -> Any:
    """One value per row: a tensor of a tensor column, a plain number or text of any other."""
    return torch.from_numpy(column) if column.ndim > 1 else column.tolist()


def _element(values: Sequence[Any]) -> Any:
    return tuple(values) if len(values) > 1 else values[0]


def _tensor(values: NDArray[Any]) -> Any:
    """A tensor of numbers, or a list of texts."""
    if values.dtype == object:
        return values.tolist()
    return torch.from_numpy(values)
