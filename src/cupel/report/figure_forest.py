"""Forest plot: one row for each contrast with its interval, its numbers and its verdict in a word.

The line of no effect and the strip of practical equivalence run through all rows. A row may have a strip of its own,
and a bar: what its interval must lie beyond. The mark's shape and the word say the verdict beside the colour. An
interval that leaves the axis, or has no end, is an arrow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from cupel.report.axis import Axis
from cupel.report.drawing import Drawing, Line, Mark, MarkShape, Pen, Rect, Shape, Text
from cupel.report.plot_frame import EDGE, WIDTH, axis_label, interval_bar, shortened, x_axis
from cupel.report.plot_scale import INFINITE, Ends, interval_ends, known, number_text, range_around
from cupel.report.text_width import ELLIPSIS, fitted, text_width_px
from cupel.report.words import plain
from cupel.spec.errors import UnknownNameError, UsageError

Tone = Literal["good", "warn", "bad", "calm"]
TONES: dict[str, Tone] = {
    "supported": "good", "better": "good", "faster": "good",
    "contradicted": "warn", "worse": "warn", "slower": "warn",
    "equivalent": "calm", "undecided": "calm",
}  # fmt: skip
MARKS: dict[Tone, MarkShape] = {"good": "up", "warn": "down", "bad": "down", "calm": "diamond"}
SIGNS: dict[Tone, str] = {"good": "▲", "warn": "▼", "bad": "▼", "calm": "◇"}
BETWEEN = ("undecided", "equivalent")
"""Verdicts that point to neither side, whatever their colour."""
ROW_PX, TOP, GAP = 22.0, 32.0, 14.0
LABEL_FRAC, NUMBERS_FRAC, WORD_FRAC = 0.3, 0.4, 0.25
"""The most of the figure's width that each column of texts may take; labels give way first, numbers last."""
LEAST_LABEL_PX, LEAST_PLOT_PX, LEAST_WIDTH_PX = 60.0, 160.0, 400.0


@dataclass(frozen=True)
class EffectAxis:
    """What lies along a forest plot.

    Args:
        label: below the axis, with the unit.
        no_effect: the value of no effect: 0 for a difference, 1 for a ratio.
        equivalence: from where to where two are practically equal; None for no such region.
        left: what it means to lie left of no effect (`B better`).
        right: what it means to lie right of it.
        is_log: whether equal ratios are equal distances.
    """

    label: str = ""
    no_effect: float = 0.0
    equivalence: tuple[float, float] | None = None
    left: str = ""
    right: str = ""
    is_log: bool = False


@dataclass(frozen=True)
class _Row:
    label: str
    estimate: float | None
    ends: Ends | None
    word: str
    numbers: str
    tone: Tone
    sign: str = ""
    bar: float | None = None
    region: Ends | None = None

    @classmethod
    def of(cls, row: Mapping[str, Any], *, is_log: bool) -> _Row:
        label, word = plain(row.get("label")), plain(row.get("verdict"))
        estimate, ends = known(row.get("estimate")), interval_ends(row.get("interval"), label)
        if is_log and estimate is not None and estimate <= 0:
            raise UsageError(
                f"The estimate of {label!r} is {estimate:g}; on a log axis expected one above 0. Use a linear axis."
            )
        tone = row.get("tone") or TONES.get(word, "calm")
        if tone not in MARKS:
            raise UnknownNameError("tone", str(tone), MARKS)
        numbers = plain(row.get("numbers")) or _numbers(estimate, ends)
        bar, region = known(row.get("bar")), interval_ends(row.get("region"), label)
        return cls(label, estimate, ends, word, numbers, tone, plain(row.get("sign")), bar, region)

    @property
    def hold(self) -> list[float]:
        """What must be on the axis beside its interval."""
        return [*(() if self.bar is None else (self.bar,)), *(self.region or ())]

    @property
    def sign_word(self) -> str:
        sign = self.sign or ("≈" if self.word == "equivalent" else SIGNS[self.tone])
        return f"{sign} {self.word}" if self.word else ""


def forest(
    rows: Sequence[Mapping[str, Any]],
    *,
    axis: EffectAxis | None = None,
    title: str = "Contrasts with intervals",
    width_px: float = WIDTH,
) -> Drawing:
    """Draw contrasts below each other.

    Args:
        rows: each with `label`, `estimate` (None for unknown), `interval` (two ends, of which one or both may be
            infinite or None; or None for no interval), `verdict` (a word), and if wanted `numbers` (what stands
            beside it) and `tone` (`good`, `warn`, `bad`, `calm`; else by the verdict: those of `cupel.stats.verdict`
            and better, worse, faster, slower are known, others are calm), `sign` (before the word), `bar` (a value that
            the interval must lie beyond) and `region` (two ends, between which this row's two are practically equal).
        axis: what lies along the axis; by default differences around 0.
        title: for those who do not see the figure.
        width_px: of the figure, at least 400.

    Returns:
        A drawing with one row for each; one without an estimate says so and has no mark.

    Raises:
        UsageError: an interval is the wrong way round, a log axis has values not above 0, or the width is too small.

    Example:
        >>> forest([{"label": "A − B", "estimate": 0.3, "interval": (0.1, 0.5), "verdict": "supported"}]).height_px
        80.0
    """
    effect = axis or EffectAxis()
    if not width_px >= LEAST_WIDTH_PX:
        raise UsageError(
            f"The figure is to be {width_px:g} px wide; expected at least {LEAST_WIDTH_PX:g} for its texts."
        )
    if effect.is_log and effect.no_effect <= 0:
        raise UsageError(f"No effect is at {effect.no_effect:g}, where a log axis has no place; for ratios it is at 1.")
    all_rows = [_Row.of(row, is_log=effect.is_log) for row in rows]
    place = _Layout.of(all_rows, effect, width_px)
    middles = [TOP + ROW_PX * (k + 0.5) for k in range(len(all_rows))]
    strips = [strip for row, y in zip(all_rows, middles, strict=True) for strip in _own_strip(row, y, place.x)]
    shapes = [*strips, *_ground(effect, place), *_captions(effect, place)]
    for row, y in zip(all_rows, middles, strict=True):
        shapes += _row(row, y, place)
    height = place.bottom + (36 if effect.label else 22)
    return Drawing(width_px, height, title, tuple(shapes), "; ".join(_sentence(row) for row in all_rows))


@dataclass(frozen=True)
class _Layout:
    """Where the columns stand: labels end at `label_x`, numbers and words begin at theirs."""

    x: Axis
    label_x: float
    label_px: float
    numbers_x: float
    numbers_px: float
    word_x: float
    word_px: float
    bottom: float
    width_px: float

    @classmethod
    def of(cls, rows: Sequence[_Row], effect: EffectAxis, width_px: float) -> _Layout:
        numbers_px = _column([row.numbers for row in rows], width_px * NUMBERS_FRAC)
        word_px = _column([row.sign_word for row in rows], width_px * WORD_FRAC)
        rest = width_px - 2 * EDGE - 3 * GAP - numbers_px - word_px - LEAST_PLOT_PX
        label_px = _column([row.label for row in rows], max(LEAST_LABEL_PX, min(width_px * LABEL_FRAC, rest)))
        left = EDGE + label_px + GAP
        word_x = width_px - EDGE - word_px
        numbers_x = word_x - GAP - numbers_px if word_px else width_px - EDGE - numbers_px
        hold = [effect.no_effect, *(effect.equivalence or ()), *(end for row in rows for end in row.hold)]
        low, high = range_around([(row.estimate, row.ends) for row in rows], hold=hold, is_log=effect.is_log)
        x = Axis(low, high, left, numbers_x - GAP, effect.is_log)
        bottom = TOP + ROW_PX * len(rows) + 4
        return cls(x, EDGE + label_px, label_px, numbers_x, numbers_px, word_x, word_px, bottom, width_px)


def _column(texts: Sequence[str], limit_px: float) -> float:
    """Width of a column of texts of the usual size."""
    return min(max((text_width_px(text, 12) for text in texts), default=0.0) + 1, limit_px)


def _ground(effect: EffectAxis, place: _Layout) -> list[Shape]:
    """The strip of practical equivalence, the axis, and the line of no effect."""
    x, top, shapes = place.x, TOP - 6, list[Shape]()
    if effect.equivalence:
        low, high = (x(end) for end in effect.equivalence)
        ends = " to ".join(number_text(end) for end in effect.equivalence)
        shapes.append(Rect(low, top, high - low, place.bottom - top, tip=f"practically equal: {ends}"))
    shapes += x_axis(x, top, place.bottom)
    shapes += axis_label(x, place.bottom, effect.label, place.width_px)
    shapes.append(Line(x(effect.no_effect), top, x(effect.no_effect), place.bottom, Pen("quiet", 1.2)))
    return shapes


def _captions(effect: EffectAxis, place: _Layout) -> list[Shape]:
    """What the sides mean, beside the line of no effect, or moved from it as far as their texts need."""
    low, high, zero = EDGE, place.width_px - EDGE, place.x(effect.no_effect)
    most = (high - low) / 2 - GAP
    room = most - text_width_px("◂ ", 12)
    left, right = (fitted(text, room, 12) for text in (effect.left, effect.right))
    left_px, right_px = (text_width_px(f"◂ {text}", 12) if text else 0.0 for text in (left, right))
    left_end = min(max(zero - GAP, low + left_px), high - right_px - 2 * GAP)
    right_start = min(max(zero + GAP, left_end + 2 * GAP), high - right_px)
    captions: list[Shape] = []
    if left:
        captions.append(Text(left_end, 16, f"◂ {left}", "end", tip=plain(effect.left) if left[-1] == ELLIPSIS else ""))
    if right:
        tip = plain(effect.right) if right[-1] == ELLIPSIS else ""
        captions.append(Text(right_start, 16, f"{right} ▸", tip=tip))
    return captions


def _row(row: _Row, y: float, place: _Layout) -> list[Shape]:
    """Label, interval, mark, numbers, verdict."""
    tip = _sentence(row)
    shapes: list[Shape] = [
        *_own_bar(row, y, place.x),
        shortened(Text(place.label_x, y + 4, row.label, "end", tip=tip), place.label_px, is_name=True),
    ]
    shapes += interval_bar(place.x, row.ends, y, Pen(row.tone, 1.8))
    if row.estimate is not None:
        is_open = row.ends is None or row.word == "undecided"
        shape: MarkShape = "diamond" if row.word in BETWEEN else MARKS[row.tone]
        shapes.append(Mark(place.x(row.estimate), y, shape, 5, row.tone, is_hollow=is_open, tip=tip))
    shapes.append(shortened(Text(place.numbers_x, y + 4, row.numbers, role="quiet"), place.numbers_px))
    shapes.append(shortened(Text(place.word_x, y + 4, row.sign_word, role=row.tone), place.word_px))
    return [shape for shape in shapes if not isinstance(shape, Text) or shape.text]


def _own_strip(row: _Row, y: float, x: Axis) -> list[Shape]:
    """The region in which this row's two are practically equal."""
    if row.region is None:
        return []
    low, high = (x(end) for end in row.region)
    ends = " to ".join(number_text(end) for end in row.region)
    return [Rect(low, y - 8, max(1.0, high - low), 16, tip=f"{row.label}: practically equal, {ends}")]


def _own_bar(row: _Row, y: float, x: Axis) -> list[Shape]:
    """What this row's interval must lie beyond."""
    if row.bar is None:
        return []
    tip = f"{row.label}: the bar, {number_text(row.bar)}"
    return [Line(x(row.bar), y - 9, x(row.bar), y + 9, Pen("ink", 1.4, (3, 2)), tip)]


def _numbers(estimate: float | None, ends: Ends | None) -> str:
    """`0.31 [0.12, 0.50]` where the caller wrote none: two digits of the distance from estimate to end."""
    if estimate is None:
        return "not known"
    if ends is None:
        return f"{number_text(float(f'{estimate:.4g}'))}, no interval"
    reach = max((abs(end - estimate) for end in ends if math.isfinite(end)), default=0.0)
    step = 10.0 ** math.floor(math.log10(reach / 10) + 1e-9) if reach > 1e-12 * abs(estimate) else None
    point, low, high = (number_text(value, step) if math.isfinite(value) else INFINITE[value > 0]
                        for value in (estimate, *ends))  # fmt: skip
    return f"{point} [{low}, {high}]"


def _sentence(row: _Row) -> str:
    return ", ".join(part for part in (f"{row.label}: {row.numbers}", row.word) if part)
