"""Who beat whom, task by task: the table that ratings are made of.

Runs that share a seed (and split, tuning run, budget) meet; where no two methods share any, all runs of a task meet all
others. On each task a pair of methods has one outcome between 0 and 1: the share of its meetings that the first won, a
draw counting half. So each task weighs the same however many runs it has. A failed run loses to any result and draws
with another failure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cupel.stats.checked import Floats
from cupel.stats.frame import Codes, Frame
from cupel.stats.note import Note
from cupel.stats.rows import Results
from cupel.stats.task_table import is_larger, oriented

KEYS = ("seed", "split", "hpo_run")


@dataclass(frozen=True)
class PairwiseOutcomes:
    """Outcomes of all pairs on all tasks.

    Attributes:
        wins: (tasks, methods, methods) share of meetings that the first method won; 0 where they did not meet.
        met: (tasks, methods, methods) 1 where they met on the task, else 0.
        table: the results they come from.
        is_paired: whether runs met by their seed.
        warnings: what a reader must know.
    """

    wins: Floats
    met: Floats
    table: Results
    is_paired: bool
    warnings: tuple[Note, ...]


def pairwise_outcomes(frame: Frame, better: str | None) -> PairwiseOutcomes:
    """Let the runs of a table meet.

    Args:
        frame: results.
        better: `higher` or `lower`; what the table declares where None.

    Raises:
        UsageError: nobody said which direction is better.

    Cost: the square of the number of runs that meet at once, for each of them.
    """
    table, sign = oriented(frame, better)
    values = np.where(table.ok, sign * table.value, -np.inf)
    place, is_paired = _meeting_places(table)
    num_tasks, k = len(table.tasks), len(table.methods)
    won, all_met = np.zeros((num_tasks, k, k)), np.zeros((num_tasks, k, k))
    order = np.argsort(place, kind="stable")
    bounds = np.flatnonzero(np.diff(place[order])) + 1
    for rows in np.split(order, bounds):
        who = (table.method.codes[rows][:, None] == np.arange(k)).astype(np.float64)
        above = is_larger(values[rows][:, None], values[rows][None, :])
        score = (1.0 + above - above.T) / 2
        task = table.task.codes[rows[0]]
        won[task] += who.T @ score @ who
        num = who.sum(axis=0)
        all_met[task] += np.outer(num, num)
    off = 1.0 - np.eye(k)
    met = (all_met > 0) * off
    wins = np.divide(won, all_met, out=np.zeros_like(won), where=all_met > 0) * off
    notes = _notes(table, met, is_paired=is_paired)
    return PairwiseOutcomes(wins, met, table, is_paired, (*table.warnings, *notes))


def _meeting_places(table: Results) -> tuple[Codes, bool]:
    """(n,) where each run meets others, and whether that is by more than the task."""
    parts = [factor.codes for factor in (getattr(table, key) for key in KEYS) if factor is not None]
    if table.budget is not None:
        parts.append(np.unique(table.budget, return_inverse=True)[1])
    place = table.task.codes
    for part in parts:
        place = np.unique(place * (int(part.max(initial=0)) + 2) + part + 1, return_inverse=True)[1]
    pairs = np.unique(place * len(table.methods) + table.method.codes) // len(table.methods)
    has_meeting = bool(np.any(np.diff(pairs) == 0))
    if parts and has_meeting:
        return place, True
    return table.task.codes, False


def _notes(table: Results, met: Floats, *, is_paired: bool) -> list[Note]:
    notes = []
    if not is_paired and np.any(table.counts() > 1):
        text = "Runs of different methods share no seed (split, budget): all runs of a task meet all others."
        notes.append(Note("unpaired", text))
    k = len(table.methods)
    absent = int(np.sum(met[:, *np.triu_indices(k, 1)] == 0))
    if absent:
        total = met.shape[0] * k * (k - 1) // 2
        notes.append(Note("missing cells", f"{absent} of {total} pairs of methods on a task did not meet there."))
    if table.num_failed:
        text = "A failed run counts as a loss against any result, and as a draw against another failure."
        notes.append(Note("failures", text))
    return notes
