"""The metafeature analysis as published: wins of one method over another by task, with a critical-difference diagram.

Rule
    In each cell of task and budget both methods are compared by least
    squares (two-sample t with pooled spread); p < 0.05 makes a win (1 for
    the second method, -1 for the first), anything else 0. Then
    wins ~ task + budget by least squares, and all pairs of tasks by Tukey.
    Kept for comparison only: it takes tests for data and budgets of one run
    for independent. `metafeature` asks the same question soundly.

Source: Geburek et al. (2024), arXiv 2408.02533.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.checked import Floats, chosen
from cupel.stats.critical_difference import CriticalDifference, critical_difference
from cupel.stats.frame import Frame, frame_of
from cupel.stats.mixed.contrasts import Contrasts, contrasts
from cupel.stats.mixed.marginal_means import Grid
from cupel.stats.mixed.mixed_model import mixed_model
from cupel.stats.note import Note
from cupel.stats.results import results
from cupel.stats.rows import Results


@dataclass(frozen=True)
class PublishedMetafeature:
    """Wins by task.

    Attributes:
        wins: columns task, budget and wins, one row per cell.
        positions: task to its mean wins at the mean budget, -1 to 1.
        contrasts: all pairs of tasks.
        diagram: what the published figure shows.
        warnings: that this is the published variant.
    """

    wins: Mapping[str, list[Any]]
    positions: Mapping[str, float]
    contrasts: Contrasts
    diagram: CriticalDifference
    warnings: tuple[Note, ...]

    def to_frame(self) -> Any:
        """One row per task."""
        return frame_of({"task": list(self.positions), "wins": list(self.positions.values())})

    def text(self) -> str:
        """The tasks in order."""
        return self.diagram.text()


def published_metafeature(frame: Frame, pair: tuple[str, str]) -> PublishedMetafeature:
    """Wins of the second method over the first, by task.

    Args:
        frame: any frame, or `Results`, with a direction; several budgets or one.
        pair: two methods.

    Returns:
        Wins, positions, contrasts.

    Raises:
        UsageError: the direction is not declared.
        UnknownNameError: there is no such method.
    """
    table = results(frame)
    if table.better is None:
        raise UsageError("Which direction is better? Say it: better='lower' or better='higher'.")
    codes = [table.method_index(name) for name in chosen("pair", pair, least=2, most=2)]
    table = table.select(table.ok & np.isin(table.method.codes, codes))
    wins = _wins(table, pair)
    formula = "wins ~ task + budget" if len(set(wins["budget"])) > 1 else "wins ~ task"
    model = mixed_model(formula, wins, reml=False)
    pairs = contrasts(model, "task", grid=Grid(df="residual"))
    note = Note("published variant", "as published: tests count as data, and budgets of one run as independent")
    positions = dict(zip(pairs.means.levels, pairs.means.estimate.tolist(), strict=True))
    return PublishedMetafeature(wins, positions, pairs, critical_difference(pairs, better="lower"), (note,))


def _wins(table: Results, pair: tuple[str, str]) -> dict[str, list[Any]]:
    """One row per cell of task and budget."""
    from scipy.special import stdtr

    budgets, budget = np.unique(table.budget, return_inverse=True) if table.budget is not None else (np.zeros(1), None)
    cell = table.task.codes * budgets.size + (0 if budget is None else budget)
    size = len(table.tasks) * budgets.size
    mean, variance, num = zip(*(_moments(table, cell, size, table.methods.index(name)) for name in pair), strict=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        df = num[0] + num[1]  # the package fits by likelihood: it divides by n, and takes n degrees of freedom
        pooled = ((num[0] - 1) * variance[0] + (num[1] - 1) * variance[1]) / df
        t = (mean[1] - mean[0]) / np.sqrt(pooled * (1 / num[0] + 1 / num[1]))
        p = 2 * stdtr(df, -np.abs(t))
    sign = np.sign(mean[1] - mean[0]) * (1 if table.better == "higher" else -1)
    there = np.flatnonzero((num[0] > 0) & (num[1] > 0))
    won = np.where(p < 0.05, sign, 0.0)
    return {
        "task": [table.tasks[k // budgets.size] for k in there],
        "budget": [float(budgets[k % budgets.size]) for k in there],
        "wins": won[there].tolist(),
    }


def _moments(table: Results, cell: Any, size: int, method: int) -> tuple[Floats, Floats, Floats]:
    """(cells,) mean, variance and number of a method's runs."""
    own = table.method.codes == method
    num = np.bincount(cell[own], minlength=size).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.bincount(cell[own], weights=table.value[own], minlength=size) / num
        rest = (table.value[own] - mean[cell[own]]) ** 2
        variance = np.bincount(cell[own], weights=rest, minlength=size) / (num - 1)
    return mean, np.where(num > 1, variance, math.nan), num
