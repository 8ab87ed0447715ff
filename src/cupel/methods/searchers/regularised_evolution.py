"""Regularised (ageing) evolution: the best of a random sample has a changed child, and the oldest dies.

The paper's mutations of an architecture change one input or one operation of a cell; with a cell written as choices
(`cell(...)` in a space) changing one parameter at random is either of them. Other parameters are drawn anew.

Workers that run at once breed from what has finished by then.

Source: Real et al. 2019, Regularized Evolution for Image Classifier Architecture Search, algorithm 1.
"""

from __future__ import annotations

import math
from collections import deque

from cupel.methods.full_trials import FullTrials
from cupel.spec.errors import UsageError
from cupel.spec.search import Search
from cupel.spec.space import Configuration

PAPER_POPULATION, PAPER_SAMPLE = 100, 25


class RegularisedEvolution(FullTrials):
    """Evolution with a queue as population.

    Args:
        search: what is searched.
        population: members (P of the paper); 100, or a quarter of the trials where that is less, when None.
        sample: how many are drawn, with replacement, to choose a parent from (S of the paper); a quarter of the
            population when None.

    Raises:
        UsageError: a number below 1.
    """

    def __init__(self, search: Search, *, population: int | None = None, sample: int | None = None) -> None:
        super().__init__(search)
        self.population = min(PAPER_POPULATION, max(search.trials // 4, 2)) if population is None else population
        self.sample = max(self.population * PAPER_SAMPLE // PAPER_POPULATION, 2) if sample is None else sample
        if self.population < 1 or self.sample < 1:
            raise UsageError(f"population is {self.population} and sample {self.sample}; expected 1 or more.")
        self._members: deque[tuple[float, int, Configuration]] = deque(maxlen=self.population)

    def propose(self, trial: int) -> Configuration:
        """A random configuration while the first population is made, then a child."""
        if trial < self.population or not self._members:
            return self.search.space.draw(self.rng)
        chosen = [self._members[self.rng.randrange(len(self._members))] for _ in range(self.sample)]
        return self._child(min(chosen, key=lambda member: member[:2])[2])

    def learn(self, trial: int, parameters: Configuration, loss: float) -> None:
        """A configuration joins the population; the oldest goes when it is full. What failed does not join."""
        if math.isfinite(loss):
            self._members.append((loss, trial, parameters))

    def _child(self, parent: Configuration) -> Configuration:
        """The parent with one parameter changed; a draw where none can be."""
        names = list(parent)
        self.rng.shuffle(names)
        for name in names:
            found = self.search.space.changed(parent, name, self.rng)
            if found is not None:
                return found
        return self.search.space.draw(self.rng)
