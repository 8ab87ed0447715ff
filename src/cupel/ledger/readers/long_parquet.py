"""Any table in a columnar file with one row per measurement (Parquet, Arrow, Feather).

It is read by pyarrow, or by polars, or by pandas with fastparquet, whichever is installed. Categories, dates and nested
values become text. Row labels that pandas wrote (`__index_level_0__`) are left out where they are mere numbers.
"""

from __future__ import annotations

from cupel.ledger.source import Evidence, Source
from cupel.spec.results_table import ResultsTable


def recognises(source: Source) -> Evidence:
    """Any columnar file."""
    return Evidence.SHAPE if source.kind == "columnar" else Evidence.NONE


def read(source: Source) -> ResultsTable:
    """The columns as they stand."""
    if source.kind != "columnar":
        raise source.refuse(f"a columnar file was expected (Parquet, Arrow, Feather), found {source.found()}.")
    table = source.table.named()
    return ResultsTable(table.columns, source.name, "long_parquet", notes=table.notes)
