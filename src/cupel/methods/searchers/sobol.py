"""Quasi-random search: the points of a scrambled Sobol sequence, which fill the unit cube evenly.

Source: Sobol 1967; Owen 1998, Scrambling Sobol' and Niederreiter-Xing Points; by scipy's generator.
"""

from __future__ import annotations

from collections.abc import Iterator

from cupel.methods.full_trials import FullTrials
from cupel.spec.errors import UsageError
from cupel.spec.search import Search
from cupel.spec.seeds import Seeds
from cupel.spec.space import MAX_DRAWS, Configuration

BLOCK_LOG2 = 7
"""Points are made in blocks of this power of two, which keeps the sequence balanced."""


class Sobol(FullTrials):
    """One point of the sequence after another; those that miss a constraint are passed over.

    Args:
        search: what is searched.
    """

    def __init__(self, search: Search) -> None:
        super().__init__(search)
        self._points = self._all_points()

    def propose(self, trial: int) -> Configuration:
        """The next point that is allowed."""
        del trial
        for _ in range(MAX_DRAWS):
            found = self.search.space.at(next(self._points))
            if found is not None:
                return found
        raise UsageError(f"{MAX_DRAWS} points in a row missed the constraints of the space; widen them.")

    def _all_points(self) -> Iterator[list[float]]:
        import numpy as np
        from scipy.stats import qmc

        rng = np.random.default_rng(Seeds(self.search.seed).seed("hpo"))
        sequence = qmc.Sobol(len(self.search.space), scramble=True, rng=rng)
        while True:
            yield from sequence.random_base2(BLOCK_LOG2).tolist()
