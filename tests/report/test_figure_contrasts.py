"""Forest plots and critical-difference diagrams: marks where the axis says, words beside them."""

from __future__ import annotations

import itertools
import math

import pytest

from cupel.report.drawing import Drawing, Line, Mark, Path, Rect, Text
from cupel.report.figure_critical_difference import BAR, PositionAxis, critical_difference
from cupel.report.figure_forest import EffectAxis, forest
from cupel.spec.errors import UnknownNameError, UsageError

ROWS = [
    {"label": "PB − HB", "estimate": 0.3, "interval": (0.1, 0.5), "verdict": "supported", "numbers": "+0.30"},
    {"label": "RS − HB", "estimate": -0.2, "interval": (-0.4, -0.05), "verdict": "contradicted"},
    {"label": "A − B", "estimate": 0.01, "interval": (-0.02, 0.03), "verdict": "equivalent"},
    {"label": "C − D", "estimate": 0.1, "interval": (-0.1, 0.3), "verdict": "undecided"},
]


def texts(drawing: Drawing) -> list[Text]:
    return [shape for shape in drawing.shapes if isinstance(shape, Text)]


def marks(drawing: Drawing) -> list[Mark]:
    return [shape for shape in drawing.shapes if isinstance(shape, Mark)]


def read_scale(drawing: Drawing, *, is_log: bool = False):
    """Pixel of a value by the numbers that stand on the axis themselves, not by the code that placed the marks."""
    ticks = [t for t in texts(drawing) if t.anchor == "middle" and t.text.replace("−", "").replace(".", "").isdigit()]
    transform = math.log if is_log else float
    points = sorted((transform(float(t.text.replace("−", "-"))), t.x) for t in ticks)
    (v0, x0), (v1, x1) = points[0], points[-1]
    for value, x in points:
        assert x == pytest.approx(x0 + (value - v0) / (v1 - v0) * (x1 - x0), abs=0.01)
    return lambda value: x0 + (transform(value) - v0) / (v1 - v0) * (x1 - x0)


def test_a_forest_has_its_marks_where_the_axis_says():
    axis = EffectAxis("accuracy", 0.0, (-0.05, 0.05), "HB better", "PB better")
    drawing = forest(ROWS, axis=axis, title="a title")
    x = read_scale(drawing)
    found = marks(drawing)
    assert [mark.x for mark in found] == pytest.approx([x(row["estimate"]) for row in ROWS], abs=0.05)
    assert [mark.shape for mark in found] == ["up", "down", "diamond", "diamond"]
    assert [mark.role for mark in found] == ["good", "warn", "calm", "calm"]
    assert [mark.is_hollow for mark in found] == [False, False, False, True]
    bars = [s for s in drawing.shapes if isinstance(s, Line) and s.pen.width_px == 1.8]
    assert [(bar.x1, bar.x2) for bar in bars] == [
        (pytest.approx(x(low), abs=0.05), pytest.approx(x(high), abs=0.05))
        for low, high in (r["interval"] for r in ROWS)
    ]
    assert [bar.y1 for bar in bars] == [mark.y for mark in found]
    strip = next(shape for shape in drawing.shapes if isinstance(shape, Rect))
    assert (strip.x, strip.x + strip.width) == (pytest.approx(x(-0.05), abs=0.05), pytest.approx(x(0.05), abs=0.05))
    zero = next(s for s in drawing.shapes if isinstance(s, Line) and s.pen.role == "quiet")
    assert zero.x1 == zero.x2 == pytest.approx(x(0), abs=0.05)
    words = [text.text for text in texts(drawing)]
    for part in (
        "◂ HB better",
        "PB better ▸",
        "accuracy",
        "+0.30",
        "−0.20 [−0.40, −0.05]",
        "▲ supported",
        "≈ equivalent",
    ):
        assert part in words, part
    assert drawing.title == "a title"
    assert "PB − HB: +0.30, supported" in drawing.description


def test_a_row_is_one_line_of_label_mark_numbers_and_word():
    drawing = forest(ROWS)
    for row, mark in zip(ROWS, marks(drawing), strict=True):
        line = [t.text for t in texts(drawing) if abs(t.y - 4 - mark.y) < 0.01]
        assert len(line) == 3
        assert line[0] == row["label"]
        assert line[2].split(" ", 1)[1] == row["verdict"]


def test_a_log_axis_has_equal_ratios_at_equal_distances():
    rows = [{"label": f"{k}", "estimate": v, "interval": (v / 2, v * 2)} for k, v in enumerate((0.25, 1.0, 4.0))]
    drawing = forest(rows, axis=EffectAxis(no_effect=1.0, is_log=True))
    x = read_scale(drawing, is_log=True)
    places = [mark.x for mark in marks(drawing)]
    assert places == pytest.approx([x(0.25), x(1.0), x(4.0)], abs=0.05)
    assert places[1] - places[0] == pytest.approx(places[2] - places[1])


def test_an_interval_without_an_end_is_an_arrow():
    rows = [*ROWS[:2], {"label": "open", "estimate": 0.2, "interval": (0.1, math.inf), "verdict": "supported"}]
    drawing = forest(rows)
    arrows = [s for s in drawing.shapes if isinstance(s, Path)]
    assert len(arrows) == 1
    tip = max(x for x, _ in arrows[0].points)
    assert tip == arrows[0].points[0][0]
    assert tip > max(mark.x for mark in marks(drawing))
    assert "0.20 [0.10, ∞]" in [text.text for text in texts(drawing)]
    both = forest([{"label": "A", "estimate": 1.0, "interval": (None, None)}])
    assert len([s for s in both.shapes if isinstance(s, Path)]) == 2


def test_what_is_unknown_has_no_mark_and_says_so():
    drawing = forest([{"label": "A", "estimate": None, "interval": None}, {"label": "B", "estimate": math.nan}])
    assert marks(drawing) == []
    assert [text.text for text in texts(drawing)].count("not known") == 2
    hollow = marks(forest([{"label": "A", "estimate": 1.0, "interval": None, "verdict": "supported"}]))
    assert hollow[0].is_hollow, "an estimate without an interval is not like one with a narrow interval"


def test_in_a_narrow_figure_labels_give_way_and_numbers_stay_whole():
    rows = [{**row, "label": f"{row['label']} with a long name"} for row in ROWS]
    for width_px in (400, 480, 720):
        drawing = forest(rows, width_px=width_px)
        shown = [text.text for text in texts(drawing)]
        assert {"−0.20 [−0.40, −0.05]", "▲ supported", "▼ contradicted"} <= set(shown)
        left = max(text.x for text in texts(drawing) if text.anchor == "end")
        right = min(text.x for text in texts(drawing) if text.text in ("+0.30", "−0.20 [−0.40, −0.05]"))
        assert right - left > 80, "room for the marks"


def test_a_forest_refuses_what_it_cannot_place():
    with pytest.raises(UsageError, match="interval of 'A' is from 2 to 1"):
        forest([{"label": "A", "estimate": 1, "interval": (2, 1)}])
    log = EffectAxis(no_effect=1.0, is_log=True)
    with pytest.raises(UsageError, match="estimate of 'A' is -1; on a log axis expected one above 0"):
        forest([{"label": "A", "estimate": -1.0, "interval": None}], axis=log)
    with pytest.raises(UsageError, match="for ratios it is at 1"):
        forest([], axis=EffectAxis(is_log=True))
    with pytest.raises(UsageError, match="to be 300 px wide; expected at least 400"):
        forest(ROWS, width_px=300)
    with pytest.raises(UnknownNameError, match=r"No tone named 'gud'\. Close: good"):
        forest([{"label": "A", "estimate": 1.0, "interval": None, "tone": "gud"}])


RANKS = {"PB": 1.2, "HB": 1.9, "RS": 3.4, "TPE": 3.5}


def leader_of(drawing: Drawing, name: str) -> Path:
    label = next(text for text in texts(drawing) if text.text == name)
    return next(s for s in drawing.shapes if isinstance(s, Path) and abs(s.points[-1][1] + 4 - label.y) < 0.01
                and (s.points[-1][0] < s.points[0][0]) == (label.anchor == "end"))  # fmt: skip


@pytest.mark.parametrize("better", ["lower", "higher"])
@pytest.mark.parametrize("best", ["left", "right"])
def test_leaders_end_where_the_axis_says_and_the_best_stand_at_their_end(better, best):
    drawing = critical_difference(RANKS, [], axis=PositionAxis("mean rank", better, best))
    x = read_scale(drawing)
    for name, rank in RANKS.items():
        leader = leader_of(drawing, name)
        assert leader.points[0][0] == pytest.approx(x(rank), abs=0.05)
        assert leader.points[0][0] == leader.points[1][0], "straight down, then out"
        assert f"{rank:.2f}" in [text.text for text in texts(drawing)]
    is_first_best = better == "lower"
    best_name, worst_name = ("PB", "TPE") if is_first_best else ("TPE", "PB")
    left_to_right = leader_of(drawing, best_name).points[0][0] < leader_of(drawing, worst_name).points[0][0]
    assert left_to_right == (best == "left")
    assert ("◂ better" if best == "left" else "better ▸") in [text.text for text in texts(drawing)]


@pytest.mark.parametrize("num", [2, 3, 12, 29, 30])
def test_leaders_do_not_cross(num):
    ranks = {f"m{k:02d}": 1 + (num - 1) * (k * 0.618 % 1) for k in range(num)}
    drawing = critical_difference(ranks, [])
    leaders = [shape for shape in drawing.shapes if isinstance(shape, Path)]
    assert len(leaders) == num
    for a, b in itertools.permutations(leaders, 2):
        (top_x, top), (_, bottom), _ = a.points
        _, (start, y), (end, _) = b.points
        assert not (min(start, end) < top_x < max(start, end) and top < y < bottom)


def bars(drawing: Drawing) -> list[Line]:
    return [shape for shape in drawing.shapes if isinstance(shape, Line) and shape.pen == BAR]


def test_bars_join_what_is_not_separated_and_never_touch():
    groups = [["PB", "HB"], ["HB", "RS", "TPE"], ["RS", "TPE"], ["TPE", "RS", "HB"], ["PB"]]
    drawing = critical_difference(RANKS, groups)
    x, found = read_scale(drawing), bars(drawing)
    assert [(bar.x1, bar.x2) for bar in found] == [
        (pytest.approx(x(1.2) - 3, abs=0.05), pytest.approx(x(1.9) + 3, abs=0.05)),
        (pytest.approx(x(1.9) - 3, abs=0.05), pytest.approx(x(3.5) + 3, abs=0.05)),
    ], "one in another, repeated, or alone has no bar"
    assert found[0].y1 != found[1].y1
    assert found[0].tip == "not separated: PB, HB"
    assert "not separated: HB, RS, TPE" in drawing.description
    many = {f"m{k:02d}": 1.0 + k for k in range(30)}
    order = list(many)
    drawn = bars(critical_difference(many, [order[k : k + 6] for k in range(25)]))
    assert len(drawn) == 25
    for a, b in itertools.combinations(drawn, 2):
        assert abs(a.y1 - b.y1) >= a.pen.width_px + 2 or a.x2 < b.x1 or b.x2 < a.x1


def test_a_group_with_a_stranger_inside_has_dots_and_a_thin_line_there():
    drawing = critical_difference(RANKS, [["PB", "RS", "TPE"]])
    x = read_scale(drawing)
    assert [mark.x for mark in marks(drawing)] == pytest.approx([x(1.2), x(3.4), x(3.5)], abs=0.05)
    thick = bars(drawing)
    assert [(bar.x1, bar.x2) for bar in thick] == [(pytest.approx(x(3.4), abs=0.05), pytest.approx(x(3.5), abs=0.05))]
    assert bars(critical_difference(RANKS, [["PB", "RS"]])) == []


def test_the_bracket_is_as_long_as_the_distance():
    drawing = critical_difference(RANKS, [], distance=(0.8, "CD = 0.80"))
    x = read_scale(drawing)
    bracket = next(s for s in drawing.shapes if isinstance(s, Line) and s.pen.width_px == 1.6)
    assert bracket.x2 - bracket.x1 == pytest.approx(x(1.8) - x(1.0), abs=0.05)
    assert "CD = 0.80" in [text.text for text in texts(drawing)]
    long = critical_difference(RANKS, [], distance=(80, "CD = 80"))
    assert "CD = 80 (longer than the axis)" in [text.text for text in texts(long)]


def test_methods_without_a_position_are_named():
    drawing = critical_difference({"A": 1.0, "B": 2.0, "C": None}, [["A", "C"]])
    assert "without a position: C" in [text.text for text in texts(drawing)]
    assert bars(drawing) == []
    assert drawing.description.endswith("without a position: C")


def test_names_alike_after_cleaning_stay_two_methods():
    drawing = critical_difference({"a b": 1.0, "a\nb": 2.0}, [["a b", "a\nb"]])
    assert [text.text for text in texts(drawing)].count("a b") == 2
    assert len(bars(drawing)) == 1


def test_means_have_as_many_digits_as_tell_them_apart():
    drawing = critical_difference({"A": 0.1213, "B": 0.1364}, [], axis=PositionAxis("regret", is_rank=False))
    assert {"0.1213", "0.1364"} <= {text.text for text in texts(drawing)}


def test_a_diagram_refuses_what_it_cannot_place():
    with pytest.raises(UnknownNameError, match=r"No method with a position named 'HX'\. Close: HB"):
        critical_difference(RANKS, [["HX", "PB"]])
    with pytest.raises(UsageError, match="None of the 1 methods has a position"):
        critical_difference({"A": None}, [])
    with pytest.raises(UsageError, match=r"mean rank of 'A' among 2 methods is 2\.5; expected 1 to 2"):
        critical_difference({"A": 2.5, "B": 1.0}, [])
    with pytest.raises(UsageError, match="distance to draw is 0"):
        critical_difference(RANKS, [], distance=(0.0, "CD"))
