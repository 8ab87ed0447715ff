"""The words of a search for good hyperparameters: what is searched, what a searcher asks for, what it is told.

A searcher is a plain object: `ask` says what to train next, `tell` takes what came out. It knows neither processes nor
clocks, is wholly determined by its seed and by the order of the calls, and so can be replayed from their record. The
same object is driven by `cupel.study.tuning` for real and by `cupel.tasks.cluster` in a simulated cluster.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from cupel.spec.errors import UsageError
from cupel.spec.space import Configuration, Space


@dataclass(frozen=True)
class Search:
    """What is to be searched, and for how long.

    Args:
        space: the hyperparameters.
        trials: configurations to try.
        seed: root of all draws.
        max_resource: what a configuration gets at most (epochs, steps, seeds; whatever one more of costs time).
        min_resource: what it gets at least before it is judged; 1, or `max_resource` where that is less, when None.
        eta: one in so many goes on to the next rung.

    Raises:
        UsageError: a number out of its range.
    """

    space: Space
    trials: int = 50
    seed: int = 0
    max_resource: float = 1
    min_resource: float | None = None
    eta: int = 3

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise UsageError(f"trials is {self.trials}; expected 1 or more.")
        if self.eta < 2:
            raise UsageError(f"eta is {self.eta}; expected 2 or more: one in eta goes on.")
        if not (math.isfinite(self.max_resource) and self.max_resource > 0):
            raise UsageError(f"max_resource is {self.max_resource:g}; expected a number above 0.")
        if self.min_resource is not None and not 0 < self.min_resource <= self.max_resource:
            raise UsageError(
                f"min_resource is {self.min_resource:g}; expected more than 0 and at most the largest, "
                f"{self.max_resource:g}."
            )

    @property
    def least(self) -> float:
        """The least resource, its default filled in."""
        return min(1, self.max_resource) if self.min_resource is None else self.min_resource

    def rungs(self, skipped: int = 0) -> tuple[float, ...]:
        """The resources at which configurations are compared, rising.

        They are r eta^(s+k) for k = 0, 1, ... up to the largest resource R, with s the number skipped. Where R / r is
        no power of eta the last of them is raised to R, so that the best are trained in full.

        Example:
            >>> from cupel.spec.read_space import read_space
            >>> Search(read_space("x=float(0,1)"), max_resource=30, eta=3).rungs()
            (1, 3, 9, 30)
        """
        num = math.floor(math.log(self.max_resource / self.least) / math.log(self.eta) + 1e-9) + 1
        if not 0 <= skipped < num:
            raise UsageError(f"{skipped} rungs were to be skipped of {num}; expected fewer than there are.")
        below = [self.least * self.eta**k for k in range(skipped, num - 1)]
        return (*below, self.max_resource)


@dataclass(frozen=True, slots=True)
class Work:
    """What a searcher asks for: train one configuration further.

    Args:
        trial: number of the configuration, from 0.
        parameters: the configuration.
        start: the resource that it has had already.
        milestones: resources at which the searcher wants to be told the loss, rising; the work ends at the last.
        bracket: which bracket it is in, where there are several.
    """

    trial: int
    parameters: Configuration
    start: float
    milestones: tuple[float, ...]
    bracket: int = 0

    @property
    def target(self) -> float:
        """The resource at which the work ends."""
        return self.milestones[-1]


class Searcher(Protocol):
    """What everything in `cupel.methods.searchers` offers."""

    def ask(self) -> Work | None:
        """What to train next; None while that depends on what is still being trained, or when all is done."""

    def tell(self, trial: int, resource: float, loss: float) -> bool:
        """Take a loss at a milestone; a configuration that cannot be trained has an infinite one, NaN counts as that.

        A loss that was told before, or at a resource that was not asked for, changes nothing.

        Returns:
            Whether the work goes on to its next milestone; False at its last.

        Raises:
            UsageError: a trial that was never asked for.
        """

    def drop(self, trial: int) -> None:
        """The work in hand on a trial is lost and will not be done again: nothing more will be told of it."""


class Sampler(Protocol):
    """How a searcher that works in rungs comes by new configurations: everything in `cupel.methods.samplers`."""

    def sample(self, resource: float) -> Configuration:
        """A new configuration, to be trained up to a resource first."""

    def learn(self, parameters: Configuration, resource: float, loss: float) -> None:
        """Take the loss of a configuration at a resource; infinite where it cannot be trained."""
