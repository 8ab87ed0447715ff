"""Methods compared on a single task.

Rule
    The column of the task has one value, or there is no such column and no
    other column of words that could be it.

Source: Lones (2024), 6.3; Demsar (2006), JMLR 7; Bouthillier et al. (2021), arXiv 2103.03098.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cupel.stats.pitfall import Evidence, Pitfall

if TYPE_CHECKING:
    from cupel.stats.lint_table import LintTable

CARD = Pitfall(
    id="L14",
    severity="warning",
    stage="report",
    title="one task only",
    why="Whatever holds on one task says nothing of tasks like it.",
    do="Add tasks, or say in the statement that it is about this task alone.",
    source="Lones (2024), 6.3; Demsar (2006)",
)


def missing(table: LintTable) -> str:
    """A table with a column that may be the task, or with one method, is not judged."""
    if table.method is None or len(table.methods) < 2:
        return "a column that names the method, with two methods"
    return "" if table.task is not None or not _candidates(table) else "the task: --map task=COLUMN"


def check(table: LintTable) -> Iterator[Evidence]:
    """Count the tasks."""
    if table.task is None:
        yield Evidence(
            "The table has no column that names the task, and none that could be it.",
            do="Add a column task, and further tasks; or say that the statement is about this task alone.",
        )
    elif len(table.tasks) == 1:
        yield Evidence(f"All {table.n} rows are of one task, {table.tasks[0]}.")


def _candidates(table: LintTable) -> list[str]:
    """Columns of words without a role whose values are shared by several methods."""
    taken = {part for name in table.roles.values() for part in name.split(":")} | {m.name for m in table.measures}
    found = []
    for name, c in table.columns.items():
        if name in taken or c.factor is None:
            continue
        num = len(c.factor.observed().levels)
        if 1 < num < table.n:
            found.append(name)
    return found
