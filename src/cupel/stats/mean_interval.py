"""The mean of independent values, with Student's interval."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from cupel.stats.interval import Interval
from cupel.stats.student import t_quantile


@dataclass(frozen=True)
class MeanEstimate:
    """A mean.

    Attributes:
        mean: the mean of the values.
        sd: their standard deviation; None with one value.
        n: how many there are.
        interval: for the mean; None with one value, or where all are equal (`reason` says why).
        reason: why there is no interval; empty when there is one.
    """

    mean: float
    sd: float | None
    n: int
    interval: Interval | None
    reason: str = ""


def mean_interval(values: Sequence[float], *, level: float = 0.95) -> MeanEstimate | None:
    """The mean of values and its interval at `level`; values that are no numbers are left out, None without any.

    Example:
        >>> found = mean_interval([1.0, 2.0, 3.0])
        >>> found.mean, found.interval.contains(2.0)
        (2.0, True)
    """
    known = [float(value) for value in values if math.isfinite(value)]
    if not known:
        return None
    mean = math.fsum(known) / len(known)
    if len(known) == 1:
        return MeanEstimate(mean, None, 1, None, "one value: the spread is unknown, so there is no interval")
    sd = statistics.stdev(known)
    if sd == 0:
        return MeanEstimate(mean, 0.0, len(known), None, "all values are equal: nothing random reached them")
    half = t_quantile(level, len(known) - 1) * sd / math.sqrt(len(known))
    return MeanEstimate(mean, sd, len(known), Interval(mean - half, mean + half, level, "Student's t"))
