"""A problem to tune on, real or simulated, and what a tuner has found on it by a budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from cupel.methods.find_searcher import find_searcher
from cupel.spec.search import Search, Searcher
from cupel.spec.seeds import Seeds
from cupel.spec.space import Configuration, Space
from cupel.tasks.cluster import Cluster
from cupel.tasks.cluster_run import Told

Tuner: TypeAlias = str | Callable[[Search], Searcher]
"""A searcher by its name with options (`cupel.methods.find_searcher`), or what makes one."""
MANY_TRIALS = 100_000
"""Configurations that a search may try: the budget ends it."""


def _one(parameters: Configuration) -> float:
    del parameters
    return 1.0


@dataclass(frozen=True)
class TuningProblem:
    """What is tuned.

    Args:
        space: the hyperparameters.
        loss: (configuration, resource, seed) to the loss after training up to that resource with that seed. A
            function of the user's own, or the `loss` of made-up or recorded curves.
        cost: configuration to the time that one unit of resource takes; 1 by default, so that budgets count
            resource.
        max_resource: of a full training.
        min_resource: before which nothing is judged; as `cupel.spec.search.Search` has it when None.
        eta: one in so many goes on to the next rung.
    """

    space: Space
    loss: Callable[[Configuration, float, int], float]
    cost: Callable[[Configuration], float] = _one
    max_resource: float = 1
    min_resource: float | None = None
    eta: int = 3

    def search(self, seed: int) -> Search:
        """The search with a seed."""
        return Search(self.space, MANY_TRIALS, seed, self.max_resource, self.min_resource, self.eta)

    def found(self, tuner: Tuner, budgets: Sequence[float], cluster: Cluster, *, in_full: bool = False) -> list[Found]:
        """Tune once, and say what was best at each budget.

        Args:
            tuner: which.
            budgets: times at which to look, in the unit of the costs; the largest ends the search.
            cluster: on which it runs; its seed is the root of the search's as well. One worker of a plain cluster is
                the plain loop that trains one configuration after another.
            in_full: whether only configurations that were trained in full may be the best.

        Returns:
            For each budget the configuration with the least loss told so far, and that loss; None where there is none.

        Raises:
            UnknownNameError: no such tuner.
        """
        search = self.search(Seeds(cluster.seed).seed("search"))
        searcher = find_searcher(tuner, search) if isinstance(tuner, str) else tuner(search)
        run = cluster.run(searcher, self, until=max(budgets))
        best = [run.incumbent_at(budget, self.max_resource if in_full else 0.0) for budget in budgets]
        return [None if told is None else (run.parameters[told.trial], told) for told in best]

    def retrained(self, parameters: Configuration, seeds: Sequence[int]) -> list[float]:
        """The losses of a configuration that is trained in full again, with other seeds."""
        return [self.loss(parameters, self.max_resource, seed) for seed in seeds]


Found: TypeAlias = tuple[Configuration, Told] | None


def seeded(cluster: Cluster, *names: str | int) -> Cluster:
    """The same cluster with a seed of its own below its root."""
    return replace(cluster, seed=Seeds(cluster.seed).seed(*names))
