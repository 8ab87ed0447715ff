"""Time until a search is done in a simulated cluster: until the best that it trained in full is good *trained again*.

A search chooses by noisy losses, so the loss that it ends with is too good by having been chosen. What counts is the
mean loss over seeds of the configuration chosen, which made-up curves know and no searcher is told.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from cupel.spec.search import Searcher, Work
from cupel.spec.space import Configuration
from cupel.tasks.cluster import Cluster, Curves
from cupel.tasks.cluster_run import ClusterRun


class KnownCurves(Curves, Protocol):
    """Learning curves whose mean over seeds is known.

    Attributes:
        max_resource: the resource of a full training (R).
    """

    max_resource: float

    def expected(self, parameters: Configuration, resource: float) -> float:
        """The mean of the loss over seeds."""


@dataclass
class UntilGood:
    """A searcher that asks for nothing more once the best of those trained in full is good enough.

    Attributes:
        inner: the searcher.
        curves: on which it searches.
        target: mean loss after full training that is good enough.
        is_done: whether it was reached.
    """

    inner: Searcher
    curves: KnownCurves
    target: float
    is_done: bool = False

    def __post_init__(self) -> None:
        self._parameters: dict[int, Configuration] = {}
        self._best = math.inf

    def ask(self) -> Work | None:
        """What the searcher asks for; nothing when it is done."""
        work = None if self.is_done else self.inner.ask()
        if work is not None:
            self._parameters[work.trial] = work.parameters
        return work

    def tell(self, trial: int, resource: float, loss: float) -> bool:
        """Pass a loss on, and judge a new incumbent by what it is worth when it is trained again."""
        goes_on = self.inner.tell(trial, resource, loss)
        if resource >= self.curves.max_resource and loss < self._best and not self.is_done:
            self._best = loss
            self.is_done = self.curves.expected(self._parameters[trial], resource) <= self.target
        return goes_on and not self.is_done

    def drop(self, trial: int) -> None:
        """Pass it on."""
        self.inner.drop(trial)


def time_to_good(watched: UntilGood, cluster: Cluster, *, until: float) -> tuple[float, ClusterRun]:
    """Let a searcher use a cluster until its best is good.

    Args:
        watched: the searcher, not asked before, with what counts as good.
        cluster: where it trains.
        until: when it is given up, in the cluster's unit of time.

    Returns:
        The time, in the same unit; infinite where it was given up. And the run, which ends when the works that were
        under way reach their next milestone.
    """
    curves = watched.curves
    run = cluster.run(watched, curves, until=until)
    if not watched.is_done:
        return math.inf, run
    full = curves.max_resource
    goods = (
        told for told in run.incumbents(full) if curves.expected(run.parameters[told.trial], full) <= watched.target
    )
    return next(goods).time, run
