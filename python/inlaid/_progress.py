"""What shows how far a run has come."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

from ._errors import SettingError

Progress: TypeAlias = bool | Callable[[int, int, int], object]
"""`True`, `False`, or a function that is called with the numbers of images or rows done, in all, and rejected."""


def reporter(progress: Progress, unit: str) -> Progress:
    """The value of the keyword `progress`, if it can be one. In a notebook `True` is a bar below the cell: standard
    error is not a terminal there, or it is that of the server."""
    if callable(progress):
        return progress
    if not isinstance(progress, bool):
        raise SettingError(f"progress is True, False or a function, not {progress!r}")
    return NotebookBar(unit) if progress and is_notebook() else progress


def counted(batches: Iterable[Any], rows: int | None, progress: Progress) -> Iterator[Any]:
    """Passes batches on and counts their rows in a bar of tqdm, if that is installed, `progress` is `True`, and there
    is a terminal or a notebook to draw it in. `rows` is the number of all rows, where it is known."""
    try:
        from tqdm.auto import tqdm
    except ImportError:
        tqdm = None
    if progress is not True or tqdm is None:
        yield from batches
        return
    # None: as standard error is a terminal or not. What is read in no time has no bar.
    off = False if is_notebook() else None
    with tqdm(total=rows, desc="reading rows", unit=" rows", delay=0.5, leave=False, disable=off) as bar:
        for batch in batches:
            yield batch
            bar.update(len(batch))


def check_tqdm() -> None:
    """Raises `SettingError` if tqdm is not installed."""
    if importlib.util.find_spec("tqdm") is None:
        raise SettingError("progress=True needs tqdm: pip install tqdm")


def shown(batches: Iterable[Any], what: str, done: int, total: int) -> Iterator[Any]:
    """Passes batches on and counts them in a bar of tqdm, which is left when they end."""
    from tqdm.auto import tqdm

    with tqdm(total=total, initial=done, desc=what, unit=" batches") as bar:
        for batch in batches:
            yield batch
            bar.update()


def bar(total: int, unit: str) -> Any:
    """A bar of tqdm, if that is installed and standard error is a terminal; else None."""
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return None
    return tqdm(total=total, unit=f" {unit}", disable=None)


def is_notebook() -> bool:
    """Whether this process is a kernel of Jupyter, or of what looks like it (VS Code, Colab)."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


class NotebookBar:
    """A bar that is drawn again and again in one place of a notebook."""

    def __init__(self, unit: str) -> None:
        self._unit, self._start = unit, time.monotonic()
        self._done, self._total, self._text = 0, 0, ""
        self._handle: Any = None

    def __call__(self, done: int, total: int, rejected: int) -> None:
        """Draws it."""
        rejects = f", {rejected} rejected" if rejected else ""
        rate = done / max(time.monotonic() - self._start, 1e-3)
        self._done, self._total, self._text = done, total, f"{done}/{total} {self._unit}{rejects}, {rate:.0f}/s"
        if self._handle is None:
            from IPython.display import display

            self._handle = display(self, display_id=True)
        else:
            self._handle.update(self)

    def __repr__(self) -> str:
        return self._text

    def _repr_html_(self) -> str:
        return f'<progress value="{self._done}" max="{self._total}"></progress> {self._text}'
