"""What the figures' axes show, how ticks are written, and labels kept apart."""

from __future__ import annotations

import itertools
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupel.report.axis import Axis
from cupel.report.drawing import Line, Pen
from cupel.report.plot_frame import Look, interval_bar, spread
from cupel.report.plot_scale import (
    SUPERSCRIPTS,
    interval_ends,
    known,
    labelled_ticks,
    number_text,
    range_around,
    ticks_of,
)
from cupel.report.text_width import text_width_px
from cupel.spec.errors import UsageError

numbers = st.floats(-1e12, 1e12)
anything = st.one_of(st.none(), st.floats(), st.integers(-(10**6), 10**6))
BACK = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹−", "-0123456789-")


def read(text: str) -> float:
    """The number that a tick says."""
    found = re.fullmatch(r"(−?[\d.]+)?(?:×)?(−?10)?([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)?", text)
    assert found, text
    if not found[3]:
        return float(text.translate(BACK))
    lead, power = text[: found.start(3)], int(found[3].translate(BACK))
    sign = -1.0 if lead.startswith("−10") else 1.0
    factor = float(lead.removesuffix("×10").translate(BACK)) if "×" in lead else sign
    return float(f"{factor!r}e{power}")


def test_what_cannot_be_placed_is_unknown():
    assert known(0.5) == 0.5
    assert [known(value) for value in (None, math.nan, math.inf, -math.inf, 1e151, True, "1")] == [None] * 7


def test_ends_of_intervals():
    assert interval_ends(None) is None
    assert interval_ends((1, 2)) == (1, 2)
    assert interval_ends([None, 2.0]) == (-math.inf, 2.0)
    assert interval_ends([1.0, math.inf]) == (1.0, math.inf)
    assert interval_ends((1.0, 1e305)) == (1.0, math.inf)
    assert interval_ends((math.nan, 2.0)) is None
    with pytest.raises(UsageError, match=r"'A'.*from 2 to 1; expected the lower end first"):
        interval_ends((2, 1), "A")
    with pytest.raises(UsageError, match="expected two ends"):
        interval_ends((1, 2, 3), "A")


@given(st.lists(st.tuples(anything.map(known), st.none()), max_size=20), st.booleans())
def test_a_range_holds_every_value(points, is_log):
    low, high = range_around(points, hold=[1.0], is_log=is_log)
    assert math.isfinite(low)
    assert math.isfinite(high)
    assert low < high
    inside = [v for v, _ in points if v is not None and (v >= 1e-150 or not is_log)]
    assert all(low <= v * (1 + 1e-9 * math.copysign(1, v)) and v * (1 - 1e-9 * math.copysign(1, v)) <= high
               for v in [1.0, *inside])  # fmt: skip
    if is_log:
        assert low > 0


def test_usual_intervals_are_whole_and_one_far_wider_leaves_the_axis():
    usual = [(float(k), (k - 1.0, k + 1.5)) for k in range(9)]
    low, high = range_around([*usual, (4.0, (-1e6, 1e6))])
    assert low < -1
    assert high > 9.5
    assert high - low < 20
    assert range_around([(1.0, (-math.inf, math.inf))])[1] < 2


@pytest.mark.parametrize("value", [0.0, 1.0, -3.5, 1e-12, 1e12])
def test_one_value_is_in_the_middle_of_a_range(value):
    low, high = range_around([(value, None), (value, None)])
    assert (low + high) / 2 == pytest.approx(value)
    assert low < value < high


@given(st.lists(numbers, min_size=2, max_size=2, unique=True), st.integers(2, 9), st.booleans())
def test_ticks_say_where_they_stand_and_do_not_touch(ends, most, is_log):
    low, high = range_around([(end, None) for end in ends], is_log=is_log)
    axis = Axis(low, high, 50, 350, is_log)
    ticks = ticks_of(axis, most)
    assert all(low <= value <= high for value, _ in ticks)
    width = high - low
    for value, text in ticks:
        assert read(text) == pytest.approx(value, rel=2e-4, abs=1e-6 * width)
    assert len({text for _, text in ticks}) == len(ticks)
    for (a, a_text), (b, b_text) in itertools.pairwise(ticks):
        assert abs(axis(b) - axis(a)) >= (text_width_px(a_text, 11) + text_width_px(b_text, 11)) / 2


@given(st.integers(-150, 146), st.floats(1.0, 9.99), st.floats(1.5, 1e3))
def test_ticks_of_very_large_and_small_values(exponent, lead, factor):
    low = lead * 10.0**exponent
    axis = Axis(low, low * factor, 0, 500)
    ticks = labelled_ticks(axis, 5)
    assert 1 <= len(ticks) <= 8
    assert len({text for _, text in ticks}) == len(ticks)


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [
        (0.0, 1.0, ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (-0.05, 0.06, ["−0.050", "−0.025", "0", "0.025", "0.050"]),
        (0.9123, 0.9124, ["0.91230", "0.91232", "0.91234", "0.91236", "0.91238", "0.91240"]),
        (0.0, 4e-6, ["0", "10⁻⁶", "2×10⁻⁶", "3×10⁻⁶", "4×10⁻⁶"]),
        (0.0, 4e7, ["0", "10⁷", "2×10⁷", "3×10⁷", "4×10⁷"]),
    ],
)
def test_ticks_as_people_write_them(low, high, texts):
    assert [text for _, text in labelled_ticks(Axis(low, high, 0, 500), 5)] == texts


def test_numbers_as_people_write_them():
    assert number_text(-0.00001) == "−10⁻⁵"
    assert number_text(123456.0) == "123456"
    assert number_text(-2.5, 0.5) == "−2.5"
    assert number_text(1e-20, 0.1) == "0"
    assert "-".translate(SUPERSCRIPTS) == "⁻"


@given(st.lists(st.floats(0, 500), min_size=1, max_size=25), st.floats(1, 20))
def test_labels_are_kept_apart_in_their_order(wanted, gap):
    places = spread(wanted, gap, 0, 500)
    order = sorted(range(len(wanted)), key=lambda k: wanted[k])
    moved = [places[k] for k in order]
    assert all(b - a >= gap - 1e-6 for a, b in itertools.pairwise(moved))
    assert min(places) >= -1e-6
    assert max(places) <= 500 + 1e-6
    if all(b - a >= gap for a, b in itertools.pairwise(sorted(wanted))):
        assert places == pytest.approx([min(max(w, 0), 500) for w in wanted])


@given(st.lists(st.integers(0, 12), min_size=2, max_size=4), st.integers(1, 3))
def test_labels_are_moved_as_little_as_possible(wanted, gap):
    places = spread([float(w) for w in wanted], gap, -100, 100)
    cost = sum((p - w) ** 2 for p, w in zip(places, wanted, strict=True))
    grid = [k / 2 for k in range(-16, 41)]
    order = sorted(range(len(wanted)), key=lambda k: wanted[k])
    for shift in (-1.0, -0.5, 0.5, 1.0):
        for k in range(len(wanted)):
            tried = list(places)
            tried[k] += shift
            in_order = [tried[j] for j in order]
            if all(b - a >= gap for a, b in itertools.pairwise(in_order)):
                assert sum((p - w) ** 2 for p, w in zip(tried, wanted, strict=True)) >= cost - 1e-9
    best = best_on_grid(sorted(wanted), gap, grid)
    assert cost <= best + 1e-9


def best_on_grid(wanted: list[int], gap: int, grid: list[float]) -> float:
    """The least cost among all places on a grid, one label after the other."""
    cost = [(g - wanted[0]) ** 2 for g in grid]
    for w in wanted[1:]:
        before = [min((c for c, g0 in zip(cost, grid, strict=True) if g0 <= g - gap), default=math.inf) for g in grid]
        cost = [b + (g - w) ** 2 for b, g in zip(before, grid, strict=True)]
    return min(cost)


def test_the_first_eight_series_differ_without_colour_and_no_two_of_280_are_alike():
    looks = [Look.of(k) for k in range(280)]
    assert len(set(looks)) == 280
    assert len({(look.dash, look.mark) for look in looks[:8]}) == 8


@pytest.mark.parametrize(("start", "end"), [(0.0, 100.0), (100.0, 0.0)])
def test_an_end_outside_the_axis_is_an_arrow_that_points_there(start, end):
    axis = Axis(0.0, 10.0, start, end)
    inside = interval_bar(axis, (2.0, 7.0), 5, Pen())
    assert inside == [Line(axis(2.0), 5, axis(7.0), 5, Pen())]
    bar, low_arrow, high_arrow = interval_bar(axis, (-math.inf, 12.0), 5, Pen())
    assert {bar.x1, bar.x2} == {0.0, 100.0}
    assert low_arrow.points[0] == (axis(0.0), 5)
    assert high_arrow.points[0] == (axis(10.0), 5)
    inward = 1 if end > start else -1
    assert all((x - axis(0.0)) * inward > 0 for x, _ in low_arrow.points[1:])
    assert interval_bar(axis, None, 5, Pen()) == []
