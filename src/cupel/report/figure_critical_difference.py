"""Critical-difference diagram: methods along an axis of mean ranks or means, bars joining what is not separated.

A method's leader line ends at its place on the axis. A bar joins methods that no test has told apart; where the
methods of a group are not neighbours, the bar is thin beside those that do not belong to it and has a dot at each
that does. Groups inside another group have no bar of their own.

Source: Demšar (2006), Journal of Machine Learning Research 7, 1-30, section 3.2.2 (the diagram).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from cupel.report.axis import Axis
from cupel.report.drawing import Drawing, Line, Mark, Path, Pen, Shape, Text
from cupel.report.plot_frame import EDGE, WIDTH, shortened
from cupel.report.plot_scale import known, number_text, range_around, ticks_of
from cupel.report.text_width import text_width_px
from cupel.report.words import plain
from cupel.spec.errors import UnknownNameError, UsageError

ROW_PX, LEVEL_PX, LEADER_PX = 20.0, 8.0, 12.0
BAR, LEADER = Pen("ink", 4.5), Pen("quiet", 1.0)
OVERHANG = 3.0
LABEL_FRAC = 0.28


@dataclass(frozen=True)
class PositionAxis:
    """What lies along a critical-difference diagram.

    Args:
        label: of the axis, with the unit.
        better: which values are best.
        best: at which end of the axis the best methods stand.
        is_rank: whether positions are mean ranks, whose axis goes from 1 to the number of methods.
    """

    label: str = "mean rank"
    better: Literal["lower", "higher"] = "lower"
    best: Literal["left", "right"] = "left"
    is_rank: bool = True


@dataclass(frozen=True)
class _Method:
    name: str
    value: float
    number: str


@dataclass(frozen=True)
class _Scale:
    """The axis between two columns of names: the left one ends at `left_px`, the right one starts at `right_px`."""

    x: Axis
    left_px: float
    right_px: float

    def __call__(self, method: _Method) -> float:
        return self.x(method.value)


def critical_difference(
    positions: Mapping[str, float | None],
    groups: Sequence[Collection[str]],
    *,
    axis: PositionAxis | None = None,
    distance: tuple[float, str] | None = None,
    title: str = "Critical-difference diagram",
) -> Drawing:
    """Draw methods along an axis with bars over those that are not separated.

    Args:
        positions: mean rank or estimated mean of each method; None for one without, which is named below.
        groups: names that are not separated from each other; groups may overlap.
        axis: what lies along it; by default mean ranks, the best at the left.
        distance: a length on the axis with its caption (`CD = 0.92 (Nemenyi, α = 0.05)`) to draw as a bracket.
        title: for those who do not see the figure.

    Returns:
        A drawing with half of the labels at each side, made for 1 to 30 methods.

    Raises:
        UsageError: no method has a position, a mean rank cannot be one, or a distance is not above 0.
        UnknownNameError: a group has a name without a position.

    Example:
        >>> critical_difference({"A": 1.4, "B": 1.6, "C": 3.0}, [["A", "B"]]).width_px
        720.0
    """
    look = axis or PositionAxis()
    placed = {name: value for name, raw in positions.items() if (value := known(raw)) is not None}
    _check(positions, groups, distance)
    if look.is_rank:
        _check_ranks(placed, len(positions))
    methods = _methods(placed, look)
    half = math.ceil(len(methods) / 2)
    scale = _scale(methods, look, len(positions))
    bars = _levels([set(group) & set(placed) for group in groups], methods, scale)
    shapes, top = _bracket(distance, scale.x)
    axis_y = top + 46
    rows_y = axis_y + 26 + LEVEL_PX * (max((level for level, _ in bars), default=-1) + 1)
    shapes += _axis(scale.x, look, axis_y)
    for members, is_left in ((methods[:half], True), (methods[half:][::-1], False)):
        for row, method in enumerate(members):
            shapes += _label(method, scale, (axis_y, rows_y + ROW_PX * row), is_left=is_left)
    for level, group in bars:
        shapes += _bar(group, methods, scale, axis_y + 12 + LEVEL_PX * level)
    missing = [plain(name) for name in positions if name not in placed]
    bottom = rows_y + ROW_PX * (half - 1) + 10
    if missing:
        note = f"without a position: {', '.join(missing)}"
        shapes.append(shortened(Text(EDGE, bottom + 16, note, role="quiet"), WIDTH - 2 * EDGE))
    height = bottom + (22 if missing else 0)
    return Drawing(WIDTH, height, title, tuple(shapes), _sentence(methods, bars, missing))


def _check(
    positions: Mapping[str, float | None], groups: Sequence[Collection[str]], distance: tuple[float, str] | None
) -> None:
    if all(known(value) is None for value in positions.values()):
        raise UsageError(f"None of the {len(positions)} methods has a position; expected at least one number.")
    for name in (name for group in groups for name in group):
        if name not in positions:
            raise UnknownNameError("method with a position", name, positions)
    if distance is not None and not (known(distance[0]) or 0) > 0:
        raise UsageError(f"The distance to draw is {distance[0]}; expected a length above 0, or None for no bracket.")


def _check_ranks(placed: Mapping[str, float], num: int) -> None:
    for name, value in placed.items():
        if not 1 - 1e-9 <= value <= num + 1e-9:
            raise UsageError(
                f"The mean rank of {plain(name)!r} among {num} methods is {value:g}; expected 1 to {num}. For means "
                "use an axis with is_rank=False."
            )


def _methods(placed: Mapping[str, float], look: PositionAxis) -> list[_Method]:
    """The methods from left to right, each with its number: hundredths of a rank, or of the distance of the means."""
    distance = max(placed.values()) - min(placed.values())
    step = 0.01 if look.is_rank else 10.0 ** math.floor(math.log10(distance / 100)) if distance > 0 else None
    methods = [_Method(name, value, number_text(value, step)) for name, value in placed.items()]
    return sorted(methods, key=lambda method: method.value, reverse=not _is_forward(look))


def _is_forward(look: PositionAxis) -> bool:
    """Whether values grow from left to right."""
    return (look.better == "lower") == (look.best == "left")


def _scale(methods: Sequence[_Method], look: PositionAxis, num_ranks: int) -> _Scale:
    """The axis in the room that the names leave; it points left where the larger values stand there."""
    half = math.ceil(len(methods) / 2)
    left = EDGE + _column(methods[:half])
    right = WIDTH - EDGE - _column(methods[half:])
    values = [method.value for method in methods]
    low, high = (1.0, float(max(2, num_ranks))) if look.is_rank else range_around([(v, None) for v in values])
    ends = (left + LEADER_PX, right - LEADER_PX)
    x = Axis(low, high, *(ends if _is_forward(look) else ends[::-1]))
    return _Scale(x, left, right)


def _column(methods: Sequence[_Method]) -> float:
    """Room for names with their numbers."""
    widths = [text_width_px(m.name, 12) + text_width_px(m.number, 12) + 12 for m in methods]
    return min(max(widths, default=0.0), WIDTH * LABEL_FRAC)


def _levels(
    groups: Sequence[set[str]], methods: Sequence[_Method], scale: _Scale
) -> list[tuple[int, list[_Method]]]:  # fmt: skip
    """Groups of two or more that lie in no other, each with its height below the axis: bars never touch."""
    largest = [g for k, g in enumerate(groups) if len(g) > 1 and not _is_inside(g, k, groups)]
    bars = [[method for method in methods if method.name in group] for group in largest]
    bars.sort(key=lambda group: (scale(group[0]), scale(group[-1])))
    free_from: list[float] = []
    found: list[tuple[int, list[_Method]]] = []
    for group in bars:
        start, end = scale(group[0]) - OVERHANG, scale(group[-1]) + OVERHANG
        level = next((k for k, free in enumerate(free_from) if free + 4 <= start), len(free_from))
        free_from[level : level + 1] = [end]
        found.append((level, group))
    return found


def _is_inside(group: set[str], place: int, groups: Sequence[set[str]]) -> bool:
    """Whether the group lies in a larger one, or is a repetition of an earlier one."""
    return any(group < other or (group == other and k < place) for k, other in enumerate(groups))


def _axis(x: Axis, look: PositionAxis, y: float) -> list[Shape]:
    """The line with its ticks, the label above and which end is best."""
    left, right = sorted((x.start_px, x.end_px))
    shapes: list[Shape] = [Line(left, y, right, y, Pen("ink"))]
    for value, text in ticks_of(x, min(12, max(2, round(x.high - x.low))) if look.is_rank else 7):
        shapes.append(Line(x(value), y - 5, x(value), y, Pen("ink")))
        shapes.append(Text(x(value), y - 9, text, "middle", 11, role="quiet"))
    is_left = look.best == "left"
    caption = "◂ better" if is_left else "better ▸"
    better = Text(left if is_left else right, y - 28, caption, "start" if is_left else "end", 11, role="quiet")
    room = right - left - 2 * text_width_px(caption, 11) - 24
    label = shortened(Text((left + right) / 2, y - 28, look.label, "middle", 11, role="quiet"), room)
    return [*shapes, better, label] if label.text else [*shapes, better]


def _label(method: _Method, scale: _Scale, ys: tuple[float, float], *, is_left: bool) -> list[Shape]:
    """The leader from the axis down and out, the number at its end and then the name."""
    (axis_y, y), x = ys, scale(method)
    end, out = (scale.left_px, -1.0) if is_left else (scale.right_px, 1.0)
    anchor: Literal["start", "end"] = "end" if is_left else "start"
    room = (end if is_left else WIDTH - end) - EDGE
    number_px = text_width_px(method.number, 12) + 6
    tip = f"{plain(method.name)}: {method.number}"
    number = Text(end + 5 * out, y + 4, method.number, anchor, role="quiet", tip=tip)
    name = Text(end + (5 + number_px) * out, y + 4, method.name, anchor, tip=tip)
    leader = Path(((x, axis_y), (x, y), (end, y)), LEADER)
    return [leader, number, shortened(name, room - number_px - 5, is_name=True)]


def _bar(group: Sequence[_Method], methods: Sequence[_Method], scale: _Scale, y: float) -> list[Shape]:
    """Thick where neighbours belong together, thin beside a method that does not belong to the group."""
    names = {method.name for method in group}
    tip = "not separated: " + ", ".join(plain(method.name) for method in group)
    first, last = methods.index(group[0]), methods.index(group[-1])
    inside = methods[first : last + 1]
    start, end = scale(group[0]) - OVERHANG, scale(group[-1]) + OVERHANG
    if len(inside) == len(group):
        return [Line(start, y, end, y, BAR, tip)]
    shapes: list[Shape] = [Line(start, y, end, y, Pen("ink", 1.2), tip)]
    pairs = [(a, b) for a, b in pairwise(inside) if a.name in names and b.name in names]
    shapes += [Line(scale(a), y, scale(b), y, BAR, tip) for a, b in pairs]
    return [*shapes, *(Mark(scale(method), y, "circle", 3.2, tip=tip) for method in group)]


def _bracket(distance: tuple[float, str] | None, x: Axis) -> tuple[list[Shape], float]:
    """The critical difference as a length on the axis, and where what is below may begin."""
    if distance is None:
        return [], 0.0
    left, right = sorted((x.start_px, x.end_px))
    length = distance[0] / (x.high - x.low) * (right - left)
    is_long = length > right - left
    caption = plain(distance[1]) + (" (longer than the axis)" if is_long else "")
    end = right if is_long else left + length
    is_beside = text_width_px(caption, 11) <= WIDTH - EDGE - end - 10
    y = 14.0 if is_beside else 28.0
    shapes: list[Shape] = [Line(left, y, end, y, Pen("ink", 1.6, (6, 3) if is_long else ()))]
    shapes += [Line(place, y - 4, place, y + 4, Pen("ink", 1.6)) for place in ((left,) if is_long else (left, end))]
    if is_beside:
        return [*shapes, Text(end + 10, y + 4, caption, size=11, role="quiet")], y + 14
    words = shortened(Text(left, 14, caption, size=11, role="quiet"), WIDTH - EDGE - left)
    return [*shapes, words], y + 14


def _sentence(methods: Sequence[_Method], bars: Sequence[tuple[int, list[_Method]]], missing: Sequence[str]) -> str:
    """All positions from left to right, then the groups."""
    parts = [", ".join(f"{plain(method.name)} {method.number}" for method in methods)]
    parts += ["not separated: " + ", ".join(plain(method.name) for method in group) for _, group in bars]
    parts += [f"without a position: {', '.join(missing)}"] if missing else []
    return "; ".join(parts)
