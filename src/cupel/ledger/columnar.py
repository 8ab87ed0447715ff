"""Columnar files (Parquet, Arrow, Feather) as columns of plain values, by whichever library is installed."""

from __future__ import annotations

import io
import re
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from cupel.ledger.plain_table import INDEX, PlainTable
from cupel.spec.errors import MissingExtraError, UsageError

MAGIC = {b"PAR1": "parquet", b"ARROW1": "arrow", b"FEA1": "feather"}
"""First bytes of a file to its format."""
_INDEX = re.compile(r"__index_level_[0-9]+__")
_PLAIN = (str, int, float, bool, type(None))
INSTALL = "pip install 'cupel[tables]'"


def format_of(start: bytes) -> str:
    """`parquet`, `arrow`, `feather`, or nothing where a file begins like none of them."""
    return next((kind for magic, kind in MAGIC.items() if start.startswith(magic)), "")


def column_names(data: bytes, kind: str) -> tuple[str, ...]:
    """The names of the columns; none where no library is installed or the file is damaged."""
    try:
        names = _names_and_columns(data, kind, is_names_only=True)[0]
    except (UsageError, MissingExtraError):
        return ()
    plain = [name for name in names if not _INDEX.fullmatch(name)]
    return (INDEX, *plain) if len(plain) == len(names) - 1 else tuple(names)


def read_columnar(data: bytes, kind: str) -> PlainTable:
    """The columns of a file; what pandas wrote for unnamed row labels comes first, named `INDEX`.

    Args:
        data: the whole file.
        kind: `parquet`, `arrow` or `feather`.

    Raises:
        UsageError: the file is damaged (without the name of the file).
        MissingExtraError: no library that reads it is installed.
    """
    names, columns = _names_and_columns(data, kind, is_names_only=False)
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise UsageError(f"several columns are named {', '.join(twice)}; expected a name of its own for each.")
    found = dict(zip(names, columns, strict=True))
    indices = [name for name in names if _INDEX.fullmatch(name)]
    labels = {name: found.pop(name) for name in indices}
    if len(indices) == 1:
        return PlainTable({INDEX: labels[indices[0]], **found})
    return PlainTable(found | {f"index_{k}": labels[name] for k, name in enumerate(indices)})


def _names_and_columns(data: bytes, kind: str, *, is_names_only: bool) -> tuple[list[str], list[list[Any]]]:
    """By the first library that is installed."""
    if find_spec("pyarrow") is not None:
        return _by_pyarrow(data, kind, is_names_only=is_names_only)
    if find_spec("polars") is not None and kind != "feather":
        return _by_polars(data, kind)
    if find_spec("pandas") is not None and find_spec("fastparquet") is not None and kind == "parquet":
        return _by_pandas(data)
    raise MissingExtraError(
        f"A file in the format {kind} was given, and no library that reads it is installed "
        f"(pyarrow, or polars, or for Parquet pandas with fastparquet). Install one: {INSTALL}"
    )


def _by_pyarrow(data: bytes, kind: str, *, is_names_only: bool) -> tuple[list[str], list[list[Any]]]:
    arrow = import_module("pyarrow")
    buffer = arrow.BufferReader(data)
    try:
        if kind == "parquet":
            file = import_module("pyarrow.parquet").ParquetFile(buffer)
            if is_names_only:
                return list(file.schema_arrow.names), []
            table = file.read()
        elif kind == "arrow":
            file = import_module("pyarrow.ipc").open_file(buffer)
            if is_names_only:
                return list(file.schema.names), []
            table = file.read_all()
        else:
            table = import_module("pyarrow.feather").read_table(buffer)
        table.validate(full=True)
        return list(table.column_names), [_arrow_values(column, arrow) for column in table.columns]
    except (arrow.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        raise UsageError(_damaged(kind, error)) from error


def _damaged(kind: str, error: BaseException) -> str:
    first = (str(error).splitlines() or [type(error).__name__])[0]
    return f"the file begins like {kind} and cannot be read: {first}. Is it cut short? Write it again."


def _arrow_values(column: Any, arrow: Any) -> list[Any]:
    """A column as plain values; text by its distinct values, which is ten times faster than one by one."""
    kind, types = column.type, arrow.types
    if types.is_boolean(kind) or types.is_integer(kind):
        return _checked(column.to_pylist())
    if types.is_floating(kind):
        return [None if value is None else float(value) for value in column.to_pylist()]
    if types.is_string(kind) or types.is_large_string(kind):
        column = column.dictionary_encode()
    if types.is_dictionary(column.type):
        return [
            level
            for chunk in column.chunks
            for level in _levels(chunk.dictionary.to_pylist(), chunk.indices.to_pylist())
        ]
    return _checked(column.to_pylist())


def _levels(levels: list[Any], codes: list[int | None]) -> list[Any]:
    plain = _checked(levels)
    return [None if code is None else plain[code] for code in codes]


def _checked(values: list[Any]) -> list[Any]:
    """Values of other kinds (dates, lists, decimals) as text."""
    if all(issubclass(kind, _PLAIN) for kind in set(map(type, values))):
        return values
    return [value if isinstance(value, _PLAIN) else str(value) for value in values]


def _by_polars(data: bytes, kind: str) -> tuple[list[str], list[list[Any]]]:
    polars = import_module("polars")
    read = polars.read_parquet if kind == "parquet" else polars.read_ipc
    try:
        frame = read(io.BytesIO(data))
    except (polars.exceptions.PolarsError, OSError, ValueError) as error:
        raise UsageError(_damaged(kind, error)) from error
    return list(frame.columns), [_checked(series.to_list()) for series in frame.get_columns()]


def _by_pandas(data: bytes) -> tuple[list[str], list[list[Any]]]:
    pandas = import_module("pandas")
    try:
        frame = pandas.read_parquet(io.BytesIO(data))
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(_damaged("parquet", error)) from error
    names = [str(name) for name in frame.columns]
    return names, [_pandas_values(frame.iloc[:, k]) for k in range(len(names))]


def _pandas_values(series: Any) -> list[Any]:
    is_missing = series.isna().tolist()
    values = _checked(series.astype(object).tolist())
    return [None if missing else value for value, missing in zip(values, is_missing, strict=True)]
