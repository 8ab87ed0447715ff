"""Axes and paths of the drawings: values to pixels, ticks at round numbers, short path texts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

FINE = 2
"""Paths are written in whole numbers of 1 / FINE pixel: a short text, and still finer than the screen."""


@dataclass(frozen=True)
class Axis:
    """Maps values to pixels.

    Args:
        low: value at `start_px`.
        high: value at `end_px`; more than `low`.
        start_px: where the axis begins.
        end_px: where it ends; less than `start_px` for an axis that points up.
        is_log: equal ratios are equal distances; `low` is then above 0.
    """

    low: float
    high: float
    start_px: float
    end_px: float
    is_log: bool = False

    def __call__(self, value: float) -> float:
        """Pixel of a value; values outside lie at the nearer end."""
        inside = min(max(value, self.low), self.high)
        if self.is_log:
            share = math.log(inside / self.low) / math.log(self.high / self.low)
        else:
            share = (inside - self.low) / (self.high - self.low)
        return self.start_px + share * (self.end_px - self.start_px)

    def ticks(self, most: int = 5) -> list[float]:
        """Round values on the axis, at least two and about `most` of them."""
        found = _log_ticks(self.low, self.high, most) if self.is_log else []
        return found if len(found) >= 2 else _linear_ticks(self.low, self.high, most)


def axis_around(values: Sequence[float], start_px: float, end_px: float, least_frac: float = 0.1) -> Axis:
    """An axis on which the values can be told apart and small noise does not look like a cliff.

    It begins at 0 where the values differ by half or more, is logarithmic where they differ by more than a factor
    of 12, and otherwise shows at least `least_frac` of their size to either side of the middle.
    """
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if low > 0 and high / low > 12:
        return Axis(low / 1.15, high * 1.15, start_px, end_px, is_log=True)
    if low >= 0 and high > 1.5 * low:
        return Axis(0.0, high * 1.06 or 1.0, start_px, end_px)
    middle = (low + high) / 2
    half = max((high - low) / 2 * 1.15, abs(middle) * least_frac) or 1.0
    return Axis(middle - half, middle + half, start_px, end_px)


def _linear_ticks(low: float, high: float, most: int) -> list[float]:
    width = high - low
    size = 10.0 ** math.floor(math.log10(width / most))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10, 20) if width / (size * factor) <= most)
    first = math.ceil(low / step - 1e-9)
    return [round(k * step, 12) for k in range(first, math.floor(high / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float, most: int) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        found = [f * 10.0**d for d in decades for f in factors if low <= f * 10.0**d <= high]
        if len(found) <= most:
            return found
    stride = -(-len(found) // most)
    return found[::stride]


def line_path(points: Iterable[tuple[float, float] | None]) -> str:
    """Path through points in pixels, to be drawn at a scale of 1 / FINE; None breaks the line.

    Example:
        >>> line_path([(0, 0), (1, 2), None, (3, 3), (4, 3)])
        'M0 0l2 4M6 6l2 0'
    """
    parts: list[str] = []
    last: tuple[int, int] | None = None
    for point in points:
        if point is None:
            last = None
            continue
        x, y = round(point[0] * FINE), round(point[1] * FINE)
        parts.append(f"M{x} {y}" if last is None else _short(x - last[0], y - last[1], parts[-1]))
        last = (x, y)
    return "".join(parts)


def _short(dx: int, dy: int, before: str) -> str:
    """A relative line; the letter is left out where it repeats."""
    gap = " " if dy >= 0 else ""
    lead = "l" if before.startswith("M") else " " if dx >= 0 else ""
    return f"{lead}{dx}{gap}{dy}"


def band_path(x_px: Sequence[float], low_px: Sequence[float], high_px: Sequence[float]) -> str:
    """Closed path between two lines over the same places."""
    there = list(zip(x_px, low_px, strict=True))
    back = list(zip(x_px, high_px, strict=True))[::-1]
    return line_path([*there, *back]) + "z" if there else ""
