"""Rows that stand twice.

Rule
    Error: rows that agree in every column, a seed or repeat among them (a
    warning where there is none and values have three decimals or more, since
    a method without chance repeats itself); or rows of one method, task, seed,
    budget, split and repeat that differ in measures only, so one run has two
    results. Advice: the same where other columns differ, which may tell the
    rows apart.

Source: rules of Cupel; Lones (2024), 6.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from cupel.stats.lint_table import RUN_ROLES, joined
from cupel.stats.pitfall import Evidence, Pitfall

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cupel.stats.lint_table import LintTable

CARD = Pitfall(
    id="L33",
    severity="error",
    stage="report",
    title="duplicate rows",
    why="A run that stands twice counts twice and makes every interval too narrow.",
    do="Remove the copies, or add the column that tells the rows apart (a repeat, a setting).",
    source="rules of Cupel",
)
FINE_DECIMALS = 3


def missing(table: LintTable) -> str:
    """It needs a measure."""
    return "" if table.measures else "a measure"


def check(table: LintTable) -> Iterator[Evidence]:
    """Compare rows."""
    if table.shape or table.n < 2:
        return
    copies = _again(joined(*(c.as_factor.codes for c in table.columns.values())))
    is_numbered = table.seed is not None or table.rep is not None
    decimals = [int(np.median(m.numbers.decimals[m.known])) for m in table.main if m.known.size]
    if copies.size and (is_numbered or max(decimals, default=0) >= FINE_DECIMALS):
        yield Evidence(
            f"{copies.size} of {table.n} rows are exact copies of rows before them.",
            table.at(copies),
            severity=None if is_numbered else "warning",
        )
    if not is_numbered:
        return
    key = joined(*_key(table))
    again = np.setdiff1d(_again(key), copies)
    if not again.size:
        return
    settings = table.variant
    really = again if settings is None else np.setdiff1d(_again(joined(key, settings)), copies)
    if really.size:
        yield Evidence(
            f"{really.size} rows have the method, task and run of a row before them, and another result.",
            table.at(really),
        )
    else:
        yield Evidence(
            f"{again.size} rows have the method, task and run of a row before them; a setting tells them apart.",
            table.at(again),
            severity="advice",
            do=table.why_not or "Join the setting to the task: --map task=TASK:SETTING.",
        )


def _again(codes: NDArray[np.intp]) -> NDArray[np.intp]:
    """Rows whose code a row before them has."""
    first = np.unique(codes, return_index=True)[1]
    return np.setdiff1d(np.arange(codes.size), first)


def _key(table: LintTable) -> list[NDArray[np.intp]]:
    """What tells one run from another."""
    factors = [f for role in (*RUN_ROLES, "budget") if (f := getattr(table, role)) is not None]
    which = np.zeros(table.n, dtype=np.intp)
    for k, measure in enumerate(table.measures):
        which[measure.rows] += k * (measure.rows.size < table.n)
    return [table.cells, which, *(f.codes for f in factors), *(c.as_factor.codes for c in table.configurations)]
