"""The rate of an entry over its launches, with the interval that is shown.

Rule
    The unit of replication is the launch. The rate is the geometric mean of
    the launches' rates; the interval is Student's t over their logarithms.
    Steps, devices and ranks are never added to n. One launch gives a rate
    and no interval.

Source: Georges, Buytaert & Eeckhout (2007), OOPSLA, section 3.2;
rules R2 in Cupel's statistics.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.checked import fraction, positive
from cupel.stats.interval import Interval
from cupel.stats.note import Note
from cupel.stats.student import t_quantile

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

UNSTABLE_CV_FRAC = 0.10


@dataclass(frozen=True)
class LaunchEstimate:
    """A rate over several launches.

    Attributes:
        rate: geometric mean of the launches' rates, in their unit.
        interval: between-launch interval; None with fewer than 2 launches.
        cv: standard deviation between launches of log rate (about the relative spread); None below 2 launches.
        n: number of launches.
        warnings: `unstable` when the launches spread by more than 10 %.
    """

    rate: float
    interval: Interval | None
    cv: float | None
    n: int
    warnings: tuple[Note, ...] = ()


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
    sd = float(x.std(ddof=1)) if x.size > 1 else None
    return estimate_from_logs(x, sd, x.size - 1, level, f"between-launch t, n = {x.size}")


def estimate_from_logs(x: np.ndarray, sd: float | None, df: int, level: float, method: str) -> LaunchEstimate:
    """Build the estimate from log rates and the standard deviation that the interval stands on.

    Args:
        x: (n,) log rates.
        sd: standard deviation of log rates, or None when unknown.
        df: its degrees of freedom.
        level: of the interval.
        method: what the interval says about itself.
    """
    mean = float(x.mean())
    if sd is None:
        return LaunchEstimate(math.exp(mean), None, None, x.size)
    half = t_quantile(level, df) * sd / math.sqrt(x.size)
    notes: tuple[Note, ...] = ()
    if sd > UNSTABLE_CV_FRAC:
        text = (
            f"The {x.size} launches differ by {sd:.0%} (standard deviation); above {UNSTABLE_CV_FRAC:.0%} is unstable."
        )
        notes = (Note("unstable", text),)
    interval = Interval(math.exp(mean - half), math.exp(mean + half), level, method)
    return LaunchEstimate(math.exp(mean), interval, sd, x.size, notes)
