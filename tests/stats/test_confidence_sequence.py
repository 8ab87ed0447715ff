import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cupel.stats.confidence_sequence import confidence_sequence
from cupel.stats.empirical_bernstein import bernstein_limits
from cupel.stats.sequential_test import sequential_test
from cupel.stats.t_mixture import t_cut

UNIT = st.lists(st.floats(0, 1), min_size=1, max_size=25)


def test_t_in_closed_form() -> None:
    x = np.random.default_rng(0).normal(5, 2, 12)
    found = confidence_sequence(x, is_running=False)
    n = 12
    kept = 1 / (n + 1)
    ratio = (20 / math.sqrt(kept)) ** (2 / n)
    half = math.sqrt((n - 1) * (ratio - 1) / (1 - ratio * kept)) * x.std(ddof=1) / math.sqrt(n)
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == (pytest.approx(x.mean() - half), pytest.approx(x.mean() + half))
    assert np.all(np.isinf(found.upper[:4]))


def test_the_cuts_of_the_docstring() -> None:
    assert np.round(t_cut(np.array([5.0, 10, 20, 50, 200]), 0.95), 1).tolist() == [8.5, 3.9, 3.4, 3.3, 3.4]


def test_empirical_bernstein_by_a_naive_transcription() -> None:
    x = np.random.default_rng(1).beta(2, 5, 40)
    level = 0.9
    low, high = bernstein_limits(x, level)
    total = weighted = spread = squares = 0.0
    for i in range(1, x.size + 1):
        mean_before = (0.5 + x[: i - 1].sum()) / i
        variance_before = (0.25 + squares) / i
        weight = min(0.5, math.sqrt(2 * math.log(2 / 0.1) / (variance_before * i * math.log(1 + i))))
        total += weight
        weighted += weight * x[i - 1]
        spread += (x[i - 1] - mean_before) ** 2 * (-math.log(1 - weight) - weight)
        half = (math.log(2 / 0.1) + spread) / total
        assert low[i - 1] == pytest.approx(max(0.0, weighted / total - half), abs=1e-12)
        assert high[i - 1] == pytest.approx(min(1.0, weighted / total + half), abs=1e-12)
        squares += (x[i - 1] - (0.5 + x[:i].sum()) / (i + 1)) ** 2


def test_outcomes_have_the_interval_of_the_sequential_test() -> None:
    wins = [1, 0, 0.5, 1, 1, 0.5, 1]
    test = sequential_test(wins)
    for kind in ("bernoulli", "betting"):
        found = confidence_sequence(wins, kind=kind)
        assert found.lower == pytest.approx(test.lower, abs=1e-9)
        assert found.upper == pytest.approx(test.upper, abs=1e-9)


@settings(max_examples=30)
@given(UNIT, st.sampled_from(["t", "betting", "bounded"]), st.floats(0.1, 50), st.floats(-100, 100))
def test_another_unit_is_another_scale(x: list[float], kind: str, scale: float, shift: float) -> None:
    one = confidence_sequence(x, kind=kind, bounds=None if kind == "t" else (0, 1))
    moved = np.clip(shift + scale * np.array(x), shift, shift + scale)
    other = confidence_sequence(moved, kind=kind, bounds=None if kind == "t" else (shift, shift + scale))
    spread = float(np.ptp(x))
    if kind == "t" and spread < 1e-6:
        return
    known = np.isfinite(one.upper) & np.isfinite(other.upper)
    assert np.isfinite(one.upper[-1]) == np.isfinite(other.upper[-1])
    assert other.lower[known] == pytest.approx(shift + scale * one.lower[known], abs=1e-6 * (scale + abs(shift)))


@settings(max_examples=30)
@given(UNIT, st.sampled_from(["t", "betting", "bounded"]))
def test_carried_limits_are_the_tightest_so_far(x: list[float], kind: str) -> None:
    alone, carried = (confidence_sequence(x, kind=kind, is_running=flag) for flag in (False, True))
    assert carried.lower.tolist() == np.maximum.accumulate(alone.lower).tolist()
    assert carried.upper.tolist() == np.minimum.accumulate(alone.upper).tolist()


def test_bets_are_narrower_than_the_closed_form_and_both_shrink() -> None:
    x = np.random.default_rng(2).normal(0.8, 0.05, 150).clip(0, 1)
    widths = {}
    for kind in ("betting", "bounded"):
        found = confidence_sequence(x, kind=kind)
        widths[kind] = found.upper - found.lower
        assert widths[kind][-1] < 0.5 * widths[kind][29]
    assert np.all(widths["betting"][2:] < widths["bounded"][2:])


def test_the_price_of_bounds_in_the_docstring() -> None:
    x = np.random.default_rng(3).normal(0.5, 1e-4, 100)
    width = np.diff([getattr(confidence_sequence(x, kind="betting").interval, end) for end in ("low", "high")])
    assert 4 < 100 * width[0] < 5.5


def test_a_mean_that_moves_leaves_nothing() -> None:
    found = confidence_sequence([0.0] * 30 + [1.0] * 60, kind="bernoulli")
    assert found.interval is None
    assert found.warnings[-1].code == "drift"


def test_equal_values_have_no_interval_by_student() -> None:
    found = confidence_sequence([0.3] * 9)
    assert found.interval is None
    assert [note.code for note in found.warnings] == ["no spread"]
    assert "no interval" in found.text()


def test_skewed_values_are_told() -> None:
    rng = np.random.default_rng(4)
    notes = confidence_sequence(rng.lognormal(sigma=1.2, size=40)).warnings
    assert [note.code for note in notes] == ["approximate"]
    assert "skewness" in notes[0].text
    assert confidence_sequence(rng.normal(size=40)).warnings == ()


def test_failures_and_empty_streams() -> None:
    found = confidence_sequence([1.0, np.nan, 2.0, 3.0, 2.5, 1.5, 2.2])
    assert (found.n, found.num_failed) == (6, 1)
    assert found.warnings[0].text == "1 of 7 values are missing and left out."
    for kind in ("t", "betting", "bounded", "bernoulli"):
        none = confidence_sequence([], kind=kind)
        assert (none.n, none.interval, none.text()) == (0, None, "no value yet")
        one = confidence_sequence([1.0], kind=kind)
        assert one.n == 1
        assert one.lower[0] <= 1.0


def test_frame_and_text() -> None:
    found = confidence_sequence([0.8, 1.1, 0.9, 1.3, 1.0, 0.7, 1.2, 0.9])
    assert found.to_frame()["low"].tolist() == found.lower.tolist()
    assert found.text() == "mean 0.9875 (95% at any stop: 0.6823 to 1.293, n = 8)"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"x": [1.0], "kind": "z"}, "expected one of 't'"),
        ({"x": [1.0, math.inf]}, r"`x`\[1\] is infinite"),
        ({"x": [0.2], "bounds": (0, 1)}, "bounds belong to"),
        ({"x": [0.2], "kind": "bernoulli"}, "expected 0, 1 or 0.5"),
        ({"x": [1.2], "kind": "betting"}, "expected values from 0 to 1"),
        ({"x": [0.2], "kind": "bounded", "bounds": (1, 0)}, "lowest and the highest"),
        ({"x": [0.2], "level": 95}, "`level` is 95"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        confidence_sequence(**options)
