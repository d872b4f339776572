"""Tables made of others: their rows after each other, or mixed in proportion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _inlaid
from ._draws import Draw, apportioned, parts
from ._errors import SettingError
from ._loading import Loading
from ._settings import counted, integer
from ._table import Origin, Table

if TYPE_CHECKING:
    from collections.abc import Iterable


def concat(tables: Iterable[Table]) -> Table:
    """The rows of several tables as one: those of the first, then those of the second, and so on. Nothing is copied.

    Classes are known by their names: a label of the result is an index into its `classes`, which are those of the first
    table, then those that others add.

    Raises `SettingError` if there is no table, if their tensors differ in name, shape or type, or if one has labels
    without class names where others name theirs.
    """
    several = _tables(tables)
    origin = _Concatenated(tuple(table._origin for table in several))
    return Table._new(origin, _inlaid.Table.concat([table._native for table in several]), None)


def mix(shares: Mapping[Table, float], *, rows: int | None = None) -> Mixture:
    """Tables mixed in proportion: `mix({photos: 0.7, drawings: 0.3})`.

    - `shares`: how much of an epoch each table is, above 0; they need not sum to 1.
    - `rows`: rows of an epoch. `None`: as many as the tables have together.

    An epoch has exactly these shares of rows, rounded. The rows of a table take turns from epoch to epoch, so that each
    is read as often as any other of its table, give or take one. Without `shuffle` the tables take turns, each in
    stored order. Classes are known by their names, as in `concat`.

    Raises `SettingError` for wrong shares, and if the tables can't be joined, as `concat` does.
    """
    if not isinstance(shares, Mapping):
        raise SettingError(f"shares are a mapping of tables to numbers, not {shares!r}")
    tables = _tables(shares)
    numbers = [_share(share) for share in shares.values()]
    for table in tables:
        if len(table) == 0:
            raise SettingError("a table without rows can't be mixed")
    total = sum(map(len, tables)) if rows is None else integer("rows", rows, 1, MOST_ROWS)
    return Mixture(tables, numbers, total)


MOST_ROWS = 2**40
"""The most rows of an epoch of a mixture."""


class Mixture(Loading):
    """Tables mixed in proportion. See `mix`."""

    def __init__(self, tables: Sequence[Table], shares: Sequence[float], rows: int) -> None:
        self.tables: tuple[Table, ...] = tuple(tables)
        """The tables."""
        self.counts: tuple[int, ...] = tuple(apportioned(rows, shares))
        """How many rows of each table are in an epoch."""
        self._all = concat(tables)
        ends = np.cumsum([len(table) for table in tables])
        ranges = [np.arange(end - len(table), end) for table, end in zip(tables, ends, strict=True)]
        self._draw = parts(ranges, self.counts)

    def __len__(self) -> int:
        """Number of rows of an epoch."""
        return sum(self.counts)

    def __repr__(self) -> str:
        shares = ", ".join(
            f"{count} of {counted(len(table), 'row', 'rows')}"
            for count, table in zip(self.counts, self.tables, strict=True)
        )
        return f"<inlaid.Mixture {counted(len(self), 'row', 'rows')}: {shares}; {self._all._tensors_in_words()}>"

    @property
    def classes(self) -> list[str]:
        """The names of the classes of all tables; a label is an index into them."""
        return self._all.classes

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one tensor."""
        return self._all.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        return self._all.dtype

    def _loaded(self) -> Table:
        return self._all

    def _numbered(self) -> Table:
        raise SettingError("a mixture has no rows by number: give a batch_size, as in `to_torch(64)`")

    def _drawn(self, weights: Any, balanced: bool) -> Draw:
        if weights is not None or balanced:
            raise SettingError("a mixture has its shares; weights and balanced are for tables")
        return self._draw


def _tables(tables: Any) -> list[Table]:
    several = list(tables) if hasattr(tables, "__iter__") and not isinstance(tables, Table) else [tables]
    for table in several:
        if not isinstance(table, Table):
            raise SettingError(f"tables are what `inlaid.open` returns for a split or a file, not {table!r}")
    if not several:
        raise SettingError("there is no table")
    return several


def _share(share: Any) -> float:
    try:
        number = float(share)
    except (TypeError, ValueError, OverflowError):
        raise SettingError(f"a share is a number above 0, not {share!r}") from None
    if not 0 < number < float("inf"):
        raise SettingError(f"a share is a number above 0, not {share!r}")
    return number


@dataclass(frozen=True)
class _Concatenated:
    """The origin of a table of several."""

    origins: tuple[Origin, ...]

    @property
    def path(self) -> Path | str:
        return self.origins[0].path

    def open(self) -> Table:
        return concat(origin.open() for origin in self.origins)
