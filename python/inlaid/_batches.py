"""The batches of a table."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ._errors import ColumnError, SettingError

if TYPE_CHECKING:
    from ._table import Table


_MOST_THREADS = 1024


class Batches:
    """Batches of rows, epoch by epoch: dictionaries of arrays, the tensors first. See `Table.batches`.

    Each pass that goes to its end is an epoch, and the next pass the next one. A pass that is broken off is begun
    again, unless `load_state_dict` says where to go on.
    """

    def __init__(self, table: Table, settings: dict[str, Any]) -> None:
        self.table = table
        self.columns: tuple[str, ...] = _columns(table, settings["columns"])
        """The names of the columns beside the tensors."""
        self._settings = _checked(settings) | {"columns": list(self.columns)}
        self._epoch, self._given, self._skip = 0, 0, 0

    def __len__(self) -> int:
        """How many batches an epoch has, for this rank."""
        return self.table._native.count_batches(self._settings)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        skip, self._skip = self._skip, 0
        names = (self.table.tensor_column, *self.columns)
        for given, arrays in enumerate(self._arrays(self._epoch, skip), skip + 1):
            self._given = given
            yield dict(zip(names, arrays))
        self.set_epoch(self._epoch + 1)

    def _arrays(self, epoch: int, skip: int, worker: int = 0, workers: int = 1) -> Iterator[list[Any]]:
        return self.table._native.batches(self._settings, epoch, skip, worker, workers)

    def set_epoch(self, epoch: int) -> None:
        """The next pass is this epoch (from 0), from its first batch."""
        self._epoch, self._given, self._skip = _integer("epoch", epoch, 0), 0, 0

    def state_dict(self) -> dict[str, int]:
        """How far reading has come: the epoch, and how many of its batches were given out."""
        return {"epoch": self._epoch, "batches": self._given}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """The next pass goes on with exactly the batch after the last one of `state`. The state fits any number of
        workers or prefetching threads, but the other settings must be the same."""
        self._epoch, self._skip = position(state)
        self._given = self._skip


def position(state: dict[str, int]) -> tuple[int, int]:
    """The epoch of a state, and how many of its batches were given out."""
    if not isinstance(state, dict) or not {"epoch", "batches"} <= state.keys():
        raise SettingError(f'a state is what `state_dict()` returned, with "epoch" and "batches", not {state!r}')
    return _integer("epoch", state["epoch"], 0), _integer("batches", state["batches"], 0)


def _columns(table: Table, asked: Sequence[str] | None) -> tuple[str, ...]:
    names = table.schema.names
    if asked is None:
        return ("label",) if "label" in names else ()
    if isinstance(asked, str):
        raise SettingError(f"columns is a list of names: [{asked!r}]")
    asked = tuple(asked)
    for name in asked:
        if name not in names:
            raise ColumnError(f"there is no column `{name}`, the table has {', '.join(names)}")
    return tuple(name for name in asked if name != table.tensor_column)


def _checked(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings with every number in its range."""
    checked = dict(settings)
    ranges = {"batch_size": 1, "seed": 0, "rank": 0, "world_size": 1, "prefetch": 0}
    for name, least in ranges.items():
        checked[name] = _integer(name, settings[name], least)
    if checked["prefetch"] > _MOST_THREADS:
        raise SettingError(f"prefetch is at most {_MOST_THREADS} threads, not {checked['prefetch']}")
    if not isinstance(settings["shuffle"], bool):
        checked["shuffle"] = _integer("shuffle", settings["shuffle"], 1)
    checked["drop_last"] = bool(settings["drop_last"])
    if settings["uneven"] is None:
        checked["uneven"] = "drop" if checked["drop_last"] else "keep"
    if checked["uneven"] not in ("keep", "drop", "pad"):
        raise SettingError(f'uneven is "keep", "drop" or "pad", not {settings["uneven"]!r}')
    if checked["rank"] >= checked["world_size"]:
        raise SettingError(f"rank {settings['rank']} is not below world_size {settings['world_size']}")
    return checked


def _integer(name: str, value: Any, least: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise SettingError(f"{name} is an integer, not {value!r}") from None
    if not least <= number < 2**64:
        raise SettingError(f"{name} is at least {least}, not {value}")
    return number
