"""Wilcoxon's signed ranks: the exact p-value, with ties and zeros, and the interval for the centre of the differences.

Rule
    Differences of zero are set aside. The others are ranked by size, equal
    sizes share the mean of their ranks, and the ranks of the positive ones
    are summed. Under "no difference" every sign is as likely as the other:
    the law of the sum is computed exactly from the ranks at hand, also with
    ties, up to 300 differences; above, by the normal law with the variance
    of the ranks at hand and a continuity correction.
    The centre (Hodges-Lehmann) is the median of the means of all pairs of
    differences, each with itself among them; its interval runs between two
    of them.

Source: Wilcoxon (1945), Biometrics Bulletin 1, 80-83; Hodges & Lehmann (1963), Annals of Mathematical Statistics 34,
598-611; Hollander, Wolfe & Chicken (2014), section 3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cupel.stats.checked import Floats
from cupel.stats.interval import Interval
from cupel.stats.task_table import SAME_FRAC

MOST_EXACT = 300
"""Differences up to which the law of the sum is computed exactly (some ten milliseconds at this number)."""


@dataclass(frozen=True)
class SignedRanks:
    """The test of signed ranks.

    Attributes:
        plus: sum of the ranks of the positive differences.
        n: differences that are not zero.
        num_zero: differences of zero, set aside.
        p: two-sided; 1 where every difference is zero.
        method: `exact`, or `normal approximation`.
    """

    plus: float
    n: int
    num_zero: int
    p: float
    method: str


def signed_ranks(x: Floats, y: Floats) -> SignedRanks:
    """Test whether `x - y` is as often and as far above zero as below.

    Args:
        x: (n,) numbers; infinite ones are larger than any other, and equal among themselves.
        y: (n,) numbers, paired with `x`.
    """
    difference, unit = _differences(x, y)
    nonzero = difference != 0
    twice = _twice_ranks(np.abs(difference[nonzero]), unit[nonzero])
    above = difference[nonzero] > 0
    num = int(nonzero.sum())
    plus = int(twice[above].sum())
    if num == 0:
        return SignedRanks(0.0, 0, difference.size, 1.0, "exact")
    p = _exact_p(twice, plus) if num <= MOST_EXACT else _normal_p(twice, plus)
    method = "exact" if num <= MOST_EXACT else "normal approximation"
    return SignedRanks(plus / 2, num, difference.size - num, p, method)


def least_p(n: int) -> float:
    """The smallest two-sided p-value that `n` differences can give.

    Example:
        >>> least_p(5)
        0.0625
    """
    return min(1.0, 2.0 ** (1 - n))


def _differences(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """(n,) differences, exactly 0 where they are only rounding, and the rounding of each."""
    with np.errstate(invalid="ignore"):
        difference = x - y
    size = np.maximum(np.abs(x), np.abs(y))
    unit = SAME_FRAC * np.where(np.isfinite(size), size, 0.0)
    difference[np.isnan(difference) | (np.abs(difference) <= unit)] = 0.0
    return difference, unit


def _twice_ranks(size: Floats, unit: Floats) -> Floats:
    """(n,) twice the rank of each size, a whole number also for ties."""
    order = np.argsort(size, kind="stable")
    ordered, unit = size[order], unit[order]
    with np.errstate(invalid="ignore"):
        starts = np.diff(ordered) > np.maximum(unit[1:], unit[:-1])
    group = np.concatenate(([0], np.cumsum(starts))).astype(np.intp)[: size.size]
    num = np.bincount(group)
    last = np.cumsum(num)
    twice = np.empty(size.size)
    twice[order] = (2 * last - num + 1)[group]
    return twice


def _exact_p(twice: Floats, plus: int) -> float:
    """Two-sided p by the law of the sum over all signs."""
    steps = twice.astype(np.intp)
    total = int(steps.sum())
    law = np.zeros(total + 1)
    law[0] = 1.0
    for step in steps:
        law[step:] = (law[step:] + law[: total + 1 - step]) / 2
        law[:step] /= 2
    extreme = min(plus, total - plus)
    return min(1.0, 2 * float(law[: extreme + 1].sum()))


def _normal_p(twice: Floats, plus: int) -> float:
    centre, spread = twice.sum() / 2, math.sqrt(float((twice**2).sum())) / 2
    z = max(0.0, abs(plus - centre) - 1.0) / spread  # 1.0 is half a rank, doubled
    return math.erfc(z / math.sqrt(2))


def centre(differences: Floats) -> float:
    """Hodges-Lehmann estimate: the median of the means of all pairs of differences."""
    return float(np.median(_pair_means(differences)))


def centre_interval(differences: Floats, level: float) -> Interval | None:
    """Interval for the centre of a symmetric law.

    Args:
        differences: (n,) finite numbers.
        level: at least this share of such intervals holds the centre.

    Returns:
        The interval; None where n is too small for one (below 6 at 95 %).
    """
    n = differences.size
    total = n * (n + 1) // 2
    if n <= MOST_EXACT:
        law = np.zeros(total + 1)
        law[0] = 1.0
        for step in range(1, n + 1):
            law[step:] = (law[step:] + law[: total + 1 - step]) / 2
            law[:step] /= 2
        place = int(np.searchsorted(np.cumsum(law), (1 - level) / 2, side="right"))
    else:
        from scipy.special import ndtri

        spread = math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
        place = math.floor(total / 2 + 0.5 + float(ndtri((1 - level) / 2)) * spread)
    if place < 1:
        return None
    means = np.sort(_pair_means(differences))
    return Interval(float(means[place - 1]), float(means[total - place]), level, "signed ranks")


def _pair_means(differences: Floats) -> Floats:
    first, second = np.triu_indices(differences.size)
    means: Floats = (differences[first] + differences[second]) / 2
    return means
