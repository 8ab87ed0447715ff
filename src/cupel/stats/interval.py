"""An interval: two ends, the level it claims, and the method that claims it."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """An interval for an unknown quantity.

    Attributes:
        low: lower end, in the unit of the quantity.
        high: upper end, in the same unit.
        level: the share of such intervals that hold the truth when the method's assumptions do, 0 to 1.
        method: how it was made, in a few words.
    """

    low: float
    high: float
    level: float
    method: str

    @property
    def half_width_frac(self) -> float:
        """Relative half width on the log scale, `sqrt(high / low) - 1`; NaN unless both ends are positive."""
        if not (self.low > 0 and self.high > 0):
            return math.nan
        return math.sqrt(self.high / self.low) - 1

    def contains(self, x: float) -> bool:
        """Whether `x` lies in the closed interval; an interval with a NaN end contains nothing."""
        return self.low <= x <= self.high
