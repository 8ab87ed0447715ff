"""Limits of the mean of values between 0 and 1 in closed form, from the spread seen so far.

With weights l_i that depend on earlier values only, and m_(i-1) the mean of the values before x_i (with one half more),
    center = sum(l_i x_i) / sum(l_i)
    half   = [log(2 / (1 - level)) + sum((x_i - m_(i-1))^2 (-log(1 - l_i) - l_i))] / sum(l_i)
    l_i    = sqrt(2 log(2 / (1 - level)) / (v_(i-1) i log(1 + i))), at most 1/2
where v is the variance so far (with 1/4 more).

Source: Waudby-Smith & Ramdas (2024), JRSS B 86, 1-27, theorem 2.
"""

from __future__ import annotations

import numpy as np

from cupel.stats.checked import Floats

MOST_WEIGHT = 0.5


def bernstein_limits(x: Floats, level: float) -> tuple[Floats, Floats]:
    """(n,) limits after each value of a stream of values from 0 to 1.

    Args:
        x: (n,) the values.
        level: chance that the limits of all looks together hold the mean.

    Cost: O(n).
    """
    i = np.arange(1, x.size + 1, dtype=np.float64)
    needed = np.log(2) - np.log1p(-level)
    mean = (0.5 + np.cumsum(x)) / (i + 1)
    variance = (0.25 + np.cumsum((x - mean) ** 2)) / (i + 1)
    mean_before, variance_before = np.append(0.5, mean[:-1])[: x.size], np.append(0.25, variance[:-1])[: x.size]
    weight = np.minimum(MOST_WEIGHT, np.sqrt(2 * needed / (variance_before * i * np.log1p(i))))
    total = np.cumsum(weight)
    half = (needed + np.cumsum((x - mean_before) ** 2 * (-np.log1p(-weight) - weight))) / total
    center = np.cumsum(weight * x) / total
    return np.clip(center - half, 0, 1), np.clip(center + half, 0, 1)
