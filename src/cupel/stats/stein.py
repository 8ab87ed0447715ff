"""How many launches until the interval is narrow enough (`--launches auto`).

Rule (Stein's two stages)
    1. A pilot of n0 launches gives the spread s0 of log rate. It fixes the
       total number of launches once and for all:
         N = the larger of n0 and (t(n0 - 1) x s0 / h) squared, rounded up
       where h is half of the width asked for, on the log scale.
    2. The interval after N launches is
         mean of all N logs +- t(n0 - 1) x s0 / sqrt(N)
       with the pilot's spread and the pilot's degrees of freedom.

    The number of launches depends on s0 only, and s0 says nothing about
    where the mean lies; so the interval holds the truth in 95 % of cases,
    for every spread, and is never wider than asked. Going on "until the t
    interval happens to be narrow" stops when the spread looks too small by
    chance, and does not keep its 95 %. A larger pilot wastes less: with
    n0 = 3 the quantile is 4.30, with 5 it is 2.78, with 10 it is 2.26.
    Ending early because a time budget ends keeps the coverage too (the
    clock does not look at the rates); the interval is then just wider.

Source: Stein (1945), Annals of Mathematical Statistics 16, 243-258.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.checked import Floats, fraction, numbers, positive, whole
from cupel.stats.launch_interval import LaunchEstimate, estimate_from_logs
from cupel.stats.student import t_quantile

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class SteinPlan:
    """What the pilot fixed.

    Attributes:
        num_launches: total number of launches, the pilot's included.
        pilot_n: launches in the pilot.
        pilot_sd_log: their standard deviation of log rate.
        half_width_log: half of the width asked for, on the log scale.
    """

    num_launches: int
    pilot_n: int
    pilot_sd_log: float
    half_width_log: float


def stein_plan(pilot_rates: ArrayLike, *, width: float, level: float = 0.95) -> SteinPlan:
    """Fix the number of launches from a pilot.

    Args:
        pilot_rates: (n0,) rates of the pilot's launches, above 0, n0 >= 2.
        width: full relative width of the interval wanted; 0.02 is from -1 % to +1 %.
        level: of the interval.

    Returns:
        The plan; `num_launches` is at least the pilot's.

    Raises:
        UsageError: when the pilot has fewer than 2 launches or the width is not above 0.

    Source: Stein (1945).
    """
    logs, sd = _pilot(pilot_rates)
    fraction("level", level)
    numbers(width=width)
    if not 0 < width < math.inf:
        raise UsageError(f"`width` is {width}; expected a relative width above 0, such as 0.02 for -1 % to +1 %.")
    half = math.log1p(width / 2)
    needed = (t_quantile(level, logs.size - 1) * sd / half) ** 2
    return SteinPlan(max(logs.size, math.ceil(needed)), logs.size, sd, half)


def stein_interval(rates: ArrayLike, pilot_n: int, *, level: float = 0.95) -> LaunchEstimate:
    """Interval after Stein's second stage.

    Args:
        rates: (n,) rates of all launches in the order they were made, the pilot's first.
        pilot_n: how many of them were the pilot, 2 <= pilot_n <= n.
        level: of the interval.

    Returns:
        Estimate over all n launches. The interval stands on the pilot's spread; `cv` is the spread over all launches,
        so that an outlier after the pilot is seen, and either of them can make it `unstable`.

    Raises:
        UsageError: when the pilot has fewer than 2 launches or more than there are.

    Source: Stein (1945).
    """
    logs = np.log(positive("rates", rates))
    fraction("level", level)
    pilot_n = whole("pilot_n", pilot_n)
    if not 2 <= pilot_n <= logs.size:
        raise UsageError(
            f"`pilot_n` is {pilot_n} of {logs.size} launches; expected at least 2 and at most all of them."
        )
    return estimate_from_logs(logs, pilot_n, level, f"Stein two-stage t, n = {logs.size}, pilot {pilot_n}")


def _pilot(rates: ArrayLike) -> tuple[Floats, float]:
    logs: Floats = np.log(positive("pilot_rates", rates))
    if logs.size < 2:
        raise UsageError(f"The pilot has {logs.size} launches; expected at least 2, better 5. Run more, then plan.")
    return logs, float(logs.std(ddof=1))
