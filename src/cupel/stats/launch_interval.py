"""The rate of an entry over its launches, with the interval that is shown.

Rule
    The unit of replication is the launch. The rate is the geometric mean of
    the launches' rates; the interval is Student's t over their logarithms.
    Steps, devices and ranks are never added to n. One launch gives a rate
    and no interval, and so do launches that are equal to the last digit:
    then the clock is too coarse to see how they differ.

Source: Georges, Buytaert & Eeckhout (2007), OOPSLA, section 3.2;
rules R2 in Cupel's statistics.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.checked import Floats, exponential, fraction, positive
from cupel.stats.interval import Interval
from cupel.stats.note import Note
from cupel.stats.side import LEAST_SD, NO_SPREAD
from cupel.stats.student import t_quantile

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

UNSTABLE_CV_FRAC = 0.10
ONE_LAUNCH = "one launch: the spread between launches is unknown, so there is no interval"


@dataclass(frozen=True)
class LaunchEstimate:
    """A rate over several launches.

    Attributes:
        rate: geometric mean of the launches' rates, in their unit.
        interval: between-launch interval; None when the spread is unknown (`reason` says why).
        cv: standard deviation over all launches of log rate (about the relative spread); None when unknown.
        n: number of launches, which `cv` is from too.
        warnings: `unstable` when the launches spread by more than 10 %.
        reason: why there is no interval; empty when there is one.
    """

    rate: float
    interval: Interval | None
    cv: float | None
    n: int
    warnings: tuple[Note, ...] = ()
    reason: str = ""


def launch_interval(rates: ArrayLike, *, level: float = 0.95) -> LaunchEstimate:
    """Summarise the rates of an entry's launches.

    Args:
        rates: (n,) one rate per launch, above 0; failed launches are left out by the caller and reported.
        level: of the interval.

    Returns:
        Rate, interval, spread and n; interval and spread are None when n < 2.

    Raises:
        UsageError: when there is no launch, or a rate is not a finite number above 0.
    """
    x = np.log(positive("rates", rates))
    fraction("level", level)
    if x.size == 0:
        raise UsageError("`rates` is empty; expected at least one launch. An entry whose launches all failed has none.")
    return estimate_from_logs(x, x.size, level, f"between-launch t, n = {x.size}")


def estimate_from_logs(x: Floats, pilot_n: int, level: float, method: str) -> LaunchEstimate:
    """Build the estimate from log rates.

    Args:
        x: (n,) log rates, n >= 1.
        pilot_n: how many of the first ones the interval's spread is taken from.
        level: of the interval.
        method: what the interval says about itself.
    """
    mean, rate = float(x.mean()), exponential(float(x.mean()))
    if pilot_n < 2:
        return LaunchEstimate(rate, None, None, x.size, reason=ONE_LAUNCH)
    cv, sd = float(x.std(ddof=1)), float(x[:pilot_n].std(ddof=1))
    widest = max(cv, sd)
    notes: tuple[Note, ...] = ()
    if widest > UNSTABLE_CV_FRAC:
        num = x.size if cv >= sd else pilot_n
        text = (
            f"The {num} launches differ by {widest:.0%} (standard deviation); above {UNSTABLE_CV_FRAC:.0%} is unstable."
        )
        notes = (Note("unstable", text),)
    known = cv if cv >= LEAST_SD else None
    if sd < LEAST_SD:
        return LaunchEstimate(rate, None, known, x.size, notes, NO_SPREAD)
    half = t_quantile(level, pilot_n - 1) * sd / math.sqrt(x.size)
    return LaunchEstimate(
        rate, Interval(exponential(mean - half), exponential(mean + half), level, method), known, x.size, notes
    )
