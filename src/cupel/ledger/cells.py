"""Text cells as plain values: a column is numbers only if every cell in it that says something is a number."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_INTEGER = re.compile(r"[+-]?(?:0|[1-9][0-9]{0,14})")
_NUMBER = re.compile(
    r"[+-]?(?:(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[nN][aA][nN]|[iI][nN][fF](?:[iI][nN][iI][tT][yY])?)"
)
_LONG_ID = re.compile(r"[+-]?[0-9]{16,}")
_DIGIT = re.compile(r"[0-9]")
_DECIMAL_COMMA = re.compile(r"[+-]?(?:0|[1-9][0-9]*)(?:,[0-9]+)?(?:[eE][+-]?[0-9]+)?(?:\s*%)?")
_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:,[0-9]{3})+")


def is_number(text: str) -> bool:
    """Whether a text is a number as a program writes it; `0012`, `1_000` and sixteen digits in a row are names.

    Example:
        >>> [is_number(text) for text in ("0.5", "-1e-3", "nan", "0012", "1_000", "failed", "476717823321744318")]
        [True, True, True, False, False, False, False]
    """
    return bool(_NUMBER.fullmatch(text)) and not _LONG_ID.fullmatch(text)


def plain_column(cells: Sequence[str]) -> list[Any]:
    """Cells as numbers where all that say something are numbers, else as text; None where a cell is empty.

    Example:
        >>> plain_column(["1", "", "3"]), plain_column(["0.50", "failed"]), plain_column(["0012", "0013"])
        ([1, None, 3], ['0.50', 'failed'], ['0012', '0013'])
    """
    stripped = {cell: cell.strip() for cell in set(cells)}
    said = [text for text in stripped.values() if text]
    if all(map(is_number, said)):
        kind: type[int | float] = int if all(map(_INTEGER.fullmatch, said)) else float
        values: dict[str, Any] = {cell: kind(text) if text else None for cell, text in stripped.items()}
    else:
        values = {cell: text or None for cell, text in stripped.items()}
    return [values[cell] for cell in cells]


def with_decimal_points(columns: Mapping[str, Sequence[str]], *, is_continental: bool) -> dict[str, list[str]]:
    """The columns that are numbers with a decimal comma, written with a point.

    A comma before three digits may part thousands (`1,250`). Such a column is rewritten only where the file shows that
    its commas are decimal ones: another number in it says so (`0,5`, `12,34`), or semicolons part the columns and no
    column has a decimal point.

    Args:
        columns: name to cells.
        is_continental: whether semicolons part the columns, as spreadsheets do where the comma is decimal.

    Returns:
        Name to cells, only of the columns to replace.
    """
    found: dict[str, set[str]] = {}
    has_points = False
    for name, cells in columns.items():
        said = {text for text in (cell.strip() for cell in set(cells)) if text}
        if all(map(is_number, said)):
            has_points = has_points or any("." in text for text in said)
        elif all(_DECIMAL_COMMA.fullmatch(t) or _THOUSANDS.fullmatch(t) or not _DIGIT.search(t) for t in said):
            found[name] = {text for text in said if _DIGIT.search(text)}
    commas = {text for said in found.values() for text in said if "," in text}
    is_decimal = any(not _THOUSANDS.fullmatch(text) for text in commas) or (is_continental and not has_points)
    if not is_decimal:
        return {}
    rewritten = [name for name, said in found.items() if {text.count(",") for text in said} in ({1}, {0, 1})]
    return {name: [_pointed(cell) for cell in columns[name]] for name in rewritten}


def _pointed(cell: str) -> str:
    return cell.replace(",", ".") if _DIGIT.search(cell) else cell


def number_or_none(value: object) -> float | None:
    """A number of a JSON file or a database as a float; None for anything else.

    Example:
        >>> number_or_none(3), number_or_none(True), number_or_none("3"), number_or_none(10**400)
        (3.0, None, None, inf)
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def plain_value(value: object) -> Any:
    """A value of a JSON file as a cell: text, a number, a truth value or None; anything nested as its JSON.

    Example:
        >>> plain_value(3), plain_value([1, "a"])
        (3, '[1, "a"]')
    """
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int | float):
        return value if abs(value) < 2**53 else number_or_none(value)
    try:
        return json.dumps(value, default=str)
    except RecursionError:
        return "(nested too deeply)"


def columns_of_rows(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Rows as columns, in the order in which their names first appear; None where a row lacks one.

    Example:
        >>> columns_of_rows([{"a": 1}, {"a": 2, "b": 3}])
        {'a': [1, 2], 'b': [None, 3]}
    """
    listed = list(rows)
    names = dict.fromkeys(name for row in listed for name in row)
    return {name: [row.get(name) for row in listed] for name in names}
