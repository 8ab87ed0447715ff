"""Learning curves: a line for each trial, coloured by how good it became, the best on top.

Of many trials the best are drawn and some of the others, evenly by rank; of long lines the extremes of each part. A
line breaks where a value is no number, and ends in a cross where none follows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from cupel.report.axis import Axis
from cupel.report.drawing import Drawing, Line, Mark, Marks, Path, Pen, Point, Role, Shape, Text
from cupel.report.plot_frame import EDGE, FRAME, WIDTH, axis_label, shortened, x_axis, y_axis, y_axis_width
from cupel.report.plot_scale import known
from cupel.report.text_width import text_width_px
from cupel.report.value_axis import ValueAxis, grade, grade_key
from cupel.report.words import num, plain

HEIGHT, TOP = 330.0, 28.0
MOST_LINES, MOST_BEST = 160, 60
MOST_POINTS, LEAST_POINTS, ALL_POINTS = 120, 12, 9000
LOG_FROM = 50.0
"""Ratio of the last to the first step from which equal ratios are equal distances."""
BEST: Role = "c1"
Run = list[tuple[float, float]]


@dataclass(frozen=True)
class _Curve:
    """A trial: its line in parts without a break, and whether a value that is no number ends it."""

    name: str
    runs: tuple[Run, ...]
    rank: float | None
    is_best: bool
    ends_badly: bool

    @classmethod
    def of(cls, curve: Mapping[str, Any]) -> _Curve:
        runs: list[Run] = [[]]
        ends_badly = False
        for step, value in zip(curve["x"], curve["y"], strict=True):
            x, y = known(step), known(value)
            ends_badly = y is None
            if x is None or y is None or (runs[-1] and x <= runs[-1][-1][0]):
                runs.append([])  # no number, or the script began again
            if x is not None and y is not None:
                runs[-1].append((x, y))
        kept = tuple(run for run in runs if run)
        return cls(plain(curve["label"]), kept, known(curve.get("rank")), bool(curve.get("is_best")), ends_badly)


def learning_curves(
    curves: Sequence[Mapping[str, Any]],
    *,
    x_label: str = "",
    y_label: str = "",
    title: str = "Learning curves",
) -> Drawing | None:
    """Draw the learning curves of trials.

    Args:
        curves: the best trials first, each with `label`, `x` (steps) and `y` (values; None or NaN for no number), and
            if wanted `rank` (0 the best to 1 the worst; None for unknown) and `is_best`.
        x_label: below the axis.
        y_label: above the figure.
        title: for those who do not see the figure.

    Returns:
        A drawing; None where no trial has two values, so that there is no curve.

    Example:
        >>> learning_curves([{"label": "trial 0", "x": [1, 2, 3], "y": [0.9, 0.5, 0.4], "is_best": True}]).description
        'trial 0: 0.4 at 3'
    """
    read = [_Curve.of(curve) for curve in curves]
    read = [curve for curve in read if curve.runs]
    if not any(len(run) > 1 for curve in read for run in curve.runs):
        return None
    shown = _chosen(read)
    most = max(LEAST_POINTS, min(MOST_POINTS, ALL_POINTS // len(shown)))
    points = [point for curve in shown for run in curve.runs for point in run]
    value = ValueAxis.around([y for _, y in points], TOP + HEIGHT, TOP)
    best = next((curve for curve in shown if curve.is_best), None)
    name_px = 0.0 if best is None else text_width_px(best.name, 12) + 10
    y = value.axis
    left = EDGE + y_axis_width(y.low, y.high, is_log=y.is_log)
    x = _step_axis([step for step, _ in points], left, WIDTH - EDGE - name_px)
    shapes: list[Shape] = [*x_axis(x, TOP, TOP + HEIGHT), *y_axis(y, x.start_px, x.end_px)]
    shapes.append(Line(x.start_px, TOP + HEIGHT, x.end_px, TOP + HEIGHT, FRAME))
    for curve in reversed(shown):
        shapes += _drawn(curve, x, y, most)
    if best is not None:
        end = best.runs[-1][-1]
        shapes.append(Text(x.end_px + 8, min(y(end[1]) + 4, TOP + HEIGHT), best.name, role=BEST, is_bold=True))
    drawn = num(len(shown), "trial") if len(shown) == len(read) else f"{len(shown)} of {len(read)} trials"
    label = ", ".join(part for part in (y_label, drawn, value.beyond_text) if part)
    shapes += [shortened(Text(EDGE, 14, label, size=11, role="quiet"), WIDTH - 190), *grade_key(WIDTH - EDGE, 14)]
    shapes += axis_label(x, TOP + HEIGHT, x_label)
    said = [f"{curve.name}: {curve.runs[-1][-1][1]:.4g} at {curve.runs[-1][-1][0]:.4g}" for curve in shown[:1]]
    return Drawing(WIDTH, TOP + HEIGHT + (36 if x_label else 22), title, tuple(shapes), "; ".join(said))


def _chosen(curves: Sequence[_Curve]) -> list[_Curve]:
    """The best, and of the others as many as there is room for, evenly."""
    if len(curves) <= MOST_LINES:
        return list(curves)
    others, room = curves[MOST_BEST:], MOST_LINES - MOST_BEST
    return [*curves[:MOST_BEST], *(others[k * len(others) // room] for k in range(room))]


def _step_axis(steps: Sequence[float], start_px: float, end_px: float) -> Axis:
    low, high = min(steps), max(steps)
    if low == high:
        low, high = low - 1, high + 1
    return Axis(low, high, start_px, end_px, is_log=low > 0 and high / low >= LOG_FROM)


def _drawn(curve: _Curve, x: Axis, y: Axis, most: int) -> Iterator[Shape]:
    """The line of a trial, dots where a part of it is one value, a cross where it ends without a number."""
    role = BEST if curve.is_best else grade(curve.rank)
    pen = Pen(role, 2.6 if curve.is_best else 1.0)
    each = max(2, most // len(curve.runs))
    runs: list[list[Point]] = [[(x(s), y(v)) for s, v in thinned(run, each)] for run in curve.runs]
    for run in runs:
        if len(run) > 1:
            yield Path(tuple(run), pen, tip=curve.name)
    lonely = tuple(run[0] for run in runs if len(run) == 1)
    if lonely:
        yield Marks(lonely, radius=3.4 if curve.is_best else 2.0, role=role, tip=curve.name)
    if curve.ends_badly:
        at = runs[-1][-1]
        yield Mark(at[0], at[1], "cross", 4.0, "bad", tip=f"{curve.name}: no number after this")


def thinned(run: Sequence[tuple[float, float]], most: int) -> list[tuple[float, float]]:
    """At most about so many points of a line: its ends, and of each part between them the least and the largest.

    Example:
        >>> thinned([(0, 0), (1, 5), (2, 1), (3, 1), (4, 9), (5, 2)], 4)
        [(0, 0), (2, 1), (4, 9), (5, 2)]
    """
    if len(run) <= most:
        return list(run)
    num_parts = max(1, (most - 2) // 2)
    inside = run[1:-1]
    places = [k * len(inside) // num_parts for k in range(num_parts + 1)]
    found = [run[0]]
    for start, end in pairwise(places):
        part = range(start, end)
        ends = {min(part, key=lambda k: inside[k][1]), max(part, key=lambda k: inside[k][1])} if part else set()
        found += [inside[k] for k in sorted(ends)]
    return [*found, run[-1]]
