"""Grid search: every combination of a few values of each parameter, in the order of the space."""

from __future__ import annotations

import math

from cupel.methods.full_trials import FullTrials
from cupel.spec.errors import UsageError
from cupel.spec.search import Search
from cupel.spec.space import Configuration

MOST_VALUES = 1000


class Grid(FullTrials):
    """The combinations, as far as the trials go.

    Args:
        search: what is searched.
        values: values of each number, at equal steps of its scale, both ends included; as many as the trials allow
            (two at least) when None. Choices have all of theirs.

    Raises:
        UsageError: fewer than one value.
    """

    def __init__(self, search: Search, *, values: int | None = None) -> None:
        super().__init__(search)
        if values is not None and values < 1:
            raise UsageError(f"grid: values is {values}; expected 1 or more.")
        self.values = values if values is not None else self._most_values()
        self._rest = search.space.grid(self.values)

    def propose(self, trial: int) -> Configuration | None:
        """The next combination."""
        del trial
        return next(self._rest, None)

    def _most_values(self) -> int:
        """The most values per number with which the whole grid fits into the trials."""
        parameters = self.search.space.parameters.values()
        num = 2
        while num < MOST_VALUES and math.prod(len(p.spread(num + 1)) for p in parameters) <= self.search.trials:
            num += 1
        return num
