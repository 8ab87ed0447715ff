"""Runs that are missing in single cells: failures that were left out?

Rule
    A cell has fewer runs than is usual both for its method and for its task
    (the largest number that a third of the cells have), and the table has no
    failed rows at all. A method that has fewer runs everywhere is
    another rule's: `unequal_repeats`.

Source: Lones (2024), 6.1; rules of Cupel: a failure is a row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from cupel.stats.pitfall import Evidence, Pitfall

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cupel.stats.lint_table import LintTable

CARD = Pitfall(
    id="L29",
    severity="warning",
    stage="report",
    title="runs missing in single cells",
    why="If runs that diverged or crashed were left out, the rest looks better and steadier than the method is.",
    do="Add the missing runs; one that failed is a row with the status failed, or with an empty value.",
    source="Lones (2024), 6.1",
)
LEAST_CELLS, USUAL_SHARE = 3, 1 / 3


def missing(table: LintTable) -> str:
    """It needs several cells, and what numbers their runs."""
    if table.num_runs.size < LEAST_CELLS or table.method is None:
        return "columns method and task"
    return "" if table.runs is not None or table.variant is None else "a column seed or rep"


def check(table: LintTable) -> Iterator[Evidence]:
    """Compare each cell with its row and column of cells."""
    if any(m.known.size < m.rows.size for m in table.main):
        return
    runs = table.num_runs
    of_method = np.array([_usual(row) for row in runs])
    of_task = np.array([_usual(column) for column in runs.T])
    fewer = (runs > 0) & (runs < of_method[:, None]) & (runs < of_task[None, :])
    cells = list(zip(*np.nonzero(fewer), strict=True))
    if cells:
        named = ", ".join(f"{table.cell_name(m, t)} ({runs[m, t]} of {of_method[m]})" for m, t in cells[:3])
        more = f" and {len(cells) - 3} more" if len(cells) > 3 else ""
        yield Evidence(f"Fewer runs than usual, and no row says failed: {named}{more}.")


def _usual(counts: NDArray[np.intp]) -> int:
    """The largest number of runs that a third of the cells have, 0 where there is none; of few cells the largest."""
    there = counts[counts > 0]
    if there.size < LEAST_CELLS:
        return int(there.max(initial=0))
    times = np.bincount(there)
    return int(np.flatnonzero(times >= USUAL_SHARE * there.size)[-1]) if times.max() >= USUAL_SHARE * there.size else 0
