"""Drawings of an entry's launches: step times with the warm-up shaded, and the rates with their intervals."""

from __future__ import annotations

from collections.abc import Sequence

from cupel.report.axis import FINE, Axis, axis_around, band_path, line_path
from cupel.report.markup import Markup, el, join
from cupel.report.series import Bins, Budget, step_bins, warm_up_end_s
from cupel.report.table_marks import interval_marks
from cupel.report.words import (
    Document,
    bounds,
    finite,
    interval_text,
    level_percent,
    num,
    plain,
    status_sign,
    unit_of,
)
from cupel.spec.units import format_rate

WIDTH, HEIGHT = 360, 132
LEFT, RIGHT, TOP, BOTTOM = 52, 8, 6, 20
SCALED = f"scale({1 / FINE:g})"
MOST_NAMED_ROWS = 24
ROW_PX, THIN_ROW_PX = 19, 7


def launch_name(launch: Document, place: int) -> str:
    """`launch 1` for the launch of index 0, or by its place in the list where it has no index."""
    idx = finite(launch.get("launch"))
    return f"launch {place + 1 if idx is None else int(idx) + 1}"


def step_panels(entry: Document, budget: Budget) -> Markup:
    """The step times of every launch, one panel each, all with the same axes."""
    launches: Sequence[Document] = entry.get("launches") or ()
    bins = [step_bins(launch, budget.step_points) for launch in launches]
    drawn = [b for b in bins if b is not None]
    if not drawn:
        return el("p", "No step of any launch was recorded.", class_="quiet")
    y = axis_around([v for b in drawn for v in (*b.low_s, *b.high_s)], HEIGHT - BOTTOM, TOP)
    end_s = max(max(b.t_s) for b in drawn)
    x = Axis(0.0, end_s if end_s > 0 else 1.0, LEFT, WIDTH - RIGHT)
    panels = [_panel(launch, k, b, x, y) for k, (launch, b) in enumerate(zip(launches, bins, strict=True))]
    return el("div", join(panels), class_="panels")


def _panel(launch: Document, place: int, bins: Bins | None, x: Axis, y: Axis) -> Markup:
    """One launch: what was detected in words, and the drawing."""
    name, words = launch_name(launch, place), launch_words(launch)
    caption = el("figcaption", el("b", name, class_=f"c{place % 8}"), " ", words)
    if bins is None:
        return el("figure", caption, el("p", "no steps recorded", class_="quiet"), class_="panel")
    x_px = [x(t) for t in bins.t_s]
    low, high, mid = ([y(v) for v in values] for values in (bins.low_s, bins.high_s, bins.mid_s))
    drawing = el(
        "svg",
        _warm_up(launch, x, y),
        panel_frame(x, y, *_unit_of_time(y.high)),
        el("path", d=band_path(x_px, low, high), transform=SCALED, class_=f"band c{place % 8}"),
        el("path", d=line_path(zip(x_px, mid, strict=True)), transform=SCALED, class_=f"line c{place % 8}"),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        aria_hidden="true",
    )
    return el("figure", caption, drawing, class_="panel")


def launch_words(launch: Document) -> str:
    """`flat, 30 of 34 steps kept`."""
    status = status_sign(launch.get("status"))
    kind = plain(launch.get("kind"))
    kept, steps = finite(launch.get("num_kept")), finite(launch.get("num_steps"))
    counted = "" if steps is None else f"{kept:.0f} of {num(int(steps), 'step')} kept" if kept is not None else ""
    failed = status.word if launch.get("status") not in (None, "ok") else ""
    return ", ".join(word for word in (failed, kind, counted) if word) or "no details"


def _warm_up(launch: Document, x: Axis, y: Axis) -> Markup | None:
    """The part before the first kept step, shaded."""
    end_s = warm_up_end_s(launch)
    if end_s is None or end_s <= x.low:
        return None
    right = x(end_s)
    width = max(1.5, right - x.start_px)
    return el(
        "rect", x=x.start_px, y=y.end_px, width=round(width, 1), height=y.start_px - y.end_px, class_="warm-up"
    )  # fmt: skip


def _unit_of_time(top_s: float) -> tuple[float, str]:
    """The unit in which times up to this one are written: its seconds and its name."""
    return next(((scale, unit) for scale, unit in ((1.0, " s"), (1e-3, " ms")) if top_s >= scale), (1e-6, " µs"))


def panel_frame(x: Axis, y: Axis, scale: float = 1.0, unit: str = "") -> Markup:
    """Grid lines of a panel with their values: seconds along; up, multiples of `scale` with their unit."""
    up, along, below = y.ticks(3), x.ticks(4 if x.end_px > 300 else 3), y.start_px + 14
    lines = "".join(f"M{x.start_px:g} {y(v):.0f}H{x.end_px:g}" for v in up)
    return join((
        el("path", d=lines, class_="grid"),
        el("g", *(el("text", f"{v / scale:g}{unit}", x=x.start_px - 5, y=round(y(v) + 3)) for v in up), class_="end"),
        el("g", *(el("text", f"{v:g} s", x=round(min(x(v), x.end_px - 6)), y=below) for v in along), class_="mid"),
    ))  # fmt: skip


def launch_dots(entry: Document) -> Markup:
    """The rate of each launch with its own interval, and below them the entry's with the one between launches."""
    launches = [x for x in entry.get("launches") or () if finite(x.get("rate")) is not None]
    rate, ends = finite(entry.get("rate")), bounds(entry.get("interval"))
    if not launches or rate is None:
        return el("p", "No launch has a rate.", class_="quiet")
    named = len(launches) <= MOST_NAMED_ROWS
    row_px = ROW_PX if named else THIN_ROW_PX
    bottom = TOP + row_px * len(launches) + 10 + ROW_PX
    x = _rate_axis(entry, launches)
    rows = [_dot_row(launch, k, TOP + row_px * (k + 0.5), x, named) for k, launch in enumerate(launches)]
    return el(
        "svg",
        *(el("line", x1=round(x(v), 1), x2=round(x(v), 1), y1=TOP, y2=bottom, class_="grid") for v in x.ticks(4)),
        *(el("text", format_rate(v), x=round(x(v), 1), y=bottom + 14, class_="mid") for v in x.ticks(4)),
        *rows,
        _whole_row(entry, rate, ends, bottom - ROW_PX / 2, x),
        viewBox=f"0 0 520 {bottom + 20:g}",
        role="img",
        aria_label="Rates of the launches with their intervals",
        class_="dots",
    )


def _rate_axis(entry: Document, launches: Sequence[Document]) -> Axis:
    """Holds every launch's rate; ends of intervals as long as they are within half and twice the rates."""
    rates = [r for r in (finite(x.get("rate")) for x in launches) if r is not None]
    intervals = [bounds(x.get("interval")) for x in (entry, *launches)]
    floor, ceiling = min(rates) / 2, max(rates) * 2
    ends = [min(max(v, floor), ceiling) for pair in intervals if pair is not None for v in pair]
    low, high = min([*rates, *ends]), max([*rates, *ends])
    pad = 0.06 * (high - low) or abs(high) * 0.05 or 1.0
    return Axis(low - pad, high + pad, 84, 340)


def _dot_row(launch: Document, place: int, y_px: float, x: Axis, named: bool) -> Markup:  # noqa: FBT001
    """One launch: its rate, its own interval (steps within the launch only), numbers at the right."""
    rate, ends = finite(launch.get("rate")) or 0.0, bounds(launch.get("interval"))
    name = launch_name(launch, place)
    numbers = f"{format_rate(rate)} {interval_text(ends) if ends else '(no interval)'}"
    texts = (
        (el("text", name, x=76, y=y_px + 3.5, class_="end"), el("text", numbers, x=350, y=y_px + 3.5)) if named else ()
    )
    return el(
        "g",
        *texts,
        *interval_marks(x, ends, y_px, 3),
        el("circle", cx=round(x(rate), 1), cy=y_px, r=3 if named else 2, class_="dot"),
        class_=f"c{place % 8}",
        data_tip=f"{name}: {numbers}",
    )


def _whole_row(entry: Document, rate: float, ends: tuple[float, float] | None, y_px: float, x: Axis) -> Markup:
    """The entry: a diamond, with the interval between launches where there is one."""
    place, kind = round(x(rate), 1), plain(entry.get("interval_kind")) or "no interval"
    numbers = f"{format_rate(rate)} {interval_text(ends)}" if ends else f"{format_rate(rate)} (no interval)"
    return el(
        "g",
        el("text", "entry", x=76, y=y_px + 3.5, class_="end strong"),
        el("text", numbers, x=350, y=y_px + 3.5, class_="strong"),
        *interval_marks(x, ends, y_px, 4),
        el("path", d=f"M{place} {y_px - 5}l5 5-5 5-5-5z", class_="dot"),
        class_="whole",
        data_tip=f"{numbers} {unit_of(entry)}, {level_percent(entry)}, {kind}",
    )
