"""Figures and lists as frames of polars or pandas."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas
    import polars


class Framed(ABC):
    """What has columns."""

    @abstractmethod
    def _types(self) -> dict[str, type]:
        """The names of the columns, and the type of their values."""

    @abstractmethod
    def _columns(self) -> dict[str, list[Any]]:
        """The values of each column."""

    def to_polars(self) -> polars.DataFrame:
        """A `polars.DataFrame`. Needs polars."""
        import polars

        return polars.DataFrame(self._columns(), schema=self._types())

    def to_pandas(self) -> pandas.DataFrame:
        """A `pandas.DataFrame`. Needs pandas."""
        import pandas

        columns, types = self._columns(), self._types()
        frame: pandas.DataFrame = pandas.DataFrame(
            {name: pandas.Series(columns[name], dtype=types[name]) for name in types}
        )
        return frame
