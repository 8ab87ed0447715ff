"""Pair by pair: the effect in each, and the interval as it narrowed until the verdict.

The line is the mean so far, the band its interval; wide intervals of the first looks leave the figure. With a number
of pairs fixed beforehand there was one look, whose interval lies along the whole figure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from cupel.report.curve_plot import Curve, CurveAxes, CurveFrame
from cupel.report.drawing import Drawing, Line, Mark, Pen, Shape
from cupel.report.plot_frame import WIDTH
from cupel.report.plot_scale import known
from cupel.report.words import number_text

TOP = 26.0
PAD_FRAC = 0.06
MOST = 400
"""Pairs whose own effects are drawn; the interval is drawn to the last."""


def looks_figure(
    effects: Sequence[float | None],
    looks: Sequence[Sequence[float | int | None]],
    *,
    verdict: Mapping[str, Any],
    title: str = "Effect by pair",
) -> Drawing | None:
    """Draw the effect of each pair and the interval after each.

    Args:
        effects: of each pair; None where there is none.
        looks: pair (from 1), mean, low and high after it; empty where the number of pairs was fixed beforehand.
        verdict: of the statement: `effect`, `interval`, `scale`, `unit`, `metric`, `no_effect`, `bar_at`, `region`.
        title: for those who do not see the figure.

    Returns:
        A drawing; None where no pair has an effect.
    """
    is_log = verdict["scale"] == "log"
    places = [(k, value) for k, e in enumerate(effects, start=1) if (value := _placed(e, is_log=is_log)) is not None]
    if not places:
        return None
    rows = list(looks) or _one_look(len(effects), verdict)
    columns = [[_placed(row[k], is_log=is_log) for row in rows] for k in (1, 2, 3)]
    mean = {"label": "mean", "x": [row[0] for row in rows], **dict(zip(("y", "low", "high"), columns, strict=True))}
    curve = Curve.of(mean, 0)
    axes = CurveAxes(
        x_label="pair",
        y_label=_y_label(verdict),
        y_range=_range([value for _, value in places], verdict, is_log=is_log),
        no_effect=verdict["no_effect"],
        equivalence=None if verdict["region"] is None else (verdict["region"][0], verdict["region"][1]),
        is_log_y=is_log,
        is_counted_x=True,
    )
    frame = CurveFrame.around([curve], axes, TOP)
    shapes: list[Shape] = [*frame.ground(), *_bar(frame, verdict["bar_at"])]
    shapes += [shape for shape in frame.curves([curve]) if not isinstance(shape, Mark)]
    first, last = frame.x.low, frame.x.high
    shapes += [
        Mark(frame.x(k), frame.y(value), "circle", 3.2, "c1", is_hollow=True, tip=f"pair {k}: {number_text(value)}")
        for k, value in places[:MOST]
        if first <= k <= last
    ]
    shapes += frame.names([curve]) if curve.runs else []
    return Drawing(WIDTH, frame.bottom, title, tuple(shapes), _sentence(places, verdict))


def _one_look(num: int, verdict: Mapping[str, Any]) -> list[list[float | int | None]]:
    low, high = verdict["interval"] or (None, None)
    return [[place, verdict["effect"], low, high] for place in (1, num)]


def _placed(value: object, *, is_log: bool) -> float | None:
    """A value that has a place on the axis."""
    number = known(value)
    return None if number is None or (is_log and number <= 1e-150) else number


def _range(values: Sequence[float], verdict: Mapping[str, Any], *, is_log: bool) -> tuple[float, float]:
    """As far as the effects, the last interval and the bar reach, and a little."""
    ends = [*(verdict["interval"] or ()), verdict["bar_at"], *values]
    shown = [value for end in ends if (value := _placed(end, is_log=is_log)) is not None]
    low, high = min(shown), max(shown)
    if is_log:
        pad = PAD_FRAC * math.log(high / low) or 0.1
        return low * math.exp(-pad), high * math.exp(pad)
    pad = PAD_FRAC * (high - low) or 0.1 * abs(high) or 1.0
    return low - pad, high + pad


def _y_label(verdict: Mapping[str, Any]) -> str:
    what = "ratio" if verdict["scale"] == "log" else "difference"
    unit = f", {verdict['unit']}" if verdict["unit"] and what == "difference" else ""
    return f"{what} in {verdict['metric']}{unit} (circles: each pair; line and band: mean so far, its interval)"


def _bar(frame: CurveFrame, bar: float | None) -> list[Shape]:
    """What the interval must lie beyond, unless it is no effect, which has its line already."""
    if bar is None or bar == frame.axes.no_effect:
        return []
    at = frame.y(bar)
    pen = Pen("ink", 1.4, (3, 2))
    return [Line(frame.x.start_px, at, frame.x.end_px, at, pen, f"the bar: {number_text(bar)}")]


def _sentence(places: Sequence[tuple[int, float]], verdict: Mapping[str, Any]) -> str:
    values = [value for _, value in places]
    span = f"effects of {len(values)} pairs from {number_text(min(values))} to {number_text(max(values))}"
    ends = verdict["interval"]
    return span + (f"; interval {number_text(ends[0])} to {number_text(ends[1])}" if ends else "; no interval")
