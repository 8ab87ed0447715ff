"""Variance decomposition: the share of each source as a bar with its interval, and all of them in one stacked bar.

Names stand beside the bars, so that no colour has to be looked up; the stacked bar has its sources in the same order.
A share that is not known says so and has no bar. What the shares leave open up to the whole stays empty.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cupel.report.axis import Axis
from cupel.report.drawing import SERIES, Drawing, Line, Pen, Rect, Role, Shape, Text
from cupel.report.plot_frame import EDGE, FRAME, WIDTH, axis_label, interval_bar, shortened, x_axis
from cupel.report.plot_scale import INFINITE, Ends, interval_ends, known
from cupel.report.text_width import text_width_px
from cupel.report.words import plain
from cupel.spec.errors import UsageError

ROW_PX, BAR_PX, GAP = 26.0, 15.0, 12.0
STACK_PX, TOP = 20.0, 10.0
LABEL_FRAC, NUMBERS_FRAC = 0.32, 0.3
TOO_MUCH = 1.005
"""Shares that together exceed the whole by more than rounding are no parts of it: no stacked bar."""


@dataclass(frozen=True)
class _Part:
    name: str
    share: float | None
    ends: Ends | None
    numbers: str
    role: Role

    @classmethod
    def of(cls, part: Mapping[str, Any], place: int) -> _Part:
        name, share, sd = plain(part.get("source")), known(part.get("share")), known(part.get("sd"))
        if share is not None and not 0 <= share <= TOO_MUCH:
            raise UsageError(f"The share of {name!r} is {share:g}; expected a part of the whole, from 0 to 1.")
        ends = interval_ends(part.get("interval"), name)
        return cls(name, share, ends, _numbers(share, ends, sd), SERIES[int(part.get("series", place)) % len(SERIES)])


def variance(
    parts: Sequence[Mapping[str, Any]],
    *,
    label: str = "share of the variance",
    title: str = "Where the variance comes from",
    is_whole: bool = True,
) -> Drawing:
    """Draw the shares of the sources of variation.

    Args:
        parts: each with `source`, `share` (0 to 1, None for unknown), and if wanted `sd` (in the metric's unit),
            `interval` (of the share) and `series` (number of its colour).
        label: below the axis.
        title: for those who do not see the figure.
        is_whole: whether the shares are parts of one whole; without, they are never stacked.

    Returns:
        A drawing with a row for each source, and above them the stacked bar where the shares are parts of one whole.

    Raises:
        UsageError: a share is not from 0 to 1, or an interval is the wrong way round.

    Example:
        >>> variance([{"source": "seed", "share": 0.7, "sd": 0.02}, {"source": "split", "share": 0.3}]).description
        'seed: 70 %, sd 0.02; split: 30 %'
    """
    read = [_Part.of(part, place) for place, part in enumerate(parts)]
    label_px = _column(["together", *(part.name for part in read)], LABEL_FRAC)
    numbers_px = _column([part.numbers for part in read], NUMBERS_FRAC)
    shown = [*(p.share or 0.0 for p in read), *(min(max(e, 0.0), 1.0) for p in read for e in p.ends or ())]
    total = sum(part.share or 0.0 for part in read)
    is_stacked = is_whole and 0 < total <= TOO_MUCH and len(read) > 1
    high = 1.0 if is_stacked else min(1.0, 1.1 * max(shown, default=1.0)) or 1.0
    x = Axis(0.0, high, EDGE + label_px + GAP, WIDTH - EDGE - numbers_px - GAP)
    first = TOP + (STACK_PX + GAP if is_stacked else 0.0)
    bottom = first + ROW_PX * len(read)
    shapes = _axis(x, bottom, label)
    if is_stacked:
        shapes += _stack(read, x, EDGE + label_px)
    for row, part in enumerate(read):
        y = first + ROW_PX * (row + 0.5)
        shapes += _bar(part, y, x)
        shapes.append(shortened(Text(EDGE + label_px, y + 4, part.name, "end"), label_px, is_name=True))
        shapes.append(shortened(Text(x.end_px + GAP, y + 4, part.numbers, role="quiet"), numbers_px))
    shapes = [shape for shape in shapes if not isinstance(shape, Text) or shape.text]
    sentence = "; ".join(f"{part.name}: {part.numbers}" for part in read)
    return Drawing(WIDTH, bottom + (36 if label else 22), title, tuple(shapes), sentence)


def _column(texts: Sequence[str], most_frac: float) -> float:
    return min(max((text_width_px(text, 12, is_bold=True) for text in texts), default=0.0) + 1, WIDTH * most_frac)


def _axis(x: Axis, bottom: float, label: str) -> list[Shape]:
    """Grid lines at round percentages and the line at 0."""
    percent = Axis(0.0, 100 * x.high, x.start_px, x.end_px)
    words = axis_label(percent, bottom, f"{label}, %" if label else "")
    return [*x_axis(percent, TOP - 4, bottom), *words, Line(x.start_px, TOP - 4, x.start_px, bottom, FRAME)]


def _stack(parts: Sequence[_Part], x: Axis, label_x: float) -> list[Shape]:
    """All sources in one bar with gaps of paper between; shares that have room are written in."""
    shapes: list[Shape] = [Text(label_x, TOP + 14, "together", "end", is_bold=True)]
    start = 0.0
    for part in parts:
        if not part.share:
            continue
        left, right = x(start), x(start + part.share)
        tip = f"{part.name}: {part.numbers}"
        shapes.append(Rect(left, TOP, max(0.5, right - left - 1.5), STACK_PX, part.role, tip=tip))
        text = _percent(part.share)
        if text_width_px(text, 11, is_bold=True) + 3 <= right - left:
            middle = (left + right - 1.5) / 2
            shapes.append(Text(middle, TOP + 14, text, "middle", 11, is_bold=True, role="paper", tip=tip))
        start += part.share
    return shapes


def _bar(part: _Part, y: float, x: Axis) -> list[Shape]:
    """The bar from 0 and the interval over it."""
    tip = f"{part.name}: {part.numbers}"
    shapes: list[Shape] = []
    if part.share is not None:
        width = max(1.0, x(part.share) - x.start_px)
        shapes.append(Rect(x.start_px, y - BAR_PX / 2, width, BAR_PX, part.role, 0.75, tip))
    return [*shapes, *interval_bar(x, part.ends, y, Pen("ink", 1.4))]


def _numbers(share: float | None, ends: Ends | None, sd: float | None) -> str:
    """`62 % [41, 80], sd 0.012`."""
    point = "share not known" if share is None else _percent(share)
    interval = "" if ends is None else f" [{', '.join(_percent(end).removesuffix(' %') for end in ends)}]"
    return f"{point}{interval}" + ("" if sd is None else f", sd {sd:.3g}")


def _percent(share: float) -> str:
    """`62 %`; below one percent a digit more, so that little is not written as nothing."""
    if math.isinf(share):
        return INFINITE[share > 0]
    size = abs(100 * share)
    return f"{100 * share:.{0 if size >= 0.95 or size == 0 else 1}f} %"
