"""Bands for shares of runs at many thresholds at once: pointwise, and for the whole curve.

A bootstrap of a share has no width where all runs agree, which is where the ends of a profile are. The pointwise band
is Wilson's with the number of independent runs that the variance within tasks amounts to (Korn & Graubard 1998), each
task's share drawn in by half a run (all shares by half a task), and with Student's t for the degrees of freedom.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cupel.stats.checked import Floats
from cupel.stats.resample import Resample
from cupel.stats.stratified_bootstrap import run_draws, task_draws

if TYPE_CHECKING:
    from cupel.stats.frame import Codes

ROUNDING = 1e-9


def pointwise_band(shares: Floats, sizes: Codes, plan: Resample) -> tuple[Floats, Floats]:
    """Low and high end at each threshold.

    Args:
        shares: (m, thresholds) share of the runs of each task.
        sizes: (m,) runs in each task.
        plan: level, and whether the tasks are fixed.

    Returns:
        Two arrays (thresholds,), 0 to 1.
    """
    from scipy.special import ndtri

    middle, variance, df = _spread(shares, sizes, plan)
    z = float(ndtri(0.5 + plan.level / 2))
    most = float(sizes.sum())  # never surer than if all runs were independent, also where all tasks agree by chance
    least = middle * (1 - middle) / most
    num = middle * (1 - middle) / np.maximum(variance, least) / stretch(df, plan.level) ** 2
    share = shares.mean(axis=0)
    centre = share + z**2 / (2 * num)
    half = z * np.sqrt(share * (1 - share) / num + z**2 / (4 * num**2))
    scale = 1 + z**2 / num
    low, high = np.clip((centre - half) / scale, 0, share), np.clip((centre + half) / scale, share, 1)
    return low, high


def _spread(shares: Floats, sizes: Codes, plan: Resample) -> tuple[Floats, Floats, Floats]:
    """Share drawn in, variance of the mean share, degrees of freedom; (thresholds,) each, the variance above 0."""
    m = sizes.size
    if plan.unit == "tasks":
        middle = (shares.sum(axis=0) + 0.5) / (m + 1)
        share = shares.mean(axis=0)
        torn = np.maximum(
            0, 1 - m * np.minimum(share, 1 - share)
        )  # within a task of an end, one more may be all or none
        square = ((shares**2).sum(axis=0) + 0.25 * (1 + torn)) / (m + 1)
        return middle, (square - middle**2) / m, np.full(middle.shape, m - 1.0)
    n = sizes[:, None]
    drawn_in = (shares * n + 0.5) / (n + 1)
    parts = drawn_in * (1 - drawn_in) / n / m**2
    variance = parts.sum(axis=0)
    return drawn_in.mean(axis=0), variance, variance**2 / (parts**2 / (n - 1)).sum(axis=0)


def stretch(df: Floats, level: float) -> Floats:
    """How much wider than the normal's a two-sided interval by Student's t is."""
    from scipy.special import ndtri, stdtrit

    return np.asarray(stdtrit(df, 0.5 + level / 2) / float(ndtri(0.5 + level / 2)))


def simultaneous_half_width(above: Codes, shares: Floats, sizes: Codes, plan: Resample) -> float:
    """Half width of a band that holds the whole curve.

    Args:
        above: (N,) how many of the thresholds, in ascending order, each run is above; runs task by task.
        shares: (m, thresholds) share of the runs of each task.
        sizes: (m,) runs in each task.
        plan: resamples, level, unit.

    Returns:
        The `level` quantile of the largest distance between the curve and those of resamples, times what Student's t
        asks beyond the normal; where nothing varies, that of Bretagnolle's inequality for runs that do not follow one
        law.
    """
    rng = np.random.default_rng(plan.seed)
    curve = shares.mean(axis=0)
    if plan.unit == "tasks":
        blocks = task_draws(sizes.size, plan.num, rng)
        farthest = [np.abs(shares[index].mean(axis=1) - curve).max(axis=1) for index in blocks]
    else:
        weight = np.repeat(1 / (sizes.size * (sizes - 1)), sizes - 1)
        blocks = run_draws(sizes, plan.num, rng)
        farthest = [np.abs(_curves(above.take(index), weight, curve.size) - curve).max(axis=1) for index in blocks]
    _, variance, df = _spread(shares, sizes, plan)
    half = float(np.quantile(np.concatenate(farthest), plan.level))
    if half > ROUNDING:
        return half * float(stretch(df[[int(np.argmax(variance))]], plan.level)[0])
    num = sizes.size * (1 if plan.unit == "tasks" else int(sizes.min()))
    return math.sqrt(math.log(2 * math.e / (1 - plan.level)) / (2 * num))


def _curves(above: Codes, weight: Floats, num_tau: int) -> Floats:
    """(resamples, thresholds) share of drawn runs above each threshold."""
    rows = (np.arange(len(above)) * (num_tau + 1))[:, None]
    every = np.broadcast_to(weight, above.shape).ravel()
    mass = np.bincount((above + rows).ravel(), weights=every, minlength=len(above) * (num_tau + 1))
    upto = mass.reshape(len(above), num_tau + 1)[:, :0:-1].cumsum(axis=1)
    return np.asarray(upto[:, ::-1])
