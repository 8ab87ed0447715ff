"""The test data decided which model, moment or configuration is reported.

Rule
    Error: a column says that the choice was made by a test measure
    (`selection_metric` = test_acc); or rows are marked as chosen, and in
    their groups the chosen one is the best by test but not by validation.
    Warning: a column says at which moment training was taken (`best_epoch`,
    `early_stop`), or there are many configurations per method and task, and
    every measure is of the test data, so nothing else can have decided.

Source: Lones (2024), 4.3; Cawley and Talbot (2010), JMLR 11.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from cupel.stats.frame import Column
from cupel.stats.lint_table import joined
from cupel.stats.lint_words import CHOSEN, TEST, VALIDATION, is_checkpoint, words_of
from cupel.stats.pitfall import Evidence, Pitfall
from cupel.stats.summary_text import read_truths

if TYPE_CHECKING:
    from cupel.stats.lint_table import LintTable

CARD = Pitfall(
    id="L05",
    severity="error",
    stage="evaluate",
    title="chosen by the test data",
    why="What was chosen because it scored well on the test data scores lower on new data.",
    do="Choose by validation data, and score the test data once.",
    source="Lones (2024), 4.3; Cawley and Talbot (2010)",
)
SELECTION = frozenset({"selection", "monitor", "monitored", "criterion", "tracked"})
LEAST_CONFIGURATIONS = 3
LEAST_GROUPS = 3


def missing(table: LintTable) -> str:
    """It needs a measure that says which part of the data it is of, or a column that says what decided."""
    has_part = any(m.part for m in table.measures)
    return "" if has_part or _deciders(table) else "measures called test_... and val_..., or a column selection_metric"


def check(table: LintTable) -> Iterator[Evidence]:
    """Look for what decided."""
    yield from _said(table)
    parts = {m.part for m in table.measures if not m.is_cost}
    chosen = list(_chosen_by_test(table))
    yield from chosen
    if parts != {"test"} or chosen or _deciders(table):
        return
    names = ", ".join(m.name for m in table.measures if m.part == "test")
    moments = [name for name in table.given if is_checkpoint(name)]
    if moments:
        yield Evidence(
            f"{', '.join(moments)} says that a moment of training was chosen, and the only measures are {names}.",
            severity="warning",
            do="Add the validation measure that decided; choose by it, and score the test data once.",
        )
    yield from _many_configurations(table, names)


def _deciders(table: LintTable) -> list[Column]:
    """Columns that say by what a choice was made."""
    found = []
    for c in table.given.values():
        words = words_of(c.name)
        is_name = bool(words & SELECTION) or bool(words & {"metric", "by"} and words & (CHOSEN | {"checkpointing"}))
        if is_name and c.factor is not None:
            found.append(c)
    return found


def _said(table: LintTable) -> Iterator[Evidence]:
    for c in _deciders(table):
        factor = c.as_factor
        for k, level in enumerate(factor.levels):
            if words_of(level) & TEST and not words_of(level) & VALIDATION:
                rows = np.flatnonzero(factor.codes == k)
                yield Evidence(f"{c.name} is {level} in {rows.size} of {factor.codes.size} rows.", tuple(rows.tolist()))


def _many_configurations(table: LintTable, names: str) -> Iterator[Evidence]:
    """Configurations of a method that were all scored on test."""
    if not table.configurations:
        return
    c = table.configurations[0]
    pairs = np.unique(np.stack([table.cells, c.as_factor.codes]), axis=1)
    num = np.bincount(pairs[0], minlength=table.num_cells)
    most = int(num.argmax())
    if num[most] >= LEAST_CONFIGURATIONS:
        m, t = divmod(most, max(1, len(table.tasks)))
        yield Evidence(
            f"{num[most]} configurations ({c.name}) of {table.cell_name(m, t)} were all scored by {names}, and there "
            "is no validation measure by which one of them can have been chosen.",
            table.at(table.in_cell(m, t)),
            severity="warning",
            do="Add the validation measure, choose by it, and compare the test measure of the chosen ones only.",
        )


def _chosen_by_test(table: LintTable) -> Iterator[Evidence]:
    """Rows marked as chosen: whether the test measure marks them better than validation does."""
    test = [m for m in table.measures if m.part == "test" and not m.is_cost]
    other = [m for m in table.measures if m.part == "validation"]
    named = [c for c in table.columns.values() if words_of(c.name) & (CHOSEN | {"reported", "final"})]
    marks = [(c.name, truths) for c in named if (truths := read_truths(c)) is not None]
    if not marks or not test or not table.configurations:
        return
    name, chosen = marks[0]
    parts = [table.cells] + ([] if table.seed is None else [table.seed.codes])
    groups = joined(*parts)
    by_test = _share_extreme(test[0].values, groups, chosen)
    by_other = max((_share_extreme(m.values, groups, chosen) for m in other), default=(0.0, 0))
    if by_test[1] >= LEAST_GROUPS and by_test[0] == 1.0 and by_other[0] < 1.0:
        yield Evidence(
            f"{name} marks the best {test[0].name} in all {by_test[1]} groups of configurations"
            + (f", but the best {other[0].name} in {by_other[0]:.0%} of them only." if other else "."),
            table.at(np.flatnonzero(chosen)),
        )


def _share_extreme(values: np.ndarray, groups: np.ndarray, chosen: np.ndarray) -> tuple[float, int]:
    """Share of the groups whose chosen row is their largest (or, for all, their smallest), and how many there are."""
    high = low = num = 0
    for g in np.unique(groups[chosen]):
        inside = np.flatnonzero(groups == g)
        marked = inside[chosen[inside]]
        known = values[inside][np.isfinite(values[inside])]
        if marked.size != 1 or known.size < LEAST_CONFIGURATIONS or known.min() == known.max():
            continue
        num += 1
        high += bool(values[marked[0]] == known.max())
        low += bool(values[marked[0]] == known.min())
    return (max(high, low) / num if num else 0.0), num
