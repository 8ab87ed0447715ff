"""The forest plot of a comparison: one row per entry, the ratio with its interval, the strip of practical equality."""

from __future__ import annotations

from collections.abc import Sequence

from cupel.report.axis import Axis
from cupel.report.markup import Markup, el
from cupel.report.table_marks import RatioWindow, interval_marks
from cupel.report.words import (
    Document,
    Sign,
    bounds,
    finite,
    format_ratio,
    label_of,
    ratio_interval_text,
    ratio_text,
    verdict_sign,
)

WIDTH, ROW_PX, TOP = 960, 22, 30
PLOT_RIGHT = 650
MOST_LETTERS, LETTER_PX = 34, 7.2
SHAPES = {"faster": "M0-5l5 8h-10z", "slower": "M0 5l5-8h-10z"}
DIAMOND = "M0-5l5 5-5 5-5-5z"


def forest_plot(entries: Sequence[Document], rope: float | None) -> Markup:
    """Ratios of B over A on a log axis, in the order of the entries; the shape and the word say the verdict.

    Args:
        entries: rows of a comparison; those without a ratio have a row that says so.
        rope: half width of the region of practical equality, None for no strip.
    """
    top = RatioWindow.around([(finite(e.get("ratio")), bounds(e.get("interval"))) for e in entries]).top
    top = max(top, 1 + 2 * rope if rope else top)
    letters = max([len(label_of(e)) for e in entries], default=0)
    x = Axis(1 / top, top, 30 + LETTER_PX * min(MOST_LETTERS, letters), PLOT_RIGHT, is_log=True)
    bottom = TOP + ROW_PX * len(entries) + 6
    ticks = _ticks(x)
    ways = {entry.get("better") or "higher" for entry in entries}
    low, high = (
        {"higher": ("slower", "faster"), "lower": ("faster", "slower")}[ways.pop()]
        if len(ways) == 1
        else ("lower", "higher")
    )
    return el(
        "svg",
        _strip(rope, x, bottom),
        *(el("line", x1=round(x(v), 1), x2=round(x(v), 1), y1=TOP - 4, y2=bottom, class_="grid") for v in ticks),
        *(el("text", f"{v:g}×", x=round(x(v), 1), y=bottom + 16, class_="mid") for v in ticks),
        el("line", x1=x(1), x2=x(1), y1=TOP - 4, y2=bottom, class_="zero"),
        el("text", f"◀ B {low}", x=x(1) - 12, y=14, class_="end"),
        el("text", f"B {high} ▶", x=x(1) + 12, y=14),
        *(_row(entry, TOP + ROW_PX * (k + 0.5), x) for k, entry in enumerate(entries)),
        viewBox=f"0 0 {WIDTH} {bottom + 26:g}",
        role="img",
        aria_label="Ratio of the rates, B over A, with intervals",
        class_="forest",
    )


def _ticks(x: Axis) -> list[float]:
    """Round ratios: symmetric about one where the window is narrow, 1-2-5 where it is wide."""
    if x.high > 3:
        return x.ticks(7)
    return Axis(x.low, x.high, x.start_px, x.end_px).ticks(6)


def _strip(rope: float | None, x: Axis, bottom: float) -> Markup | None:
    """The region in which two rates are practically equal."""
    if not rope:
        return None
    left, right = x(1 / (1 + rope)), x(1 + rope)
    tip = f"practically equal: {format_ratio(1 / (1 + rope))} to {format_ratio(1 + rope)}"
    return el(
        "rect", x=round(left, 1), width=round(right - left, 1), y=TOP - 4, height=bottom - TOP + 4, class_="rope",
        data_tip=tip,
    )  # fmt: skip


def _row(entry: Document, y_px: float, x: Axis) -> Markup:
    """Label, drawing, numbers, verdict."""
    sign, label = verdict_sign(entry.get("verdict")), label_of(entry)
    short = label if len(label) <= MOST_LETTERS else label[: MOST_LETTERS - 1] + "…"
    ratio, ends = finite(entry.get("ratio")), bounds(entry.get("interval"))
    numbers = f"{ratio_text(ratio)} {ratio_interval_text(ends) if ends else 'no interval'}"
    if ratio is None or ratio <= 0:
        numbers = "no ratio"
    return el(
        "g",
        el("text", short, x=round(x.start_px - 12), y=y_px + 4, class_="end"),
        *interval_marks(x, ends, y_px, 4),
        _point(entry, ratio, y_px, x, sign),
        el("text", numbers, x=PLOT_RIGHT + 14, y=y_px + 4, class_="numbers"),
        el("text", f"{sign.mark} {sign.word}", x=PLOT_RIGHT + 200, y=y_px + 4, class_="word"),
        class_=sign.tone,
        data_tip=f"{label}: {numbers}, {sign.word}",
    )


def _point(entry: Document, ratio: float | None, y_px: float, x: Axis, sign: Sign) -> Markup | None:
    if ratio is None or ratio <= 0:
        return None
    shape = SHAPES.get(sign.word, DIAMOND)
    hollow = "" if sign.word in SHAPES and bounds(entry.get("interval")) else " hollow"
    return el("path", d=shape, transform=f"translate({x(ratio):.1f} {y_px})", class_=f"dot{hollow}")
