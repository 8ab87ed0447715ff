"""What holds for every figure: well-formed, inside its frame, no text over another, no unknown value written."""

from __future__ import annotations

import itertools
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cupel.report.curve_plot import CurveAxes
from cupel.report.drawing import Drawing, Text
from cupel.report.figure_budget import budget_curve
from cupel.report.figure_critical_difference import PositionAxis, critical_difference
from cupel.report.figure_forest import EffectAxis, forest
from cupel.report.figure_profile import profile
from cupel.report.figure_samples import strip
from cupel.report.figure_variance import variance
from cupel.report.plot_scale import known
from cupel.report.svg import to_file, to_markup
from cupel.report.text_width import text_width_px

LONG = "a_very_long_method_name(lr=0.001, wd=0.1, schedule='cosine with warm-up', batch=4096)"
HOSTILE = "</text><script>alert('x')</script>\n\x00\u202e\uffff\"&"
VERDICTS = ("supported", "contradicted", "equivalent", "undecided", "a word of our own")


def forest_rows(num: int, *, label: str = "task") -> list[dict[str, Any]]:
    return [
        {
            "label": f"{label} {k}",
            "estimate": math.sin(k),
            "interval": (math.sin(k) - 0.3, math.sin(k) + 0.1 * (k + 1)),
            "verdict": VERDICTS[k % 5],
        }
        for k in range(num)
    ]


def curves(num: int, *, label: str = "method", points: int = 40) -> list[dict[str, Any]]:
    x = [1.0 + k for k in range(points)]
    return [
        {
            "label": f"{label} {j}",
            "x": x,
            "y": [1 - 1 / (1 + v / (j + 1)) for v in x],
            "low": [1 - 1.1 / (1 + v / (j + 1)) for v in x],
            "high": [1 - 0.8 / (1 + v / (j + 1)) for v in x],
        }
        for j in range(num)
    ]


def sample_rows(num_tasks: int, num_methods: int, *, label: str = "") -> list[dict[str, Any]]:
    return [
        {
            "task": f"{label}task {t}",
            "method": f"{label}method {m}",
            "values": [math.sin(t + m + s * s) for s in range(9)] + [None] * (t % 2),
            "mean": 0.1 * m,
            "interval": (0.1 * m - 0.2, 0.1 * m + 0.2),
        }
        for t in range(num_tasks)
        for m in range(num_methods)
    ]


def ranks(num: int, *, label: str = "method") -> dict[str, float]:
    return {f"{label} {k:02d}": 1 + (num - 1) * (k * 0.618 % 1) for k in range(num)}


def chained(positions: dict[str, float], width: int) -> list[list[str]]:
    order = sorted(positions, key=lambda name: positions[name])
    return [order[k : k + width] for k in range(0, len(order), 2)]


EFFECT = EffectAxis("regret of HB − regret of PB", 0.0, (-0.1, 0.1), "HB better", "PB better")
FIGURES: dict[str, Callable[[], Drawing]] = {
    "forest 30": lambda: forest(forest_rows(30), axis=EFFECT),
    "forest 1": lambda: forest(forest_rows(1), axis=EFFECT),
    "forest 0": lambda: forest([], axis=EFFECT),
    "forest long": lambda: forest(forest_rows(4, label=LONG), axis=EffectAxis(LONG, left=LONG, right=LONG)),
    "forest hostile": lambda: forest(forest_rows(2, label=HOSTILE), axis=EffectAxis(HOSTILE, 0, None, HOSTILE)),
    "forest equal": lambda: forest([{"label": f"{k}", "estimate": 1.0, "interval": (1.0, 1.0)} for k in range(5)]),
    "forest narrow": lambda: forest(forest_rows(3, label=LONG), axis=EFFECT, width_px=420),
    "cd 1": lambda: critical_difference({"A": 1.0}, []),
    "cd 2": lambda: critical_difference(ranks(2), [], distance=(1.5, "CD = 1.50 (Nemenyi, α = 0.05)")),
    "cd 12": lambda: critical_difference(ranks(12), chained(ranks(12), 4), distance=(3.4, "CD = 3.40")),
    "cd 30": lambda: critical_difference(ranks(30), chained(ranks(30), 7), distance=(8.0, "CD = 8.00")),
    "cd 30 long": lambda: critical_difference(ranks(30, label=LONG), chained(ranks(30, label=LONG), 9)),
    "cd equal": lambda: critical_difference(dict.fromkeys("ABCDE", 0.25), [list("ABCDE")],
                                            axis=PositionAxis("mean", "higher", "left", is_rank=False)),
    "cd hostile": lambda: critical_difference({HOSTILE: 1.0, "": 1.4, LONG: 2.9}, [[HOSTILE, ""]],
                                              distance=(0.5, HOSTILE), axis=PositionAxis(LONG)),
    "cd missing": lambda: critical_difference({"A": 1.0, "B": 2.0, "C": None, LONG: math.nan}, [["A", "C"]]),
    "profile 12": lambda: profile(curves(12), axes=CurveAxes("τ", "share of tasks", True, (0, 1))),
    "profile 30": lambda: profile(curves(30)),
    "profile 1": lambda: profile(curves(1, points=1)),
    "profile 0": lambda: profile([]),
    "profile long": lambda: profile(curves(3, label=LONG), axes=CurveAxes(LONG, LONG)),
    "profile hostile": lambda: profile(curves(2, label=HOSTILE), axes=CurveAxes(HOSTILE, HOSTILE)),
    "budget": lambda: budget_curve(curves(2), windows=[
        {"label": "PB ahead", "start": 3, "end": 10}, {"label": "PB ahead", "start": 20, "end": None},
        {"label": "HB ahead", "start": None, "end": 1.5}, {"label": LONG, "start": 100, "end": 200},
    ]),
    "budget hostile": lambda: budget_curve(curves(1, label=""), windows=[{"label": HOSTILE, "start": 2, "end": 2}]),
    "budget unknown": lambda: budget_curve([{"label": "A", "x": [1, None, 3], "y": [math.nan, 1.0, None]}]),
    "variance": lambda: variance([{"source": f"source {k}", "share": 0.2, "sd": 0.1 * k, "interval": (0.1, 0.3)}
                                  for k in range(5)]),
    "variance 1": lambda: variance([{"source": LONG, "share": 1.0, "sd": 1e-9, "interval": (0.3, None)}]),
    "variance 0": lambda: variance([]),
    "variance unknown": lambda: variance([{"source": HOSTILE, "share": None}, {"source": "", "share": math.nan}]),
    "samples 12": lambda: strip(sample_rows(12, 3), label="regret; lower is better"),
    "samples 24 of 12": lambda: strip(sample_rows(24, 12), num_columns=4, is_shared=True),
    "samples 1": lambda: strip([{"task": "t", "method": "m", "values": [1.0], "mean": 1.0}]),
    "samples 0": lambda: strip([]),
    "samples long": lambda: strip(sample_rows(2, 2, label=LONG), label=LONG),
    "samples hostile": lambda: strip(sample_rows(2, 2, label=HOSTILE), label=HOSTILE),
    "samples unknown": lambda: strip([{"task": "t", "method": "m", "values": [math.nan, math.inf, None]}]),
}  # fmt: skip


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_whole(name):
    drawing = FIGURES[name]()
    check(drawing)
    assert drawing == FIGURES[name](), "the same data, the same figure"
    texts = [shape for shape in drawing.shapes if isinstance(shape, Text)]
    for a, b in itertools.combinations(texts, 2):
        assert not overlap(a, b), (a.text, b.text)


def check(drawing: Drawing) -> None:
    """Everything lies in the frame, and both texts are well-formed and free of what is not a number."""
    for shape in drawing.shapes:
        left, top, right, bottom = shape.box()
        assert left >= -0.01, shape
        assert top >= -0.01, shape
        assert right <= drawing.width_px + 0.01, shape
        assert bottom <= drawing.height_px + 0.01, shape
    for text in (to_file(drawing), to_markup(drawing)):
        root = ET.fromstring(text)  # noqa: S314 - a text of our own; the parser of XML is the judge here
        attributes = [v for e in root.iter() for n, v in e.attrib.items() if n not in ("data-tip", "aria-label")]
        assert not re.search(r"\b(nan|inf|None)\b", " ".join(attributes))
        assert not re.search(r"\b(nan|inf|None)\b", " ".join(e.text or "" for e in root.iter() if "text" in e.tag))


def overlap(a: Text, b: Text) -> bool:
    """Whether letters of two texts lie on each other; a pixel of touching boxes does not show."""
    (l0, t0, r0, b0), (l1, t1, r1, b1) = a.box(), b.box()
    return min(r0, r1) - max(l0, l1) > 1 and min(b0, b1) - max(t0, t1) > 3


anything = st.one_of(st.none(), st.floats(), st.integers(-1000, 1000))
names = st.text(max_size=30).filter(lambda text: not re.search("nan|inf|None", text))
pairs = st.one_of(st.none(), st.tuples(anything, anything).map(lambda pair: ordered(*pair)))


def ordered(a: float | None, b: float | None) -> tuple[float | None, float | None]:
    return (b, a) if a is not None and b is not None and b < a else (a, b)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.tuples(names, anything, pairs, st.sampled_from(VERDICTS)), max_size=6), st.booleans())
def test_a_forest_of_anything_is_whole(rows, is_log):
    data = [{"label": n, "estimate": e, "interval": i, "verdict": v} for n, e, i, v in rows]
    if is_log:
        data = [row for row in data if not (isinstance(row["estimate"], int | float) and row["estimate"] <= 0)]
    check(forest(data, axis=EffectAxis("x", 1.0, (0.5, 2.0), "l", "r", is_log)))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.dictionaries(names, anything, max_size=12), st.booleans(), st.sampled_from(["left", "right"]))
def test_a_critical_difference_diagram_of_anything_is_whole(positions, is_rank, best):
    positions["sure"] = 1.0
    if is_rank:
        most = len(positions) - 1 or 1
        positions = {name: None if known(v) is None else 1 + abs(v) % most for name, v in positions.items()}
    groups = [list(positions)[::2], list(positions)[1::2]]
    check(critical_difference(positions, groups, axis=PositionAxis("x", "higher", best, is_rank), distance=(1.0, "CD")))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.lists(st.tuples(st.floats(), anything, pairs), max_size=15), max_size=4), st.booleans())
def test_curves_of_anything_are_whole(lists, is_log):
    data = []
    for rows in lists:
        rows.sort(key=lambda row: (math.isnan(row[0]), row[0]))
        low, high = ([None if band is None else band[end] for _, _, band in rows] for end in (0, 1))
        x, y = [row[0] for row in rows], [row[1] for row in rows]
        data.append({"label": "A", "x": x, "y": y, "low": low, "high": high})
    check(profile(data, axes=CurveAxes(is_log_x=is_log)))
    check(budget_curve(data, windows=[{"label": "A ahead", "start": 2, "end": 3}], axes=CurveAxes("b", "y", is_log)))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.tuples(names, st.one_of(st.none(), st.floats(0, 1)), anything, pairs), max_size=6))
def test_a_decomposition_of_anything_is_whole(parts):
    check(variance([{"source": n, "share": s, "sd": d, "interval": i} for n, s, d, i in parts]))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.tuples(names, names, st.lists(anything, max_size=8), anything, pairs), max_size=6), st.booleans())
def test_samples_of_anything_are_whole(rows, is_shared):
    data = [{"task": t, "method": m, "values": v, "mean": e, "interval": i} for t, m, v, e, i in rows]
    check(strip(data, is_shared=is_shared))


def test_long_names_are_shortened_and_whole_in_the_tip():
    drawing = forest(forest_rows(1, label=LONG))
    label = next(shape for shape in drawing.shapes if isinstance(shape, Text) and shape.text.startswith("a_very"))
    assert "…" in label.text
    assert label.text.endswith("4096) 0"), "names often differ in their last letters"
    assert LONG in label.tip
    assert text_width_px(label.text, 12) <= 0.3 * drawing.width_px
