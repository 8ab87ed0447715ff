"""An interval for a quantile (a latency percentile) from the sorted values alone.

Rule
    The number of values below the true q-quantile is Binomial(n, q). The
    interval runs from the l-th to the u-th sorted value; l and u leave at
    most half of the remaining probability on each side. No shape is
    assumed. When n is too small for such a pair there is no interval.

Source: Hahn & Meeker (1991), Statistical Intervals, section 5.2; rule R8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cupel.stats.checked import fraction, series
from cupel.stats.interval import Interval

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def quantile_interval(values: ArrayLike, q: float, *, level: float = 0.95) -> Interval | None:
    """Distribution-free interval for the `q`-quantile.

    Args:
        values: (n,) independent values, any unit.
        q: the quantile, 0 to 1.
        level: at least this share of such intervals holds the true quantile.

    Returns:
        The interval, in the unit of the values; None when n is too small (for the median at 95 %: below 6;
        for p95: below 72; for p99: below 368), or when a value is not finite.

    Raises:
        UsageError: when `q` or `level` is not a fraction.
    """
    fraction("q", q)
    fraction("level", level)
    x = np.sort(series("values", values))
    n = x.size
    if n == 0 or not np.all(np.isfinite(x)):
        return None
    from scipy.special import bdtr

    tail = (1 - level) / 2
    cdf = bdtr(np.arange(n + 1, dtype=np.float64), n, q)  # cdf[k] = P(at most k values lie below the quantile)
    low_rank = int(np.searchsorted(cdf, tail, side="right"))  # largest l with P(fewer than l below) <= tail
    high_rank = int(np.searchsorted(cdf, 1 - tail, side="left")) + 1  # smallest u with P(at least u below) <= tail
    if low_rank < 1 or high_rank > n:
        return None
    return Interval(float(x[low_rank - 1]), float(x[high_rank - 1]), level, "order statistics")
