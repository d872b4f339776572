"""What an epoch draws, if it is not every row once."""

from __future__ import annotations

import hashlib
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._errors import SettingError
from ._settings import counted, listed


@dataclass(frozen=True)
class Draw:
    """The rows that an epoch draws from a table."""

    native: bytes | list[tuple[bytes, int]]
    """A weight (float64) for each row, or the rows (int64) of each part with how many of them are drawn."""

    @cached_property
    def identity(self) -> str:
        """A hash that other draws don't have."""
        parts = [self.native] if isinstance(self.native, bytes) else [b"%d:%b" % (n, rows) for rows, n in self.native]
        return hashlib.blake2b(b"|".join(parts), digest_size=8).hexdigest()


def weighted(weights: Any, rows: int, labels: NDArray[Any] | None, classes: Sequence[str]) -> Draw:
    """Rows by their weights: one for each row, or a mapping of class names to weights, without which a class has 0."""
    if isinstance(weights, Mapping):
        if labels is None:
            raise SettingError("weights by class need a column `label`")
        known = set(classes)
        for name in weights:
            if name not in known:
                raise SettingError(f"weights name a class {name!r}, the classes are {listed(classes)}")
        of_classes = np.asarray([weights.get(name, 0.0) for name in classes], np.float64)
        numbers = whole_labels(labels, "weights by class need")
        # A label that names no class has no weight.
        weights = np.zeros(rows)
        named = (numbers >= 0) & (numbers < len(classes))
        weights[named] = of_classes[numbers[named]]
    try:
        values = np.asarray(weights, np.float64)
    except (TypeError, ValueError, OverflowError):
        text = "weights are numbers, one for each row, or a mapping of classes"
        raise SettingError(f"{text}, not {reprlib.repr(weights)}") from None
    if values.shape != (rows,):
        raise SettingError(f"weights of shape {values.shape} do not fit {counted(rows, 'row', 'rows')}")
    if not np.isfinite(values).all() or (values < 0).any() or not (values > 0).any():
        raise SettingError("weights are finite numbers of at least 0, and one of them is above 0")
    # Their sum is a number, too.
    return Draw((values / values.max()).tobytes())


def balanced(labels: NDArray[Any]) -> Draw:
    """Equally many rows of every class."""
    labels = whole_labels(labels, "balanced=True needs")
    missing = int((labels < 0).sum())
    if missing:
        text = "1 row has" if missing == 1 else f"{missing} rows have"
        raise SettingError(
            f"balanced=True needs a label in every row, {text} none; `where(label=table.classes)` has all"
        )
    rows = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    return parts(rows, apportioned(len(labels), [1.0] * len(rows)))


def whole_labels(labels: NDArray[Any], need: str) -> NDArray[np.int64]:
    """Labels as integers, if that is what they are."""
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        kind = "objects" if labels.dtype == object else f"{labels.dtype} {labels.shape[1:] or ''}".rstrip()
        raise SettingError(f"{need} whole numbers in `label`, which holds {kind}")
    return labels.astype(np.int64)


def parts(rows: Sequence[NDArray[Any]], counts: Sequence[int]) -> Draw:
    """A number of rows of each part."""
    return Draw([(part.astype(np.int64).tobytes(), count) for part, count in zip(rows, counts, strict=True)])


def apportioned(rows: int, shares: Sequence[float]) -> list[int]:
    """Whole numbers in the proportion of the shares, which sum to `rows`: by largest remainders."""
    # Shares may be large enough for their sum to be none.
    shares = [share / max(shares) for share in shares]
    exact = [rows * share / sum(shares) for share in shares]
    counts = [int(count) for count in exact]
    by_remainder = sorted(range(len(shares)), key=lambda place: counts[place] - exact[place])
    for place in by_remainder[: rows - sum(counts)]:
        counts[place] += 1
    return counts
