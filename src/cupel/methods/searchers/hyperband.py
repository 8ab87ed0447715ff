"""Hyperband: brackets of successive halving from many configurations with little each to few in full, in turn.

With s_max = ⌊log_η(R / r)⌋ the brackets s = s_max, ..., 0 have ⌈(s_max + 1) / (s + 1) η^s⌉ configurations, which start
at R η^-s; after the last one they begin anew, until the trials are used up. Where R / r is no power of η the rungs are
those of the search (r, r η, ..., R), so that configurations of different brackets can be compared.

Source: Li et al. 2018, Hyperband, JMLR 18(185), algorithm 1.
"""

from __future__ import annotations

import itertools
import math

from cupel.methods.bracketed import Bracketed, Shape
from cupel.spec.search import Sampler, Search


def bracket_shapes(search: Search) -> list[Shape]:
    """The brackets of one round of Hyperband.

    Example:
        >>> from cupel.spec.read_space import read_space
        >>> [s.size for s in bracket_shapes(Search(read_space("x=float(0,1)"), max_resource=81))]
        [81, 34, 15, 8, 5]
    """
    most = len(search.rungs()) - 1
    eta = search.eta
    return [Shape(math.ceil((most + 1) * eta**s / (s + 1)), most - s) for s in range(most, -1, -1)]


class Hyperband(Bracketed):
    """The brackets of Hyperband.

    Args:
        search: what is searched.
        when_idle: `open` the next bracket when a worker would idle, or `wait`.
        sampler: where new configurations come from; uniform draws when None.

    Raises:
        UsageError: no such way to idle.
    """

    def __init__(self, search: Search, *, when_idle: str = "open", sampler: Sampler | None = None) -> None:
        super().__init__(search, itertools.cycle(bracket_shapes(search)), when_idle=when_idle, sampler=sampler)
