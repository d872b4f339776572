"""The rows that conditions choose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ._errors import ColumnError, RowError, SettingError
from ._settings import counted, integer, listed

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
            fits = _is_one_of(name, values, _numbered(table, values, wanted) if name == "label" else _several(wanted))
        chosen &= fits
    return np.flatnonzero(chosen)


def _several(wanted: Any) -> list[Any]:
    is_one = isinstance(wanted, str | bytes) or not hasattr(wanted, "__iter__") or np.ndim(wanted) == 0
    return [wanted] if is_one else list(wanted)


def _numbered(table: Table, labels: NDArray[Any], wanted: Any) -> list[Any]:
    """The labels that are wanted, of which some may be the names of classes."""
    if not np.issubdtype(labels.dtype, np.integer):
        return _several(wanted)
    places = {name: place for place, name in enumerate(table.classes)}
    numbers = []
    for label in _several(wanted):
        if isinstance(label, str):
            if label not in places:
                raise SettingError(f"there is no class {label!r}, the classes are {listed(table.classes)}")
            numbers.append(places[label])
            continue
        number = integer("label", label, -1)
        if table.classes and number >= len(table.classes):
            raise SettingError(f"there is no label {number}, the classes are {listed(table.classes)}")
        numbers.append(number)
    return numbers


def _is_one_of(name: str, values: NDArray[Any], wanted: list[Any]) -> NDArray[np.bool_]:
    if values.ndim > 1:
        raise SettingError(
            f"column `{name}` holds {values.shape[1:]} numbers a row; rows are chosen by a function or a mask"
        )
    if values.dtype == object:
        known = set(wanted) if all(isinstance(value, str | bytes) for value in wanted) else wanted
        return np.fromiter((value in known for value in values), bool, len(values))
    if np.issubdtype(values.dtype, np.number) and any(isinstance(value, str | bytes) for value in wanted):
        raise SettingError(f"column `{name}` holds numbers, which {wanted} are not; a function may compare them")
    return np.isin(values, wanted)
