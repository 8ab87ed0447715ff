import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cupel.stats.compare_rates import compare_rates
from cupel.stats.compare_table import compare_table
from cupel.stats.side import Side

RATES = st.lists(st.floats(1, 1e4), min_size=2, max_size=8, unique_by=lambda rate: round(rate, 3))


def launches(centre: float, cv: float, n: int, seed: int = 0) -> np.ndarray:
    """Rates whose logs have exactly this mean and standard deviation."""
    z = np.random.default_rng(seed).normal(size=n)
    return np.asarray(centre * np.exp(cv * (z - z.mean()) / z.std(ddof=1)))


@given(RATES, RATES)
def test_agrees_with_welch_in_scipy(a: list[float], b: list[float]) -> None:
    mine = compare_rates(a, b)
    other = stats.ttest_ind(np.log(b), np.log(a), equal_var=False)
    low, high = other.confidence_interval(0.95)
    assert mine.p == pytest.approx(other.pvalue)
    assert mine.df == pytest.approx(other.df)
    assert mine.interval is not None
    assert (math.log(mine.interval.low), math.log(mine.interval.high)) == pytest.approx((low, high))


def test_welch_by_hand() -> None:
    # logs: A 0, 0.02 (mean 0.01, s^2 0.0002), B 0.10, 0.12, 0.14 (mean 0.12, s^2 0.0004)
    a, b = np.exp([0.0, 0.02]), np.exp([0.10, 0.12, 0.14])
    result = compare_rates(a, b)
    v, w = 0.0002 / 2, 0.0004 / 3
    assert math.log(result.ratio) == pytest.approx(0.11)
    assert result.se_log == pytest.approx(math.sqrt(v + w))
    assert result.df == pytest.approx((v + w) ** 2 / (v**2 / 1 + w**2 / 2))


@pytest.mark.parametrize(
    ("effect", "cv", "n", "expected", "beyond"),
    [
        (1.10, 0.01, 5, "faster", True),
        (0.90, 0.01, 5, "slower", True),
        (1.03, 0.01, 8, "faster", True),
        (1.02, 0.01, 5, "undecided", False),
        (1.002, 0.003, 8, "equivalent", False),
        (1.006, 0.002, 20, "equivalent", False),
        (1.009, 0.004, 8, "undecided", False),
        (1.0, 0.05, 3, "undecided", False),
    ],
)
def test_verdicts(effect: float, cv: float, n: int, expected: str, *, beyond: bool) -> None:
    result = compare_rates(launches(100, cv, n), launches(100 * effect, cv, n, 1))
    assert (result.verdict, result.is_beyond_rope) == (expected, beyond)
    assert (result.num_more == 0) == (expected != "undecided")


def test_a_lower_number_is_faster_when_declared() -> None:
    times_a, times_b = launches(1.0, 0.01, 5), launches(0.8, 0.01, 5, 1)
    assert compare_rates(times_a, times_b, better="lower").verdict == "faster"
    assert compare_rates(times_a, times_b).verdict == "slower"


def test_a_single_launch_has_a_ratio_and_nothing_else() -> None:
    result = compare_rates([100.0], [150.0, 151.0])
    assert result.ratio == pytest.approx(math.sqrt(150 * 151) / 100)
    assert (result.interval, result.p, result.verdict, result.se_log) == (None, None, "undecided", None)
    assert "single launch" in result.text


def test_two_single_launches_do_not_know_how_many_more() -> None:
    assert compare_rates([100.0], [150.0]).num_more is None


def test_how_many_more_settles_it_on_average() -> None:
    result = compare_rates(launches(100, 0.02, 3), launches(102, 0.02, 3, 1))
    assert result.verdict == "undecided"
    assert result.num_more is not None
    rng = np.random.default_rng(7)
    n = 3 + result.num_more
    draws = [
        compare_rates(np.exp(0.02 * rng.normal(size=n)), 1.02 * np.exp(0.02 * rng.normal(size=n))) for _ in range(300)
    ]
    assert np.mean([draw.p is not None and draw.p <= 0.05 for draw in draws]) >= 0.9 - 3 * math.sqrt(0.09 / 300)


def test_beyond_counting_is_unknown() -> None:
    assert compare_rates(launches(100, 0.3, 3), launches(101.0001, 0.3, 3, 1)).num_more is None


@settings(max_examples=50)
@given(RATES, RATES, st.floats(0.01, 100))
def test_symmetry_and_units(a: list[float], b: list[float], unit: float) -> None:
    one = compare_rates(a, b)
    back = compare_rates(b, a)
    scaled = compare_rates(np.asarray(a) * unit, np.asarray(b) * unit)
    opposite = {"faster": "slower", "slower": "faster"}
    assert back.ratio == pytest.approx(1 / one.ratio)
    assert back.verdict == opposite.get(one.verdict, one.verdict)
    assert scaled.ratio == pytest.approx(one.ratio)
    assert scaled.p == pytest.approx(one.p, rel=1e-6, abs=1e-12)


@settings(max_examples=100)
@given(RATES, RATES, st.floats(0.001, 0.5))
def test_the_verdict_can_be_read_off_the_interval(a: list[float], b: list[float], rope: float) -> None:
    result = compare_rates(a, b, rope=rope)
    assert result.interval is not None
    inside = 1 / (1 + rope) < result.interval.low and result.interval.high < 1 + rope
    excludes = not result.interval.contains(1.0)
    outside = not 1 / (1 + rope) <= result.ratio <= 1 + rope
    assert (result.verdict == "equivalent") == inside
    assert (result.verdict in {"faster", "slower"}) == (excludes and outside)


def test_launches_without_any_spread_decide_nothing() -> None:
    for b in ([5.0, 5.0], [6.0, 6.0], [6.0, 6.0 * (1 + 1e-12)]):
        result = compare_rates([5.0, 5.0], b)
        assert (result.verdict, result.interval, result.num_more) == ("undecided", None, None)
        assert "too coarse" in result.reason
        assert "how many more is not known" in result.text
    assert compare_rates([5.0, 5.1], [6.0, 6.0]).interval is None


def test_a_wild_launch_does_not_overflow() -> None:
    result = compare_rates([1.0, 1.1], [1.0, 1e300])
    assert result.interval is not None
    assert (result.interval.low, result.interval.high) == (0.0, math.inf)
    assert compare_table({"x": ([1e-300, 1e-299], [1.0, 1e300])})["x"].verdict_adjusted == "undecided"


def test_after_auto_the_pilots_spread_is_taken() -> None:
    a, b = Side([100, 101, 99, 100, 140.0], pilot_n=3), Side([100, 102, 99, 101.0], pilot_n=4)
    result = compare_rates(a, b)
    v = np.log([100, 101, 99]).var(ddof=1) / 5
    w = np.log([100, 102, 99, 101]).var(ddof=1) / 4
    assert result.se_log == pytest.approx(math.sqrt(v + w))
    assert result.df == 2
    assert compare_rates([100, 101, 99, 102.0], b).df == 3
    with pytest.raises(ValueError, match="pilot"):
        compare_rates(Side([1.0, 2.0], pilot_n=3), b)


def test_an_equivalence_is_planned_with_both_of_its_tests() -> None:
    result = compare_rates(launches(100, 0.01, 3), launches(100, 0.01, 3, 1))
    assert result.num_more is not None
    n = 3 + result.num_more
    rng = np.random.default_rng(8)
    draws = [compare_rates(np.exp(0.01 * rng.normal(size=n)), np.exp(0.01 * rng.normal(size=n))) for _ in range(300)]
    assert np.mean([draw.verdict == "equivalent" for draw in draws]) >= 0.9 - 3 * math.sqrt(0.09 / 300)


@pytest.mark.parametrize(
    ("a", "b", "options"),
    [([], [1.0], {}), ([1.0], [0.0], {}), ([1.0], [1.0], {"rope": -0.1}), ([1.0], [1.0], {"better": "up"})],
)
def test_what_cannot_be_compared_is_refused(a: list[float], b: list[float], options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        compare_rates(a, b, **options)  # type: ignore[arg-type]
