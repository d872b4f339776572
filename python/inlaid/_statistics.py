"""What the manifest says about the rows of each split."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._errors import SplitError
from ._frames import Framed
from ._settings import counted, meant

CHANNELS = {"gray": ["gray"], "rgb": ["red", "green", "blue"], "rgba": ["red", "green", "blue", "alpha"]}


@dataclass(frozen=True, eq=False)
class Histogram:
    """The number of rows in each bin. A bin ends where the next one of its width begins; empty bins are left out."""

    at_least: NDArray[np.float64]
    """Lower bound of each bin, inclusive."""
    rows: NDArray[np.int64]
    """Number of rows in each bin."""


@dataclass(frozen=True, eq=False, repr=False)
class SplitStatistics:
    """Statistics of the rows of a split. Means and standard deviations (of the population) are in the units of the
    stored elements, such as 0 to 255 for uint8, and NaN for a class without rows."""

    rows: int
    """Number of rows."""
    mean: NDArray[np.float64]
    """Mean of each channel (C,). Empty if the release that wrote the rows did not compute it."""
    std: NDArray[np.float64]
    """Standard deviation of each channel (C,)."""
    class_rows: NDArray[np.int64]
    """Number of rows of each class, in the order of the labels."""
    class_mean: NDArray[np.float64]
    """Mean of each class and channel (classes, C)."""
    class_std: NDArray[np.float64]
    """Standard deviation of each class and channel (classes, C)."""
    source_pixels: Histogram
    """The number of pixels of the source images: one bin for each power of 2."""
    source_aspects: Histogram
    """The aspect ratio of the source images, width / height: four bins for each power of 2."""

    def __repr__(self) -> str:
        mean, std = (np.array2string(numbers, precision=2) for numbers in (self.mean, self.std))
        return f"<inlaid.SplitStatistics {counted(self.rows, 'row', 'rows')}: mean {mean}, std {std}>"


class Statistics(Mapping[str, SplitStatistics], Framed):
    """The statistics of the splits that have rows, by the name of the split.

    As a frame, each split has a line for all of its rows, whose `class` is null, and one for each class: columns
    `split`, `class`, `rows`, and mean and standard deviation of each channel, such as `mean_red` and `std_red`.
    """

    def __init__(self, manifest: dict[str, Any], splits: list[str]) -> None:
        self._classes: list[str] = manifest["classes"]
        self._splits = {name: _of_split(manifest["splits"][name], len(self._classes)) for name in splits}
        known = any(statistics.mean.size for statistics in self.values())
        self._channels = CHANNELS[manifest["spec"]["channels"]] if known else []

    def __getitem__(self, split: str) -> SplitStatistics:
        try:
            return self._splits[split]
        except KeyError:
            known = ", ".join(self) or "none"
            raise SplitError(
                f"there are no statistics of a split `{split}`, the splits are {known}{meant(split)}"
            ) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._splits)

    def __len__(self) -> int:
        return len(self._splits)

    def __repr__(self) -> str:
        splits = ", ".join(f"{name}: {counted(split.rows, 'row', 'rows')}" for name, split in self.items())
        return f"<inlaid.Statistics {splits}>"

    def _types(self) -> dict[str, type]:
        figures = {f"{figure}_{channel}": float for figure in ("mean", "std") for channel in self._channels}
        return {"split": str, "class": str, "rows": int, **figures}

    def _columns(self) -> dict[str, list[Any]]:
        lines = [line for name, split in self.items() for line in self._lines(name, split)]
        return {name: list(values) for name, values in zip(self._types(), zip(*lines, strict=True), strict=True)}

    def _lines(self, name: str, split: SplitStatistics) -> Iterator[tuple[Any, ...]]:
        unknown = [np.nan] * len(self._channels)
        mean, std = (figures.tolist() or unknown for figures in (split.mean, split.std))
        yield (name, None, split.rows, *mean, *std)
        for label, of_class in enumerate(self._classes):
            mean, std = (figures[label].tolist() or unknown for figures in (split.class_mean, split.class_std))
            yield (name, of_class, int(split.class_rows[label]), *mean, *std)


def _of_split(info: dict[str, Any], classes: int) -> SplitStatistics:
    none: dict[str, Any] = {"mean": [], "std": [], "labels": [], "source_pixels": [], "source_aspects": []}
    known = info.get("statistics", none)
    channels = len(known["mean"])

    def of_classes(figure: str) -> NDArray[np.float64]:
        table = np.full((classes, channels), np.nan)
        for label, moments in enumerate(known["labels"]):
            if moments[figure]:
                table[label] = _floats(moments[figure])
        return table

    rows = np.zeros(classes, np.int64)
    rows[: len(info["labels"])] = info["labels"]
    return SplitStatistics(
        rows=info["rows"],
        mean=_floats(known["mean"]),
        std=_floats(known["std"]),
        class_rows=rows,
        class_mean=of_classes("mean"),
        class_std=of_classes("std"),
        source_pixels=_histogram(known["source_pixels"]),
        source_aspects=_histogram(known["source_aspects"]),
    )


def _floats(numbers: list[float | None]) -> NDArray[np.float64]:
    """In JSON, a number that is not finite is null."""
    return np.array(numbers, np.float64)


def _histogram(bins: list[dict[str, Any]]) -> Histogram:
    return Histogram(
        at_least=np.array([bin["at_least"] for bin in bins], np.float64),
        rows=np.array([bin["rows"] for bin in bins], np.int64),
    )
