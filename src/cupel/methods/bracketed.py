"""What searchers share that work through brackets of successive halving: they differ in which brackets there are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cupel.methods.bracket import Bracket, rung_sizes
from cupel.methods.losses import Losses
from cupel.methods.samplers.uniform import Uniform
from cupel.spec.errors import UsageError
from cupel.spec.search import Sampler, Search, Work

WHEN_IDLE = ("open", "wait")


@dataclass(frozen=True)
class Shape:
    """A bracket to be opened: its configurations, and the rungs skipped at the bottom."""

    size: int
    skipped: int


class Bracketed:
    """Opens one bracket after another until the configurations are used up.

    Args:
        search: what is searched.
        shapes: the brackets, in order; the last to be opened is cut to what is left of the trials.
        when_idle: `open` the next bracket when a worker would idle, or `wait` until the one in work is over.
        sampler: where new configurations come from; uniform draws when None.

    Raises:
        UsageError: no such way to idle.
    """

    def __init__(self, search: Search, shapes: Iterator[Shape], *, when_idle: str, sampler: Sampler | None) -> None:
        if when_idle not in WHEN_IDLE:
            raise UsageError(f"when_idle is {when_idle!r}; expected one of {', '.join(WHEN_IDLE)}.")
        self.search = search
        self._shapes = shapes
        self._waits = when_idle == "wait"
        self._sampler: Sampler = Uniform(search) if sampler is None else sampler
        self._losses = Losses()
        self._brackets: list[Bracket] = []
        self._num_over = 0
        self._bracket_of: dict[int, int] = {}
        self._num_planned = 0

    def ask(self) -> Work | None:
        """The next of the oldest bracket that has something to do."""
        while self._num_over < len(self._brackets) and self._brackets[self._num_over].is_over:
            self._num_over += 1
        for index in range(self._num_over, len(self._brackets)):
            found = self._brackets[index].ask()
            if found is not None:
                return self._work(index, *found)
        if self._waits and self._num_over < len(self._brackets):
            return None
        return self.ask() if self._open() else None

    def tell(self, trial: int, resource: float, loss: float) -> bool:
        """Take a loss; the work ends with it."""
        found = self._losses.take(trial, resource, loss)
        if found is not None:
            self._sampler.learn(self._losses.works[trial].parameters, resource, found)
            self._brackets[self._bracket_of[trial]].take(trial, found)
        return False

    def drop(self, trial: int) -> None:
        """No loss will come: the rung does not wait for it."""
        if self._losses.drop(trial):
            self._brackets[self._bracket_of[trial]].take(trial, None)

    def _work(self, index: int, trial: int, level: int) -> Work:
        resources = self._brackets[index].resources
        target = (resources[level],)
        if level:
            work = Work(trial, self._losses.works[trial].parameters, resources[level - 1], target, index)
        else:
            work = Work(trial, self._sampler.sample(resources[0]), 0, target, index)
        return self._losses.expect(work)

    def _open(self) -> bool:
        """Open the next bracket; False where no trials are left for one."""
        left = self.search.trials - self._num_planned
        shape = next(self._shapes, None) if left > 0 else None
        if shape is None:
            return False
        resources = self.search.rungs(shape.skipped)
        size = min(shape.size, left)
        sizes = rung_sizes(size, eta=self.search.eta, num_rungs=len(resources))
        index = len(self._brackets)
        # a bracket too small for every rung begins higher, so that its best is trained in full all the same
        self._brackets.append(Bracket(self._num_planned, sizes, resources[-len(sizes) :]))
        self._bracket_of.update(dict.fromkeys(range(self._num_planned, self._num_planned + size), index))
        self._num_planned += size
        return True
