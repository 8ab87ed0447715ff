"""Tuners compared: several of them on several problems with several seeds, as a table for the analysis of results.

Each search runs on its own simulated cluster. On a problem whose loss is a function of the user's own, a cluster of one
worker calls it for one work after another, and the clock counts resource (times the cost, where one is given).

Decisions
    All tuners get the same budgets of time, the same problems, and for a seed the same draws wherever they draw.
    A tuner is worth what its choice is worth: the configuration with the least loss told by the budget is trained in
    full again with fresh seeds, the same for all tuners. Its selected loss, which flatters, stands beside it.
    A tuner that has been told nothing by a budget has failed there: the row stays, without a value.
"""

from __future__ import annotations

import csv
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from cupel.spec.errors import UsageError
from cupel.spec.seeds import Seeds
from cupel.stats.analysis.analyze import Analysis, Question, analyze
from cupel.stats.frame import frame_of
from cupel.study.tuning_problem import Found, Tuner, TuningProblem, seeded
from cupel.tasks.cluster import Cluster

COLUMNS = ("method", "task", "seed", "budget", "value", "selected")


@dataclass(frozen=True)
class TunerTable:
    """One row for each tuner, problem, seed and budget.

    Attributes:
        rows: method, task, seed, budget, value (mean loss of the retrained choice), selected (the loss by which it was
            chosen); NaN where nothing had been told.
    """

    rows: tuple[tuple[str, str, int, float, float, float], ...]

    @property
    def columns(self) -> dict[str, list[Any]]:
        """Name to values."""
        return {name: [row[k] for row in self.rows] for k, name in enumerate(COLUMNS)}

    def to_frame(self) -> Any:
        """The rows as a frame of the library that is installed."""
        return frame_of(self.columns)

    def write(self, path: Path) -> None:
        """The rows as CSV, for `cupel analyze PATH --metric value --better lower`."""
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows(self.rows)

    def analysis(self, question: Question | None = None) -> Analysis:
        """What the table supports, at the largest budget (`cupel explain analyze`).

        Raises:
            UsageError: fewer than two tuners.
        """
        table = {name: values for name, values in self.columns.items() if name != "selected"}
        return analyze(table, metric="value", better="lower", question=question)


def compare_tuners(
    tuners: Mapping[str, Tuner],
    problems: Mapping[str, TuningProblem],
    *,
    budgets: Sequence[float],
    repeats: tuple[int, int] = (10, 5),
    cluster: Cluster | None = None,
) -> TunerTable:
    """Let every tuner loose on every problem.

    Args:
        tuners: name to searcher, or to what makes one of a search.
        problems: name to problem.
        budgets: times at which to look, in the unit of the problems' costs.
        repeats: searches of each tuner on each problem (their seeds are 0, 1, ...), and fresh seeds with which each
            choice is trained again.
        cluster: on which each search runs, its seed as root; one worker when None.

    Returns:
        The table.

    Raises:
        UsageError: nothing to compare, or no budget above 0.
        UnknownNameError: a tuner that is not there.

    Cost: one search per tuner, problem and seed, and a few full trainings for each budget.
    """
    if not tuners or not problems:
        raise UsageError("There is nothing to compare; expected one or more tuners and problems.")
    if not budgets or not min(budgets) > 0 or not max(budgets) < math.inf:
        raise UsageError(f"budgets are {list(budgets)}; expected numbers above 0.")
    if min(repeats) < 1:
        raise UsageError(f"repeats is {repeats}; expected 1 or more searches and 1 or more fresh seeds.")
    cluster = cluster or Cluster()
    rows = []
    for (task, problem), seed in itertools.product(problems.items(), range(repeats[0])):
        own = seeded(cluster, task, seed)
        worth = _Worth(problem, [Seeds(own.seed).seed("retrain", k) for k in range(repeats[1])])
        for method, tuner in tuners.items():
            found = zip(budgets, problem.found(tuner, budgets, own), strict=True)
            rows += [(method, task, seed, budget, *worth.of(choice)) for budget, choice in found]
    return TunerTable(tuple(rows))


class _Worth:
    """What choices are worth on a problem, each trained again once, however many tuners and budgets chose it."""

    def __init__(self, problem: TuningProblem, seeds: Sequence[int]) -> None:
        self._problem, self._seeds = problem, seeds
        self._known: dict[tuple[Any, ...], float] = {}

    def of(self, found: Found) -> tuple[float, float]:
        """The mean loss of the retrained choice, and the loss by which it was chosen."""
        if found is None:
            return math.nan, math.nan
        parameters, told = found
        key = tuple(parameters.items())
        if key not in self._known:
            self._known[key] = fmean(self._problem.retrained(parameters, self._seeds))
        return self._known[key], told.loss
