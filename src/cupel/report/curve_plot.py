"""Curves over an axis with bands, each named at its right end: what profiles and budget curves share.

A curve has its colour, its dashes and its marks, so that it is found again without colour. Names stand at the ends of
the curves, moved apart where they would touch, each with a sample of its line; a thin line leads to the curve's end
where that is near.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

from cupel.report.axis import Axis
from cupel.report.drawing import Line, Mark, Path, Pen, Point, Rect, Shape, Text
from cupel.report.plot_frame import (
    EDGE,
    FRAME,
    WIDTH,
    Look,
    axis_label,
    key,
    shortened,
    spread,
    x_axis,
    y_axis,
    y_axis_width,
)
from cupel.report.plot_scale import HUGE, known, number_text, placeable, range_around
from cupel.report.text_width import text_width_px
from cupel.report.words import plain
from cupel.spec.errors import UsageError

HEIGHT = 300.0
NAME_PX, KEY_PX, LEADER_PX = 17.0, 22.0, 18.0
NAMES_FRAC = 0.3
NEAR_PX = 30.0
"""A name farther from its curve's end has no line to it: it would cross others, and the sample says it."""
MARKS_PER_CURVE, FEW_POINTS = 5, 12
CurvePoint: TypeAlias = tuple[float, float, float | None, float | None]
"""x, y, and the ends of the band, which may be infinite; None where there is no band."""


@dataclass(frozen=True)
class CurveAxes:
    """What lies along and up a figure of curves.

    Args:
        x_label: below the axis, with the unit.
        y_label: above the figure, with the unit and what is better.
        is_log_x: whether equal ratios along are equal distances; points at 0 or below then have no place.
        y_range: from where to where the axis up goes; None for as far as curves and bands reach.
        no_effect: a value that a line marks, such as 0 for a difference; None for no line.
        equivalence: from where to where two are practically equal; None for no such strip.
        is_log_y: whether equal ratios up are equal distances; all values are then above 0.
        is_counted_x: whether only whole numbers along have a meaning.
    """

    x_label: str = ""
    y_label: str = ""
    is_log_x: bool = False
    y_range: tuple[float, float] | None = None
    no_effect: float | None = None
    equivalence: tuple[float, float] | None = None
    is_log_y: bool = False
    is_counted_x: bool = False


@dataclass(frozen=True)
class Curve:
    """A curve as runs of points without a gap.

    Args:
        name: what stands at its end.
        runs: each at least one point; an unknown x or y ends a run.
        look: how it is drawn.
    """

    name: str
    runs: tuple[tuple[CurvePoint, ...], ...]
    look: Look

    @classmethod
    def of(cls, curve: Mapping[str, Any], place: int, *, is_log_x: bool = False) -> Curve:
        """Read a curve from plain values.

        Args:
            curve: `label`, `x` and `y` (lists; None for unknown), if wanted `low` and `high` (the band) and `series`
                (the number of its look, so that a method looks alike in all figures).
            place: its number in the figure, the look by default.
            is_log_x: points at 0 or below have no place.

        Raises:
            UsageError: its lists differ in length, or its x do not ascend.
        """
        name, xs = plain(curve.get("label")), [known(value) for value in curve["x"]]
        columns = [curve["y"], *(curve.get(end) or [None] * len(xs) for end in ("low", "high"))]
        for part, values in zip(("y", "low", "high"), columns, strict=True):
            if len(values) != len(xs):
                raise UsageError(f"The curve {name!r} has {len(xs)} x and {len(values)} {part}; expected as many.")
        back = next(((a, b) for a, b in pairwise(v for v in xs if v is not None) if b < a), None)
        if back:
            raise UsageError(f"The x of the curve {name!r} go from {back[0]:g} back to {back[1]:g}; sort them first.")
        runs: list[list[CurvePoint]] = [[]]
        for x, y, low, high in zip(xs, *columns, strict=True):
            place_y = known(y)
            if x is None or place_y is None or (is_log_x and x < 1 / HUGE):
                runs.append([])
            else:
                runs[-1].append((x, place_y, _band_end(low), _band_end(high)))
        return cls(name, tuple(tuple(run) for run in runs if run), Look.of(int(curve.get("series", place))))

    def points(self) -> Iterator[CurvePoint]:
        """All its points from left to right."""
        for run in self.runs:
            yield from run


def _band_end(value: Any) -> float | None:
    """An end of a band; infinite ones stay, what is not a number is unknown."""
    return None if value is None or math.isnan(value) else placeable(value)


@dataclass(frozen=True)
class CurveFrame:
    """Where a figure's curves and their names lie."""

    x: Axis
    y: Axis
    name_px: float
    axes: CurveAxes

    @classmethod
    def around(cls, curves: Sequence[Curve], axes: CurveAxes, top_px: float, names: Sequence[str] = ()) -> CurveFrame:
        """A frame that holds all points, bands unless they are far wider than the others, and room for more names."""
        all_points = [point for curve in curves for point in curve.points()]
        hold = [*(() if axes.no_effect is None else (axes.no_effect,)), *(axes.equivalence or ())]
        pairs = [(y, _ends(low, high)) for _, y, low, high in all_points]
        low, high = range_around(pairs, hold=hold, is_log=axes.is_log_y)
        if axes.y_range:
            shown = [*axes.y_range, *hold, *(y for _, y, _, _ in all_points)]
            low, high = min(shown), max(shown)
        xs = [x for x, _, _, _ in all_points]
        first, last = (min(xs), max(xs)) if xs else (1.0, 2.0)
        if first == last:
            first, last = range_around([(first, None)], is_log=axes.is_log_x)
        widths = [*(text_width_px(c.name, 12) for c in curves), *(text_width_px(n, 12) - KEY_PX - 6 for n in names)]
        name_px = min(max(widths, default=0.0), WIDTH * NAMES_FRAC) + 1
        left = EDGE + y_axis_width(low, high, is_log=axes.is_log_y) + 4
        right = WIDTH - EDGE - LEADER_PX - KEY_PX - 6 - name_px
        bottom = top_px + max(HEIGHT, NAME_PX * len(curves))
        y = Axis(low, high, bottom, top_px, axes.is_log_y)
        return cls(Axis(first, last, left, right, axes.is_log_x), y, name_px, axes)

    @property
    def bottom(self) -> float:
        """Where the whole figure ends, axis included."""
        return self.y.start_px + (36 if self.axes.x_label else 22)

    def ground(self) -> list[Shape]:
        """What lies below the curves: the strip, both axes, the line of no effect."""
        left, right, top, bottom = self.x.start_px, self.x.end_px, self.y.end_px, self.y.start_px
        shapes: list[Shape] = []
        if self.axes.equivalence:
            low, high = self.axes.equivalence
            tip = f"practically equal: {number_text(low)} to {number_text(high)}"
            shapes.append(Rect(left, self.y(high), right - left, self.y(low) - self.y(high), tip=tip))
        along = x_axis(self.x, top, bottom, is_counted=self.axes.is_counted_x)
        shapes += [*along, *axis_label(self.x, bottom, self.axes.x_label)]
        shapes += y_axis(self.y, left, right)
        shapes.append(Line(left, bottom, right, bottom, FRAME))
        if self.axes.no_effect is not None:
            zero = self.y(self.axes.no_effect)
            shapes.append(Line(left, zero, right, zero, Pen("quiet", 1.2)))
        if self.axes.y_label:
            shapes.append(shortened(Text(EDGE, 16, self.axes.y_label, size=11, role="quiet"), WIDTH - 2 * EDGE))
        return shapes

    def curves(self, curves: Sequence[Curve], *, is_step: bool = False) -> list[Shape]:
        """Bands first, then lines, then marks: no curve hides another's band."""
        opacity = max(0.04, min(0.18, 0.8 / max(1, len(curves))))
        lines = [[self._places(run, is_step=is_step) for run in curve.runs] for curve in curves]
        shapes: list[Shape] = []
        for curve in curves:
            areas = [area for run in curve.runs for area in self._bands(run, is_step=is_step)]
            shapes += [Path(area, None, curve.look.role, opacity, is_closed=True) for area in areas]
        for curve, runs in zip(curves, lines, strict=True):
            shapes += [Path(points, curve.look.pen(), tip=curve.name) for points in runs if len(points) > 1]
        for k, (curve, runs) in enumerate(zip(curves, lines, strict=True)):
            at = self._marks(curve, runs, (k + 0.5) / len(curves), is_step=is_step)
            shapes += [Mark(x, y, curve.look.mark, 3.6, curve.look.role, tip=curve.name) for x, y in at]
        return shapes

    def _places(self, run: Sequence[CurvePoint], *, is_step: bool) -> tuple[Point, ...]:
        return _steps([(self.x(x), self.y(y)) for x, y, _, _ in run], is_step=is_step)

    def _bands(self, run: Sequence[CurvePoint], *, is_step: bool) -> Iterator[tuple[Point, ...]]:
        """The areas between the ends of the band, one for each part of the run that has them."""
        part: list[tuple[float, float, float]] = []
        for x, _, low, high in (*run, (0.0, 0.0, None, None)):
            if low is not None and high is not None:
                part.append((self.x(x), self.y(low), self.y(high)))
                continue
            if len(part) > 1:
                below = _steps([(x_px, low_px) for x_px, low_px, _ in part], is_step=is_step)
                above = _steps([(x_px, high_px) for x_px, _, high_px in part], is_step=is_step)
                yield (*below, *above[::-1])
            part = []

    def _marks(
        self, curve: Curve, runs: Sequence[tuple[Point, ...]], phase: float, *, is_step: bool
    ) -> list[Point]:  # fmt: skip
        """Places of the curve's marks: its points where they are few, else some that no other curve has."""
        points = list(curve.points())
        if len(points) <= FEW_POINTS and not is_step:
            return [(self.x(x), self.y(y)) for x, y, _, _ in points]
        width = self.x.end_px - self.x.start_px
        wanted = [self.x.start_px + (k + phase) / MARKS_PER_CURVE * width for k in range(MARKS_PER_CURVE)]
        found = [(x, y) for x in wanted for run in runs if (y := _height(run, x)) is not None]
        lonely = [run[0] for run in runs if len(run) == 1]
        return found + lonely

    def names(self, curves: Sequence[Curve]) -> list[Shape]:
        """The name of each curve beside its end, with a sample of its line; one without a point says so."""
        ends = [self._end(curve) for curve in curves]
        wanted = [y for _, y in ends]
        places = spread(wanted, NAME_PX, self.y.end_px + 4, self.y.start_px)
        x = self.x.end_px + LEADER_PX
        shapes: list[Shape] = []
        for curve, end, y in zip(curves, ends, places, strict=True):
            if curve.runs and abs(y - end[1]) <= NEAR_PX:
                turn = (self.x.end_px, end[1])
                shapes.append(Path((end, turn, (x - 2, y)), Pen("quiet", 0.6)))
            name = curve.name if curve.runs else f"{curve.name} (no values)"
            shapes += key(curve.look, x, y)
            shapes.append(
                shortened(Text(x + KEY_PX + 6, y + 4, name, role=curve.look.role), self.name_px, is_name=True)
            )
        return [shape for shape in shapes if not isinstance(shape, Text) or shape.text]

    def _end(self, curve: Curve) -> Point:
        points = list(curve.points())
        return (self.x(points[-1][0]), self.y(points[-1][1])) if points else (self.x.end_px, self.y.start_px)


def curve_sentence(curve: Curve) -> str:
    """`PB: 0.41 at 10`: the end of a curve in words."""
    last = next(reversed(list(curve.points())), None)
    return f"{curve.name}: no values" if last is None else f"{curve.name}: {last[1]:.4g} at {last[0]:.4g}"


def _ends(low: float | None, high: float | None) -> tuple[float, float] | None:
    return None if low is None or high is None else (low, high)


def _steps(points: Sequence[Point], *, is_step: bool) -> tuple[Point, ...]:
    """The points joined, or each value kept until the next point."""
    if not is_step:
        return tuple(points)
    corners = [corner for a, b in pairwise(points) for corner in (a, (b[0], a[1]))]
    return (*corners, *points[-1:])


def _height(run: Sequence[Point], x: float) -> float | None:
    """How high a line of points is at x; None where it is not."""
    place = bisect_right([point[0] for point in run], x)
    if not 0 < place < len(run):
        return None
    (x0, y0), (x1, y1) = run[place - 1], run[place]
    return y0 + (y1 - y0) * (x - x0) / (x1 - x0)
