"""One side of a comparison: the launches of a machine or a version, and how sure their mean is.

Formula
    With a number of launches that was fixed beforehand: variance of the n
    log rates / n, with n - 1 degrees of freedom.
    After `--launches auto` (Stein's two stages): variance of the pilot's
    log rates / n, with the pilot's degrees of freedom. Only the pilot's
    spread says nothing about the number of launches that it fixed; the
    spread of all launches does not keep its level (8 to 10 % false alarms
    instead of 5 were measured).
    Several sides are combined by Welch and Satterthwaite; where one of
    them is of two stages, with the fewest degrees of freedom of any side
    (Satterthwaite's with pilots of 5 gives 7.4 %, the fewest 5.1 %).

Source: Stein (1945), Annals of Mathematical Statistics 16, 243-258;
Satterthwaite (1946), Biometrics Bulletin 2, 110-114.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.checked import positive

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

LEAST_SD = 1e-9
"""Relative spread below which launches are equal for a clock; nothing follows from it about their real spread."""
NO_SPREAD = "the launches are equal to the last digit: the clock is too coarse to see their spread"


@dataclass(frozen=True)
class Side:
    """Rates of launches, and how their number was fixed.

    Attributes:
        rates: (n,) rate of each launch in the order they were made, above 0.
        pilot_n: after `--launches auto`, how many of the first launches fixed the number; None for a fixed number.
        shift_log: standard error of log rate that all launches of this side share (see `session_shift`), at least 0.
    """

    rates: ArrayLike
    pilot_n: int | None = None
    shift_log: float = 0.0


@dataclass(frozen=True)
class MeanLog:
    """The mean of a side's log rates.

    Attributes:
        mean: of the logs.
        n: launches.
        sd: standard deviation between launches of log rate that its uncertainty stands on; None where unknown.
        df: degrees of freedom of `sd`; 0 where it is unknown.
        is_two_stage: whether the number of launches followed from a pilot.
        shift: standard error that all launches share; more launches do not make it smaller.
    """

    mean: float
    n: int
    sd: float | None
    df: int
    is_two_stage: bool
    shift: float = 0.0

    @property
    def variance(self) -> float:
        """Variance of the mean; NaN where the spread is unknown."""
        return math.nan if self.sd is None else self.sd**2 / self.n


def mean_log(name: str, side: ArrayLike | Side) -> MeanLog:
    """The mean of a side and its spread.

    Args:
        name: what the caller calls it, for the message.
        side: rates, or a `Side`.

    Returns:
        The mean; the spread is None for one launch and for launches without any spread.

    Raises:
        UsageError: when there is no launch, a rate is not above zero, or the pilot is larger than the side.
    """
    pilot_n = side.pilot_n if isinstance(side, Side) else None
    logs = np.log(positive(name, side.rates if isinstance(side, Side) else side))
    if logs.size == 0:
        raise UsageError(f"`{name}` has 0 launches; expected at least one. A failed entry has none: leave it out.")
    if pilot_n is not None and not 1 <= pilot_n <= logs.size:
        raise UsageError(f"`{name}` has a pilot of {pilot_n} among {logs.size} launches; expected 1 to all of them.")
    used = logs if pilot_n is None else logs[:pilot_n]
    sd = float(used.std(ddof=1)) if used.size > 1 else None
    known = sd if sd is not None and sd >= LEAST_SD else None
    shift = abs(side.shift_log) if isinstance(side, Side) else 0.0
    return MeanLog(float(logs.mean()), logs.size, known, used.size - 1 if known else 0, pilot_n is not None, shift)


def degrees_of_freedom(parts: Sequence[tuple[float, int]], *, has_two_stages: bool) -> float:
    """Degrees of freedom of a sum of variances.

    Args:
        parts: (variance, its degrees of freedom), each known.
        has_two_stages: whether a side is of two stages.

    Returns:
        Satterthwaite's; the fewest of any part where a side is of two stages; 0 without parts.
    """
    if not parts:
        return 0.0
    if has_two_stages:
        return float(min(df for _, df in parts))
    total = sum(v for v, _ in parts)
    spread = sum((v / total) ** 2 / df for v, df in parts) if total > 0 else 0.0
    return 1 / spread if spread > 0 else float(sum(df for _, df in parts))
