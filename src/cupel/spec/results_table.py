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
        source: the file, as the user named it.
        reader: stem of the reader that made it.
        lines: (n,) where each row stands in its file, for messages; empty where a format has no lines.
        roles: role (`method`, `task`, `seed`, `value`, ...) to column, where the format itself says so.
        better: `higher` or `lower` where the format itself says so, else empty.
        unit: of the values where the format itself says so, else empty.
        notes: what the reader did that a user must know.
    """

    columns: Mapping[str, Sequence[Any]]
    source: str
    reader: str
    lines: Sequence[int] = ()
    roles: Mapping[str, str] = field(default_factory=dict)
    better: str = ""
    unit: str = ""
    notes: tuple[str, ...] = ()

    @property
    def num_rows(self) -> int:
        """Rows, 0 for a table without columns."""
        return len(next(iter(self.columns.values()), ()))
