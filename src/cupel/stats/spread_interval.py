"""How sure a standard deviation is: the exact interval for a normal law, one for any shape, and its own spread."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cupel.stats.interval import Interval

if TYPE_CHECKING:
    from cupel.stats.checked import Floats

FEWEST_ANY_SHAPE = 5
MANY = 10_000
"""Beyond so many values the Gamma functions of the exact formula cancel, and its limit is as good."""


def sd_of_sd(sd: float, n: int) -> float:
    """Standard deviation of the standard deviation of n normal values; infinite below 2.

    Formula of the paper: `sd / g * sqrt((n - 1) / 2 - g^2)` with g = Gamma(n / 2) / Gamma((n - 1) / 2).

    Example:
        >>> round(sd_of_sd(1.0, 20), 4)
        0.1633
    """
    if n < 2:
        return math.inf
    if n > MANY:
        return sd / math.sqrt(2 * (n - 1))
    ratio = math.exp(math.lgamma(n / 2) - math.lgamma((n - 1) / 2))
    return sd / ratio * math.sqrt(max(0.0, (n - 1) / 2 - ratio**2))


def normal_sd_interval(sd: float, n: int, *, level: float) -> Interval | None:
    """Chi-square interval for a standard deviation: exact for a normal law, far too short for heavy tails.

    Args:
        sd: of the values, with n - 1 in the denominator.
        n: how many values.
        level: of the interval.

    Returns:
        The interval; None below 2 values or when they are all equal.
    """
    if n < 2 or not sd > 0:
        return None
    from scipy.special import chdtri

    tail = (1 - level) / 2
    low, high = (sd * math.sqrt((n - 1) / float(chdtri(n - 1, upper))) for upper in (tail, 1 - tail))
    return Interval(low, high, level, "chi-square")


def any_sd_interval(values: Floats, *, level: float) -> Interval | None:
    """Bonett's interval for a standard deviation, which reads how heavy the tails are off the values.

    Args:
        values: (n,) finite numbers.
        level: of the interval.

    Returns:
        The interval; None below 5 values or when they are all equal.

    Source: Bonett (2006), Computational Statistics & Data Analysis 50, 775-782.
    """
    from scipy.special import ndtri

    n = values.size
    if n < FEWEST_ANY_SHAPE:
        return None
    deviation = values - values.mean()
    total = float((deviation**2).sum())
    if not total > 0:
        return None
    z = float(ndtri(0.5 + level / 2))
    cut = int(n / (2 * math.sqrt(n - 4)))
    kept = np.sort(values)[cut : n - cut]
    middle = float(kept.mean()) if kept.size else float(np.median(values))
    kurtosis = n * float((((values - middle) ** 2 / total) ** 2).sum())
    small = n / (n - z)
    se = small * math.sqrt(max(0.0, kurtosis - (n - 3) / n) / (n - 1))
    center = math.log(small * total / (n - 1))
    return Interval(math.exp((center - z * se) / 2), math.exp((center + z * se) / 2), level, "Bonett")
