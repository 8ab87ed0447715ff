"""One method was run more often than another.

Rule
    Runs of a method relative to what is usual on each task; the median over
    its tasks is below two thirds, and at least 2 runs are lacking. Methods
    with one run or nothing to repeat are not counted: see `copied_baseline`.

Source: Lones (2024), 5.1; Gundersen et al. (2022), arXiv 2204.07610.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from cupel.stats.lint_words import is_without_learning
from cupel.stats.pitfall import Evidence, Pitfall

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cupel.stats.lint_table import LintTable

CARD = Pitfall(
    id="L27",
    severity="warning",
    stage="compare",
    title="unequal repeats",
    why="The mean of fewer runs is less certain, and it invites the question what became of the other runs.",
    do="Run the method as often as the others, or say why not and compare with intervals of unequal n.",
    source="Lones (2024), 5.1",
)
LEAST_SHARE, LEAST_LACKING = 2 / 3, 2


def missing(table: LintTable) -> str:
    """It needs two methods, and what numbers their runs."""
    if len(table.methods) < 2:
        return "a column that names the method, with two methods"
    return "" if table.runs is not None or table.variant is None else "a column seed or rep"


def check(table: LintTable) -> Iterator[Evidence]:
    """Compare the runs of each method with what is usual."""
    runs = table.num_runs
    counted = [m for m, name in enumerate(table.methods) if runs[m].max() >= 2 and not is_without_learning(name)]
    if len(counted) < 2:
        return
    usual = np.array([runs[counted, t].max(initial=0) for t in range(runs.shape[1])])
    fewer = [m for m in counted if _is_less(runs[m], usual)]
    if fewer:
        names = ", ".join(f"{table.methods[m]} ({np.median(runs[m][runs[m] > 0]):g})" for m in fewer[:3])
        more = f" and {len(fewer) - 3} more" if len(fewer) > 3 else ""
        there = usual[(runs[fewer] > 0).any(axis=0)]
        yield Evidence(
            f"Runs per task: {names}{more}; other methods have up to {np.median(there):g}.",
            table.at(np.flatnonzero(np.isin(table.method_codes, fewer))),
        )


def _is_less(runs: NDArray[np.intp], usual: NDArray[np.intp]) -> bool:
    """Whether a method has clearly fewer runs than is usual on its tasks."""
    there = runs > 0
    share, lacking = np.median(runs[there] / usual[there]), np.median(usual[there] - runs[there])
    return bool(share < LEAST_SHARE and lacking >= LEAST_LACKING)
