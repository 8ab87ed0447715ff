"""Accuracy alone where one class has most of the examples.

Rule
    The share of the largest class is above 70 %: a column says so
    (`majority_rate`, `class_prior`), or a method that predicts the majority
    class reaches it. And accuracy is the only measure of quality: no
    balanced accuracy, F1, MCC, AUC or the like in any column.

Source: Lones (2024), 4.6; Chicco and Jurman (2020), BMC Genomics 21:6.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from cupel.stats.lint_words import BALANCED, is_trivial, words_of
from cupel.stats.measure import Measure
from cupel.stats.pitfall import Evidence, Pitfall
from cupel.stats.summary_text import read_numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cupel.stats.lint_table import LintTable

CARD = Pitfall(
    id="L08",
    severity="warning",
    stage="evaluate",
    title="accuracy alone on unbalanced classes",
    why="Always naming the largest class scores almost as high, so accuracy hides what happens to the others.",
    do="Report balanced accuracy, MCC or the area under the precision-recall curve beside it.",
    source="Lones (2024), 4.6; Chicco and Jurman (2020)",
)
MAJORITY = frozenset({"majority", "dummy", "zeror"})


def missing(table: LintTable) -> str:
    """It needs accuracies, and the share of the largest class."""
    if not any(m.is_accuracy for m in table.main):
        return "a measure of accuracy"
    return "" if _shares(table) is not None else "a column majority_rate, or a method that names the majority class"


def check(table: LintTable) -> Iterator[Evidence]:
    """Compare accuracy with the share of the largest class."""
    has_other = any(words_of(name) & BALANCED for name in [*table.given, *(m.name for m in table.measures)])
    shares = _shares(table)
    if has_other or shares is None:
        return
    over = np.flatnonzero(shares > table.limits.imbalance)
    if not over.size:
        return
    worst = int(over[np.argmax(shares[over])])
    below = list(_not_better(table, shares))
    tail = f" {below[0]} is no better than that." if below else ""
    task = f" on {table.tasks[worst]}" if table.tasks else ""
    yield Evidence(
        f"The largest class has {shares[worst]:.0%} of the examples{task} ({over.size} of {shares.size} tasks are "
        f"above {table.limits.imbalance:.0%}), and {', '.join(m.name for m in table.main)} is the only measure.{tail}"
    )


def _shares(table: LintTable) -> NDArray[np.float64] | None:
    """(tasks,) share of the largest class, NaN where unknown; None where nothing says it."""
    for name, c in table.columns.items():
        words = words_of(name)
        is_share = "majority" in words or words >= {"class", "prior"} or words >= {"max", "prior"}
        numbers = read_numbers(c) if is_share else None
        if numbers is not None:
            return _per_task(table, numbers.values, np.arange(table.n))
    simple = [k for k, name in enumerate(table.methods) if words_of(name) & MAJORITY and is_trivial(name)]
    measure = next(m for m in table.main if m.is_accuracy)
    if simple:
        return _per_task(table, measure.values, measure.known[np.isin(table.method_codes[measure.known], simple)])
    return None


def _per_task(table: LintTable, values: NDArray[np.float64], rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """(tasks,) mean of shares; percentages as fractions."""
    rows = rows[np.isfinite(values[rows])]
    size = max(1, len(table.tasks))
    num = np.bincount(table.task_codes[rows], minlength=size)
    with np.errstate(invalid="ignore"):
        means = np.bincount(table.task_codes[rows], weights=values[rows], minlength=size) / num
    return np.asarray(means / (100.0 if np.nanmax(means, initial=0.0) > 1.0 else 1.0))


def _not_better(table: LintTable, shares: NDArray[np.float64]) -> Iterator[str]:
    """Cells of methods that learn whose accuracy is at most the share of the largest class."""
    measure: Measure = next(m for m in table.main if m.is_accuracy)
    top = measure.top
    if top is None:
        return
    means = table.means(measure) / top
    for m, t in zip(*np.nonzero(means <= shares), strict=True):
        if shares[t] > table.limits.imbalance and not (table.methods and is_trivial(table.methods[m])):
            yield f"{table.cell_name(m, t)} with {means[m, t]:.1%}"
