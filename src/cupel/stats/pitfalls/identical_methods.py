"""Two methods with the same values.

Rule
    Five different values or more, equal place by place (task, seed, setting,
    budget): error where that is so in all cells that two methods share,
    warning where it is so on single tasks.

Source: rules of Cupel.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from cupel.stats.measure import Measure
from cupel.stats.pitfall import Evidence, Pitfall
from cupel.stats.run_prints import prints

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cupel.stats.lint_table import LintTable

CARD = Pitfall(
    id="L34",
    severity="error",
    stage="compare",
    title="two methods with the same values",
    why="Equal values to the last digit mean that one was copied, or that both ran the same code.",
    do="Check that the method's own setting was used, and run it again.",
    source="rules of Cupel",
)
LEAST_VALUES = 5
MOST_METHODS = 200


def missing(table: LintTable) -> str:
    """It needs a measure of two methods."""
    return "" if table.main and len(table.methods) >= 2 else "a measure of two methods"


def check(table: LintTable) -> Iterator[Evidence]:
    """Compare each two methods."""
    if len(table.methods) > MOST_METHODS:
        return
    for measure in table.main:
        yield from _same(table, measure)


def _same(table: LintTable, measure: Measure) -> Iterator[Evidence]:
    runs = () if table.runs is None else (table.runs,)
    grid = np.zeros(table.num_cells, dtype=np.uint64)
    found = prints(table, measure, table.cells, runs)
    grid[: found.size] = found
    cells = table.per_cell(grid)
    for a, b in combinations(range(len(table.methods)), 2):
        both = (cells[a] > 0) & (cells[b] > 0)
        same = both & (cells[a] == cells[b])
        if not same.any():
            continue
        names = f"{table.methods[a]} and {table.methods[b]} have the same {measure.name}"
        rows = np.flatnonzero(np.isin(table.method_codes, [a, b]) & same[table.task_codes])
        num = {int(t): _num_values(measure, rows[table.task_codes[rows] == t]) for t in np.flatnonzero(same)}
        single = [table.tasks[t] if table.tasks else "the task" for t, k in num.items() if k >= LEAST_VALUES]
        if np.array_equal(same, both) and _num_values(measure, rows) >= LEAST_VALUES:
            yield Evidence(f"{names} in all {int(both.sum())} tasks.", table.at(rows))
        elif single:
            yield Evidence(f"{names} in every run on {', '.join(single[:3])}.", table.at(rows), "warning")


def _num_values(measure: Measure, rows: NDArray[np.intp]) -> int:
    """Different values in some rows; those at the end of a proportion's scale are none."""
    values = np.unique(measure.values[np.intersect1d(rows, measure.known)])
    return int(np.sum((values != 0) & (values != (measure.top or 0.0))))
