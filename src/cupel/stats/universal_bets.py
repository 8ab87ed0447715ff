"""Evidence about the mean of values between 0 and 1: the universal portfolio's bets.

Against a mean m, a bet with share q multiplies its stake by q x / m + (1 - q)(1 - x) / (1 - m) for each value x: a fair
bet when the values' mean is m, whatever their law. The evidence is the wealth of a gambler who spreads the first stake
evenly over all q:

    K_n(m) = integral over q from 0 to 1 of the product over i of [ q x_i / m + (1 - q)(1 - x_i) / (1 - m) ]

It needs no tuning and no order, it finds out by itself how far the values spread, and for values that are 0 or 1 it is
the beta-binomial mixture. As a function of logit(m) it is log-convex, so the means that it does not speak against are
an interval.

With u such that q / m : (1 - q) / (1 - m) = u : 1 - u each factor is [u x + (1 - u)(1 - x)] / [u m + (1 - u)(1 - m)]:
what depends on the values no longer depends on m. The integral is a sum over an even grid of logit(u), which converges
faster than any power of the spacing.

Source: Cover (1991), Mathematical Finance 1, 1-29; Orabona & Jun (2024), IEEE Transactions on Information Theory 70,
436-455; Ryu & Bhatt (2024), the same 70, 7143-7161.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cupel.stats.checked import Floats
from cupel.stats.limit_search import search_limit

REACH = 30.0
"""The grid of logit(u) runs to this on both sides; what is beyond it weighs 1e-13."""
EDGE = 1e-12
"""How near a mean is asked about to an end of the range."""
CELLS = 1 << 20
"""Looks x nodes that are held at once."""


@dataclass(frozen=True)
class Wealth:
    """What the values contribute to the evidence after each look, before any mean is asked about.

    Attributes:
        n: (looks,) values so far; need not be whole.
        log_products: (looks, nodes) logarithm of the product of u x + (1 - u)(1 - x) over the values so far.
        logit: (nodes,) the grid of logit(u).
    """

    n: Floats
    log_products: Floats
    logit: Floats

    def log_evidence(self, mean: float | Floats) -> Floats:
        """(looks,) logarithm of the evidence against a mean, one or one per look, from 0 to 1."""
        m = np.clip(np.broadcast_to(np.asarray(mean, dtype=np.float64), self.n.shape), EDGE, 1 - EDGE)[:, None]
        odds = np.exp(-np.abs(self.logit))
        u, not_u = np.where(self.logit < 0, (odds, np.ones_like(odds)), (np.ones_like(odds), odds)) / (1 + odds)
        # du = u (1 - u) d logit, and m (1 - m) stake^2 from q to u
        logs = self.log_products + np.log(u * not_u) - (self.n[:, None] + 2) * np.log(u * m + not_u * (1 - m))
        top = logs.max(axis=1)
        total = np.log(np.exp(logs - top[:, None]).sum(axis=1))
        found: Floats = top + total + np.log((self.logit[1] - self.logit[0]) * (m * (1 - m))[:, 0])
        return found

    def last(self, times: float = 1.0) -> Wealth:
        """The last look alone, as if all its values had come `times` times."""
        return Wealth(self.n[-1:] * times, self.log_products[-1:] * times, self.logit)

    def limits(self, mean: Floats, level: float) -> tuple[Floats, Floats]:
        """(looks,) lowest and highest mean that is not spoken against, given the observed mean of each look."""
        bar = -math.log1p(-level)
        inside = np.clip(mean, EDGE, 1 - EDGE)
        ends = np.zeros(mean.shape), np.ones(mean.shape)
        return search_limit(self.log_evidence, ends[0], inside, bar), search_limit(
            self.log_evidence, ends[1], inside, bar
        )


def wealth_of(x: Floats) -> Iterator[Wealth]:
    """The wealth after each value of a stream, in stretches of looks that fit into memory.

    Args:
        x: (n,) values from 0 to 1.

    Cost: 40 n^1.5 numbers are computed.
    """
    spacing = min(0.4, 1.5 / math.sqrt(max(x.size, 1)))  # a peak is at least 2 / sqrt(n) wide
    logit = np.arange(-REACH, REACH + spacing, spacing)
    u, not_u = 1 / (1 + np.exp(-logit)), 1 / (1 + np.exp(logit))
    before = np.zeros(logit.shape)
    step = max(1, CELLS // logit.size)
    for k in range(0, x.size, step):
        part = x[k : k + step, None]
        products = before + np.cumsum(np.log(part * u + (1 - part) * not_u), axis=0)
        before = products[-1]
        yield Wealth(np.arange(k + 1, k + 1 + len(part), dtype=np.float64), products, logit)
