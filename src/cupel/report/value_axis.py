"""The axis of what was tuned: logarithmic where values differ by factors, and not as long as its farthest value.

Trials that diverge reach values that would press all others into one line. Values far beyond the usual ones lie at the
axis's end, and how many they are is said.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from cupel.report.axis import Axis
from cupel.report.drawing import GRADES, Rect, Role, Shape, Text
from cupel.report.plot_scale import FINEST, HUGE
from cupel.report.text_width import text_width_px
from cupel.report.words import num

LOG_FROM = 10.0
"""Ratio of the largest to the least value from which equal ratios are equal distances."""
REACH = 1.5
"""Values farther from the middle nine tenths than so many times their range lie at the axis's end."""
SQUARE_PX, GAP_PX = 11.0, 4.0


@dataclass(frozen=True)
class ValueAxis:
    """An axis with what lies beyond it.

    Args:
        axis: values to pixels.
        num_beyond: values that lie at an end of it because they are farther.
    """

    axis: Axis
    num_beyond: int

    @classmethod
    def around(cls, values: Sequence[float], start_px: float, end_px: float) -> ValueAxis:
        """The axis of values, all finite; none at all gives one from 0 to 1."""
        known = sorted(value for value in values if abs(value) <= HUGE)
        is_log = bool(known) and known[0] > 1 / HUGE and known[-1] / known[0] >= LOG_FROM
        places = [math.log(value) for value in known] if is_log else known
        low, high = _ends(places)
        size = max(abs(low), abs(high))
        is_one = high - low <= FINEST * size or size < 1 / HUGE
        margin = (0.1 * size if size >= 1 / HUGE else 1.0) if is_one else 0.04 * (high - low)
        # no number would be left of an end beyond e^350
        low, high = (max(low - margin, -350.0), min(high + margin, 350.0)) if is_log else (low - margin, high + margin)
        beyond = len(values) - sum(low <= place <= high for place in places)
        ends = (math.exp(low), math.exp(high)) if is_log else (low, high)
        return cls(Axis(*ends, start_px, end_px, is_log), beyond)

    @property
    def beyond_text(self) -> str:
        """What is said of the values beyond; empty where there are none."""
        return f"{num(self.num_beyond, 'value lies', 'values lie')} beyond the axis, at its end" * bool(self.num_beyond)


def _ends(places: Sequence[float]) -> tuple[float, float]:
    """From where to where most places reach, given in order."""
    if len(places) < 2:
        return (places[0], places[0]) if places else (0.0, 1.0)
    cuts = statistics.quantiles(places, n=20, method="inclusive")
    reach = REACH * (cuts[-1] - cuts[0])
    return max(places[0], cuts[0] - reach), min(places[-1], cuts[-1] + reach)


def grade(rank: float | None) -> Role:
    """The colour of a rank: 0 for the best, 1 for the worst, None for no value.

    Example:
        >>> grade(0.0), grade(1.0), grade(None)
        ('v0', 'v5', 'v5')
    """
    return GRADES[-1] if rank is None else GRADES[min(int(rank * len(GRADES)), len(GRADES) - 1)]


def grade_key(right_px: float, y: float) -> list[Shape]:
    """The colours from the best to the worst sixth, ending at the right."""
    worst = text_width_px("worst", 11)
    first = right_px - worst - GAP_PX - SQUARE_PX * len(GRADES)
    shapes: list[Shape] = [Text(first - GAP_PX, y, "best", "end", 11, role="quiet")]
    shapes += [Rect(first + k * SQUARE_PX, y - 9, SQUARE_PX, 10, role) for k, role in enumerate(GRADES)]
    return [*shapes, Text(right_px, y, "worst", "end", 11, role="quiet")]
