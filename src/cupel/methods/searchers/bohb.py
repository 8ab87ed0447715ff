"""BOHB: the brackets of Hyperband, their configurations proposed by kernel densities of what was good and bad so far.

Source: Falkner et al. 2018, BOHB: Robust and Efficient Hyperparameter Optimization at Scale (ICML). The model is
`cupel.methods.samplers.kernel_density`, whose rules are stated there.
"""

from __future__ import annotations

import itertools

from cupel.methods.bracketed import Bracketed
from cupel.methods.samplers.kernel_density import KernelDensity
from cupel.methods.searchers.hyperband import bracket_shapes
from cupel.spec.search import Search


class Bohb(Bracketed):
    """Hyperband with a model.

    Args:
        search: what is searched.
        when_idle: `open` the next bracket when a worker would idle, or `wait`.
        random_frac: share of configurations that are drawn uniformly.
        good_frac: share of the configurations that count as good.

    Raises:
        UsageError: an option that is not taken.
    """

    def __init__(
        self, search: Search, *, when_idle: str = "open", random_frac: float = 1 / 3, good_frac: float = 0.15
    ) -> None:
        model = KernelDensity(search, random_frac=random_frac, good_frac=good_frac)
        super().__init__(search, itertools.cycle(bracket_shapes(search)), when_idle=when_idle, sampler=model)
