"""What each method needs to solve each task: medians over runs, infinite where it is not solved, and their ratios."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.checked import Floats
from cupel.stats.frame import Frame
from cupel.stats.note import Note
from cupel.stats.rows import Results
from cupel.stats.run_strata import named, score_table


@dataclass(frozen=True)
class SolveCosts:
    """Costs of methods on tasks.

    Attributes:
        cost: (methods, tasks) median over runs, above 0; infinite where more than half of the runs failed; NaN where
            there is no run.
        methods: names, in order.
        tasks: names, in order.
        num_runs: most runs in a cell.
        metric: what was measured.
        warnings: what a reader of the numbers must know.
    """

    cost: Floats
    methods: tuple[str, ...]
    tasks: tuple[str, ...]
    num_runs: int
    metric: str
    warnings: tuple[Note, ...]


def solve_costs(frame: Frame, *, best_of_tuning_run: bool = False) -> SolveCosts:
    """Median costs of every method on every task.

    Args:
        frame: results whose values are costs (times, steps, evaluations), lower is better; a failed run is unsolved.
        best_of_tuning_run: whether the runs of one tuning run (`hpo_run`) count as one, at the cost of the cheapest.

    Raises:
        UsageError: the table says that higher is better, or a cost is not above 0.
    """
    table = score_table(frame, of_arrays="lower")
    if table.better == "higher":
        raise UsageError(
            f"Costs are asked for, and {table.metric!r} is declared as better='higher'. "
            "Expected times, steps or evaluations; for scores: performance_profile."
        )
    bad = np.flatnonzero(table.ok & ~(table.value > 0))
    if bad.size:
        row = int(bad[0])
        raise UsageError(
            f"{table.metric} is {table.value[row]:g} in {table.where(row)}; expected costs above 0, since methods are "
            "compared by ratios."
        )
    value = np.where(table.ok, table.value, np.inf)
    cells = table.method.codes * len(table.tasks) + table.task.codes
    if best_of_tuning_run and table.hpo_run is not None:
        groups = cells * (len(table.hpo_run.levels) + 1) + table.hpo_run.codes + 1
        first, member = np.unique(groups, return_index=True, return_inverse=True)[1:]
        cheapest = np.full(first.size, np.inf)
        np.minimum.at(cheapest, member, value)
        value, cells = cheapest, cells[first]
    shape = (len(table.methods), len(table.tasks))
    cost = np.full(shape, np.nan)
    order = np.argsort(cells, kind="stable")
    seen, first = np.unique(cells[order], return_index=True)
    for cell, own in zip(seen, np.split(value[order], first[1:]), strict=True):
        cost.flat[cell] = np.median(own)
    most = int(np.bincount(cells).max())
    return SolveCosts(cost, table.methods, table.tasks, most, table.metric, _notes(table, most))


def _notes(table: Results, most: int) -> tuple[Note, ...]:
    notes = [note for note in table.warnings if note.code != "failures"]
    if table.num_failed:
        bad = np.bincount(table.method.codes[~table.ok], minlength=len(table.methods))
        parts = [f"{name} {num}" for name, num in zip(table.methods, bad, strict=True) if num]
        notes.append(Note("failures", f"{table.num_failed} runs failed and count as unsolved: {named(parts)}."))
    if most == 1:
        text = "One run per method and task: how the costs vary from run to run is not known."
        notes.append(Note("no repeats", text))
    return tuple(notes)
