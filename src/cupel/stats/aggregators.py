"""One number from the runs of a method on many tasks, of the data and of a block of resamples.

Each aggregator knows its estimate, its value in resamples of runs and in resamples of tasks, and the influence of each
run on it, from which the degrees of freedom come. Runs within tasks are drawn n - 1 of n (`cupel explain resample`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.checked import Floats
from cupel.stats.resample import Resample
from cupel.stats.rows import Results
from cupel.stats.run_strata import Strata, is_higher_better
from cupel.stats.stratified_bootstrap import run_draws, task_draws

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cupel.stats.frame import Codes

How: TypeAlias = Literal["mean", "median", "iqm", "optimality_gap"]
NAMES: dict[str, str] = {"mean": "mean", "median": "median", "iqm": "IQM", "optimality_gap": "optimality gap"}
PILOT = 256
MOST_LATTICE = 1 << 52


@dataclass(frozen=True)
class OptimalityGap:
    """How far runs fall short of a target; values beyond it count as the target.

    Attributes:
        target: in the unit of the metric; 1 for scores normalised so that 1 is what there is to reach.
    """

    target: float = 1.0


class Aggregator(Protocol):
    """One statistic of the runs of one method."""

    @property
    def estimate(self) -> float:
        """Its value for the data."""

    @property
    def influence(self) -> Floats:
        """(N,) slope of the statistic in each run, times what the run is: its variance within tasks is what counts."""

    def of_runs(self, index: Codes) -> Floats:
        """(resamples,) values for drawn runs, (resamples, N - m) indices task by task."""

    def of_tasks(self, index: Codes) -> Floats:
        """(resamples,) values for drawn tasks, (resamples, m - 1) indices."""


def aggregator(runs: Strata, how: How | OptimalityGap, table: Results) -> Aggregator:
    """The aggregator by its name.

    Args:
        runs: of one method, at least one.
        how: its name.
        table: where they come from; its direction decides on which side of the target a gap is.

    Raises:
        UsageError: an unknown name, or a gap without direction or target.
    """
    if how == "optimality_gap" and table.better == "lower":
        raise UsageError(
            "how = 'optimality_gap' with better = 'lower': the target of 1 is that of normalised scores. "
            "Say what there is to reach: how=OptimalityGap(target=...)."
        )
    if isinstance(how, OptimalityGap) or how == "optimality_gap":
        target = how.target if isinstance(how, OptimalityGap) else 1.0
        sign = 1.0 if is_higher_better(table) else -1.0
        return TaskMean(runs, np.maximum(sign * (target - runs.values), 0.0))
    if how == "mean":
        return TaskMean(runs, runs.values)
    if how == "median":
        return TaskMedian(runs)
    if how == "iqm":
        return InterquartileMean(runs)
    raise UsageError(f"how = {how!r}; expected {', '.join(map(repr, NAMES))} or OptimalityGap(target=...).")


def drawn(of: Aggregator, sizes: Codes, plan: Resample) -> Floats:
    """(resamples,) the statistic of each resample."""
    rng = np.random.default_rng(plan.seed)
    if plan.unit == "tasks":
        return np.concatenate([of.of_tasks(index) for index in task_draws(sizes.size, plan.num, rng)])
    return np.concatenate([of.of_runs(index) for index in run_draws(sizes, plan.num, rng)])


@dataclass(frozen=True)
class TaskMean:
    """Mean over tasks of the mean over runs of a score."""

    runs: Strata
    scores: Floats

    @cached_property
    def by_task(self) -> Floats:
        """(m,) means."""
        return self.runs.by_task(self.scores)

    @property
    def estimate(self) -> float:
        """Its value for the data."""
        return float(self.by_task.mean())

    @property
    def influence(self) -> Floats:
        """(N,) of each run."""
        return self.scores / self.runs.sizes.size

    @cached_property
    def _shares(self) -> Floats:
        runs = self.runs
        return self.scores / ((runs.sizes - 1) * runs.sizes.size)[runs.task_of_run]

    def of_runs(self, index: Codes) -> Floats:
        """(resamples,) values for drawn runs."""
        return np.asarray(self._shares.take(index).sum(axis=1))

    def of_tasks(self, index: Codes) -> Floats:
        """(resamples,) values for drawn tasks."""
        return np.asarray(self.by_task.take(index).mean(axis=1))


@dataclass(frozen=True)
class TaskMedian:
    """Median over tasks of the mean over runs."""

    runs: Strata

    @cached_property
    def by_task(self) -> Floats:
        """(m,) means."""
        return self.runs.by_task(self.runs.values)

    @property
    def estimate(self) -> float:
        """Its value for the data."""
        return float(np.median(self.by_task))

    @cached_property
    def influence(self) -> Floats:
        """(N,) of each run: its value, times how often its task is the middle one in a few resamples."""
        sizes = self.runs.sizes
        draws = run_draws(sizes, PILOT, np.random.default_rng(0))
        order = np.argsort(np.concatenate([self._means(index) for index in draws]), axis=1)
        middle = order[:, [(sizes.size - 1) // 2, sizes.size // 2]]
        is_middle = np.bincount(middle.ravel(), minlength=sizes.size) / middle.size
        return self.runs.values * is_middle[self.runs.task_of_run]

    def _means(self, index: Codes) -> Floats:
        drawn = self.runs.sizes - 1
        return np.asarray(np.add.reduceat(self.runs.values.take(index), np.cumsum(drawn) - drawn, axis=1) / drawn)

    def of_runs(self, index: Codes) -> Floats:
        """(resamples,) values for drawn runs."""
        return np.asarray(np.median(self._means(index), axis=1))

    def of_tasks(self, index: Codes) -> Floats:
        """(resamples,) values for drawn tasks."""
        return np.asarray(np.median(self.by_task.take(index), axis=1))


@dataclass(frozen=True)
class InterquartileMean:
    """Mean of the middle half of all runs, every task weighing the same.

    With n runs in every task: of the N runs, the floor(N / 4) lowest and as many of the highest are cut off.
    With unequal numbers it is that of the table in which each task's runs are repeated until all tasks have the least
    common multiple: a run of a small task weighs more, and one at a quartile may be cut in part.
    """

    runs: Strata

    @cached_property
    def _order(self) -> Codes:
        return np.argsort(self.runs.values, kind="stable")

    @cached_property
    def _rank(self) -> Codes:
        rank = np.empty_like(self._order)
        rank[self._order] = np.arange(rank.size)
        return rank

    @cached_property
    def _sorted(self) -> Floats:
        return self.runs.values[self._order]

    @cached_property
    def _space(self) -> dict[str, NDArray[Any]]:
        return {}

    def _buffer(self, kind: str, shape: tuple[int, ...]) -> NDArray[Any]:
        """Room for a block, the same for each: giving it back to the system and asking anew costs more than its use."""
        held = self._space.get(kind)
        if held is None or held.shape[0] < shape[0]:
            self._space[kind] = held = np.empty(shape, dtype=kind)
        return held[: shape[0]]

    @cached_property
    def _task_sorted(self) -> Codes:
        return self.runs.task_of_run[self._order]

    def _middle(self, weights: Floats | Codes, total: float) -> Floats:
        """(resamples,) mean of the middle half under (resamples, N) weights in ascending order of the runs.

        The weights are written over: fresh memory would cost more than what is done with it.
        """
        cut = total // 4 if isinstance(total, int) else total / 4
        upto = np.cumsum(weights, axis=1, out=weights)
        np.clip(upto, cut, total - cut, out=upto)
        used = self._buffer("float64", upto.shape)
        used[:, 0] = upto[:, 0] - cut
        np.subtract(upto[:, 1:], upto[:, :-1], out=used[:, 1:])
        kept = np.einsum("ij,j->i", used, self._sorted)  # row by row: the product of BLAS depends on the block
        return np.asarray(kept / (total - 2 * cut))

    @cached_property
    def estimate(self) -> float:
        """Its value for the data."""
        weight, mass = _equal_tasks(self.runs.sizes)
        return float(self._middle(weight[self._task_sorted][None], mass * weight.size)[0])

    @property
    def influence(self) -> Floats:
        """(N,) of each run: its value, drawn in to the quartiles, over the half that is kept."""
        upto = np.cumsum((1 / self.runs.sizes)[self._task_sorted])
        low, high = self._sorted[np.searchsorted(upto, (upto[-1] / 4, 3 * upto[-1] / 4)).clip(max=upto.size - 1)]
        return np.clip(self.runs.values, low, high) / (0.5 * self.runs.sizes.size)

    def of_runs(self, index: Codes) -> Floats:
        """(resamples,) values for drawn runs."""
        num = self._sorted.size
        place = self._rank.take(index, out=self._buffer("intp", index.shape), mode="clip")
        place += (np.arange(len(index)) * num)[:, None]
        counts = np.bincount(place.ravel(), minlength=len(index) * num).reshape(-1, num)
        weight, mass = _equal_tasks(self.runs.sizes - 1)
        weighted = counts if np.all(weight == 1) else counts * weight[self._task_sorted]
        return self._middle(weighted, mass * weight.size)

    def of_tasks(self, index: Codes) -> Floats:
        """(resamples,) values for drawn tasks."""
        weight, mass = _equal_tasks(self.runs.sizes)
        num = weight.size
        flat = (index + (np.arange(len(index)) * num)[:, None]).ravel()
        counts = np.bincount(flat, minlength=len(index) * num).reshape(-1, num)
        return self._middle((counts * weight)[:, self._task_sorted], mass * index.shape[1])


def _equal_tasks(sizes: Codes) -> tuple[Floats | Codes, int | float]:
    """(m,) weight of a run of each task, and what the runs of a task weigh together, the same in each.

    Whole numbers, so that sums are exact; fractions where the least common multiple is too large for that.
    """
    common = math.lcm(*np.unique(sizes).tolist())
    return (common // sizes, common) if common * sizes.size <= MOST_LATTICE else (1 / sizes, 1.0)
