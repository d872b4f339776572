"""The batches of a table, and how far they have been read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ._errors import PartialPassWarning, RepeatedOrderWarning, SettingError, SkippedRowsWarning, warn
from ._pixels import check_beside
from ._progress import shown
from ._ranks import check_found
from ._settings import BatchSettings, counted, integer

if TYPE_CHECKING:
    from . import _inlaid
    from ._table import Table


class Batches:
    """Batches of rows, epoch by epoch: dictionaries of arrays, the tensors first. See `Table.batches`.

    Every pass (`for batch in batches`) is the next epoch, also if the one before was left early. `steps` goes on
    through the data instead. After `load_state_dict` the next pass resumes in the middle of an epoch.
    """

    def __init__(
        self,
        table: Table,
        settings: BatchSettings,
        transform: Callable[[dict[str, Any]], Any] | None = None,
        progress: bool = False,
    ) -> None:
        self.table: Table = table
        """The table that is read."""
        self.columns: tuple[str, ...] = settings.columns
        """The names of the columns beside the tensors."""
        shape, dtype = table._made(settings.cast, settings.pixels)
        check_beside(table, settings.columns, settings.pixels)
        self.shape: tuple[int, ...] = shape
        """Shape of one tensor of a batch."""
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        """Type of the elements."""
        self.skipped: dict[int, str] = {}
        """The rows that were left out with `on_error="skip"`, and why; those that this process has read."""
        self._settings, self._transform, self._progress = settings, transform, progress
        # Neither depends on anything that changes.
        self._length = table._native.count_batches(settings)
        self._epoch = self._read = 0
        # Whether the position is that of batches that were just made.
        self._is_new = True
        # The pass that reads now, once it has begun.
        self._pass: object = None
        # What `steps` draws from, and the pass that it is.
        self._steps: tuple[Iterator[Any], object] | None = None
        self._left_early = 0
        if not (transform is None or callable(transform)):
            raise SettingError(f"transform is a function, not {transform!r}")
        if len(table) > 0 and len(self) == 0 and settings.uneven != "keep":
            raise SettingError(_no_batch(len(table), settings))

    def __len__(self) -> int:
        """Number of batches of an epoch, for this rank."""
        return self._length

    def __iter__(self) -> Iterator[Any]:
        # A generator: an iterator that nobody draws from begins no epoch.
        self._begin()
        batches = self._rest(self._pass)
        if self._progress:
            batches = shown(batches, f"epoch {self._epoch}", self._read, len(self))
        yield from batches

    def steps(self, count: int | None = None) -> Iterator[Any]:
        """The next `count` batches, or all that there will ever be, through as many epochs as they take. Goes on where
        the last call stopped, or the last pass was left.

        Raises `SettingError` if an epoch has no batch.
        """
        left = None if count is None else integer("count", count, 0)
        if len(self) == 0:
            raise SettingError("an epoch has no batch, so there are no steps")
        return self._next_steps(left)

    def set_epoch(self, epoch: int) -> None:
        """Makes the next pass this epoch (from 0), from its first batch. There is no need to call it."""
        self._move(integer("epoch", epoch, 0), 0)

    def state_dict(self, batches: int | None = None) -> dict[str, Any]:
        """How far reading has come: the epoch, the number of its batches that were read (or `batches` of them, if
        something has read ahead of the training loop), and what these depend on. At the end of an epoch it is the
        beginning of the next. The values are integers, strings, truth values and None."""
        return self._state(self._epoch, self._read if batches is None else batches)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Makes the next pass continue with the batch after the last one of `state`. A state fits any number of workers
        and prefetching threads, any columns and any cast.

        Raises `SettingError` if it is the state of other rows, or of batches with other settings.
        """
        self._move(*self._resumed(state))

    def __repr__(self) -> str:
        settings = self._settings
        rows = f"{len(self)} of {counted(settings.batch_size, 'row', 'rows')}{', shuffled' if settings.shuffle else ''}"
        rank = f"; rank {settings.rank} of {settings.world_size}" if settings.world_size > 1 else ""
        tensors = f"{self.table.tensor_column} {'x'.join(map(str, self.shape))} {self.dtype}"
        return f"<inlaid.{type(self).__name__} {rows}: {', '.join([tensors, *self.columns])}{rank}>"

    def __getstate__(self) -> dict[str, Any]:
        # What is being read stays in this process.
        return {**self.__dict__, "_pass": None if self._pass is None else "elsewhere", "_steps": None}

    def _begin(self) -> None:
        """Makes the position that of a new pass."""
        settings = self._settings
        if settings.are_ranks_found:
            check_found(settings.rank, settings.world_size)
        if self._pass is not None:
            is_of_steps = self._steps is not None and self._steps[1] is self._pass
            is_partial = not settings.shuffle and not is_of_steps and 0 < self._read < len(self)
            self._left_early = self._left_early + 1 if is_partial else 0
            if self._left_early == 2:
                self._warn()
            self._epoch, self._read = self._epoch + 1, 0
        elif self._is_new and settings.shuffle:
            self._tell_of_repeated_order()
        self._pass, self._is_new = object(), False

    def _rest(self, here: object) -> Iterator[Any]:
        """The batches of a pass from the position on, which moves along."""
        names = (self.table.tensor_column, *self.columns)
        for read, arrays in enumerate(self._arrays(self._epoch, self._read), self._read + 1):
            batch = self._placed(dict(zip(names, arrays, strict=True)))
            # A batch whose transform failed was not read. Another pass may have begun meanwhile.
            if self._pass is here:
                self._read = read
            yield batch

    def _placed(self, batch: dict[str, Any]) -> Any:
        """The batch as it is yielded."""
        return batch if self._transform is None else self._transform(batch)

    def _next_steps(self, left: int | None) -> Iterator[Any]:
        while left is None or left > 0:
            if self._steps is None or self._steps[1] is not self._pass:
                if self._pass is None or self._read == len(self):
                    self._begin()
                self._pass = object()
                self._steps = self._rest(self._pass), self._pass
            try:
                batch = next(self._steps[0])
            except StopIteration:
                self._steps = None
                continue
            left = None if left is None else left - 1
            yield batch

    def _move(self, epoch: int, read: int) -> None:
        self._epoch, self._read, self._pass, self._steps, self._left_early = epoch, read, None, None, 0
        self._is_new = False

    def _state(self, epoch: int, batches: int) -> dict[str, Any]:
        count, read = len(self), integer("batches", batches, 0)
        if read > count:
            raise SettingError(f"batches is at most {count}, the number of batches of an epoch, not {read}")
        epoch, read = (epoch + 1, 0) if 0 < count == read else (epoch, read)
        return {"epoch": epoch, "batches": read, **self._identity()}

    def _resumed(self, state: dict[str, Any]) -> tuple[int, int]:
        """As `_position`; the end of an epoch is the beginning of the next."""
        epoch, read = self._position(state)
        return (epoch + 1, 0) if 0 < read == len(self) else (epoch, read)

    def _position(self, state: dict[str, Any]) -> tuple[int, int]:
        """The epoch and the number of batches of a state, if it fits."""
        ours = self._identity()
        if not isinstance(state, dict) or not {"epoch", "batches", *ours} <= state.keys():
            raise SettingError(f"a state is what `state_dict()` returned, not {state!r}")
        epoch, read = integer("epoch", state["epoch"], 0), integer("batches", state["batches"], 0)
        for name, value in ours.items():
            if type(state[name]) is not type(value) or state[name] != value:
                raise SettingError(_mismatch(name, state, ours))
        if read > len(self):
            raise SettingError(f"the state is after {read} batches, an epoch has {len(self)}")
        return epoch, read

    def _identity(self) -> dict[str, Any]:
        """What a position depends on."""
        settings = self._settings
        return {
            "rows": len(self.table),
            "table": self.table._fingerprint,
            "batch_size": settings.batch_size,
            "shuffle": settings.shuffle,
            "seed": settings.seed,
            "drop_last": settings.drop_last,
            "draw": None if settings.draw is None else settings.draw.identity,
            "world_size": settings.world_size,
            "uneven": settings.uneven if settings.world_size > 1 else None,
        }

    def _arrays(self, epoch: int, skip: int, worker: int = 0, workers: int = 1) -> Iterator[list[Any]]:
        arrays = self.table._native.batches(self._settings, epoch, skip, worker, workers)
        return arrays if self._settings.on_error == "raise" else self._counted(arrays)

    def _counted(self, batches: _inlaid.Batches) -> Iterator[list[Any]]:
        """The batches; rows that they lack are counted."""
        for arrays in batches:
            for row, reason in batches.skipped():
                if not self.skipped:
                    warn(f"left out: {reason}; others are counted in `Batches.skipped`", SkippedRowsWarning)
                self.skipped[row] = reason
            yield arrays

    def _order(self) -> tuple[Any, ...]:
        """What the order of the first epoch depends on."""
        return (*self._identity().values(), self._settings.rank)

    def _tell_of_repeated_order(self) -> None:
        order = self._order()
        if order in _read_before:
            warn(REPEATED_ORDER, RepeatedOrderWarning)
        _read_before.add(order)

    def _warn(self) -> None:
        text = (
            "two passes in a row were left early, and without `shuffle` every pass begins with the same rows:"
            " `steps(n)` goes on through the data"
        )
        warn(text, PartialPassWarning)


REPEATED_ORDER = (
    "these batches have the same order as others that were read before: make them once, before the loop over epochs, or"
    " call `set_epoch(epoch)`"
)
"""The text of a `RepeatedOrderWarning`."""

_read_before: set[tuple[Any, ...]] = set()
"""The orders of first epochs that were read in this process."""


def _no_batch(rows: int, settings: BatchSettings) -> str:
    ranks = f" for each of {settings.world_size} ranks" if settings.world_size > 1 else ""
    dropped = f", and drop_last leaves out a batch of fewer than {settings.batch_size}" if settings.drop_last else ""
    return f"an epoch has no batch: {rows} rows are too few{ranks}{dropped}"


def _mismatch(name: str, state: dict[str, Any], ours: dict[str, Any]) -> str:
    if name == "rows":
        text = f"the state is of a table of {state[name]} rows, this one has {ours[name]}"
    elif name == "table":
        text = "the state is of other rows: the files or the selection have changed since"
    elif name == "draw":
        text = "the state is of other weights or proportions"
    else:
        return f"the state is of batches with {name}={state[name]!r}, these have {name}={ours[name]!r}"
    return f"{text}; `set_epoch({state['epoch'] + 1})` begins the next epoch with the rows of now"
