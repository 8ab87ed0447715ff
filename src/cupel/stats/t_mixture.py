"""Evidence about a mean when the spread is unknown: Student's t against an average over effect sizes.

For normal values the t statistic of n values around m has the noncentral t law with n - 1 degrees of freedom and shift
sqrt(n) d, where d = (mean - m) / sd. Its likelihood ratio against d = 0, averaged over d ~ N(0, 1), is

    E_n = sqrt(1 / (n + 1)) [ (n - 1 + t^2) / (n - 1 + t^2 / (n + 1)) ]^(n / 2)

a martingale for every spread when m is true: it depends on the values only through their ratios to the first one. The
values of m with E_n below 1 / (1 - level) are an interval in closed form, mean +- cut(n) sd / sqrt(n). At 95 % it is
finite from the fifth value on. The average over N(0, 1) suits differences of a third to three spreads.

Source: Wang & Ramdas (2025), Sequential Analysis 44, 56-110, section 4; after Lai (1976), Annals of Statistics 4,
265-280; the same with a linear model in Lindon, Ham, Tingley & Bojinov (2022).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cupel.stats.checked import Floats


class RunningMoments(NamedTuple):
    """Mean and standard deviation of the first 1, 2, ... n values."""

    n: Floats
    mean: Floats
    sd: Floats


NO_SPREAD = 1e-10
"""Standard deviation, relative to the largest value, that is rounding: 0.93 - 0.92 is not quite 0.53 - 0.52."""


def running_moments(x: Floats) -> RunningMoments:
    """(n,) moments after each value; the standard deviation of one value, or of values equal but for rounding, is 0."""
    n = np.arange(1, x.size + 1, dtype=np.float64)
    center = x[0] if x.size else 0.0  # sums around a value of the stream keep their digits when the mean is large
    mean = center + np.cumsum(x - center) / n
    apart = x - np.append(center, mean[:-1])[: x.size]
    sd = np.sqrt(np.cumsum((n - 1) / n * apart**2) / np.maximum(n - 1, 1))
    return RunningMoments(n, mean, np.where(sd > NO_SPREAD * np.maximum.accumulate(np.abs(x)), sd, 0.0))


def t_cut(n: Floats, level: float) -> Floats:
    """(k,) half width of the interval after n values, in standard errors; infinite while no value can be excluded."""
    kept = 1 / (n + 1)
    ratio = np.exp((-np.log1p(-level) - 0.5 * np.log(kept)) * 2 / n)
    room = 1 - ratio * kept
    with np.errstate(divide="ignore", invalid="ignore"):
        cut: Floats = np.where(room > 0, np.sqrt((n - 1) * (ratio - 1) / room), np.inf)
    return cut


def t_limits(moments: RunningMoments, level: float) -> tuple[Floats, Floats]:
    """(n,) limits of the mean at each look; infinite where the values so far have no spread."""
    n, mean, sd = moments
    with np.errstate(invalid="ignore"):
        half = np.where(sd > 0, t_cut(n, level) * sd / np.sqrt(n), np.inf)
    return mean - half, mean + half


def t_log_evidence(moments: RunningMoments, mean: float) -> Floats:
    """(n,) logarithm of the evidence against a mean after each value; 0 where the values so far have no spread."""
    n, center, sd = moments
    with np.errstate(divide="ignore", invalid="ignore"):
        t2 = np.where(sd > 0, n * ((center - mean) / sd) ** 2, 0.0)
        log = -0.5 * np.log1p(n) + n / 2 * np.log((n - 1 + t2) / (n - 1 + t2 / (n + 1)))
    return np.where(sd > 0, log, 0.0)
