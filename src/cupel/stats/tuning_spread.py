"""One method tuned several times, with several runs after each tuning: what tunings and seeds add to its variance.

Formula (H tunings, N runs in all)
    within    standard deviation of the runs around the mean of their tuning
    between   sqrt((MSB - MSW) / n0) from the analysis of variance, 0 where
              that is negative; n0 is the runs per tuning (for unequal
              numbers (N - sum n^2 / N) / (H - 1))
    share     between^2 / (between^2 + within^2)
Intervals
    within    chi-square
    share     by the F ratio of the mean squares
    between   Tukey and Williams: the ends of the F ratio carried over to the
              variance by the chi-square quantiles of MSB
    All are for normal tunings and runs and equal numbers; else the harmonic
    mean of the numbers stands for them. Failed runs are counted and left out.

Coverage (nominal 95 %; tests/statistical/test_variance_coverage.py)
    share and between hold from 3 tunings with 3 runs each on; between in 95
    to 97 % of draws, whatever the ratio of the two.

Source: Searle, Casella & McCulloch (1992), Variance Components, chapter 3; Thomas & Hultquist (1978), Annals of
Statistics 6, 582-587; Williams (1962), Biometrika 49, 278-281.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cupel.stats.interval import Interval
from cupel.stats.spread_interval import normal_sd_interval

if TYPE_CHECKING:
    from cupel.stats.checked import Floats

LEVEL = 0.95


@dataclass(frozen=True)
class TuningSpread:
    """What tunings and seeds contribute to the variance of one method.

    Attributes:
        method: which method.
        hpo_runs: tunings with a value.
        n: runs with a value.
        num_failed: runs without.
        between: standard deviation between tunings, in the unit of the values; None with one tuning or one run each.
        within: standard deviation between runs of a tuning; None with one run each.
        share: of the variance of a run that comes from the tuning, 0 to 1; None likewise.
        interval: of `share`; None likewise, and where the runs of a tuning do not differ.
        between_interval: of `between`; None as `interval`.
        within_interval: of `within`; None likewise.
    """

    method: str
    hpo_runs: int
    n: int
    num_failed: int
    between: float | None
    within: float | None
    share: float | None
    interval: Interval | None
    between_interval: Interval | None = None
    within_interval: Interval | None = None

    def text(self) -> str:
        """One line."""
        if self.share is None or self.interval is None:
            return f"{self.method}: {self.hpo_runs} tunings, {self.n} runs; what tunings contribute is not known"
        ends = f"{self.interval.level:.0%} {self.interval.low:.0%} to {self.interval.high:.0%}"
        sds = f"sd between tunings {self.between:.3g}, between seeds {self.within:.3g}"
        return f"{self.method}: {sds}; tunings are {self.share:.0%} of the variance ({ends}; {self.hpo_runs} tunings)"


def tuning_spread(method: str, tunings: Sequence[Floats]) -> TuningSpread:
    """Split the variance of a method's runs into what its tunings and what the seeds add.

    Args:
        method: its name.
        tunings: for each tuning the values of its runs, in any unit; a failed run is not finite.

    Returns:
        Both standard deviations, the share of the tunings, and intervals.

    Example:
        >>> found = tuning_spread("A", [np.array([1.0, 1.2]), np.array([2.0, 2.2]), np.array([1.5, 1.7])])
        >>> round(found.between, 2), round(found.within, 2)
        (0.49, 0.14)
    """
    known = [runs[np.isfinite(runs)] for runs in tunings]
    known = [runs for runs in known if runs.size]
    sizes = np.array([runs.size for runs in known], dtype=np.float64)
    total, num = float(sizes.sum()), len(known)
    free = total - num
    squares = sum(float(((runs - runs.mean()) ** 2).sum()) for runs in known)
    within = squares / free if free > 0 else None
    between = share = None
    ends: tuple[Interval | None, Interval | None] = (None, None)
    if num >= 2 and within is not None:
        means = np.array([runs.mean() for runs in known])
        grand = float((sizes * means).sum() / total)
        msb = float((sizes * (means - grand) ** 2).sum()) / (num - 1)
        n0 = (total - float((sizes**2).sum()) / total) / (num - 1)
        between = max(0.0, (msb - within) / n0)
        share = between / (between + within) if between + within > 0 else None
        ends = _intervals(means, sizes, within)
    return TuningSpread(
        method=method,
        hpo_runs=num,
        n=int(total),
        num_failed=sum(runs.size for runs in tunings) - int(total),
        between=None if between is None else math.sqrt(between),
        within=None if within is None else math.sqrt(within),
        share=share,
        interval=ends[0],
        between_interval=ends[1],
        within_interval=None if within is None else normal_sd_interval(math.sqrt(within), int(free) + 1, level=LEVEL),
    )


def _intervals(means: Floats, sizes: Floats, within: float) -> tuple[Interval | None, Interval | None]:
    """Of the share of the tunings in the variance and of their own spread; None when no runs differ within a tuning."""
    if not within > 0:
        return None, None
    from scipy.special import chdtri, fdtri

    harmonic = sizes.size / float((1 / sizes).sum())
    between = harmonic * float(means.var(ddof=1))
    free = (sizes.size - 1, float(sizes.sum()) - sizes.size)
    shares, spreads = [], []
    for tail in (0.5 + LEVEL / 2, 0.5 - LEVEL / 2):
        f = float(fdtri(*free, tail))
        ratio = max(0.0, (between / within / f - 1) / harmonic)
        shares.append(ratio / (1 + ratio))
        excess = max(0.0, between - within * f) / harmonic
        spreads.append(math.sqrt(free[0] * excess / float(chdtri(free[0], 1 - tail))))
    share = Interval(shares[0], shares[1], LEVEL, "F ratio")
    return share, Interval(spreads[0], spreads[1], LEVEL, "Tukey-Williams")
