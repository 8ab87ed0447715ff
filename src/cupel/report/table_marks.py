"""The small drawings inside table rows: a ratio with its interval, and the rates of the launches."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from cupel.report.axis import Axis, line_path
from cupel.report.markup import Markup, el, join
from cupel.report.words import Document, bounds, finite, ratio_interval_text, ratio_text

WIDTH, HEIGHT = 110, 18
SPARK_WIDTH = 76
SHOWN_FRAC = 0.02


@dataclass(frozen=True)
class RatioWindow:
    """What the ratio bars of one table show: ratios from 1 / `top` to `top`."""

    top: float

    @classmethod
    def around(cls, ratios: Iterable[tuple[float | None, tuple[float, float] | None]]) -> RatioWindow:
        """A window that holds every ratio, and intervals unless they are far wider than the others."""
        known = [(r, i) for r, i in ratios if r is not None and r > 0]
        points = [abs(math.log(r)) for r, _ in known]
        ends = [max(abs(math.log(e)) for e in i) for _, i in known if i is not None and i[0] > 0]
        usual = 3 * statistics.median(ends) if ends else 0.0
        reach = max([*points, *(min(e, usual) for e in ends), math.log(1.05)])
        return cls(math.exp(1.12 * reach))


def ratio_bar(ratio: object, interval: object, window: RatioWindow, tone: str = "calm") -> Markup:
    """A dot with its interval beside the line of no difference; an interval that leaves the window ends in an arrow."""
    point, ends = finite(ratio), bounds(interval)
    if point is None or point <= 0:
        return Markup("")
    axis = Axis(1 / window.top, window.top, 5, WIDTH - 5, is_log=True)
    tip = f"{ratio_text(ratio)} {ratio_interval_text(interval) if ends else '(no interval)'}"
    middle = HEIGHT / 2
    return el(
        "svg",
        el("line", x1=axis(1), x2=axis(1), y1=2, y2=HEIGHT - 2, class_="zero"),
        *interval_marks(axis, ends, middle, 3.5),
        el("circle", cx=axis(point), cy=middle, r=2.8, class_="dot" if ends else "dot hollow"),
        **_svg(WIDTH, HEIGHT, f"mark {tone}", tip),
    )


def interval_marks(axis: Axis, ends: tuple[float, float] | None, y_px: float, size_px: float) -> list[Markup]:
    """A bar from end to end; an end outside the axis is an arrow head."""
    if ends is None:
        return []
    left, right = axis(ends[0]) if ends[0] > 0 or not axis.is_log else axis.start_px, axis(ends[1])
    marks = [el("line", x1=round(left, 1), x2=round(right, 1), y1=y_px, y2=y_px, class_="bar")]
    for place, is_out, way in ((left, ends[0] < axis.low, -1), (right, ends[1] > axis.high, 1)):
        if is_out:
            tip = f"M{place:.1f} {y_px - size_px}l{way * size_px} {size_px} {-way * size_px} {size_px}z"
            marks.append(el("path", d=tip, class_="arrow"))
    return marks


def launch_spark(entry: Document) -> Markup:
    """A dot for each launch's rate; the box shows at least 2 % of the rate to either side: noise stays small."""
    rates = [finite(launch.get("rate")) for launch in entry.get("launches") or ()]
    known = [rate for rate in rates if rate is not None]
    if not known:
        return Markup("")
    middle = (min(known) + max(known)) / 2
    half = max((max(known) - min(known)) / 2, abs(middle) * SHOWN_FRAC) or 1.0
    axis = Axis(middle - half, middle + half, HEIGHT - 4, 4)
    step = (SPARK_WIDTH - 10) / max(1, len(rates) - 1)
    left = 5.0 if len(rates) > 1 else SPARK_WIDTH / 2
    places = [None if rate is None else (left + k * step, axis(rate)) for k, rate in enumerate(rates)]
    dots = [el("circle", cx=round(p[0], 1), cy=round(p[1], 1), r=1.9, class_="dot") for p in places if p is not None]
    crosses = [_cross(left + k * step) for k, place in enumerate(places) if place is None]
    low, high = min(known), max(known)
    tip = f"{len(known)} launches, from {low:.4g} to {high:.4g}" if len(known) > 1 else f"1 launch, {low:.4g}"
    line = el("path", d=line_path(places), transform="scale(.5)", class_="thin")
    shown = dots if len(dots) <= 24 else []
    return el("svg", line, join(shown), join(crosses), **_svg(SPARK_WIDTH, HEIGHT, "mark spark", tip))


def _cross(x_px: float) -> Markup:
    return el("path", d=f"M{x_px - 3:.1f} {HEIGHT / 2 - 3}l6 6m0-6l-6 6", class_="cross")


def _svg(width: int, height: int, kind: str, tip: str) -> dict[str, object]:
    """Attributes of a small drawing that says in words what it shows."""
    box = f"0 0 {width} {height}"
    return {
        "class_": kind,
        "viewBox": box,
        "width": width,
        "height": height,
        "role": "img",
        "aria_label": tip,
        "data_tip": tip,
    }
