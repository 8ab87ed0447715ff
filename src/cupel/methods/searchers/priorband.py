"""PriorBand: Hyperband that listens to an expert as far as the expert proves right.

Configurations come from uniform draws, from the expert's prior (`~VALUE` in a space) and from changes of the best so
far; `cupel.methods.samplers.prior_ensemble` states how they are weighed.

Source: Mallik et al. 2023, PriorBand: Practical Hyperparameter Optimization in the Age of Deep Learning (NeurIPS).
"""

from __future__ import annotations

import itertools

from cupel.methods.bracketed import Bracketed
from cupel.methods.samplers.prior_ensemble import PriorEnsemble
from cupel.methods.searchers.hyperband import bracket_shapes
from cupel.spec.search import Search


class Priorband(Bracketed):
    """Hyperband with an expert.

    Args:
        search: what is searched; one of its parameters or more have a prior.
        when_idle: `open` the next bracket when a worker would idle, or `wait`.

    Raises:
        UsageError: no prior, or no such way to idle.
    """

    def __init__(self, search: Search, *, when_idle: str = "open") -> None:
        ensemble = PriorEnsemble(search)
        super().__init__(search, itertools.cycle(bracket_shapes(search)), when_idle=when_idle, sampler=ensemble)
