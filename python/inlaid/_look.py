"""Contact sheets of rows, charts of classes, and reports of datasets."""

from __future__ import annotations

import base64
import html
import os
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _inlaid
from ._errors import InlaidError, SettingError
from ._settings import MAX_THREADS, integer, path_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL.Image import Image

MOST_PICTURES = 10_000
"""Most pictures of a contact sheet."""


MOST_BARS = 100
"""Most classes of a chart."""


class Sheet:
    """A contact sheet: a picture below a cell of a notebook."""

    def __init__(self, png: bytes) -> None:
        self._png = png

    def save(self, path: str | PathLike[str]) -> None:
        """Writes it to a PNG file."""
        Path(path).write_bytes(self._png)

    def image(self) -> Image:
        """It as an image of Pillow."""
        import io

        import PIL.Image

        return PIL.Image.open(io.BytesIO(self._png))

    def _repr_png_(self) -> bytes:
        return self._png


def sheet(
    tables: Mapping[str, _inlaid.Table],
    rows: int | Sequence[int],
    class_name: str | None,
    seed: int,
    columns: int,
    threads: int | None,
) -> Sheet:
    """The contact sheet of rows of tables, by the names of their splits."""
    if isinstance(rows, Sequence | np.ndarray):
        numbers = [integer("rows", row, 0) for row in rows]
        if class_name is not None:
            raise SettingError("rows are numbers of rows, so class_name has no effect: give one of both")
        if not numbers:
            raise SettingError("rows are the numbers of rows to show, or how many: there are none")
        count = len(numbers)
    else:
        numbers, count = None, rows
    count = integer("rows", count, 1, MOST_PICTURES)
    columns = integer("columns", columns, 1, MOST_PICTURES)
    threads = None if threads is None else integer("threads", threads, 1, MAX_THREADS)
    named = list(tables.items())
    return Sheet(_inlaid.sheet(named, numbers, class_name, count, integer("seed", seed, 0), columns, threads, False))


def thumbnails(tables: Mapping[str, _inlaid.Table]) -> str:
    """Some rows as an image in HTML; nothing if they can't be shown."""
    try:
        file = _inlaid.sheet(list(tables.items()), None, None, 8, 0, 8, None, True)
    except InlaidError:
        return ""
    return (
        f'<img alt="some rows" style="max-width: 100%" src="data:image/jpeg;base64,{base64.b64encode(file).decode()}">'
    )


def table_of(heads: Sequence[str], lines: Sequence[Sequence[object]]) -> str:
    """A table in HTML."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in heads)
    cells = ("".join(f"<td>{html.escape(str(cell))}</td>" for cell in line) for line in lines)
    body = "".join(f"<tr>{line}</tr>" for line in cells)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def class_chart(classes: Sequence[str], rows: Mapping[str, Any], axes: Axes | None) -> Axes:
    """Bars of the rows of the largest classes, by split. `rows` are arrays (classes,) by split."""
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        raise SettingError("plot needs matplotlib: pip install matplotlib") from None
    if not classes:
        raise SettingError("rows have no classes to plot")
    order = np.argsort(-sum(np.asarray(counts) for counts in rows.values()), kind="stable")[:MOST_BARS]
    if axes is None:
        _, axes = plt.subplots(figsize=(8, max(2.0, 0.25 * len(order) + 1)))
    left = np.zeros(len(order), np.int64)
    for split, counts in rows.items():
        axes.barh(np.arange(len(order)), np.asarray(counts)[order], left=left, label=split)
        left += np.asarray(counts)[order]
    # Class names are not formulas, whatever characters they contain.
    names = ["".join(char if char.isprintable() else "\ufffd" for char in classes[at]) for at in order]
    axes.set_yticks(np.arange(len(order)), names, parse_math=False)
    if len(order) < len(classes):
        axes.set_title(f"{len(order)} largest of {len(classes)} classes")
    axes.invert_yaxis()
    axes.set_xlabel("rows")
    if len(rows) > 1:
        axes.legend()
    return axes


def write_report(
    place: str, reading: _inlaid.Reading, out: str | PathLike[str], rows: int, seed: int, threads: int | None
) -> Path:
    """Writes the report of what is at a path or URL."""
    out = path_of("out", out)
    rows, seed = integer("rows", rows, 1), integer("seed", seed, 0)
    threads = None if threads is None else integer("threads", threads, 1, MAX_THREADS)
    _inlaid.report(False, place, reading, out, rows, seed, threads)
    return Path(os.path.abspath(out))
