"""Values at the end of the scale, where methods cannot be told apart.

Rule
    On a task, two methods or more that are no simple yardsticks reach the
    end: means of at least 99.5 % of a proportion's top; or, with three runs
    or more, the best value of the task is shared exactly by two methods in at
    least half of the runs of each (either extreme where nobody said which is
    better, proportions apart). The largest budget counts. Warning
    where that holds for half of the tasks or more, else advice.

Source: Lones (2024), 4.1 and 4.6; Beyer et al. (2020), arXiv 2006.07159.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from cupel.stats.lint_words import is_trivial
from cupel.stats.measure import Measure
from cupel.stats.pitfall import Evidence, Pitfall

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cupel.stats.lint_table import LintTable

CARD = Pitfall(
    id="L31",
    severity="warning",
    stage="evaluate",
    title="values at the end of the scale",
    why="Where several methods reach the end, the task cannot show which is better, and it pulls means together.",
    do="Replace or harden these tasks, or measure what still differs there, such as the time to reach the end.",
    source="Lones (2024), 4.1 and 4.6; Beyer et al. (2020)",
)
TOP_SHARE, HALF, LEAST_RUNS = 0.995, 0.5, 3


def missing(table: LintTable) -> str:
    """It needs a measure of two methods."""
    return "" if table.main and len(table.methods) >= 2 else "a measure of two methods"


def check(table: LintTable) -> Iterator[Evidence]:
    """Look at the end of the scale of each task."""
    for measure in table.main:
        if measure.is_cost:
            continue
        rows = _final(table, measure)
        reached = {
            t: m for t in np.unique(table.task_codes[rows]) if len(m := _at_the_end(table, measure, rows, int(t))) >= 2
        }
        num_tasks = max(1, len(table.tasks))
        if reached:
            t, methods = next(iter(reached.items()))
            yield Evidence(
                f"{measure.name}: on {len(reached)} of {num_tasks} tasks several methods are at the end of the scale "
                f"({table.tasks[t] if table.tasks else 'here'}: {', '.join(table.methods[m] for m in methods[:3])}).",
                severity=None if 2 * len(reached) >= num_tasks else "advice",
            )


def _final(table: LintTable, measure: Measure) -> NDArray[np.intp]:
    """Rows of the largest budget in each cell."""
    rows = measure.known
    if table.budget is None:
        return rows
    most = np.full(table.num_cells, -1, dtype=np.intp)
    np.maximum.at(most, table.cells[rows], table.budget.codes[rows])
    final: NDArray[np.intp] = rows[table.budget.codes[rows] == most[table.cells[rows]]]
    return final


def _good_ends(table: LintTable, measure: Measure) -> list[Callable[..., float]]:
    """The best value, or both extremes where nobody said which is better."""
    if table.better is None and not measure.is_proportion:
        return [np.max, np.min]
    return [np.min] if table.better == "lower" else [np.max]


def _at_the_end(table: LintTable, measure: Measure, rows: NDArray[np.intp], task: int) -> list[int]:
    """Methods at the end of the scale on a task."""
    rows = rows[table.task_codes[rows] == task]
    of = {m: measure.values[rows[table.method_codes[rows] == m]] for m in np.unique(table.method_codes[rows]).tolist()}
    learning = {m: values for m, values in of.items() if not is_trivial(table.methods[m])}
    if measure.top is not None:
        at_top = [m for m, values in learning.items() if values.mean() >= TOP_SHARE * measure.top]
        if len(at_top) >= 2:
            return at_top
    several = {m: values for m, values in learning.items() if values.size >= LEAST_RUNS}
    for extreme in _good_ends(table, measure):
        end = extreme(np.concatenate(list(several.values()))) if several else 0.0
        shared = [m for m, values in several.items() if np.mean(values == end) >= HALF]
        if len(shared) >= 2 and not all(np.all(values == end) for values in of.values()):
            return shared
    return []
