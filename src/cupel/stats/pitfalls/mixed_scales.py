"""Fractions and percentages in one column.

Rule
    A proportion (accuracy, F1, AUC, ...) has values below 1 beside others
    above 1.5, up to 100, and a hundred times the former is 0.6 to 1.4 times
    the latter: within a cell, or for all cells of a method beside those of
    the others. Or all cells of a task are below 1, one at 0.2 or more. A
    low accuracy by itself is no unit; simple yardsticks are not counted.
    Or percent signs stand behind some values only. Or, for any other
    measure, a method's means are a hundredth of another's, within a factor
    of 1.5, on each of three tasks or more, all below 1 beside values up to
    100: advice.

Source: rules of Cupel: units must agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np

from cupel.stats.lint_words import is_trivial
from cupel.stats.measure import Measure
from cupel.stats.pitfall import Evidence, Pitfall

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cupel.stats.lint_table import LintTable

CARD = Pitfall(
    id="L30",
    severity="error",
    stage="report",
    title="fractions and percentages mixed",
    why="A factor of 100 that is only notation decides every mean and rank.",
    do="Write all values in one unit.",
    source="rules of Cupel",
)
PERCENT = 1.5
LIKE, LEAST_FRACTION = (0.6, 1.4), 0.2
LEAST_TASKS, MOST_METHODS = 3, 30


def missing(table: LintTable) -> str:
    """It needs a measure."""
    return "" if table.main else "a measure"


def check(table: LintTable) -> Iterator[Evidence]:
    """Compare cells."""
    for measure in table.main:
        signed = measure.numbers.is_percent[measure.known]
        if signed.any() and not signed.all():
            rows = measure.known[signed]
            yield Evidence(f"{measure.name}: {rows.size} of {signed.size} values have a percent sign.", table.at(rows))
        elif measure.is_proportion:
            yield from _proportion(table, measure)
        else:
            yield from _hundredth(table, measure)


def _proportion(table: LintTable, measure: Measure) -> Iterator[Evidence]:
    values, rows = measure.values, measure.known
    if not rows.size or values[rows].max() > 100 or values[rows].max() <= PERCENT:
        return
    mixed = [r for cell in np.unique(table.cells[rows]) if _is_mixed(values[r := rows[table.cells[rows] == cell]])]
    blocks = _blocks(table, measure)
    if mixed:
        yield Evidence(
            f"{measure.name} has values below 1 and above {PERCENT} in one cell ({len(mixed)} such cells).",
            table.at(np.concatenate(mixed)),
        )
    elif blocks.any():
        m, t = (int(k) for k in np.argwhere(blocks)[0])
        yield Evidence(
            f"{measure.name} is {table.means(measure)[m, t]:.4g} for {table.cell_name(m, t)}; {int(blocks.sum())} "
            f"cells are below 1 beside others above {PERCENT}, and look like a hundredth of them.",
            table.at(np.flatnonzero(blocks.ravel()[table.cells])),
        )


def _is_mixed(values: NDArray[np.float64]) -> bool:
    """Whether some values of a cell look like a hundredth of the others."""
    small, large = values[values < 1], values[values > PERCENT]
    if not small.size or not large.size:
        return False
    return bool(LIKE[0] < 100 * np.median(small) / np.median(large) < LIKE[1])


def _blocks(table: LintTable, measure: Measure) -> NDArray[np.bool_]:
    """(methods, tasks) cells that are fractions: all of a method, beside the others' percentages; or all of a task."""
    means = table.means(measure)
    known = np.isfinite(means)
    learning = np.array([not is_trivial(name) for name in table.methods] or [True])[:, None]
    small, large = known & learning & (means < 1), known & learning & (means > PERCENT)
    blocks: NDArray[np.bool_] = np.zeros(small.shape, dtype=bool)
    for m in np.flatnonzero(small.sum(axis=1) == known.sum(axis=1)):
        tasks = np.flatnonzero(small[m] & large.any(axis=0))
        beside = [100 * means[m, t] / np.median(means[large[:, t], t]) for t in tasks]
        blocks[m] |= small[m] & bool(beside and LIKE[0] < np.median(beside) < LIKE[1])
    for t in np.flatnonzero(small.sum(axis=0) == (known & learning).sum(axis=0)):
        blocks[:, t] |= small[:, t] & bool(large.any() and np.any(means[small[:, t], t] >= LEAST_FRACTION))
    return blocks


def _hundredth(table: LintTable, measure: Measure) -> Iterator[Evidence]:
    means = table.means(measure)
    if len(table.methods) > MOST_METHODS:
        return
    for a, b in permutations(range(len(table.methods)), 2):
        both = np.flatnonzero(np.isfinite(means[a]) & np.isfinite(means[b]))
        small, large = means[a, both], means[b, both]
        is_range = both.size >= LEAST_TASKS and np.all((small > 0) & (small < 1) & (large > 1) & (large <= 100))
        if is_range and np.all(np.abs(np.log(100 * small / large)) < np.log(1.5)):
            yield Evidence(
                f"{measure.name} of {table.methods[a]} is about a hundredth of that of {table.methods[b]} on all "
                f"{both.size} tasks: a unit, or a difference?",
                table.at(np.flatnonzero(table.method_codes == a)),
                severity="advice",
            )
            return
