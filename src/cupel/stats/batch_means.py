"""The interval of a mean of dependent steps (private machinery of `throughput`)."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from cupel.stats.checked import Floats
from cupel.stats.interval import Interval
from cupel.stats.student import t_quantile

FEWEST_KEPT = 30
MANY_KEPT = 60
FEWEST_EFFECTIVE = 10.0


def batch_interval(items: Floats, seconds: Floats, size: float, level: float) -> Interval:
    """Interval for items per second from batches of consecutive steps.

    Half width on the log scale: the larger of t(b - 1) x sd of the log batch rates / sqrt(b), and, when steps may be
    positively correlated (`size` below n), z x sd of log step rate / sqrt(size - 1).

    Args:
        items: (n,) items of the kept steps, n >= 30.
        seconds: (n,) their times, s.
        size: pessimistic effective number of steps, above 1; n when there is no sign of positive correlation.
        level: of the interval.

    Returns:
        The interval around the ratio of the sums, items per second.

    Source: Law & Carson (1979), Operations Research 27, 1011-1025; rule R1.
    """
    n = seconds.size
    num = 10 if n >= MANY_KEPT else 5
    edges = np.linspace(0, n, num + 1).round().astype(np.intp)[:-1]
    logs = np.log(np.add.reduceat(items, edges) / np.add.reduceat(seconds, edges))
    half = t_quantile(level, num - 1) * float(logs.std(ddof=1)) / math.sqrt(num)
    if size < n:
        z = NormalDist().inv_cdf(0.5 + level / 2)
        half = max(half, z * float(np.log(items / seconds).std(ddof=1)) / math.sqrt(size - 1))
    centre = math.log(float(items.sum() / seconds.sum()))
    return Interval(math.exp(centre - half), math.exp(centre + half), level, f"within-launch, {num} batch means")
