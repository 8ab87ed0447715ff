"""The running intersection of the intervals of all looks, and what to do when it becomes empty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cupel.stats.checked import Floats
from cupel.stats.interval import Interval


@dataclass(frozen=True)
class Crossed:
    """Limits after each look.

    Attributes:
        lower: (n,) lower limit; never falls where limits are carried over.
        upper: (n,) upper limit.
        empty_at: the look, counted from 1, from which on no value is left; None while there is one.
    """

    lower: Floats
    upper: Floats
    empty_at: int | None

    @property
    def is_empty(self) -> bool:
        """Whether the intervals contradict each other."""
        return self.empty_at is not None

    def interval(self, level: float, method: str) -> Interval | None:
        """The interval after the last look; None where there was no look, or no value is left."""
        if self.is_empty or not self.lower.size:
            return None
        return Interval(float(self.lower[-1]), float(self.upper[-1]), level, method)


def running_limits(lower: Floats, upper: Floats, *, is_carried: bool = True) -> Crossed:
    """Carry the tightest limits so far from look to look.

    Intervals that hold the truth all at once hold it in their intersection too, so nothing is paid for it.

    Args:
        lower: (n,) lower limit at each look alone.
        upper: (n,) upper limit at each look alone.
        is_carried: whether to carry them; otherwise each look stands alone.
    """
    if is_carried:
        lower, upper = np.maximum.accumulate(lower), np.minimum.accumulate(upper)
    is_empty = lower > upper
    return Crossed(lower, upper, int(np.argmax(is_empty)) + 1 if is_empty.any() else None)
