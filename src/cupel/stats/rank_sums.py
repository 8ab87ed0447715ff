"""Hodges and Lehmann's shift between two samples that are not paired, with its interval.

Rule
    The shift is the median of all differences of a value of one sample and
    one of the other. The interval runs between two of them; which, follows
    from the law of Mann and Whitney's count when both samples have the same
    shape and no ties (exact up to 2,500 differences, normal above).

Source: Hodges & Lehmann (1963), Annals of Mathematical Statistics 34, 598-611; Hollander, Wolfe & Chicken (2014),
section 4.
"""

from __future__ import annotations

import math

import numpy as np

from cupel.stats.checked import Floats
from cupel.stats.interval import Interval

MOST_EXACT = 2_500
"""Pairs of values up to which the law of the count is computed exactly."""


def shift(a: Floats, b: Floats, level: float) -> tuple[float, Interval | None]:
    """The shift from `b` to `a` and its interval; no interval where the samples are too small for one.

    Args:
        a: (n_a,) finite numbers.
        b: (n_b,) finite numbers.
        level: at least this share of such intervals holds the shift.
    """
    differences = np.sort((a[:, None] - b[None, :]).ravel())
    place = _place(a.size, b.size, (1 - level) / 2)
    estimate = float(np.median(differences))
    if place < 1:
        return estimate, None
    low, high = float(differences[place - 1]), float(differences[differences.size - place])
    return estimate, Interval(low, high, level, "rank sums")


def _place(num_a: int, num_b: int, tail: float) -> int:
    """How many counts, from 0 on, have a chance of at most `tail` together."""
    if num_a * num_b > MOST_EXACT:
        from scipy.special import ndtri

        spread = math.sqrt(num_a * num_b * (num_a + num_b + 1) / 12)
        return max(0, math.floor(num_a * num_b / 2 + 0.5 + float(ndtri(tail)) * spread))
    return int(np.searchsorted(np.cumsum(_law(num_a, num_b)), tail, side="right"))


def _law(num_a: int, num_b: int) -> Floats:
    """(num_a x num_b + 1,) chance of each value of Mann and Whitney's count.

    By choosing which of the ranks 1 to n belong to the smaller sample, one rank after the other.
    """
    few, total = min(num_a, num_b), num_a + num_b
    most = num_a * num_b + few * (few + 1) // 2
    ways = np.zeros((few + 1, most + 1))
    ways[0, 0] = 1.0
    for rank in range(1, total + 1):
        for num in range(min(rank, few), 0, -1):
            ways[num, rank:] += ways[num - 1, : most + 1 - rank]
    counts = ways[few, few * (few + 1) // 2 :]
    chances: Floats = counts / counts.sum()
    return chances
