"""Tables as datasets of PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import Dataset, IterableDataset, get_worker_info
from torch.utils.data._utils.collate import default_collate_fn_map

from .._batches import REPEATED_ORDER
from .._errors import RepeatedOrderWarning, SettingError, warn
from .._pixels import PixelSettings, check_beside
from .._ranks import check_found
from .._settings import CastSettings, chosen_columns, integer, truth
from .torch_devices import known_device, on_device
from .torch_passes import Passes, read_before

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .. import _inlaid
    from .._batches import Batches
    from .._loading import Loading
    from .._table import Table


def batches_dataset(
    rows: Loading,
    batch_size: int,
    transform: Callable[[Any], Any] | None = None,
    device: Any = None,
    pin_memory: bool = False,
    **options: Any,
) -> BatchesDataset:
    """See `Table.to_torch`."""
    pinned = truth("pin_memory", pin_memory)
    placed = known_device(device, pinned)
    return BatchesDataset(rows.batches(batch_size, **options), transform, placed, pinned)


def rows_dataset(
    table: Table,
    columns: Sequence[str] | None = None,
    transform: Callable[[Any], Any] | None = None,
    layout: Any = None,
    dtype: Any = None,
    scale: Any = None,
    mean: Any = None,
    std: Any = None,
    **options: Any,
) -> RowsDataset:
    """See `Table.to_torch`."""
    chosen = chosen_columns(table.schema.names, table.tensor_column, columns)
    cast = CastSettings.of(layout, dtype, scale, mean, std)
    pixels = PixelSettings.of(table._are_files, cast, options)
    drawn = None if pixels is None else pixels.draws
    if drawn is not None:
        raise SettingError(f"{drawn} is drawn in every epoch, which rows by number don't have: give a batch_size")
    return RowsDataset(table, chosen, cast, pixels, transform)


class BatchesDataset(IterableDataset[Any]):
    """The batches of an epoch, which the workers of a `DataLoader` share. Every pass is the next epoch, also if the one
    before was left early; after `load_state_dict` the next pass resumes in the middle of an epoch."""

    def __init__(
        self,
        batches: Batches,
        transform: Callable[[Any], Any] | None,
        device: torch.device | None = None,
        pin_memory: bool = False,
    ) -> None:
        self._batches, self._transform = batches, transform
        self._device, self._pin_memory = device, pin_memory
        self._element = _Elements(batches.table, batches.columns, batches._settings.cast)
        self._passes = Passes()
        # The position that was loaded last.
        self._begin: tuple[int, int] | None = None
        self._read_before = read_before(batches._order()) if batches._settings.shuffle else None

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Any]:
        settings, worker = self._batches._settings, get_worker_info()
        if settings.are_ranks_found:
            check_found(settings.rank, settings.world_size)
        if worker is None:
            epoch, skip = self._passes.begin()
            self._tell_of_repeated_order(epoch, skip)
            return _Pass(self, epoch, skip)
        if self._device is not None or self._pin_memory:
            name = "pin_memory" if self._device is None else "device"
            raise SettingError(f"{name} is for a loop over the dataset itself, which needs no workers of a DataLoader")
        epoch, skip = self._passes.begin_in_worker(worker.seed - worker.id, worker.id)
        if worker.id == 0:
            self._tell_of_repeated_order(epoch, skip)
        return _Pass(self, epoch, skip, worker.id, worker.num_workers)

    def _tell_of_repeated_order(self, epoch: int, skip: int) -> None:
        is_first = epoch == skip == 0 and not self._passes.was_set()
        if self._read_before is None or not is_first:
            return
        if self._read_before:
            warn(REPEATED_ORDER, RepeatedOrderWarning)
        self._read_before[0] = True
        # Told, or its own now.
        self._read_before = None

    def set_epoch(self, epoch: int) -> None:
        """Makes the next pass this epoch (from 0), from its first batch. There is no need to call it."""
        self._passes.set(integer("epoch", epoch, 0), 0)
        self._begin = None

    def __getitem__(self, row: Any) -> Any:
        raise SettingError("the dataset yields batches; `to_torch()` without a batch_size has rows by number")

    def state_dict(self, batches: int | None = None) -> dict[str, Any]:
        """How far reading has come: the epoch, the number of its batches that were read, and what these depend on.
        Workers read ahead of the training loop, so with workers `batches` says how many of this epoch the loop has
        taken; `StatefulDataLoader` of torchdata needs none of this.

        Raises `SettingError` if workers have read and `batches` is missing.
        """
        read = batches
        if read is None and get_worker_info() is None:
            if self._passes.have_workers_read:
                raise SettingError("workers read ahead: `state_dict(batches=...)` needs the number that the loop took")
            read = self._passes.read
        epoch = self._passes.epoch
        if batches is not None and self._begin is not None and epoch == self._begin[0] and batches < self._begin[1]:
            raise SettingError(
                f"the pass began after batch {self._begin[1]} of the epoch: batches counts from the beginning of the"
                f" epoch, not of the pass"
            )
        # In a worker the state of its pass says more.
        return self._batches._state(self._passes.epoch, 0 if read is None else read)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Makes the next pass continue with the batch after the last one of `state`, with any number of workers.

        Raises `SettingError` if it is the state of other rows, or of batches with other settings.
        """
        position = self._batches._resumed(state)
        if get_worker_info() is None:
            self._passes.set(*position)
            self._begin = position

    def __repr__(self) -> str:
        return repr(self._batches).replace("inlaid.Batches", "inlaid.BatchesDataset", 1)


class _Pass(Iterator[Any]):
    """A pass over a dataset, in the process that trains or in a worker. `StatefulDataLoader` asks it for its state."""

    def __init__(self, dataset: BatchesDataset, epoch: int, skip: int, worker: int = 0, workers: int | None = None):
        self._dataset, self._epoch, self._skip = dataset, epoch, skip
        self._worker, self._workers = worker, workers
        # How many batches this pass is past after each one, and what that has.
        self._values: Iterator[tuple[int, list[Any]]] | None = None

    def __next__(self) -> Any:
        workers = self._workers or 1
        dataset = self._dataset
        if self._values is None:
            batches = dataset._batches._arrays(self._epoch, self._skip, self._worker, workers)
            counted = zip(count(self._skip + workers, workers), map(dataset._element.all, batches), strict=False)
            self._values = on_device(counted, dataset._device, dataset._pin_memory)
        skip, values = next(self._values)
        element = tuple(values) if len(values) > 1 else values[0]
        if dataset._transform is not None:
            # A plain tuple: transforms of torchvision look into no other.
            element = dataset._transform(element)
        # A batch whose transform failed was not read.
        self._skip = skip
        if self._workers is None:
            dataset._passes.move(self._epoch, skip)
        return Batch(element) if type(element) is tuple else element

    def state_dict(self) -> dict[str, Any]:
        """The epoch, how many batches at its beginning this pass is past, and of how many workers it is."""
        identity = self._dataset._batches._identity()
        return {"epoch": self._epoch, "batches": self._skip, "workers": self._workers, **identity}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues where a pass of the same number of workers was."""
        batches = self._dataset._batches
        if not isinstance(state, dict) or "batches" not in state:
            raise SettingError(f"a state is what `state_dict()` returned, not {state!r}")
        if state.get("workers", 0) != self._workers:
            raise SettingError(f"the state is of {state.get('workers')} workers, these are {self._workers}")
        skip = integer("batches", state["batches"], 0)
        epoch, _ = batches._position({**state, "batches": min(skip, len(batches))})
        self._epoch, self._skip, self._values = epoch, skip, None
        if self._workers is None:
            self._dataset._passes.move(epoch, min(skip, len(batches)))
        else:
            self._dataset._passes.resume_in_worker(epoch)


class Batch(tuple):  # type: ignore[type-arg]
    """The tensors and columns of a batch."""

    __slots__ = ()


def _refuse_to_collate(batch: Any, *, collate_fn_map: Any = None) -> Any:
    raise SettingError("the dataset yields batches: `DataLoader(dataset, batch_size=None)` takes them as they are")


# Batches of batches would have one dimension too many, without a word.
default_collate_fn_map[Batch] = _refuse_to_collate


class RowsDataset(Dataset[Any]):
    """Rows by number."""

    def __init__(
        self,
        table: Table,
        columns: tuple[str, ...],
        cast: CastSettings | None,
        pixels: PixelSettings | None,
        transform: Callable[[Any], Any] | None,
    ) -> None:
        self._table, self._columns, self._cast, self._transform = table, columns, cast, transform
        self._pixels = pixels
        self._loader: _inlaid.Loader | None = None
        table._made(cast, pixels)
        check_beside(table, columns, pixels)
        self._element = _Elements(table, columns, cast)

    def __len__(self) -> int:
        return len(self._table)

    def __getitem__(self, row: int) -> Any:
        return self.__getitems__([row])[0]

    def __getitems__(self, rows: list[int]) -> list[Any]:
        """Several rows at once, which is what a `DataLoader` asks for."""
        chosen = self._table._checked(np.asarray(rows))
        arrays = [self._tensors(chosen), *self._table._columns_of(self._columns, chosen)]
        columns = [values if isinstance(values, torch.Tensor) else list(values) for values in self._element.all(arrays)]
        # Plain numbers of columns of numbers.
        columns[1:] = [
            values.tolist() if isinstance(values, torch.Tensor) and values.ndim == 1 else values
            for values in columns[1:]
        ]
        elements = [row if len(row) > 1 else row[0] for row in zip(*columns, strict=True)]
        return elements if self._transform is None else [self._transform(element) for element in elements]

    def _tensors(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        if self._pixels is None:
            return self._table._take(rows, self._cast)
        if self._loader is None:
            worker = get_worker_info()
            pixels = self._pixels if worker is None else self._pixels.shared_by(worker.num_workers)
            self._loader = self._table._native.loader(pixels)
        return self._loader.take(rows.tobytes())

    def __getstate__(self) -> dict[str, Any]:
        # Its threads are those of this process.
        return {**self.__dict__, "_loader": None}

    def __repr__(self) -> str:
        columns = ", ".join((self._table.tensor_column, *self._columns))
        return f"<inlaid.RowsDataset {len(self)} rows: {columns}>"


class _Elements:
    """Arrays as PyTorch has them: images as (N, C, H, W), a view if they are stored as (N, H, W, C)."""

    def __init__(self, table: Table, columns: tuple[str, ...], cast: CastSettings | None) -> None:
        layouts = [table._native.layout(name) for name in (table.tensor_column, *columns)]
        if cast is not None and cast.layout is not None:
            # As it was asked for.
            layouts[0] = None
        self._are_moved = [layout == "hwc" for layout in layouts]

    def all(self, arrays: list[NDArray[Any]]) -> list[Any]:
        """A tensor of each array of numbers, a list of each other one."""
        return [_tensor(array, is_moved) for array, is_moved in zip(arrays, self._are_moved, strict=True)]


def _tensor(values: NDArray[Any], is_moved: bool) -> Any:
    if values.dtype.kind not in "biuf":
        return values.tolist()
    tensor = torch.from_numpy(values)
    return tensor.permute(0, 3, 1, 2) if is_moved else tensor
