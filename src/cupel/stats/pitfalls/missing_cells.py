"""A method without results on some tasks.

Rule
    A cell of methods x tasks has no row. Error where the tasks that a
    method lacks are the hard ones: those on which the methods that have all
    tasks do worst, by an exact rank-sum test at 5 % (six tasks or more, two
    missing or more, direction known, a proportion, so that tasks have one
    scale). Advice where more than half of all cells are empty, or only a
    simple yardstick lacks some.

Source: Lones (2024), 6.1; rules of Cupel.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from cupel.stats.lint_words import is_trivial
from cupel.stats.pitfall import Evidence, Pitfall, Severity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cupel.stats.lint_table import LintTable

CARD = Pitfall(
    id="L28",
    severity="error",
    stage="report",
    title="missing cells",
    why="Means and ranks over tasks compare different tasks for different methods, and gaps are rarely random.",
    do="Run the missing cells, or compare on the tasks that all methods have; a failure is a row, not a gap.",
    source="Lones (2024), 6.1",
)
LEAST_MISSING, LEAST_TASKS, LEVEL = 2, 6, 0.05


def missing(table: LintTable) -> str:
    """It needs two methods and two tasks."""
    return "" if len(table.methods) >= 2 and len(table.tasks) >= 2 else "columns method and task, with two of each"


def check(table: LintTable) -> Iterator[Evidence]:
    """Look for empty cells, and whether they are the hard ones."""
    empty = table.num_runs == 0
    lacking = np.flatnonzero(empty.any(axis=1))
    if not lacking.size:
        return
    names = [
        f"{table.methods[m]} on {', '.join(table.tasks[t] for t in np.flatnonzero(empty[m])[:3])}"
        f"{', ...' if empty[m].sum() > 3 else ''}"
        for m in lacking[:3]
    ]
    only_simple = all(is_trivial(table.methods[m]) for m in lacking)
    mild: Severity = "advice" if only_simple or 2 * empty.sum() > empty.size else "warning"
    selective = [(m, p) for m in lacking if (p := _p_hardest(table, empty, int(m))) <= LEVEL]
    if selective and mild == "warning":
        m, p = selective[0]
        yield Evidence(
            f"{table.methods[m]} lacks {int(empty[m].sum())} of {empty.shape[1]} tasks, and they are the hard ones "
            f"(p = {p:.2g}): {names[list(lacking[:3]).index(m)] if m in lacking[:3] else names[0]}."
        )
    else:
        yield Evidence(f"{int(empty.sum())} of {empty.size} cells have no row: {'; '.join(names)}.", severity=mild)


def _p_hardest(table: LintTable, empty: NDArray[np.bool_], method: int) -> float:
    """One-sided p that the tasks which a method lacks are harder than the others; 1 where it cannot be tested."""
    measure = next((m for m in table.main if m.is_proportion), None)
    complete = [m for m in np.flatnonzero(~empty.any(axis=1)) if not is_trivial(table.methods[m])]
    gone = empty[method]
    if measure is None or table.better is None or not complete or gone.size < LEAST_TASKS or gone.sum() < LEAST_MISSING:
        return 1.0
    level = table.means(measure)[complete].mean(axis=0)
    if not np.all(np.isfinite(level)) or gone.all():
        return 1.0
    from scipy.stats import mannwhitneyu

    hardness = -level if table.better == "higher" else level
    return float(mannwhitneyu(hardness[gone], hardness[~gone], alternative="greater", method="exact").pvalue)
