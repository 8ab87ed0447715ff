"""Parallel coordinates: an axis for each hyperparameter and one for the value, a line for each trial.

Every axis has its own scale, choices included; where many trials have one choice, they lie side by side in it by rank.
A parameter that has no part in a trial is passed below its axis. Lines are coloured by the rank of the value, the worst
first and the best on top; of many trials the best are drawn and some of the others, evenly by rank.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cupel.report.axis import Axis
from cupel.report.drawing import Drawing, Line, Mark, Path, Pen, Point, Rect, Role, Shape, Text
from cupel.report.plot_frame import EDGE, WIDTH, shortened
from cupel.report.plot_scale import labelled_ticks
from cupel.report.text_width import fitted, text_width_px
from cupel.report.value_axis import ValueAxis, grade, grade_key
from cupel.report.words import finite, plain

HEIGHT, TOP, BELOW = 300.0, 52.0, 26.0
LEAST_GAP_PX, LEFT, RIGHT = 96.0, 64.0, 58.0
TICK_PX = 58.0
MOST_LINES, MOST_BEST = 300, 100
CELL_FRAC = 0.7
"""How much of a choice's place on its axis its trials fill."""
BEST: Role = "c1"


@dataclass(frozen=True)
class _Scale:
    """An axis: its name, its ticks, and where values lie."""

    name: str
    ticks: tuple[tuple[float, str], ...]
    axis: Axis | None
    choices: tuple[str, ...] = ()

    @classmethod
    def of(cls, axis: Mapping[str, Any]) -> _Scale:
        name = plain(axis["name"])
        if "choices" in axis:
            words = tuple(plain(word) for word in axis["choices"])
            ticks = tuple((_middle(k, len(words)), word) for k, word in enumerate(words))
            return cls(name, ticks, None, words)
        place = Axis(axis["low"], axis["high"], TOP + HEIGHT, TOP, bool(axis.get("is_log")))
        return cls(name, tuple((place(value), text) for value, text in labelled_ticks(place, 6)), place)

    def place(self, value: object, rank: float) -> float | None:
        """Where a value lies up the axis; None for one that it does not have."""
        if self.axis is None:
            word = plain(value)
            if value is None or word not in self.choices:
                return None
            cell = CELL_FRAC * HEIGHT / len(self.choices)
            return _middle(self.choices.index(word), len(self.choices)) + cell * (rank - 0.5)
        number = finite(value)
        return None if number is None else self.axis(number)


def _middle(place: int, num: int) -> float:
    """Height of a choice: the first at the top."""
    return TOP + HEIGHT * (place + 0.5) / num


def parallel_coordinates(
    axes: Sequence[Mapping[str, Any]],
    lines: Sequence[Mapping[str, Any]],
    *,
    value_name: str = "value",
    title: str = "Parallel coordinates",
) -> Drawing | None:
    """Draw configurations with their values.

    Args:
        axes: of the parameters in order, each with `name` and either `choices` or `low`, `high` and if wanted
            `is_log`.
        lines: trials with the best value first, each with `label`, `parameters` (name to value; one that has no part
            is absent) and `value` (finite), and if wanted `is_best`.
        value_name: of the last axis.
        title: for those who do not see the figure.

    Returns:
        A drawing, wider with many parameters; None without a line.

    Example:
        >>> axis, line = {"name": "x", "low": 0.0, "high": 1.0}, {"label": "0", "parameters": {"x": 0.5}, "value": 2.0}
        >>> parallel_coordinates([axis], [line]).width_px
        720.0
    """
    if not lines:
        return None
    value = ValueAxis.around([line["value"] for line in lines], TOP + HEIGHT, TOP)
    scales = [_Scale.of(axis) for axis in axes]
    last = _Scale(plain(value_name), tuple((value.axis(v), t) for v, t in labelled_ticks(value.axis, 6)), value.axis)
    gap = max(LEAST_GAP_PX, (WIDTH - LEFT - RIGHT) / len(scales))
    width = LEFT + gap * len(scales) + RIGHT
    xs = [LEFT + gap * k for k in range(len(scales) + 1)]
    ranked = [(k / max(1, len(lines) - 1), line) for k, line in enumerate(lines)]
    shown = _chosen(ranked)
    is_partial = [any(scale.name not in _names(line) for _, line in shown) for scale in scales]
    shapes: list[Shape] = [Line(x, TOP, x, TOP + HEIGHT, Pen("quiet", 1.0)) for x in xs]
    best = next((pair for pair in shown if pair[1].get("is_best")), None)
    for rank, line in reversed(shown):
        if best is None or line is not best[1]:
            shapes.append(_line(line, _points(line, rank, [*scales, last], xs), Pen(grade(rank), 0.9)))
    if best is not None:
        points = _points(best[1], best[0], [*scales, last], xs)
        shapes.append(_line(best[1], points, Pen(BEST, 2.6)))
        shapes += [Mark(x, y, "circle", 3.6, BEST) for x, y in points]
    for x, scale, has_gap in zip(xs, [*scales, last], [*is_partial, False], strict=True):
        shapes += _labels(scale, x, gap, has_gap=has_gap)
    drawn = f"{len(lines)} trials" if len(shown) == len(lines) else f"{len(shown)} of {len(lines)} trials"
    words = ", ".join(part for part in (drawn, value.beyond_text) if part)
    shapes += [Text(EDGE, 14, words, size=11, role="quiet"), *grade_key(width - EDGE, 14)]
    height = TOP + HEIGHT + BELOW + 14 if any(is_partial) else TOP + HEIGHT + 10
    top = lines[0]
    return Drawing(width, height, title, tuple(shapes), f"{plain(top['label'])}: {top['value']:.5g}")


def _names(line: Mapping[str, Any]) -> set[str]:
    return {plain(name) for name in line["parameters"]}


def _chosen(ranked: Sequence[tuple[float, Mapping[str, Any]]]) -> list[tuple[float, Mapping[str, Any]]]:
    """The best, the one that is marked, and of the others as many as there is room for, evenly."""
    if len(ranked) <= MOST_LINES:
        return list(ranked)
    others, room = ranked[MOST_BEST:], MOST_LINES - MOST_BEST
    some = {k * len(others) // room for k in range(room)}
    return [*ranked[:MOST_BEST], *(p for k, p in enumerate(others) if k in some or p[1].get("is_best"))]


def _points(line: Mapping[str, Any], rank: float, scales: Sequence[_Scale], xs: Sequence[float]) -> list[Point]:
    """Where a trial crosses each axis."""
    values = {plain(name): value for name, value in line["parameters"].items()}
    own = [*(values.get(scale.name) for scale in scales[:-1]), line["value"]]
    places = [scale.place(value, rank) for scale, value in zip(scales, own, strict=True)]
    return [(x, TOP + HEIGHT + BELOW if y is None else y) for x, y in zip(xs, places, strict=True)]


def _line(line: Mapping[str, Any], points: Sequence[Point], pen: Pen) -> Path:
    return Path(tuple(points), pen, tip=plain(line["label"]))


def _labels(scale: _Scale, x: float, gap: float, *, has_gap: bool) -> Iterator[Shape]:
    """Name and ticks of an axis on a ground that keeps them readable over the lines."""
    name = Text(x, TOP - 12, scale.name, "middle", 11, is_bold=True)
    yield shortened(name, min(gap, 2 * (x - EDGE)) - 6, is_name=True)
    room = min(TICK_PX, gap - 20)
    ticks = [*scale.ticks, *([(TOP + HEIGHT + BELOW, "no part")] if has_gap else [])]
    least_px = 11.0
    before = -math.inf
    for y, text in sorted(ticks):
        if y - before < least_px:
            continue
        before = y
        short = fitted(text, room, 10, keeps_end=True)
        width = text_width_px(short, 10)
        yield Rect(x - 8 - width, y - 6.5, width + 4, 13, "paper", 0.8)
        yield Line(x - 3, y, x, y, Pen("quiet"))
        yield Text(x - 6, y + 3.5, short, "end", 10, role="ink", tip=text if short != text else "")
