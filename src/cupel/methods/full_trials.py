"""What searchers share that train every configuration in full: they differ in what they propose."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod

from cupel.methods.losses import Losses
from cupel.spec.search import Search, Work
from cupel.spec.seeds import Seeds
from cupel.spec.space import Configuration


class FullTrials(ABC):
    """Asks for one configuration after another, each up to the largest resource.

    Args:
        search: what is searched; its initial configurations come first.
    """

    def __init__(self, search: Search) -> None:
        self.search = search
        self.rng = random.Random(Seeds(search.seed).seed("hpo"))
        self._losses = Losses()
        self._num_asked = 0

    @abstractmethod
    def propose(self, trial: int) -> Configuration | None:
        """A configuration to try; None where there is none left."""

    def learn(self, trial: int, parameters: Configuration, loss: float) -> None:
        """Take the loss of a proposal or of an initial configuration; by default nothing is learnt."""
        del trial, parameters, loss

    def forget(self, trial: int) -> None:
        """Note that no loss will come of a proposal; by default nothing is to be done."""
        del trial

    def ask(self) -> Work | None:
        """The next configuration, None when all are asked for."""
        trial = self._num_asked
        if trial >= self.search.trials:
            return None
        initial = self.search.space.initial
        if trial < len(initial):
            found: Configuration | None = self.search.space.completed(initial[trial], self.rng)
        else:
            found = self.propose(trial)
        if found is None:
            return None
        self._num_asked += 1
        return self._losses.expect(Work(trial, found, 0, (self.search.max_resource,)))

    def tell(self, trial: int, resource: float, loss: float) -> bool:
        """Take the loss of a configuration; the work ends with it."""
        found = self._losses.take(trial, resource, loss)
        if found is not None:
            self.learn(trial, self._losses.works[trial].parameters, found)
        return False

    def drop(self, trial: int) -> None:
        """No loss will come of a configuration."""
        if self._losses.drop(trial):
            self.forget(trial)
