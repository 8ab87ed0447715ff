"""Any table as text with one row per measurement (CSV, TSV, semicolons; also gzipped).

The delimiter, the encoding (UTF-8, UTF-16, Latin-1) and a decimal comma are found out; comments with `#` before the
header are passed over. A column is numbers only if every cell in it that says something is a number: `0012` stays text,
and so does a column with `failed` or `OOM` among its numbers. Rows of unequal length and columns of one name are
refused.
"""

from __future__ import annotations

from cupel.ledger.source import Evidence, Source
from cupel.spec.results_table import ResultsTable


def recognises(source: Source) -> Evidence:
    """Any text that is cut into columns."""
    return Evidence.SHAPE if source.kind == "delimited" else Evidence.NONE


def read(source: Source) -> ResultsTable:
    """The columns as they stand; row labels that are mere numbers and have no name are left out."""
    table = source.table.named()
    return ResultsTable(table.columns, source.name, "long_csv", table.lines, notes=table.notes)
