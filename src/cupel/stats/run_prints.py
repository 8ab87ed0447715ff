"""Prints of runs: numbers that are equal where all values are, so that copies are found among many rows at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cupel.stats.lint_table import joined

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cupel.stats.lint_table import LintTable
    from cupel.stats.measure import Measure


def prints(
    table: LintTable, measure: Measure, groups: NDArray[np.intp], within: tuple[NDArray[np.intp], ...]
) -> NDArray[np.uint64]:
    """A print of each group of rows: equal for groups that have the same values in the same places.

    Args:
        table: the table.
        measure: whose values.
        groups: (n,) which group a row is in; numbers from 0.
        within: what tells the rows of a group apart, such as the task; settings and budgets always do.

    Returns:
        (groups,) 64-bit sums; two groups that differ agree with a chance below 1e-15. 0 for a group without values.
    """
    rows = measure.known
    values = np.unique(measure.values[rows], return_inverse=True)[1].astype(np.intp)
    places = [part[rows] for part in (*within, *_settings(table))]
    tokens = joined(values, *places)
    rng = np.random.default_rng(0)
    marks = rng.integers(1, np.iinfo(np.uint64).max, size=int(tokens.max(initial=0)) + 1, dtype=np.uint64)
    out = np.zeros(int(groups.max(initial=0)) + 1, dtype=np.uint64)
    np.add.at(out, groups[rows], marks[tokens])
    return out


def _settings(table: LintTable) -> list[NDArray[np.intp]]:
    return [
        codes for codes in (table.variant, None if table.budget is None else table.budget.codes) if codes is not None
    ]
