"""Uniform draws: what every searcher without a model of the space does."""

from __future__ import annotations

import random

from cupel.spec.search import Search
from cupel.spec.seeds import Seeds
from cupel.spec.space import Configuration


class Uniform:
    """The space's initial configurations first, then uniform draws on the parameters' scales.

    Args:
        search: the space and the seed.
    """

    def __init__(self, search: Search) -> None:
        self._space = search.space
        self._rng = random.Random(Seeds(search.seed).seed("hpo"))
        self._num_drawn = 0

    def sample(self, resource: float) -> Configuration:
        """The next configuration, whatever the resource."""
        del resource
        self._num_drawn += 1
        if self._num_drawn <= len(self._space.initial):
            return self._space.completed(self._space.initial[self._num_drawn - 1], self._rng)
        return self._space.draw(self._rng)

    def learn(self, parameters: Configuration, resource: float, loss: float) -> None:
        """Nothing is learnt."""
