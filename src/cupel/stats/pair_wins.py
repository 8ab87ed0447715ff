"""How often runs of one method beat runs of another, task by task, in the data and in resamples.

The runs of B are sorted within their tasks once. In a resample, the running sum of the counts of B at the place of a
run of A is how many drawn runs of B lie below it: no pair is looked at twice, and no matrix of pairs is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from cupel.stats.aggregators import TaskMean, drawn
from cupel.stats.checked import Floats
from cupel.stats.resample import Resample
from cupel.stats.run_strata import Strata
from cupel.stats.stratified_bootstrap import block_length, degrees_of_freedom, run_draws, task_draws, variances

if TYPE_CHECKING:
    from cupel.stats.frame import Codes


@dataclass(frozen=True)
class CrossedWins:
    """Every run of A against every run of B on the same task; larger wins, a tie is half a win.

    Attributes:
        a: runs of A, a failed one as minus infinity.
        b: runs of B on the same tasks.
    """

    a: Strata
    b: Strata

    @cached_property
    def placements(self) -> tuple[Floats, Floats]:
        """(N_a,) share of B's runs that each run of A beats, and (N_b,) share of A's runs that beat each run of B."""
        over = sum(_places(self.a, self.b)) / (2 * self.b.sizes[self.a.task_of_run])
        under = 1 - sum(_places(self.b, self.a)) / (2 * self.a.sizes[self.b.task_of_run])
        return np.asarray(over), np.asarray(under)

    @cached_property
    def by_task(self) -> Floats:
        """(m,) share of pairs that A wins."""
        return self.a.by_task(self.placements[0])

    @property
    def fewest_pairs(self) -> int:
        """Pairs in the task with the fewest, no run in two of them."""
        return int(np.minimum(self.a.sizes, self.b.sizes).min())

    @property
    def num_pairs(self) -> int:
        """Pairs over all tasks, no run in two of them."""
        return int(np.minimum(self.a.sizes, self.b.sizes).sum())

    @cached_property
    def parts(self) -> list[tuple[Floats, Codes]]:
        """What each task adds to the variance of the mean, from either side, with its number of runs."""
        m = self.a.sizes.size
        sides = zip((self.a, self.b), self.placements, strict=True)
        return [(variances(placement / m, side), side.sizes) for side, placement in sides]

    def draws(self, plan: Resample) -> Floats:
        """(resamples,) mean over tasks of the share of pairs that A wins, A and B drawn apart."""
        rngs = [np.random.default_rng(child) for child in np.random.SeedSequence(plan.seed).spawn(2)]
        at_once = min(block_length(self.a.sizes), block_length(self.b.sizes))
        pairs = zip(
            run_draws(self.a.sizes, plan.num, rngs[0], at_once=at_once),
            run_draws(self.b.sizes, plan.num, rngs[1], at_once=at_once),
            strict=True,
        )
        return np.concatenate([self._of_runs(index_a, index_b) for index_a, index_b in pairs])

    @cached_property
    def _places(self) -> tuple[Codes, Codes]:
        """(N_a,) first and last place of each run of A among the sorted runs of B, over all tasks."""
        low, high = _places(self.a, self.b)
        start = self.b.starts[self.a.task_of_run]
        return low + start, high + start

    @cached_property
    def _rank_b(self) -> Codes:
        rank = np.empty(self.b.values.size, dtype=np.intp)
        rank[np.lexsort((self.b.values, self.b.task_of_run))] = np.arange(rank.size)
        return rank

    @cached_property
    def _weights(self) -> tuple[Floats, float]:
        """Weight of the wins of each drawn run of A, and what drawn runs of B in earlier tasks add to them."""
        drawn_a, drawn_b = self.a.sizes - 1, self.b.sizes - 1
        m = drawn_a.size
        before = np.cumsum(drawn_b) - drawn_b
        return np.repeat(1 / (m * drawn_a * drawn_b), drawn_a), float(np.sum(before / (m * drawn_b)))

    def _of_runs(self, index_a: Codes, index_b: Codes) -> Floats:
        count, num_b = len(index_b), self.b.values.size
        rows = np.arange(count)[:, None]
        place = self._rank_b.take(index_b)
        place += rows * num_b
        counts = np.bincount(place.ravel(), minlength=count * num_b).reshape(count, num_b)
        below = np.zeros((count, num_b + 1))
        np.cumsum(counts, axis=1, out=counts)
        below[:, 1:] = counts
        low, high = self._places
        places = low.take(index_a)
        places += rows * (num_b + 1)
        wins = below.ravel().take(places)
        if not np.array_equal(low, high):
            places = high.take(index_a)
            places += rows * (num_b + 1)
            wins = (wins + below.ravel().take(places)) / 2
        weight, earlier = self._weights
        return np.asarray(np.einsum("ij,j->i", wins, weight) - earlier)


@dataclass(frozen=True)
class PairedWins:
    """Each run of A against the run of B with the same seed; larger wins, a tie is half a win."""

    a: Strata
    b: Strata

    @cached_property
    def _mean(self) -> TaskMean:
        wins = (self.a.values > self.b.values) + 0.5 * (self.a.values == self.b.values)
        return TaskMean(replace(self.a, values=wins), wins)

    @property
    def by_task(self) -> Floats:
        """(m,) share of pairs that A wins."""
        return self._mean.by_task

    @property
    def fewest_pairs(self) -> int:
        """Pairs in the task with the fewest."""
        return int(self.a.sizes.min())

    @property
    def num_pairs(self) -> int:
        """Pairs over all tasks."""
        return int(self.a.sizes.sum())

    @property
    def parts(self) -> list[tuple[Floats, Codes]]:
        """What each task adds to the variance of the mean, with its number of pairs."""
        return [(variances(self._mean.influence, self.a), self.a.sizes)]

    def draws(self, plan: Resample) -> Floats:
        """(resamples,) mean over tasks of the share of pairs that A wins, pairs drawn together."""
        return drawn(self._mean, self.a.sizes, plan)


def spread(wins: CrossedWins | PairedWins, plan: Resample) -> tuple[float, float]:
    """Standard error and degrees of freedom of the mean over tasks; 0 and NaN where nothing varies."""
    if plan.unit == "tasks":
        num = wins.by_task.size
        return float(wins.by_task.std(ddof=1)) / num**0.5, float(num - 1)
    return sum(float(v.sum()) for v, _ in wins.parts) ** 0.5, degrees_of_freedom(wins.parts)


def drawn_wins(wins: CrossedWins | PairedWins, plan: Resample) -> Floats:
    """(resamples,) the mean over tasks in each resample."""
    if plan.unit == "runs":
        return wins.draws(plan)
    rng = np.random.default_rng(plan.seed)
    blocks = task_draws(wins.by_task.size, plan.num, rng)
    return np.concatenate([wins.by_task.take(index).mean(axis=1) for index in blocks])


def _places(runs: Strata, among: Strata) -> tuple[Codes, Codes]:
    """(N,) how many runs of `among` on the same task lie below each run, and how many not above it."""
    low, high = np.empty(runs.values.size, dtype=np.intp), np.empty(runs.values.size, dtype=np.intp)
    edges = zip(runs.starts, runs.sizes, among.starts, among.sizes, strict=True)
    for start, size, other, num in edges:
        here, ordered = slice(start, start + size), np.sort(among.values[other : other + num])
        low[here] = np.searchsorted(ordered, runs.values[here], "left")
        high[here] = np.searchsorted(ordered, runs.values[here], "right")
    return low, high
