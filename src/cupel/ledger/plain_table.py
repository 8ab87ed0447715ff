"""A table as it stands in a file: columns of plain values, before anybody says what they mean."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

INDEX = ""
"""The name of a column that has none: the row labels that pandas writes first."""
_INDEX_READ_AGAIN = re.compile(r"Unnamed: \d+")
"""What pandas calls that column when it reads and writes it again."""


@dataclass(frozen=True)
class PlainTable:
    """Columns of equal length.

    Attributes:
        columns: name to plain values; the name `INDEX` where the file gives none.
        lines: (n,) line of the file in which each row begins; empty where the format has no lines.
        notes: what was done to the cells that a user must know.
    """

    columns: Mapping[str, Sequence[Any]]
    lines: Sequence[int] = ()
    notes: tuple[str, ...] = ()

    def named(self) -> PlainTable:
        """The same with a name for each column: an index of numbers is left out, one of labels is called `index`."""
        again = [n for n in self.columns if _INDEX_READ_AGAIN.fullmatch(n) and _counts_rows(self.columns[n])]
        if again:
            rest = {name: values for name, values in self.columns.items() if name not in again}
            return PlainTable(rest, self.lines, self.notes).named()
        if INDEX not in self.columns:
            return self
        is_numbers = all(isinstance(value, int) for value in self.columns[INDEX])
        name = "index" if "index" not in self.columns else "row_label"
        columns = {
            (name if key == INDEX else key): values
            for key, values in self.columns.items()
            if key != INDEX or not is_numbers
        }
        return PlainTable(columns, self.lines, self.notes)


def _counts_rows(values: Sequence[Any]) -> bool:
    return all(value == k for k, value in enumerate(values))
