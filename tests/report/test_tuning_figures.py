"""Figures of a tuning run: what is drawn, what is left out, where lines break."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cupel.report.drawing import GRADES, Drawing, Mark, Marks, Path, Text
from cupel.report.figure_incumbent import incumbent
from cupel.report.figure_learning_curves import MOST_LINES, learning_curves, thinned
from cupel.report.figure_parallel_coordinates import parallel_coordinates
from cupel.report.palette import palette
from cupel.report.plot_scale import labelled_ticks
from cupel.report.svg import to_file
from cupel.report.value_axis import ValueAxis, grade


def lines_of(drawing: Drawing) -> list[Path]:
    return [shape for shape in drawing.shapes if isinstance(shape, Path) and shape.pen and not shape.is_closed]


def texts_of(drawing: Drawing) -> str:
    return "\n".join(shape.text for shape in drawing.shapes if isinstance(shape, Text))


def curve(trial: int, ys: list[float | None], **more: object) -> dict[str, object]:
    return {"label": f"trial {trial}", "x": list(range(1, len(ys) + 1)), "y": ys, **more}


def test_a_line_breaks_where_a_value_is_no_number_and_ends_in_a_cross_where_none_follows() -> None:
    drawing = learning_curves([curve(0, [3.0, 2.5, math.nan, 2.0, 1.9]), curve(1, [3.0, 2.6, None])])
    assert drawing is not None
    assert [len(line.points) for line in lines_of(drawing)] == [2, 2, 2]
    (cross,) = [shape for shape in drawing.shapes if isinstance(shape, Mark) and shape.shape == "cross"]
    assert cross.tip == "trial 1: no number after this"
    assert (cross.x, cross.y) == lines_of(drawing)[0].points[-1]


def test_a_script_that_begins_again_begins_another_line() -> None:
    drawing = learning_curves([{"label": "trial 0", "x": [1, 2, 1, 2, 3], "y": [3.0, 2.0, 3.0, 2.0, 1.0]}])
    assert drawing is not None
    assert [len(line.points) for line in lines_of(drawing)] == [2, 3]


def test_values_alone_are_dots_and_no_curve_is_said_to_be_none() -> None:
    assert learning_curves([]) is None
    assert learning_curves([curve(0, [1.0]), curve(1, [math.nan, 2.0])]) is None
    drawing = learning_curves([curve(0, [1.0]), curve(1, [2.0, 1.0])])
    assert drawing is not None
    assert [len(shape.points) for shape in drawing.shapes if isinstance(shape, Marks)] == [1]


def test_of_many_trials_some_are_drawn_and_the_incumbent_is_on_top() -> None:
    curves = [curve(k, [2.0 + k, 1.0 + k], rank=k / 999, is_best=k == 0) for k in range(1000)]
    drawing = learning_curves(curves, y_label="loss")
    assert drawing is not None
    lines = lines_of(drawing)
    assert len(lines) == MOST_LINES
    assert lines[-1].tip == "trial 0"
    assert lines[-1].pen.role == "c1"
    assert {line.pen.role for line in lines[:-1]} == set(GRADES)
    assert f"loss, {MOST_LINES} of 1000 trials" in texts_of(drawing)


@given(st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=400), st.integers(4, 60))
def test_a_thinned_line_keeps_its_ends_and_extremes(ys: list[float], most: int) -> None:
    run = list(enumerate(ys))
    found = thinned(run, most)
    assert found[0] == run[0]
    assert found[-1] == run[-1]
    assert found == sorted(found)
    assert len(found) <= max(most, 2)
    assert {min(ys), max(ys)} <= {y for _, y in found}


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=60))
@example([9.440154224203857e17] * 2)
@example([5e-324, 0.0])
@example([1.0, 1.0 + 1e-15, 1.0])
def test_an_axis_of_values_can_be_drawn_whatever_they_are(values: list[float]) -> None:
    found = ValueAxis.around(values, 300, 0)
    assert found.axis.low < found.axis.high
    assert all(0 <= found.axis(value) <= 300 for value in values)
    assert 0 <= found.num_beyond <= len(values)
    assert labelled_ticks(found.axis, 5)


def test_a_value_that_diverged_does_not_press_the_others_into_a_line() -> None:
    rng = random.Random(0)
    values = [rng.uniform(-1, 1) for _ in range(100)]
    found = ValueAxis.around([*values, 1e30, -1e200], 300, 0)
    assert found.axis.high < 10
    assert found.num_beyond == 2
    assert found.beyond_text == "2 values lie beyond the axis, at its end"
    spread = [found.axis(value) for value in values]
    assert max(spread) - min(spread) > 60
    assert ValueAxis.around([0.1, 2.0], 300, 0).axis.is_log
    assert not ValueAxis.around([-0.1, 2.0], 300, 0).axis.is_log
    assert ValueAxis.around([5.0], 300, 0).beyond_text == ""


def test_every_grade_has_a_colour_in_both_themes() -> None:
    assert [grade(k / 5) for k in range(6)] == list(GRADES)
    for theme in ("light", "dark"):
        assert len({palette(theme)[role] for role in GRADES}) == 6


AXES = [
    {"name": "lr", "low": 1e-5, "high": 1.0, "is_log": True},
    {"name": "opt", "choices": ["sgd", True, 3]},
    {"name": "momentum", "low": 0.0, "high": 1.0},
]


def line(trial: int, value: float, **parameters: object) -> dict[str, object]:
    return {"label": f"trial {trial}", "parameters": parameters, "value": value}


def test_a_parameter_without_a_part_is_passed_below_its_axis() -> None:
    lines = [line(0, 1.0, lr=0.1, opt="sgd", momentum=0.9) | {"is_best": True}, line(1, 2.0, lr=1e-5, opt=True)]
    drawing = parallel_coordinates(AXES, lines, value_name="loss at 1")
    assert drawing is not None
    first, last = lines_of(drawing)
    assert (first.tip, last.tip) == ("trial 1", "trial 0")
    assert last.pen.role == "c1"
    assert first.points[2][1] > max(y for k, (_, y) in enumerate(first.points) if k != 2)
    # a tenth is four fifths up from 1e-5 to 1 on a scale of ratios
    low, high = 352.0, 52.0
    assert last.points[0][1] == pytest.approx(low + 0.8 * (high - low))
    words = texts_of(drawing)
    for text in ("lr", "opt", "momentum", "loss at 1", "sgd", "True", "3", "no part", "2 trials"):
        assert text in words.splitlines(), text


def test_of_many_trials_the_marked_one_is_drawn_and_many_axes_make_it_wide() -> None:
    axes = [{"name": f"p{k}", "low": 0, "high": 1} for k in range(30)]
    lines = [line(k, float(k), **{axis["name"]: k / 999 for axis in axes}) for k in range(1000)]
    lines[701]["is_best"] = True
    drawing = parallel_coordinates(axes, lines)
    assert drawing is not None
    assert drawing.width_px > 2000
    drawn = lines_of(drawing)
    assert 300 <= len(drawn) <= 301
    assert drawn[-1].tip == "trial 701"
    assert parallel_coordinates(axes, []) is None
    assert "<script>" not in to_file(parallel_coordinates([{"name": "<script>", "low": 0, "high": 1}], lines[:2]))


def steps(*rows: tuple[float, float, float]) -> list[dict[str, float]]:
    return [dict(zip(("device_s", "value", "resource"), row, strict=True)) for row in rows]


def test_the_best_over_time_breaks_where_the_resource_grows() -> None:
    again = {"mean": 0.5, "low": 0.45, "high": 0.55}
    drawing = incumbent(steps((1, 0.9, 1), (3, 0.8, 1), (5, 0.6, 3)), end_s=10.0, again=again, y_label="loss")
    assert drawing is not None
    by_name = [shape for shape in lines_of(drawing) if shape.tip == "as selected"]
    assert [shape.points[0][0] < shape.points[-1][0] for shape in by_name] == [True, True]
    assert by_name[0].points[-1][0] == by_name[1].points[0][0]
    areas = [shape for shape in drawing.shapes if isinstance(shape, Path) and shape.fill]
    assert len(areas) == 1
    assert drawing.description == "as selected: 0.6 at 10; fresh seeds: 0.5 at 10"
    assert "seconds of workers' time" in texts_of(drawing)


def test_the_best_over_time_without_fresh_seeds_an_interval_or_any_value() -> None:
    assert incumbent([], end_s=0.0) is None
    drawing = incumbent(steps((0, -0.9, 1)), end_s=0.0, again={"mean": 0.5, "low": None, "high": None})
    assert drawing is not None
    assert not [shape for shape in drawing.shapes if isinstance(shape, Path) and shape.fill]
    hours = incumbent(steps((60, 9.0, 1), (600, 0.5, 1), (700, 0.4, 1)), end_s=36_000.0)
    assert hours is not None
    assert "hours of workers' time" in texts_of(hours)
    assert hours.description == "as selected: 0.4 at 10"
