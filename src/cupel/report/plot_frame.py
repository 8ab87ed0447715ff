"""Parts that the figures share: axes with grid lines, intervals, looks of series, labels kept apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cupel.report.axis import Axis
from cupel.report.drawing import SERIES, Line, Mark, MarkShape, Path, Pen, Role, Shape, Text
from cupel.report.plot_scale import Ends, labelled_ticks, ticks_of
from cupel.report.text_width import fitted, text_width_px
from cupel.report.words import plain

WIDTH = 720.0
EDGE = 6.0
"""Nothing is drawn nearer to the figure's edge."""
DASHES: tuple[tuple[float, ...], ...] = ((), (7, 3), (2, 2.5), (9, 3, 2, 3), (4, 2))
MARKS: tuple[MarkShape, ...] = ("circle", "square", "up", "diamond", "down", "cross", "plus")
GRID, FRAME = Pen("grid"), Pen("quiet")


@dataclass(frozen=True)
class Look:
    """Colour, dashes and mark of a series: no two of 280 are alike, and the first eight differ without colour too."""

    role: Role
    dash: tuple[float, ...]
    mark: MarkShape

    @classmethod
    def of(cls, series: int) -> Look:
        """The look of the series with this number, from 0."""
        return cls(SERIES[series % 8], DASHES[series % 5], MARKS[series % 7])

    def pen(self, width_px: float = 1.6) -> Pen:
        """The pen of its line."""
        return Pen(self.role, width_px, self.dash)


def x_axis(axis: Axis, top: float, bottom: float, *, most: int = 7, is_counted: bool = False) -> list[Shape]:
    """Grid lines from top to bottom and their numbers below, whole ones where something is counted."""
    shapes: list[Shape] = []
    for value, text in ticks_of(axis, most, is_counted=is_counted):
        shapes.append(Line(axis(value), top, axis(value), bottom, GRID))
        shapes.append(Text(axis(value), bottom + 15, text, "middle", 11, role="quiet"))
    return shapes


def axis_label(axis: Axis, bottom: float, label: str, width_px: float = WIDTH) -> list[Shape]:
    """What lies along, below the numbers; as wide as the figure allows in the middle of the axis."""
    middle = (axis.start_px + axis.end_px) / 2
    text = Text(middle, bottom + 30, label, "middle", 11, role="quiet")
    return [shortened(text, 2 * (min(middle, width_px - middle) - EDGE))] if label else []


def y_axis(axis: Axis, left: float, right: float, *, most: int = 5) -> list[Shape]:
    """Grid lines from left to right with their numbers at the left."""
    shapes: list[Shape] = []
    for value, text in labelled_ticks(axis, most):
        shapes.append(Line(left, axis(value), right, axis(value), GRID))
        shapes.append(Text(left - 6, axis(value) + 4, text, "end", 11, role="quiet"))
    return shapes


def y_axis_width(low: float, high: float, *, is_log: bool = False, most: int = 5) -> float:
    """Room that the numbers of a vertical axis need at its left."""
    texts = [text for _, text in labelled_ticks(Axis(low, high, 1, 0, is_log), most)]
    return max((text_width_px(text, 11) for text in texts), default=0.0) + 6


def interval_bar(axis: Axis, ends: Ends | None, y: float, pen: Pen, *, reach: float = 4.0) -> list[Shape]:
    """A horizontal bar from end to end; an end outside the axis, or infinite, is an arrow head."""
    if ends is None:
        return []
    places = [axis(min(max(end, axis.low), axis.high)) for end in ends]
    shapes: list[Shape] = [Line(places[0], y, places[1], y, pen)]
    outside = (ends[0] < axis.low, ends[1] > axis.high)
    grows = 1.0 if axis.end_px > axis.start_px else -1.0
    for place, is_out, way in zip(places, outside, (-grows, grows), strict=True):
        if is_out:
            tail = place - way * 1.6 * reach
            points = ((place, y), (tail, y - reach), (tail, y + reach))
            shapes.append(Path(points, None, pen.role, is_closed=True))
    return shapes


def key(look: Look, x: float, y: float, *, width: float = 22.0) -> list[Shape]:
    """The sample of a series in a legend: a piece of its line with its mark."""
    line = Line(x, y, x + width, y, look.pen())
    return [line, Mark(x + width / 2, y, look.mark, 3.6, look.role)]


def shortened(text: Text, limit_px: float, *, is_name: bool = False) -> Text:
    """The text, or parts of it where it is wider than the limit; its tip then has the whole.

    Args:
        text: what to write.
        limit_px: room that there is.
        is_name: whether the end of the text matters as much as its beginning.
    """
    short = fitted(text.text, limit_px, text.size, is_bold=text.is_bold, keeps_end=is_name)
    whole = plain(text.text)
    return replace(text, text=short, tip=text.tip or (whole if short != whole else ""))


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places as near as possible to those that are wanted, in the same order, at least a gap apart.

    Args:
        places: wanted places, in any order.
        gap: least distance of two.
        low: nothing lies below; the places must have room between low and high.
        high: nothing lies above.

    Returns:
        A place for each, with the least sum of squared shifts (neighbours that are too near are moved as one).

    Example:
        >>> spread([10.0, 11.0, 40.0], 10, 0, 100)
        [5.5, 15.5, 40.0]
    """
    order = sorted(range(len(places)), key=lambda k: places[k])
    blocks: list[tuple[float, int]] = []
    for rank, k in enumerate(order):
        middle, size = places[k] - rank * gap, 1
        while blocks and blocks[-1][0] >= middle:
            before, num = blocks.pop()
            middle, size = (before * num + middle * size) / (num + size), size + num
        blocks.append((middle, size))
    starts = [middle for middle, size in blocks for _ in range(size)]
    top = max(low, high - (len(places) - 1) * gap)
    found = [0.0] * len(places)
    for rank, k in enumerate(order):
        found[k] = min(max(starts[rank], low), top) + rank * gap
    return found
