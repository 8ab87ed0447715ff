"""Every run as a dot: a panel for each task, a row in it for each method, with mean and interval.

Dots are moved up and down by a fixed pattern, so that equal values can be told apart and the figure is the same each
time. Runs without a value are counted beside the row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cupel.report.axis import Axis
from cupel.report.drawing import Drawing, Line, Mark, Marks, Pen, Shape, Text
from cupel.report.plot_frame import EDGE, FRAME, WIDTH, Look, interval_bar, shortened, x_axis
from cupel.report.plot_scale import Ends, interval_ends, known, range_around
from cupel.report.text_width import text_width_px
from cupel.report.words import num, plain

ROW_PX, HEAD_PX, FOOT_PX, GAP = 24.0, 22.0, 26.0, 18.0
LABEL_FRAC = 0.24
JITTER_PX = 10.0
GOLDEN = 0.6180339887498949
"""Multiples of it fill an interval evenly, however many there are."""


@dataclass(frozen=True)
class _Row:
    task: str
    method: str
    values: tuple[float, ...]
    num_failed: int
    mean: float | None
    ends: Ends | None
    look: Look

    @classmethod
    def of(cls, row: Mapping[str, Any], methods: Sequence[str]) -> _Row:
        task, method = plain(row.get("task")), plain(row.get("method"))
        read = [known(value) for value in row.get("values") or ()]
        values = tuple(value for value in read if value is not None)
        ends = interval_ends(row.get("interval"), f"{method} on {task}")
        look = Look.of(int(row.get("series", methods.index(method))))
        return cls(task, method, values, len(read) - len(values), known(row.get("mean")), ends, look)

    @property
    def words(self) -> str:
        """`PB on lm1b: 0.41, 5 runs, 1 without a value`."""
        mean = "no mean" if self.mean is None else f"mean {self.mean:.4g}"
        failed = f", {self.num_failed} without a value" if self.num_failed else ""
        return f"{self.method} on {self.task}: {mean}, {num(len(self.values) + self.num_failed, 'run')}{failed}"


def strip(
    rows: Sequence[Mapping[str, Any]],
    *,
    label: str = "",
    num_columns: int = 3,
    is_shared: bool = False,
    title: str = "Every run",
) -> Drawing:
    """Draw the values of all runs, by task and method.

    Args:
        rows: each with `task`, `method`, `values` (None or NaN for a run without one), `mean` and `interval` (None for
            unknown), and if wanted `series` (number of its look). Tasks and methods stand in the order in which they
            first come.
        label: of the axis, with the unit and what is better; below the figure.
        num_columns: of panels, from 1; fewer where there are fewer tasks.
        is_shared: whether all panels have the same axis.
        title: for those who do not see the figure.

    Returns:
        A drawing with a panel for each task.

    Raises:
        UsageError: an interval is the wrong way round.

    Example:
        >>> strip([{"task": "t", "method": "A", "values": [1.0, 1.2], "mean": 1.1, "interval": None}]).description
        'A on t: mean 1.1, 2 runs'
    """
    methods = list(dict.fromkeys(plain(row.get("method")) for row in rows))
    read = [_Row.of(row, methods) for row in rows]
    tasks = list(dict.fromkeys(row.task for row in read))
    columns = max(1, min(num_columns, len(tasks)))
    label_px = min(max((text_width_px(name, 12) for name in methods), default=0.0) + 1, WIDTH * LABEL_FRAC)
    gap = GAP + max((text_width_px(f"✗{row.num_failed}", 11) for row in read if row.num_failed), default=0.0)
    panel_px = (WIDTH - 2 * EDGE - label_px - GAP / 2 - gap * columns) / columns
    row_px = HEAD_PX + ROW_PX * len(methods) + FOOT_PX
    shapes: list[Shape] = []
    for place, task in enumerate(tasks):
        mine = [row for row in read if row.task == task]
        left = EDGE + label_px + GAP / 2 + (panel_px + gap) * (place % columns)
        top = EDGE + (row_px + 6) * (place // columns)
        low, high = range_around(_shown(read if is_shared else mine))
        x = Axis(low, high, left, left + panel_px)
        shapes += _panel(task, mine, methods, x, top)
        if place % columns == 0:
            shapes += _names(methods, EDGE + label_px, top, label_px)
    bottom = EDGE + (row_px + 6) * -(-len(tasks) // columns)
    if label:
        shapes.append(shortened(Text(WIDTH / 2, bottom + 10, label, "middle", 11, role="quiet"), WIDTH - 2 * EDGE))
    shapes = [shape for shape in shapes if not isinstance(shape, Text) or shape.text]
    return Drawing(WIDTH, bottom + (18 if label else 0), title, tuple(shapes), "; ".join(row.words for row in read))


def _shown(rows: Sequence[_Row]) -> list[tuple[float | None, Ends | None]]:
    points: list[tuple[float | None, Ends | None]] = [(value, None) for row in rows for value in row.values]
    return [*points, *((row.mean, row.ends) for row in rows)]


def _names(methods: Sequence[str], x: float, top: float, label_px: float) -> list[Shape]:
    """Names of the methods left of a line of panels."""
    rows = enumerate(methods)
    return [
        shortened(
            Text(x, top + HEAD_PX + ROW_PX * (k + 0.5) + 4, name, "end", role=Look.of(k).role), label_px, is_name=True
        )
        for k, name in rows
    ]


def _panel(task: str, rows: Sequence[_Row], methods: Sequence[str], x: Axis, top: float) -> list[Shape]:
    """The task's name, its axis, and a row for each method."""
    first, bottom = top + HEAD_PX, top + HEAD_PX + ROW_PX * len(methods)
    shapes: list[Shape] = [
        shortened(Text(x.start_px, top + 14, task, size=12, is_bold=True), x.end_px - x.start_px, is_name=True)
    ]
    shapes += x_axis(x, first, bottom, most=4)
    shapes.append(Line(x.start_px, bottom, x.end_px, bottom, FRAME))
    for row in rows:
        shapes += _runs(row, first + ROW_PX * (methods.index(row.method) + 0.5), x)
    return shapes


def _runs(row: _Row, y: float, x: Axis) -> list[Shape]:
    """Dots above, the mean with its interval below."""
    look = row.look
    shapes: list[Shape] = []
    shifts = [((k + 1) * GOLDEN % 1 - 0.5) * JITTER_PX for k in range(len(row.values))]
    points = tuple((x(value), y - 4 + shift) for value, shift in zip(row.values, shifts, strict=True))
    if points:
        shapes.append(Marks(points, look.mark, 2.6, look.role, 0.7, row.words))
    shapes += interval_bar(x, row.ends, y + 7, Pen("ink", 1.4), reach=3)
    if row.mean is not None:
        shapes.append(Mark(x(row.mean), y + 7, "diamond", 4, "ink", is_hollow=row.ends is None, tip=row.words))
    if row.num_failed:
        tip = f"{num(row.num_failed, 'run')} without a value"
        shapes.append(Text(x.end_px + 4, y + 4, f"✗{row.num_failed}", size=11, role="bad", tip=tip))
    return shapes
