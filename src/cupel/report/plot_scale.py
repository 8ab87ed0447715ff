"""What the figures' axes show: which values are known, from where to where, and how the ticks are written."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from itertools import pairwise

from cupel.report.axis import Axis
from cupel.report.text_width import text_width_px
from cupel.report.words import finite, plain
from cupel.spec.errors import UsageError

HUGE = 1e150
"""Values beyond are shown as infinite: the distance or the ratio of two of them may not be a number any more."""
INFINITE = ("−∞", "∞")
FINEST = 1e-9
"""No axis is narrower than this part of its values, or its ticks could not be told apart."""
LARGEST_LOG = 350.0
"""No axis of ratios reaches farther: the ratio of its ends would have no number."""
USUAL = 3.0
"""Intervals that reach farther than so many times the usual one leave the axis, so that the others can be seen."""
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
GAP_PX, OVERHANG_PX = 8.0, 20.0
Ends = tuple[float, float]


def known(value: object) -> float | None:
    """The value as a number, None where it is unknown, infinite or too large to be placed."""
    number = finite(value)
    return number if number is not None and abs(number) <= HUGE else None


def interval_ends(interval: object, owner: object = "") -> Ends | None:
    """Both ends of an interval; an end that is None or infinite is infinite.

    Args:
        interval: two ends, or None for no interval.
        owner: whose it is, for the message.

    Returns:
        None for no interval; an end that is not a number makes the whole interval unknown.

    Raises:
        UsageError: it is no pair, or its ends are the wrong way round.
    """
    if interval is None:
        return None
    if not isinstance(interval, Sequence) or isinstance(interval, str) or len(interval) != 2:
        raise UsageError(f"The interval of {plain(owner)!r} is {interval!r}; expected two ends, or None for none.")
    low, high = (
        infinite if end is None else end for end, infinite in zip(interval, (-math.inf, math.inf), strict=True)
    )
    if math.isnan(low) or math.isnan(high):
        return None
    if low > high:
        raise UsageError(
            f"The interval of {plain(owner)!r} is from {low:g} to {high:g}; expected the lower end first."
        )  # fmt: skip
    return (placeable(low), placeable(high))


def placeable(end: float) -> float:
    """An end of an interval; one that is too large to be placed is infinite."""
    return float(end) if abs(end) <= HUGE else math.copysign(math.inf, end)


def range_around(
    points: Iterable[tuple[float | None, Ends | None]], *, hold: Iterable[float] = (), is_log: bool = False
) -> Ends:
    """From where to where an axis must reach to show values with their intervals.

    Args:
        points: values with their intervals; None where there is none.
        hold: further values that must be on the axis.
        is_log: whether the axis shows ratios; values that are not above 0 then have no place on it.

    Returns:
        A range with some room at both ends, also where there is no value or all are equal. Interval ends far beyond
        the usual ones lie outside.
    """
    pairs = [(_placed(value, is_log=is_log), ends) for value, ends in points]
    shown = [v for v in [*(value for value, _ in pairs), *(_placed(h, is_log=is_log) for h in hold)] if v is not None]
    ways: list[tuple[float, float]] = []
    for value, ends in pairs:
        places = [_placed(end, is_log=is_log) for end in ends or ()]
        ways += [(p if value is None else value, p) for p in places if p is not None]
    reaches = [abs(end - start) for start, end in ways if end != start]
    usual = USUAL * statistics.median(reaches) if reaches else 0.0
    shown += [start + min(max(end - start, -usual), usual) for start, end in ways]
    low, high = (min(shown), max(shown)) if shown else (0.0, 1.0)
    size = max(abs(low), abs(high))
    width = max(high - low, size * FINEST, math.log(1.02) if is_log else 0.0)
    is_nothing = size < 1 / HUGE
    if high == low or is_nothing:
        width = math.log(1.2) if is_log else 1.0 if is_nothing else size * 0.2
    margin = 0.5 * (width - (high - low)) + 0.06 * width
    low, high = low - margin, high + margin
    return (math.exp(max(low, -LARGEST_LOG)), math.exp(min(high, LARGEST_LOG))) if is_log else (low, high)


def _placed(value: float | None, *, is_log: bool) -> float | None:
    """A value where it lies on the axis; None for one that has no place."""
    if value is None or not math.isfinite(value) or (is_log and value < 1 / HUGE):
        return None
    return math.log(value) if is_log else value


def ticks_of(axis: Axis, most: int, size_px: float = 11, *, is_counted: bool = False) -> list[tuple[float, str]]:
    """Round values on a horizontal axis with their texts, as many as stand beside each other without touching.

    Args:
        axis: the axis.
        most: at most about so many.
        size_px: of the letters.
        is_counted: whether only whole numbers have a meaning.
    """
    for num in range(most, 0, -1):
        found = [(value, text) for value, text in labelled_ticks(axis, num) if _is_within(axis, value, text, size_px)]
        if is_counted and any(value != round(value) for value, _ in found):
            continue
        places = [(axis(value), text_width_px(text, size_px) / 2) for value, text in found]
        pairs = pairwise(places)
        if all(abs(b[0] - a[0]) >= a[1] + b[1] + GAP_PX for a, b in pairs):
            return found
    return found[:1]


def _is_within(axis: Axis, value: float, text: str, size_px: float) -> bool:
    """Whether the tick's text stays near the axis and does not run into what stands beside it."""
    low, high = sorted((axis.start_px, axis.end_px))
    half = text_width_px(text, size_px) / 2
    return low - OVERHANG_PX <= axis(value) - half and axis(value) + half <= high + OVERHANG_PX


def labelled_ticks(axis: Axis, most: int) -> list[tuple[float, str]]:
    """Round values on an axis with their texts, at most about so many."""
    scale = 1.0 if axis.is_log else 10.0 ** math.floor(math.log10(max(abs(axis.low), abs(axis.high))))
    scale = scale if 1e-290 < scale < 1e290 else 1.0
    scaled = Axis(axis.low / scale, axis.high / scale, 0, 1, axis.is_log)
    values = dict.fromkeys(min(max(tick * scale, axis.low), axis.high) for tick in scaled.ticks(most))
    gaps = [b - a for a, b in pairwise(values)]
    is_even = bool(gaps) and max(gaps) < 1.01 * min(gaps)
    largest = max(map(abs, values)) if is_even else None
    return [(value, number_text(value, min(gaps) if is_even else None, largest)) for value in values]


def number_text(value: float, step: float | None = None, largest: float | None = None) -> str:
    """A number on an axis: as many decimals as the step between ticks needs, powers of ten for very large and small.

    Args:
        value: the number.
        step: distance to the next one; None for six significant digits.
        largest: size of the largest number beside it, which decides on powers of ten; None for its own.

    Example:
        >>> number_text(0.5, 0.25), number_text(-2, 1), number_text(1e-7), number_text(3e8), number_text(0, 1e-9)
        ('0.50', '−2', '10⁻⁷', '3×10⁸', '0')
    """
    if abs(value) <= 1e-6 * (step or 0.0):
        return "0"
    if not 1e-4 <= (largest or abs(value)) < 1e6:
        return _power_text(value, step)
    if step is None:
        return f"{value:.6g}".replace("-", "−")
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    is_finer = abs(round(step, decimals) - step) > 1e-9 * step
    return f"{value:.{decimals + is_finer}f}".replace("-", "−")


def _power_text(value: float, step: float | None) -> str:
    exponent = math.floor(math.log10(abs(value)) + 1e-9)
    lead = value / 10.0**exponent
    power = f"10{str(exponent).translate(SUPERSCRIPTS)}"
    finer = min(8, max(0, exponent - math.floor(math.log10(step) + 1e-9)) + 1) if step else 4
    text = f"{lead:.{finer}f}".rstrip("0").rstrip(".")
    return {"1": power, "-1": f"−{power}"}.get(text, f"{text}×{power}".replace("-", "−"))
