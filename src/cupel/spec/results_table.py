"""A table of results as a reader hands it over: columns of plain values, and where each row stands in its file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ResultsTable:
    """Columns of equal length with plain values: text, numbers, booleans; None where the file has nothing.

    Attributes:
        columns: name to values, in the order of the file.
        source: the file, as the user named it; several files by commas.
        reader: stem of the reader that made it.
        lines: (n,) where each row stands in its file, for messages; empty where a format has no lines.
        roles: role (`method`, `task`, `seed`, `value`, ...) to column, where the format itself says so.
        better: `higher` or `lower` where the format itself says so, else empty.
        unit: of the values where the format itself says so, else empty.
        notes: what the reader did that a user must know.
        same_cells_mean: the role that the file itself plays where several files hold the same methods and tasks
            (`method` for timings of the same commands on two machines); empty where a format does not say.
        files: (file, rows of it) in order where the table was read from several files, else empty.
    """

    columns: Mapping[str, Sequence[Any]]
    source: str
    reader: str
    lines: Sequence[int] = ()
    roles: Mapping[str, str] = field(default_factory=dict)
    better: str = ""
    unit: str = ""
    notes: tuple[str, ...] = ()
    same_cells_mean: str = ""
    files: tuple[tuple[str, int], ...] = ()

    @property
    def num_rows(self) -> int:
        """Rows, 0 for a table without columns."""
        return len(next(iter(self.columns.values()), ()))

    def where(self, index: int) -> str:
        """How a message names a row.

        Example:
            >>> table = ResultsTable({"value": [1, 2, 3]}, "a, b", "", lines=(2, 3, 2), files=(("a", 2), ("b", 1)))
            >>> table.where(1), table.where(2)
            ('line 3 of a', 'line 2 of b')
        """
        before = 0
        for name, num_rows in self.files:
            if index < before + num_rows:
                return f"{self._line(index, before)} of {name}"
            before += num_rows
        return self._line(index, 0)

    def _line(self, index: int, before: int) -> str:
        return f"line {self.lines[index]}" if self.lines else f"row {index - before}"
