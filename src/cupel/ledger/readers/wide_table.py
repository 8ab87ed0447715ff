"""Tables of tasks x methods, one value per cell, as in Demsar's tests and autorank (CSV or Parquet).

One row per task, one column per method; the first column names the tasks. A first column that is named after methods
(`model`, `algorithm`) makes it a table of methods x tasks. Row numbers without a name, as pandas writes them, name the
tasks too. It becomes one row per cell, with the line of its row; there are no repeats in it.
By itself it is recognised only where nothing speaks for one row per measurement; else say `--reader wide_table`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from cupel.ledger.plain_table import INDEX
from cupel.ledger.source import Evidence, Source
from cupel.spec.column_names import role_named
from cupel.spec.errors import MissingExtraError, UsageError
from cupel.spec.results_table import ResultsTable

QUANTITIES = frozenset(
    """
    acc accuracy auc bleu cost count cpu duration elapsed energy epochs error err f1 flops gpu iou iteration iterations
    latency length loss lr map max mean median mem memory min mse n num number p params perplexity ppl precision qps
    rank rate recall regret return reward rmse rouge runtime sd se sec seconds size speed stddev std steps throughput
    test time times tokens total train user val valid validation values var variance wall
    """.split()  # noqa: SIM905 - a list of words reads better than a hundred quotes
)
"""Words in the name of a column that say a quantity rather than a method."""
_WORD = re.compile(r"[a-z]+[0-9]*|[0-9]+")
_DIGIT = re.compile(r"[0-9]")
_VALUE = re.compile(r"[+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?\s*%?|[+-]?(?:nan|inf)")
_NAMES_OF_ROWS = ("task", "method")


def recognises(source: Source) -> Evidence:
    """A first column of labels that all differ, and at least two columns of values with names of methods."""
    names = source.names
    if len(names) < 3 or not (names[0] == INDEX or role_named(names[0]) == "task"):
        return Evidence.NONE
    if any(role_named(name) or _is_quantity(name) for name in names[1:]):
        return Evidence.NONE
    try:
        columns = dict(source.table.columns)
    except (UsageError, MissingExtraError):
        return Evidence.NONE
    labels = columns.pop(names[0], ())
    is_wide = _tell_apart(labels) and len(columns) >= 2 and all(map(is_measured, columns.values()))
    return Evidence.LAYOUT if is_wide else Evidence.NONE


def _is_quantity(name: str) -> bool:
    return not QUANTITIES.isdisjoint(_WORD.findall(name.lower()))


def _tell_apart(labels: Sequence[Any]) -> bool:
    return None not in labels and len(set(labels)) == len(labels) > 0


def is_measured(values: Sequence[Any]) -> bool:
    """Whether more than half of the cells that say something are numbers, and the others words without digits."""
    num_words = num_values = 0
    for value in values:
        if isinstance(value, str) and not _VALUE.fullmatch(value.lower()):
            if _DIGIT.search(value):
                return False
            num_words += 1
        else:
            num_values += value is not None and not isinstance(value, bool)
    return num_values > num_words


def read(source: Source) -> ResultsTable:
    """One row per cell."""
    table = source.table
    columns = dict(table.columns)
    rows, labels, notes = _row_labels(columns, source)
    _refuse_other_columns(columns, source)
    if not _tell_apart(labels):
        raise source.refuse(_why_not_unique(labels, table.lines, rows))
    across = list(columns)
    other = "task" if rows == "method" else "method"
    cells = [(label, name, columns[name][k]) for k, label in enumerate(labels) for name in across]
    made = {
        rows: [label for label, _, _ in cells],
        other: [name for _, name, _ in cells],
        "value": [value for _, _, value in cells],
    }
    lines = [line for line in table.lines for _ in across]
    notes.append(f"Read as a table of {len(labels)} {rows}s x {len(across)} {other}s, one value per cell, no repeats.")
    columns_out = {name: made[name] for name in ("method", "task", "value")}
    roles = {name: name for name in columns_out}
    return ResultsTable(columns_out, source.name, "wide_table", lines, roles=roles, notes=(*table.notes, *notes))


def _row_labels(columns: dict[str, Sequence[Any]], source: Source) -> tuple[str, Sequence[Any], list[str]]:
    """What the rows are, their labels (taken out of the columns), and what to say of them."""
    first = next(iter(columns))
    role = role_named(first)
    if first != INDEX and role not in _NAMES_OF_ROWS and is_measured(columns[first]):
        num = len(columns[first])
        return "task", [f"row {k + 1}" for k in range(num)], ["No column names the tasks; they are numbered by row."]
    labels = columns.pop(first)
    if len(columns) < 2:
        raise source.refuse(f"a column of labels and at least two of values are expected, found {source.found()}.")
    return ("method" if role == "method" else "task"), labels, []


def _refuse_other_columns(columns: Mapping[str, Sequence[Any]], source: Source) -> None:
    wrong = [name for name, values in columns.items() if not is_measured(values)]
    if wrong:
        raise source.refuse(
            f"as a table of tasks x methods, every column but the first holds values, but {wrong[0]!r} does not "
            f"(it begins with {columns[wrong[0]][0]!r}). Remove it, or read one row per measurement: --reader long_csv."
        )


def _why_not_unique(labels: Sequence[Any], lines: Sequence[int], rows: str) -> str:
    seen: dict[Any, int] = {}
    for k, label in enumerate(labels):
        place = f"line {lines[k]}" if lines else f"row {k}"
        if label is None:
            return f"{place} has no label; expected the name of a {rows} in the first column of every row."
        if label in seen:
            first = f"line {lines[seen[label]]}" if lines else f"row {seen[label]}"
            return f"{first} and {place} are both named {label!r}; expected a name of its own for each {rows}."
        seen[label] = k
    return "it has no rows."
