"""Fewer runs per method and task than a statement can rest on.

Rule
    Runs of a cell: its different seeds, repeats and folds; where no column
    numbers them, the number that the table states (`n_seeds`; a bare `n`
    only with one row per cell); else its rows. Counted against the
    runs that are asked for (5 unless told). With six tasks or more it is a
    warning: a test over tasks is still possible.
    A spread without the number of runs behind it is told too.
    Methods with nothing to repeat (a majority class) are not counted, nor
    are methods with one run where most have more: see `copied_baseline`.

Source: Lones (2024), 4.4; Colas et al. (2018), arXiv 1806.08295; Henderson et al. (2018), AAAI.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from cupel.stats.lint_words import is_mean, is_repeat_count, is_without_learning, words_of
from cupel.stats.pitfall import Evidence, Pitfall

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cupel.stats.lint_table import LintTable

CARD = Pitfall(
    id="L06",
    severity="error",
    stage="evaluate",
    title="too few repeats",
    why="The spread between runs is then unknown or known too badly to tell methods apart.",
    do="Run every method again with more seeds, the same ones for each method.",
    source="Lones (2024), 4.4; Colas et al. (2018)",
)


def missing(table: LintTable) -> str:
    """Without a method there is nothing to repeat."""
    return "" if table.method is not None else "a column that names the method"


def check(table: LintTable) -> Iterator[Evidence]:
    """Count the runs of each cell."""
    runs = table.num_runs
    stated = [c for name, c in table.columns.items() if is_repeat_count(name) and c.is_numeric]
    stated = [c for c in stated if table.runs is None and (runs.max() <= 1 or words_of(c.name) != {"n"})]
    has_spread = any(m.spread is not None for m in table.main)
    if stated:
        runs = _stated_runs(table, stated[0].values)
    elif has_spread and table.runs is None:
        names = ", ".join(m.name for m in table.main if m.spread is not None)
        yield Evidence(
            f"{names} has a spread beside each value, and no column says of how many runs.",
            severity="warning",
            do="Add a column n_seeds, or hand over the single runs.",
        )
        return
    elif runs.max() <= 1 and any(is_mean(m.name) for m in table.main):
        return
    yield from _few(table, runs, "as the table states" if stated else "")


def _few(table: LintTable, runs: NDArray[np.intp], told: str) -> Iterator[Evidence]:
    learning = np.array([not is_without_learning(name) for name in table.methods])
    repeated = runs.max(axis=1) > 1
    are_most_repeated = bool(0 < 2 * repeated[learning].sum() >= learning.sum())
    counted = learning & (repeated | (not are_most_repeated)) if learning.any() else ~learning
    cells = [(m, t) for m, t in zip(*np.nonzero(runs > 0), strict=True) if counted[m]]
    few = [(m, t) for m, t in cells if runs[m, t] < table.limits.min_runs]
    single_gaps = {m for m, _ in few} <= _mostly_enough(table, runs)
    if not few or (single_gaps and 2 * len(few) < len(cells)):
        return
    most, (m, t) = max((runs[cell], cell) for cell in few)
    least = min(runs[cell] for cell in few)
    is_counted = bool(told) or table.runs is not None
    number = f"{least} to {most}" if is_counted and least < most else f"{most}"
    what = "run" if most == 1 else "runs"
    at_most = "" if is_counted else "at most "
    text = (
        f"{at_most}{number} {what} per method and task{' ' + told if told else ''} in {len(few)} of {len(cells)} cells "
        f"(such as {table.cell_name(m, t)}); {table.limits.min_runs} are asked for."
    )
    is_many = len(table.tasks) >= table.limits.min_tasks
    rows = table.at(table.in_cell(m, t))
    yield Evidence(text[0].upper() + text[1:], rows, severity="warning" if is_many else None)


def _mostly_enough(table: LintTable, runs: NDArray[np.intp]) -> set[int]:
    """Methods that have enough runs in most of their cells: single gaps are another rule's."""
    enough = (runs >= table.limits.min_runs).sum(axis=1)
    return {m for m in range(runs.shape[0]) if 2 * enough[m] > (runs[m] > 0).sum()}


def _stated_runs(table: LintTable, numbers: NDArray[np.float64]) -> NDArray[np.intp]:
    """(methods, tasks) the runs that the table states; the rows where it states none."""
    runs = table.num_runs.ravel().copy()
    known = np.isfinite(numbers) & (numbers >= 1)
    np.maximum.at(runs, table.cells[known], numbers[known].astype(np.intp))
    return table.per_cell(runs)
