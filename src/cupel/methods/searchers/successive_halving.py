"""Successive halving: rung by rung the best 1/eta go on, and each rung is complete before the next begins.

With n configurations rung i has ⌊n η^-i⌋ of them and trains up to r η^(i+s). Where several workers share a bracket, a
worker that finds nothing to do waits, or opens a further bracket (`when_idle`): both are meant where ASHA is compared
with "SHA", and they are far apart.

Source: Jamieson and Talwalkar 2016, Non-stochastic Best Arm Identification; Li et al. 2020 (MLSys), algorithm 1.
"""

from __future__ import annotations

import itertools

from cupel.methods.bracketed import Bracketed, Shape
from cupel.spec.errors import UsageError
from cupel.spec.search import Sampler, Search


class SuccessiveHalving(Bracketed):
    """Brackets of one size, one after another.

    Args:
        search: what is searched.
        size: configurations of a bracket (n of the paper); all trials in one bracket when None.
        skipped: rungs left out at the bottom (s of the paper).
        when_idle: `open` the next bracket when a worker would idle, or `wait`.
        sampler: where new configurations come from; uniform draws when None.

    Raises:
        UsageError: a size below 1, more rungs skipped than there are, no such way to idle.
    """

    def __init__(
        self,
        search: Search,
        *,
        size: int | None = None,
        skipped: int = 0,
        when_idle: str = "open",
        sampler: Sampler | None = None,
    ) -> None:
        if size is not None and size < 1:
            raise UsageError(f"successive_halving: size is {size}; expected 1 or more.")
        search.rungs(skipped)
        shapes = itertools.repeat(Shape(search.trials if size is None else size, skipped))
        super().__init__(search, shapes, when_idle=when_idle, sampler=sampler)
