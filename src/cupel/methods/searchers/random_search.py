"""Random search: independent draws, each trained in full; the baseline that every searcher has to beat.

Source: Bergstra and Bengio 2012, Random Search for Hyper-Parameter Optimization, JMLR 13.
"""

from __future__ import annotations

from cupel.methods.full_trials import FullTrials
from cupel.spec.space import Configuration


class RandomSearch(FullTrials):
    """Uniform draws on the parameters' scales."""

    def propose(self, trial: int) -> Configuration:
        """A draw."""
        del trial
        return self.search.space.draw(self.rng)
