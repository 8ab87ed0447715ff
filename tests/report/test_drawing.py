"""Axes, paths and series."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupel.report.axis import FINE, Axis, axis_around, band_path, line_path
from cupel.report.markup import Markup, el, preformatted
from cupel.report.series import Budget, step_bins, telemetry_line, warm_up_end_s
from cupel.report.table_marks import RatioWindow

positive = st.floats(1e-9, 1e9)


@given(st.lists(positive, min_size=1, max_size=50))
def test_an_axis_holds_its_values_and_has_ticks(values):
    axis = axis_around(values, 100, 0)
    assert all(-1e-6 <= axis(v) <= 100 + 1e-6 for v in values)
    assert axis.low <= min(values) <= max(values) <= axis.high
    ticks = axis.ticks(4)
    assert 1 <= len(ticks) <= 8
    assert all(axis.low * (1 - 1e-9) <= t <= axis.high * (1 + 1e-9) for t in ticks)


def test_an_axis_around_nothing_or_nought():
    assert axis_around([], 0, 1).low < axis_around([], 0, 1).high
    assert axis_around([0.0, 0.0], 0, 1).low < axis_around([0.0], 0, 1).high


@pytest.mark.parametrize(
    ("values", "is_log", "low"), [([10, 10.2], False, 9.09), ([1, 3], False, 0.0), ([1, 50], True, 0.87)]
)
def test_the_scale_fits_the_spread(values, is_log, low):
    axis = axis_around(values, 0, 1)
    assert axis.is_log == is_log
    assert axis.low == pytest.approx(low, abs=0.02)


@given(st.lists(st.tuples(st.floats(0, 500), st.floats(0, 500)), min_size=1, max_size=40))
def test_a_path_leads_through_its_points(points):
    text = line_path(points)
    numbers = [int(n) for n in re.findall(r"-?\d+", text)]
    x = y = 0
    for k, (px, py) in enumerate(points):
        dx, dy = numbers[2 * k : 2 * k + 2]
        x, y = (dx, dy) if k == 0 else (x + dx, y + dy)
        assert (x, y) == (round(px * FINE), round(py * FINE))
    assert len(numbers) == 2 * len(points)


def test_paths_of_nothing():
    assert line_path([]) == ""
    assert band_path([], [], []) == ""


@given(st.integers(1, 500), st.integers(1, 60))
def test_thinned_steps_keep_their_extremes(num, most):
    mid = [1 + (k * 7919 % 101) / 100 for k in range(num)]
    series = {"t_s": list(range(num)), "low_s": [m - 0.5 for m in mid], "high_s": [m + 0.5 for m in mid], "mid_s": mid}
    bins = step_bins({"series": series}, most)
    assert bins is not None
    assert len(bins.t_s) == min(num, most)
    assert min(bins.low_s) == min(series["low_s"])
    assert max(bins.high_s) == max(series["high_s"])
    assert bins.t_s == sorted(bins.t_s)


def test_series_with_unknown_values():
    assert step_bins({}, 10) is None
    assert step_bins({"series": {"t_s": [1.0], "low_s": [None], "high_s": [1.0], "mid_s": [1.0]}}, 10) is None
    assert telemetry_line([0, 1, 2], [None, math.nan, 0.5], 10) == [(2.0, 0.5)]
    assert telemetry_line([0, 1], None, 10) == []


def test_where_the_warm_up_ends():
    launch = {"start": 2, "num_steps": 4, "series": {"t_s": [1.0, 2.0, 3.0, 4.0]}}
    assert warm_up_end_s(launch) == 2.0
    assert warm_up_end_s({**launch, "start": 0}) == 0.0
    assert warm_up_end_s({**launch, "start_s": 1.7}) == 1.7
    assert warm_up_end_s({**launch, "start": None}) is None
    assert warm_up_end_s({}) is None


def test_the_points_of_a_page_are_shared(make_run):
    few, many = Budget.of(make_run(num_entries=1)), Budget.of(make_run(num_entries=200, num_bins=3))
    assert few.step_points == 300
    assert many.step_points < 40
    assert Budget.of({}).telemetry_points > 0


def test_one_wide_interval_does_not_flatten_the_others():
    usual = [(1.0 + k / 100, (0.98 + k / 100, 1.02 + k / 100)) for k in range(9)]
    assert RatioWindow.around([*usual, (1.0, (1e-6, 1e6))]).top < 1.5
    assert RatioWindow.around([]).top > 1
    assert RatioWindow.around([(None, None), (-1.0, (0.0, 1.0))]).top > 1


def test_ratio_axis_is_symmetric_about_one():
    axis = Axis(0.5, 2.0, 0, 100, is_log=True)
    assert axis(1.0) == pytest.approx(50)
    assert axis(0.001) == 0
    assert axis(1e9) == 100


def test_only_markup_is_taken_as_it_is():
    assert el("b", "<i>", Markup("<i>x</i>"), title='"<') == '<b title="&quot;&lt;">&lt;i&gt;<i>x</i></b>'
    assert el("p", f"{el('b', 'x')}") == "<p>&lt;b&gt;x&lt;/b&gt;</p>"
    assert el("i", None, hidden=True, id=None) == "<i hidden></i>"
    assert preformatted("a\n\x07<b>") == "<pre>a\n\\x07&lt;b&gt;</pre>"
