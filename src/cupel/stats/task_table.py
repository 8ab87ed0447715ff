"""Tasks and methods as a full table: one number for each method on each task, larger is better.

Ranks, signed ranks and their relatives need every method on every task. This file says what becomes of the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.checked import Floats
from cupel.stats.frame import Frame
from cupel.stats.note import Note
from cupel.stats.one_budget import at_one_budget
from cupel.stats.results import results
from cupel.stats.rows import Results

if TYPE_CHECKING:
    from numpy.typing import NDArray

Failures = Literal["worst", "leave out"]
SAME_FRAC = 1e-12
"""Numbers that differ by less than this share of themselves are equal: so much, a mean owes to the order of rows."""
MOST_NAMED = 5


@dataclass(frozen=True)
class TaskTable:
    """The tasks on which every method has a result.

    Attributes:
        values: (tasks, methods) mean over runs, larger is better; minus infinity where every run of it failed.
        methods: names, in the order of the columns.
        tasks: names, in the order of the rows.
        left_out: tasks that are not in it, because a method has no result there.
        num_failed: cells of which every run failed.
        warnings: what a reader of any number from it must know.
    """

    values: Floats
    methods: tuple[str, ...]
    tasks: tuple[str, ...]
    left_out: tuple[str, ...]
    num_failed: int
    warnings: tuple[Note, ...]


def oriented(frame: Frame, better: str | None) -> tuple[Results, float]:
    """The results, and the sign that makes larger better.

    Raises:
        UsageError: nobody said which direction is better.
    """
    table = at_one_budget(results(frame, better=better))
    if table.better is None:
        raise UsageError(
            f"Methods are to be ranked by {table.metric!r}, and nothing says whether higher or lower is better. "
            "Say it: better='higher' or better='lower'."
        )
    return table, 1.0 if table.better == "higher" else -1.0


def task_table(frame: Frame, *, better: str | None, failures: Failures) -> TaskTable:
    """Means over runs for the tasks on which every method has a result.

    Args:
        frame: results.
        better: `higher` or `lower`; what the table declares where None.
        failures: `worst`: a method of which every run on a task failed is the worst there (several share the place);
            `leave out`: tasks on which that happened are left out.

    Returns:
        The table, perhaps without any task; a cell without rows always leaves its task out. Where some runs of a cell
        failed, its mean is of the others, and a warning says so.

    Raises:
        UsageError: no direction, or an unknown policy.
    """
    if failures not in ("worst", "leave out"):
        raise UsageError(f"failures = {failures!r}; expected 'worst' or 'leave out'.")
    table, sign = oriented(frame, better)
    means, counts = table.cell_means().T, table.counts().T
    failed = (counts > 0) & np.isnan(means)
    keep = np.all(counts > 0, axis=1)
    if failures == "leave out":
        keep &= ~np.any(failed, axis=1)
    values = np.where(failed, -np.inf, sign * means)[keep]
    return TaskTable(
        values=values,
        methods=table.methods,
        tasks=tuple(name for name, is_kept in zip(table.tasks, keep, strict=True) if is_kept),
        left_out=tuple(name for name, is_kept in zip(table.tasks, keep, strict=True) if not is_kept),
        num_failed=int(np.isneginf(values).sum()),
        warnings=(*table.warnings, *_notes(table, failed, keep, failures)),
    )


def _notes(table: Results, failed: NDArray[np.bool_], keep: NDArray[np.bool_], failures: Failures) -> list[Note]:
    notes = []
    gone = [name for name, is_kept in zip(table.tasks, keep, strict=True) if not is_kept]
    if gone:
        why = "a method has no row there" if failures == "worst" else "a method has no result there"
        notes.append(
            Note("missing cells", f"{len(gone)} of {keep.size} tasks are left out, because {why}: {named(gone)}.")
        )
    if failures == "worst" and failed[keep].any():
        counts = failed[keep].sum(axis=0)
        who = [f"{name} on {num}" for name, num in zip(table.methods, counts, strict=True) if num]
        notes.append(Note("failures", f"Every run failed and counts as the worst of its task: {named(who)}."))
    partly = _num_partly_failed(table)
    if partly:
        text = f"In {partly} cells some runs failed: the mean there is of the runs that did not."
        notes.append(Note("failures", text))
    return notes


def _num_partly_failed(table: Results) -> int:
    size = len(table.methods) * len(table.tasks)
    cells = table.method.codes * len(table.tasks) + table.task.codes
    bad = np.bincount(cells[~table.ok], minlength=size)
    return int(np.sum((bad > 0) & (bad < np.bincount(cells, minlength=size))))


def named(names: Sequence[str]) -> str:
    """A list for a sentence: at most five of them, and how many more."""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def is_larger(x: Floats, y: Floats) -> NDArray[np.bool_]:
    """Whether `x` is larger than `y` by more than rounding; of two infinite values none is.

    Example:
        >>> is_larger(np.array([0.3, 1.0]), np.array([0.1 + 0.2, 0.5])).tolist()
        [False, True]
    """
    with np.errstate(invalid="ignore"):
        size = np.maximum(np.abs(x), np.abs(y))
        apart: NDArray[np.bool_] = x - y > SAME_FRAC * np.where(np.isfinite(size), size, 0.0)
    return apart


def ranks(values: Floats) -> Floats:
    """Ranks within each row, 1 for the largest; values that are equal up to rounding share the mean of their places.

    Args:
        values: (tasks, methods), larger is better.

    Returns:
        (tasks, methods) ranks.

    Example:
        >>> ranks(np.array([[3.0, 1.0, 3.0]])).tolist()
        [[1.5, 3.0, 1.5]]
    """
    mine, others = values[:, :, None], values[:, None, :]
    above, below = is_larger(others, mine).sum(axis=2), is_larger(mine, others).sum(axis=2)
    equal = values.shape[1] - above - below
    result: Floats = above + (equal + 1) / 2
    return result
