"""The inputs of a dataset that could not become rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, SupportsIndex, overload

from . import _inlaid
from ._errors import InlaidError
from ._frames import Framed
from ._settings import counted


@dataclass(frozen=True)
class Reject:
    """An input that could not become a row: a line of `rejects.jsonl` (`schemas/reject.schema.json`)."""

    path: str
    """Path of the file below its source."""
    stage: Literal["discover", "decode", "resize"]
    """Step that failed."""
    reason: str
    """Word for the kind of failure, stable across releases, such as "truncated"."""
    detail: str
    """What is wrong with it, in words."""


class Rejects(Sequence[Reject], Framed):
    """The rejects of the snapshot that a dataset has open, sorted by path. The list is read when it is first asked for,
    from the file that was there when the dataset was opened.

    Reading it raises `NotFoundError` if the file was missing, `DamagedError` if it is not what the manifest describes.
    """

    def __init__(self, native: _inlaid.Rejects) -> None:
        self._native, self._count = native, len(native)
        self._found: list[Reject] | InlaidError | None = None

    def _all(self) -> list[Reject]:
        if self._found is None:
            self._found = [Reject(*values) for values in self._native.read()]
        if isinstance(self._found, InlaidError):
            raise self._found
        return self._found

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: SupportsIndex) -> Reject: ...

    @overload
    def __getitem__(self, index: slice) -> list[Reject]: ...

    def __getitem__(self, index: SupportsIndex | slice) -> Reject | list[Reject]:
        return self._all()[index]

    def __iter__(self) -> Iterator[Reject]:
        return iter(self._all())

    def __reduce__(self) -> tuple[Any, ...]:
        # Another process may find another file.
        try:
            return _copied, (len(self), self._all())
        except InlaidError as error:
            return _copied, (len(self), error)

    def __repr__(self) -> str:
        return f"<inlaid.Rejects: {counted(len(self), 'input', 'inputs')}>"

    def by_reason(self) -> dict[str, int]:
        """The number of rejects with each reason, the most frequent first."""
        return dict(Counter(reject.reason for reject in self).most_common())

    def _types(self) -> dict[str, type]:
        return {field.name: str for field in fields(Reject)}

    def _columns(self) -> dict[str, list[Any]]:
        return {name: [getattr(reject, name) for reject in self] for name in self._types()}


def _copied(count: int, found: list[Reject] | InlaidError) -> Rejects:
    copy = Rejects.__new__(Rejects)
    copy._count, copy._found = count, found
    return copy
