"""A test set too small to show the difference that is claimed.

Rule
    Accuracies p and q on n test examples differ in n |p - q| predictions at
    least. If fewer than 6 predictions differ, no exact paired test can reach
    5 % (2 / 2^5 = 6 % for five that all favour one side). The difference
    meant is that of the two best methods where the direction is known, else
    the largest. Warning where this holds for half of the tasks or more;
    advice for fewer tasks. With several splits, n is that of all together.

Source: Lones (2024), 4.1 and 5.3; Dietterich (1998), Neural Computation 10; binomial arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from cupel.stats.lint_words import COST, COUNT, TEST, is_trivial, words_of
from cupel.stats.measure import Measure
from cupel.stats.pitfall import Evidence, Pitfall
from cupel.stats.summary_text import read_numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cupel.stats.lint_table import LintTable

CARD = Pitfall(
    id="L15",
    severity="warning",
    stage="compare",
    title="test set too small for the difference",
    why="So few predictions decide it that other test examples could turn it round, whatever the number of seeds.",
    do="Use a larger test set or several splits, or claim no difference on these tasks.",
    source="Lones (2024), 4.1; Dietterich (1998)",
)
SIZE = COUNT | frozenset({"size", "examples", "samples", "items", "instances", "rows"})
LEAST_PREDICTIONS = 6


def missing(table: LintTable) -> str:
    """It needs accuracies of two methods and the number of test examples."""
    if len(table.methods) < 2 or not any(m.is_accuracy for m in table.main):
        return "accuracies of two methods"
    return "" if _sizes(table) is not None else "a column n_test with the number of test examples"


def check(table: LintTable) -> Iterator[Evidence]:
    """Count the predictions by which methods differ."""
    measure = next(m for m in table.main if m.is_accuracy)
    sizes = _sizes(table)
    if sizes is None or measure.top is None:
        return
    gaps = _gaps(table, measure) / measure.top
    differ = gaps * sizes
    judged = np.flatnonzero(np.isfinite(differ) & (gaps > 0))
    small = judged[differ[judged] < LEAST_PREDICTIONS]
    if not small.size:
        return
    t = int(small[np.argmin(differ[small])])
    which = "the two best methods" if table.better else "the methods"
    yield Evidence(
        f"{small.size} of {judged.size} tasks: {which} differ by fewer than {LEAST_PREDICTIONS} of the test examples "
        f"({table.tasks[t] if table.tasks else 'here'}: {gaps[t]:.2%} of {sizes[t]:.0f} is {differ[t]:.1f}).",
        severity=None if 2 * small.size >= judged.size else "advice",
    )


def _sizes(table: LintTable) -> NDArray[np.float64] | None:
    """(tasks,) number of test examples, over the different splits; None where no column says."""
    for name, c in table.columns.items():
        is_size = bool(words_of(name) & TEST and words_of(name) & SIZE) and not words_of(name) & (COST | {"per", "s"})
        numbers = read_numbers(c) if is_size else None
        if numbers is None or np.nanmin(numbers.values, initial=np.inf) < 2:
            continue
        out = np.full(max(1, len(table.tasks)), np.nan)
        for t in range(out.size):
            known = numbers.values[(table.task_codes == t) & np.isfinite(numbers.values)]
            out[t] = np.median(known) * _num_splits(table, t) if known.size else np.nan
        return out
    return None


def _num_splits(table: LintTable, task: int) -> int:
    """How many different test sets a task has."""
    splits = [f for name, f in table.seed_sources.items() if words_of(name) & {"split", "data", "bootstrap"}]
    factors = [*splits, *([] if table.split is None else [table.split])]
    return max((len(np.unique(f.codes[table.task_codes == task])) for f in factors), default=1)


def _gaps(table: LintTable, measure: Measure) -> NDArray[np.float64]:
    """(tasks,) difference of the two best methods that are no simple yardsticks; the largest without a direction.

    NaN for a task whose accuracies are below 1 where others are percentages: its scale is not known.
    """
    kept = [m for m, name in enumerate(table.methods) if not is_trivial(name)]
    means = table.means(measure)[kept]
    out = np.full(means.shape[1], np.nan)
    for t in range(out.size):
        known = np.sort(means[:, t][np.isfinite(means[:, t])])
        is_other_scale = measure.top == 100.0 and known.size > 0 and known[-1] < 1
        if known.size >= 2 and not is_other_scale:
            best = known[::-1] if table.better == "higher" else known
            out[t] = abs(best[0] - best[1]) if table.better else known[-1] - known[0]
    return out
