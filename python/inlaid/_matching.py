"""The rows that conditions choose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ._errors import ColumnError, RowError, SettingError
from ._settings import counted, integer

if TYPE_CHECKING:
    from ._table import Table


def matching(table: Table, mask: Any, columns: Mapping[str, Any]) -> NDArray[np.int64]:
    """The rows that a mask and values of columns choose. See `Table.where`."""
    chosen = np.ones(len(table), bool)
    if mask is not None:
        given = np.asarray(mask)
        if given.dtype != bool or given.shape != (len(table),):
            raise RowError(
                f"a mask is {counted(len(table), 'boolean', 'booleans')}, not an array {given.shape} of {given.dtype}"
            )
        chosen &= given
    for name, wanted in columns.items():
        if name == table.tensor_column:
            raise ColumnError(f"`{name}` is the column of tensors; rows are chosen by the others, or by a mask")
        values = table.column(name)
        if callable(wanted):
            fits = np.asarray(wanted(values))
            if fits.dtype != bool or fits.shape != values.shape[:1]:
                raise SettingError(f"the function for `{name}` gives a boolean for each row, not {fits!r}")
        else:
            several = [wanted] if isinstance(wanted, str | bytes) or not hasattr(wanted, "__iter__") else list(wanted)
            fits = np.isin(values, _numbered(table, several)) if name == "label" else _is_one_of(values, several)
        chosen &= fits
    return np.flatnonzero(chosen)


def _numbered(table: Table, labels: list[Any]) -> list[int]:
    """Labels, of which some may be the names of classes."""
    numbers = []
    for label in labels:
        if not isinstance(label, str):
            numbers.append(integer("label", label, -1))
        elif label in table.classes:
            numbers.append(table.classes.index(label))
        else:
            known = ", ".join(table.classes) or "not named"
            raise SettingError(f"there is no class {label!r}, the classes are {known}")
    return numbers


def _is_one_of(values: NDArray[Any], wanted: list[Any]) -> NDArray[np.bool_]:
    if values.dtype == object:
        known = set(wanted)
        return np.fromiter((value in known for value in values), bool, len(values))
    return np.isin(values, wanted)
