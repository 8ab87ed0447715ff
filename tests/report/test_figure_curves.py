"""Profiles, budget curves, variance decompositions and samples: marks where the axis says, words beside them."""

from __future__ import annotations

import itertools
import math
import re

import pytest

from cupel.report.curve_plot import CurveAxes
from cupel.report.drawing import Drawing, Line, Mark, Marks, Path, Rect, Text
from cupel.report.figure_budget import budget_curve
from cupel.report.figure_profile import profile
from cupel.report.figure_samples import strip
from cupel.report.figure_variance import variance
from cupel.report.plot_frame import Look
from cupel.spec.errors import UsageError

CURVE = {"label": "PB", "x": [1.0, 2.0, 5.0, 10.0], "y": [0.2, 0.5, 0.8, 0.9]}


def texts(drawing: Drawing) -> list[Text]:
    return [shape for shape in drawing.shapes if isinstance(shape, Text)]


def words(drawing: Drawing) -> list[str]:
    return [text.text for text in texts(drawing)]


def read_scale(drawing: Drawing, *, is_up: bool = False, is_log: bool = False):
    """Pixel of a value by the numbers on the axis: centred ones along, those at the right end of their place up."""
    anchor = "end" if is_up else "middle"
    ticks = [t for t in texts(drawing) if t.anchor == anchor and re.fullmatch(r"−?[\d.]+", t.text) and t.size == 11]
    transform = math.log if is_log else float
    points = sorted((transform(float(t.text.replace("−", "-"))), t.y - 4 if is_up else t.x) for t in ticks)
    (v0, x0), (v1, x1) = points[0], points[-1]
    return lambda value: x0 + (transform(value) - v0) / (v1 - v0) * (x1 - x0)


def lines_of(drawing: Drawing, role: str) -> list[Path]:
    return [s for s in drawing.shapes if isinstance(s, Path) and s.pen and s.pen.role == role]


def bands(drawing: Drawing) -> list[Path]:
    return [s for s in drawing.shapes if isinstance(s, Path) and s.fill]


def test_a_profile_holds_each_value_until_the_next():
    drawing = profile([CURVE], axes=CurveAxes("τ", "share", True, (0.0, 1.0)))
    x, y = read_scale(drawing, is_log=True), read_scale(drawing, is_up=True)
    (line,) = lines_of(drawing, "c0")
    corners = [(1, 0.2), (2, 0.2), (2, 0.5), (5, 0.5), (5, 0.8), (10, 0.8), (10, 0.9)]
    assert [p[0] for p in line.points] == pytest.approx([x(a) for a, _ in corners], abs=0.05)
    assert [p[1] for p in line.points] == pytest.approx([y(b) for _, b in corners], abs=0.05)
    assert {"τ", "share", "PB"} <= set(words(drawing))
    assert "PB: 0.9 at 10" in drawing.description
    marks = [s for s in drawing.shapes if isinstance(s, Mark) and s.x < x(10) + 1]
    assert marks
    for mark in marks:
        below = [b for a, b in zip(CURVE["x"], CURVE["y"], strict=True) if x(a) <= mark.x + 1e-6]
        assert mark.y == pytest.approx(y(below[-1]), abs=0.05), "marks lie on their curve"


def test_a_band_goes_round_its_curve_and_breaks_where_it_is_unknown():
    low, high = [0.1, 0.4, 0.7, 0.8], [0.3, 0.6, 0.9, 1.0]
    drawing = budget_curve([{**CURVE, "low": low, "high": high}], axes=CurveAxes())
    x, y = read_scale(drawing), read_scale(drawing, is_up=True)
    (band,) = bands(drawing)
    expected = [*zip(CURVE["x"], low, strict=True), *list(zip(CURVE["x"], high, strict=True))[::-1]]
    assert [p[0] for p in band.points] == pytest.approx([x(a) for a, _ in expected], abs=0.05)
    assert [p[1] for p in band.points] == pytest.approx([y(b) for _, b in expected], abs=0.05)
    parts = bands(budget_curve([{**CURVE, "low": [0.1, 0.4, None, 0.8], "high": high}]))
    assert [len(part.points) for part in parts] == [4], "a single end is no band"
    open_ended = bands(budget_curve([{**CURVE, "low": low, "high": [0.3, math.inf, 0.9, 1.0]}]))
    assert len(open_ended) == 1


def test_an_unknown_value_breaks_the_line():
    drawing = budget_curve([{"label": "A", "x": [1, 2, 3, 4, 5], "y": [1.0, 2.0, math.nan, 2.0, None]}])
    assert [len(line.points) for line in lines_of(drawing, "c0")] == [2]
    x, y = read_scale(drawing, is_log=True), read_scale(drawing, is_up=True)
    at = {(round(m.x, 1), round(m.y, 1)) for m in drawing.shapes if isinstance(m, Mark)}
    assert (round(x(4), 1), round(y(2.0), 1)) in at, "a point between two gaps is a mark of its own"
    nothing = profile([{"label": "A", "x": [1.0], "y": [None]}])
    assert "A: no values" in nothing.description


def test_every_series_is_named_beside_a_sample_of_its_line_in_the_order_of_the_ends():
    curves = [{"label": f"m{k}", "x": [1, 2], "y": [0.0, k % 4 + 0.01 * k]} for k in range(9)]
    drawing = profile(curves)
    names = [text for text in texts(drawing) if text.text.startswith("m")]
    ends = {curve["label"]: curve["y"][1] for curve in curves}
    by_place = [ends[text.text] for text in sorted(names, key=lambda text: text.y)]
    assert by_place == sorted(by_place, reverse=True)
    for text in names:
        look = Look.of(int(text.text[1:]))
        samples = [s for s in drawing.shapes if isinstance(s, Line) and s.y1 == text.y - 4 and s.pen == look.pen()]
        assert len(samples) == 1
        assert any(isinstance(s, Mark) and s.y == text.y - 4 and s.shape == look.mark for s in drawing.shapes)
    for a, b in itertools.pairwise(sorted(text.y for text in names)):
        assert b - a >= 14


def test_a_series_keeps_its_look_in_every_figure():
    (line,) = lines_of(profile([{**CURVE, "series": 3}]), "c3")
    assert line.pen == Look.of(3).pen()


def test_windows_stand_above_the_curve_where_they_are():
    windows = [
        {"label": "PB ahead", "start": 2.0, "end": 5.0, "series": 1},
        {"label": "HB ahead", "start": None, "end": 1.5, "series": 2},
        {"label": "PB ahead", "start": 8.0, "end": None, "series": 1},
        {"label": "HB ahead", "start": 20.0, "end": 30.0},
    ]
    axes = CurveAxes("budget", "difference", True, None, 0.0, (-0.1, 0.1))
    drawing = budget_curve([CURVE], windows=windows, axes=axes)
    x = read_scale(drawing, is_log=True)
    rects = [s for s in drawing.shapes if isinstance(s, Rect) and s.opacity == 1 and s.fill != "shade"]
    spans = {(rect.fill, round(rect.x, 1), round(rect.x + rect.width, 1)) for rect in rects}
    assert spans == {
        ("c1", round(x(2), 1), round(x(5), 1)),
        ("c1", round(x(8), 1), round(x(10), 1)),
        ("c2", round(x(1), 1), round(x(1.5), 1)),
    }, "what lies beyond the axis is not drawn"
    rows = {rect.fill: rect.y for rect in rects}
    assert rows["c1"] < rows["c2"], "a row for each label"
    top = min(y for line in lines_of(drawing, "c0") for _, y in line.points)
    assert all(rect.y + rect.height < top for rect in rects)
    assert words(drawing).count("PB ahead") == 1
    assert "PB ahead: 2 to 5, from 8 on; HB ahead: up to 1.5, 20 to 30" in drawing.description
    with pytest.raises(UsageError, match="window 'A' is from 3 to 2"):
        budget_curve([CURVE], windows=[{"label": "A", "start": 3, "end": 2}])


def test_no_effect_and_equivalence_are_drawn_at_their_values():
    drawing = budget_curve([CURVE], axes=CurveAxes(no_effect=0.4, equivalence=(0.3, 0.6)))
    y = read_scale(drawing, is_up=True)
    strip_ = next(s for s in drawing.shapes if isinstance(s, Rect) and s.fill == "shade")
    assert (strip_.y, strip_.y + strip_.height) == (pytest.approx(y(0.6), abs=0.05), pytest.approx(y(0.3), abs=0.05))
    level = [s.y1 for s in drawing.shapes if isinstance(s, Line) and s.pen.role == "quiet" and s.pen.width_px == 1.2]
    assert level == [pytest.approx(y(0.4), abs=0.05)]


def test_curves_that_are_none_are_refused():
    with pytest.raises(UsageError, match="'A' has 2 x and 1 y"):
        profile([{"label": "A", "x": [1, 2], "y": [1]}])
    with pytest.raises(UsageError, match="'A' has 2 x and 3 high"):
        profile([{"label": "A", "x": [1, 2], "y": [1, 2], "low": [0, 0], "high": [3, 3, 3]}])
    with pytest.raises(UsageError, match="'A' go from 2 back to 1; sort them first"):
        profile([{"label": "A", "x": [2, None, 1], "y": [1, 1, 1]}])


PARTS = [
    {"source": "split", "share": 0.48, "sd": 0.021, "interval": (0.35, 0.62)},
    {"source": "init", "share": 0.2, "sd": 0.0135, "interval": (0.1, None)},
    {"source": "noise", "share": 0.004},
    {"source": "order", "share": None, "sd": None},
]


def test_bars_are_as_long_as_their_shares():
    drawing = variance(PARTS)
    x = read_scale(drawing)
    bars = [s for s in drawing.shapes if isinstance(s, Rect) and s.opacity < 1]
    assert [bar.x for bar in bars] == [pytest.approx(x(0), abs=0.05)] * 3
    assert [bar.x + bar.width for bar in bars] == pytest.approx([x(48), x(20), x(0.4)], abs=0.05)
    whiskers = [s for s in drawing.shapes if isinstance(s, Line) and s.pen.width_px == 1.4]
    assert (whiskers[0].x1, whiskers[0].x2) == (pytest.approx(x(35), abs=0.05), pytest.approx(x(62), abs=0.05))
    assert [w.y1 for w in whiskers] == [bar.y + bar.height / 2 for bar in bars[:2]]
    assert len([s for s in drawing.shapes if isinstance(s, Path)]) == 1, "no upper end: an arrow"
    for part in ("48 % [35, 62], sd 0.021", "20 % [10, ∞], sd 0.0135", "0.4 %", "share not known"):
        assert part in words(drawing), part


def test_the_stacked_bar_has_the_shares_in_a_row_and_leaves_the_rest_open():
    drawing = variance(PARTS)
    x = read_scale(drawing)
    stack = [s for s in drawing.shapes if isinstance(s, Rect) and s.opacity == 1]
    assert [s.x for s in stack] == pytest.approx([x(0), x(48), x(68)], abs=0.05)
    assert stack[-1].x + stack[-1].width < x(70)
    assert {"48 %", "20 %"} <= set(words(drawing))
    whole = variance([{"source": "a", "share": 0.9}, {"source": "b", "share": 0.8}])
    assert "together" not in words(whole), "shares of more than the whole are no parts of it"
    with pytest.raises(UsageError, match="share of 'a' is 48; expected a part of the whole"):
        variance([{"source": "a", "share": 48}])


def test_every_run_is_a_dot_at_its_value():
    rows = [
        {"task": "t", "method": "A", "values": [0.1, 0.4, 0.4, None, math.nan], "mean": 0.3, "interval": (0.2, 0.4)},
        {"task": "t", "method": "B", "values": [0.2, 0.9], "mean": 0.55, "interval": None},
    ]
    drawing = strip(rows, label="regret")
    x = read_scale(drawing)
    dots = [shape for shape in drawing.shapes if isinstance(shape, Marks)]
    assert [p[0] for p in dots[0].points] == pytest.approx([x(0.1), x(0.4), x(0.4)], abs=0.05)
    assert [p[0] for p in dots[1].points] == pytest.approx([x(0.2), x(0.9)], abs=0.05)
    assert dots[0].points[1] != dots[0].points[2], "equal values are told apart"
    means = [shape for shape in drawing.shapes if isinstance(shape, Mark)]
    assert [mean.x for mean in means] == pytest.approx([x(0.3), x(0.55)], abs=0.05)
    assert [mean.is_hollow for mean in means] == [False, True]
    (bar,) = [s for s in drawing.shapes if isinstance(s, Line) and s.pen.width_px == 1.4]
    assert (bar.x1, bar.x2) == (pytest.approx(x(0.2), abs=0.05), pytest.approx(x(0.4), abs=0.05))
    assert "✗2" in words(drawing)
    assert "A on t: mean 0.3, 5 runs, 2 without a value" in drawing.description
    assert dots[0].role != dots[1].role
    assert dots[0].shape != dots[1].shape


def test_panels_stand_in_the_order_of_the_tasks_and_share_an_axis_when_asked():
    rows = [
        {"task": f"t{k}", "method": "A", "values": [float(k), k + 1.0], "mean": k + 0.5, "interval": None}
        for k in range(5)
    ]
    for num_columns in (1, 2, 3, 7):
        drawing = strip(rows, num_columns=num_columns)
        heads = [text for text in texts(drawing) if text.is_bold]
        assert [head.text for head in sorted(heads, key=lambda t: (t.y, t.x))] == [f"t{k}" for k in range(5)]
        assert len({head.x for head in heads}) == min(num_columns, 5)

    def shifts(drawing: Drawing) -> set[float]:
        heads = [text.x for text in texts(drawing) if text.is_bold]
        dots = [shape.points[0][0] for shape in drawing.shapes if isinstance(shape, Marks)]
        return {round(dot - head, 3) for head, dot in zip(heads, dots, strict=True)}

    assert len(shifts(strip(rows, num_columns=2))) == 1
    assert len(shifts(strip(rows, num_columns=2, is_shared=True))) == 5


def test_the_pattern_of_the_dots_is_even():
    rows = [{"task": "t", "method": "A", "values": [1.0] * 200, "mean": None, "interval": None}]
    (dots,) = [shape for shape in strip(rows).shapes if isinstance(shape, Marks)]
    heights = sorted(y for _, y in dots.points)
    gaps = [b - a for a, b in itertools.pairwise(heights)]
    assert max(gaps) < 3 * (heights[-1] - heights[0]) / 200
