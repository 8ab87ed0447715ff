"""Repeats that all have the same seed.

Rule
    The column of seeds has one value, and yet there are several repeats per
    method and task: a warning. With folds instead of repeats it is advice,
    since folds do vary the data.

Source: Lones (2024), 4.4; Bouthillier et al. (2021), arXiv 2103.03098.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cupel.stats.pitfall import Evidence, Pitfall

if TYPE_CHECKING:
    from cupel.stats.lint_table import LintTable

CARD = Pitfall(
    id="L25",
    severity="warning",
    stage="evaluate",
    title="one seed for all repeats",
    why="Repeats under one seed show the noise of the machine, not how much the result depends on chance.",
    do="Give each repeat a seed of its own, the same ones for every method.",
    source="Lones (2024), 4.4; Bouthillier et al. (2021)",
)


def missing(table: LintTable) -> str:
    """It needs seeds."""
    return "" if table.seed is not None else "a column seed"


def check(table: LintTable) -> Iterator[Evidence]:
    """Look for repeats under one seed."""
    if table.seed is None or len(table.seed.levels) != 1 or table.num_runs.max() < 2:
        return
    most = int(table.num_runs.max())
    has_repeats = table.rep is not None
    what = "repeats" if has_repeats else "folds or tuning runs"
    yield Evidence(
        f"The only seed is {table.seed.levels[0]}, for up to {most} {what} per method and task.",
        severity=None if has_repeats else "advice",
    )
