"""The numbers that trials gave, one place along for each: pairs joined by a line, or instances against their bar.

A trial without a number has a cross at the bottom. Values far beyond the usual ones lie at the axis's end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cupel.report.axis import Axis
from cupel.report.drawing import Drawing, Line, Mark, MarkShape, Pen, Role, Shape, Text
from cupel.report.plot_frame import EDGE, FRAME, WIDTH, axis_label, shortened, x_axis, y_axis, y_axis_width
from cupel.report.text_width import text_width_px
from cupel.report.value_axis import ValueAxis
from cupel.report.words import finite, number_text, plain

HEIGHT, TOP = 190.0, 44.0
GAP = 18.0
MOST = 200
"""Trials that are drawn; of more, the first."""


@dataclass(frozen=True)
class TrialValues:
    """One number of each trial.

    Args:
        label: what they are of.
        values: in the order of the trials; None or NaN for a trial without one.
        role: the colour.
        shape: of the marks.
        start: place of the first one, from 1.
    """

    label: str
    values: Sequence[float | None]
    role: Role = "c0"
    shape: MarkShape = "circle"


@dataclass(frozen=True)
class TrialAxes:
    """What lies along and up.

    Args:
        x_label: below the axis: what is counted.
        y_label: above the figure, with the unit and what is better.
        bar: a value that each must reach; None for none.
        is_joined: whether the values of a trial are joined by a line.
    """

    x_label: str = "trial"
    y_label: str = ""
    bar: float | None = None
    is_joined: bool = False


def trial_values(
    series: Sequence[TrialValues], axes: TrialAxes, *, title: str = "Values of the trials"
) -> Drawing | None:
    """Draw what trials gave.

    Args:
        series: one or several numbers of each trial, of the same length.
        axes: what lies along and up.
        title: for those who do not see the figure.

    Returns:
        A drawing; None where no trial has a number.

    Example:
        >>> pair = [TrialValues("A", [1.0, 2.0]), TrialValues("B", [0.5, None], "c1", "square")]
        >>> trial_values(pair, TrialAxes("pair")).description
        'A: 2 values, 1 to 2; B: 1 value, 0.5 to 0.5, 1 without'
    """
    shown = [TrialValues(s.label, [finite(v) for v in s.values[:MOST]], s.role, s.shape) for s in series]
    known = [value for one in shown for value in one.values if value is not None]
    if not known:
        return None
    bottom = TOP + HEIGHT
    up = ValueAxis.around([*known, *(() if axes.bar is None else (axes.bar,))], bottom, TOP)
    left = EDGE + y_axis_width(up.axis.low, up.axis.high, is_log=up.axis.is_log) + 6
    num = max(len(one.values) for one in shown)
    along = Axis(0.5, num + 0.5, left, WIDTH - EDGE)
    counted = Axis(1.0, float(num), along(1), along(num)) if num > 1 else None
    shapes: list[Shape] = [] if counted is None else x_axis(counted, bottom, bottom, most=10, is_counted=True)
    shapes += [*axis_label(along, bottom, axes.x_label), *y_axis(up.axis, left, along.end_px)]
    shapes.append(Line(left, bottom, along.end_px, bottom, FRAME))
    if axes.bar is not None:
        at = up.axis(axes.bar)
        shapes.append(Line(left, at, along.end_px, at, Pen("ink", 1.4, (3, 2)), f"the bar: {number_text(axes.bar)}"))
    shapes += _joints(shown, along, up.axis) if axes.is_joined else []
    for one in shown:
        shapes += _marks(one, along, up.axis)
    more = f"the first {MOST} of {max(len(s.values) for s in series)}" if num == MOST else ""
    words = ", ".join(part for part in (axes.y_label, up.beyond_text, more) if part)
    shapes += [shortened(Text(EDGE, 16, words, size=11, role="quiet"), WIDTH - 2 * EDGE)] if words else []
    shapes += _keys(shown, left)
    return Drawing(WIDTH, bottom + 36, title, tuple(shapes), "; ".join(map(_sentence, shown)))


def _joints(shown: Sequence[TrialValues], along: Axis, up: Axis) -> list[Shape]:
    """The lines between the values of each trial."""
    shapes: list[Shape] = []
    for place, values in enumerate(zip(*(one.values for one in shown), strict=True), start=1):
        ends = [up(value) for value in values if value is not None]
        if len(ends) > 1:
            shapes.append(Line(along(place), min(ends), along(place), max(ends), Pen("quiet", 1.2)))
    return shapes


def _marks(one: TrialValues, along: Axis, up: Axis) -> list[Shape]:
    """The marks; a cross at the bottom for a trial without a number."""
    radius = 4.0 if len(one.values) <= 60 else 2.6
    shapes: list[Shape] = []
    for place, value in enumerate(one.values, start=1):
        if value is None:
            shapes.append(
                Mark(along(place), up.start_px, "cross", radius, "bad", tip=f"{one.label} {place}: no number")
            )
        else:
            tip = f"{one.label} {place}: {number_text(value)}"
            shapes.append(Mark(along(place), up(value), one.shape, radius, one.role, tip=tip))
    return shapes


def _keys(shown: Sequence[TrialValues], left: float) -> list[Shape]:
    """Which mark is whose."""
    shapes: list[Shape] = []
    x = left
    for one in shown:
        text = shortened(Text(x + 10, 34, plain(one.label), role=one.role), WIDTH / 2 - 30, is_name=True)
        shapes += [Mark(x, 30, one.shape, 4, one.role), text]
        x += 10 + text_width_px(text.text, 12) + GAP
    return [shape for shape in shapes if not isinstance(shape, Text) or shape.text]


def _sentence(one: TrialValues) -> str:
    known = [value for value in one.values if value is not None]
    without = len(one.values) - len(known)
    count = f"{len(known)} value{'s' if len(known) != 1 else ''}"
    span = f", {number_text(min(known))} to {number_text(max(known))}" if known else ""
    return f"{plain(one.label)}: {count}{span}" + (f", {without} without" if without else "")
