"""Intervals for the share of wins among independent pairs, ties counting one half; all in closed form."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from cupel.stats.checked import Floats

Ends = tuple[float, float]


def clopper_pearson(low_count: float, high_count: float, *, n: float, level: float) -> Ends:
    """Exact ends for a share: the low end from one count of successes, the high end from another.

    Args:
        low_count: successes that the low end may count on, 0 to n; need not be whole.
        high_count: successes that the high end may count on, `low_count` to n.
        n: trials.
        level: of the interval.

    Returns:
        Both ends, 0 to 1. With `low_count == high_count` whole, the interval of Clopper & Pearson (1934).
    """
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = 0.0 if low_count <= 0 else float(betaincinv(low_count, n - low_count + 1, tail))
    high = 1.0 if high_count >= n else float(betaincinv(high_count + 1, n - high_count, 1 - tail))
    return low, high


def exact_share(wins: int, ties: int, *, n: int, level: float) -> Ends:
    """Clopper-Pearson ends for P(win) + P(tie) / 2.

    Half points are rounded away from the end that they would help: the low end counts `floor(wins + ties / 2)`, the
    high end `ceil`. A tie in place of a win or a loss only makes the sum of points less spread, so that the ends hold
    at least their level (the tests enumerate it).

    Args:
        wins: pairs that A wins.
        ties: pairs that nobody wins.
        n: pairs.
        level: of the interval.
    """
    points = 2 * wins + ties
    return clopper_pearson(points // 2, (points + 1) // 2, n=n, level=level)


def wilson_share(wins: int, ties: int, *, n: int, level: float) -> Ends:
    """Ends of Wilson (1927), the score test turned around; approximate, and short near 0 and 1."""
    from scipy.special import ndtri

    z = float(ndtri(0.5 + level / 2))
    share = (wins + ties / 2) / n
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def percentile_share(wins: int, ties: int, *, n: int, level: float) -> Ends:
    """Ends of the percentile bootstrap, without drawing: quantiles of the points of n resampled pairs.

    Without ties that is Binomial(n, share) / n. It has no width where all pairs go the same way.
    """
    cdf = _resampled_cdf(wins / n, ties / n, n)
    tail = (1 - level) / 2
    rounding = 1e-12  # a probability that is met exactly may come out smaller by this much
    low, high = np.searchsorted(cdf, (tail - rounding, 1 - tail - rounding))
    return float(low / (2 * n)), float(min(high, 2 * n) / (2 * n))


def _resampled_cdf(win: float, tie: float, n: int) -> Floats:
    """(2 n + 1,) chance that n draws from win, tie and loss have at most that many half points."""
    if tie == 0:
        from scipy.special import bdtr

        return np.asarray(bdtr(np.arange(2 * n + 1) // 2, n, win), dtype=np.float64)
    one = np.array([1 - win - tie, tie, win])
    many = np.fft.irfft(np.fft.rfft(one, 2 * n + 2) ** n, 2 * n + 2)[: 2 * n + 1]
    return np.cumsum(np.maximum(many, 0.0))
