"""Curves over the budget, with the windows in which one method is ahead of the other.

The windows stand above the curves, one row for each name, and lightly in the figure below them. The line of no effect
and the strip of practical equivalence belong to curves of differences.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cupel.report.curve_plot import KEY_PX, LEADER_PX, Curve, CurveAxes, CurveFrame, curve_sentence
from cupel.report.drawing import SERIES, Drawing, Line, Pen, Rect, Role, Shape, Text
from cupel.report.plot_frame import WIDTH, shortened
from cupel.report.plot_scale import HUGE, known, number_text
from cupel.report.words import plain
from cupel.spec.errors import UsageError

ROW_PX, BAR_PX, LEAST_PX = 18.0, 10.0, 3.0
Window = tuple[float, float]


def budget_curve(
    curves: Sequence[Mapping[str, Any]],
    *,
    windows: Sequence[Mapping[str, Any]] = (),
    axes: CurveAxes | None = None,
    title: str = "Difference over the budget",
) -> Drawing:
    """Draw curves over the budget with bands and windows.

    Args:
        curves: each with `label`, `x` (the budgets, ascending), `y` (lists; None for unknown), and if wanted `low` and
            `high` (ends of the band) and `series` (number of its look).
        windows: each with `label` (who is ahead), `start` and `end` (budgets; None for beyond the axis), and if wanted
            `series` (the look of who is ahead).
        axes: what lies along and up; by default a logarithmic budget and a line at 0.
        title: for those who do not see the figure.

    Returns:
        A drawing with a row above the curves for each label of a window.

    Raises:
        UsageError: lists of a curve differ in length, its x do not ascend, or a window ends before it starts.

    Example:
        >>> curve = {"label": "A − B", "x": [1, 10], "y": [0.1, 0.3], "low": [-0.1, 0.2], "high": [0.3, 0.4]}
        >>> budget_curve([curve], windows=[{"label": "A ahead", "start": 3, "end": 10}]).width_px
        720.0
    """
    look = axes or CurveAxes(is_log_x=True, no_effect=0.0)
    read = [Curve.of(curve, place, is_log_x=look.is_log_x) for place, curve in enumerate(curves)]
    rows = _rows(windows, len(read))
    top = (26.0 if look.y_label else 10.0) + ROW_PX * len(rows) + (4 if rows else 0)
    frame = CurveFrame.around(read, look, top, list(rows))
    behind: list[Shape] = []
    above: list[Shape] = []
    for row, (name, (role, spans)) in enumerate(rows.items()):
        y = top - 4 - ROW_PX * (len(rows) - row - 0.5)
        behind += [_shade(frame, span, role) for span in spans if _is_on(frame, span)]
        above += _row(frame, y, name, role, spans)
    shapes = (*behind, *frame.ground(), *frame.curves(read), *frame.names(read), *above)
    return Drawing(WIDTH, frame.bottom, title, shapes, "; ".join((*map(curve_sentence, read), *_sentences(rows))))


def _rows(windows: Sequence[Mapping[str, Any]], num_curves: int) -> dict[str, tuple[Role, list[Window]]]:
    """The windows of each label, in the order in which the labels come."""
    rows: dict[str, tuple[Role, list[Window]]] = {}
    for window in windows:
        name = plain(window.get("label"))
        start, end = (known(window.get(side)) for side in ("start", "end"))
        if start is not None and end is not None and end < start:
            raise UsageError(f"The window {name!r} is from {start:g} to {end:g}; expected its start first.")
        series = int(window.get("series", num_curves + len(rows)))
        _, spans = rows.setdefault(name, (SERIES[series % len(SERIES)], []))
        spans.append((-HUGE if start is None else start, HUGE if end is None else end))
    return rows


def _is_on(frame: CurveFrame, span: Window) -> bool:
    """Whether a part of the window lies on the axis."""
    return span[0] <= frame.x.high and span[1] >= frame.x.low


def _place(frame: CurveFrame, span: Window) -> tuple[float, float]:
    """Left end and width of a window in the figure; a very narrow one can still be seen."""
    left, right = frame.x(span[0]), frame.x(span[1])
    return min(left, frame.x.end_px - LEAST_PX), max(right - left, LEAST_PX)


def _shade(frame: CurveFrame, span: Window, role: Role) -> Rect:
    left, width = _place(frame, span)
    return Rect(left, frame.y.end_px, width, frame.y.start_px - frame.y.end_px, role, 0.09)


def _row(frame: CurveFrame, y: float, name: str, role: Role, spans: Sequence[Window]) -> list[Shape]:
    """The windows of a label as bars on a line, and the label."""
    left, right = frame.x.start_px, frame.x.end_px
    shapes: list[Shape] = [Line(left, y, right, y, Pen("grid"))]
    for span in (span for span in spans if _is_on(frame, span)):
        start, width = _place(frame, span)
        shapes.append(Rect(start, y - BAR_PX / 2, width, BAR_PX, role, tip=f"{name}: {_span_text(span)}"))
    x = right + LEADER_PX
    return [*shapes, shortened(Text(x, y + 4, name, role=role), frame.name_px + KEY_PX + 6, is_name=True)]


def _span_text(span: Window) -> str:
    """`3 to 40`, `from 3 on`, `up to 40`, `at every budget`."""
    start, end = span
    if start == -HUGE:
        return "at every budget" if end == HUGE else f"up to {number_text(end)}"
    return f"from {number_text(start)} on" if end == HUGE else f"{number_text(start)} to {number_text(end)}"


def _sentences(rows: Mapping[str, tuple[Role, list[Window]]]) -> list[str]:
    return [f"{name}: {', '.join(map(_span_text, spans))}" for name, (_, spans) in rows.items()]
