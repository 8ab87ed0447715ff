import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cupel.stats.signed_ranks import centre, centre_interval, least_p, signed_ranks

WHOLE = st.lists(st.integers(-4, 4), min_size=1, max_size=9)


def naive_p(differences: list[float]) -> float:
    """Every sign of the ranks of the nonzero differences, tried one by one."""
    kept = [d for d in differences if d != 0]
    ranks = stats.rankdata(np.abs(kept))
    total = ranks.sum()
    plus = sum(r for r, d in zip(ranks, kept, strict=True) if d > 0)
    far = min(plus, total - plus)
    sums = [float(np.dot(signs, ranks)) for signs in itertools.product((0, 1), repeat=len(kept))]
    return min(1.0, 2 * float(np.mean([s <= far + 1e-9 for s in sums])))


@settings(max_examples=25)
@given(WHOLE)
def test_all_signs_tried_one_by_one_agree_also_with_ties_and_zeros(differences: list[int]) -> None:
    found = signed_ranks(np.array(differences, dtype=float), np.zeros(len(differences)))
    assert found.p == pytest.approx(naive_p(list(differences)))
    assert found.num_zero == differences.count(0)


@pytest.mark.parametrize("n", [5, 12, 30, 50])
def test_scipy_agrees_without_ties(n: int) -> None:
    x, y = np.random.default_rng(n).normal(0.3, 1, (2, n))
    assert signed_ranks(x, y).p == pytest.approx(stats.wilcoxon(x, y, method="exact").pvalue)


def test_scipy_agrees_where_there_are_too_many_for_the_exact_law() -> None:
    x, y = np.random.default_rng(1).normal(0.05, 1, (2, 400)).round(1)
    found = signed_ranks(x, y)
    # scipy takes 0.3 - 0.2 and 0.2 - 0.1 for different sizes: it is handed differences without rounding
    other = stats.wilcoxon((x - y).round(6), method="asymptotic", correction=True)
    assert found.method == "normal approximation"
    assert found.p == pytest.approx(other.pvalue, rel=1e-6)


def test_rounding_makes_neither_differences_nor_ranks() -> None:
    # 0.1 + 0.2 and 0.3 differ by 5e-17; 0.3 - 0.2 and 0.2 - 0.1 by 3e-17
    same = signed_ranks(np.array([0.1 + 0.2, 0.5]), np.array([0.3, 0.2]))
    assert (same.n, same.num_zero) == (1, 1)
    tied = signed_ranks(np.array([0.3, 0.1, 0.9]), np.array([0.2, 0.2, 0.1]))
    assert tied.plus == 1.5 + 3


def test_a_failure_is_the_largest_difference_and_two_are_none() -> None:
    found = signed_ranks(np.array([1.0, 1.0, -np.inf, 5.0]), np.array([-np.inf, 2.0, -np.inf, 2.0]))
    assert (found.n, found.num_zero) == (3, 1)
    assert found.plus == 3 + 2


def test_nothing_but_zeros_is_no_evidence() -> None:
    assert signed_ranks(np.ones(4), np.ones(4)).p == 1.0


def test_the_least_p_value_is_that_of_equal_signs() -> None:
    for n in range(1, 8):
        assert signed_ranks(np.arange(1.0, n + 1), np.zeros(n)).p == pytest.approx(least_p(n))


def test_the_interval_of_the_centre_is_the_published_one() -> None:
    # Hollander & Wolfe, Hamilton depression scale of 9 patients; wilcox.test(x, y, paired = TRUE, conf.int = TRUE) in R
    x = np.array([1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30])
    y = np.array([0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29])
    found = centre_interval(x - y, 0.95)
    assert centre(x - y) == pytest.approx(0.46)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((0.010, 0.786), abs=5e-4)
    assert signed_ranks(x, y).p == pytest.approx(0.0390625)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(6, 14))
def test_the_interval_holds_what_the_test_does_not_refuse(seed: int, n: int) -> None:
    values = np.random.default_rng(seed).normal(size=n)
    found = centre_interval(values, 0.95)
    assert found is not None
    width = found.high - found.low
    for shift in (found.low - 1e-9 * width, found.high + 1e-9 * width):
        assert signed_ranks(values, np.full(n, shift)).p <= 0.05
    for shift in (found.low + 1e-9 * width, found.high - 1e-9 * width):
        assert signed_ranks(values, np.full(n, shift)).p > 0.05


@pytest.mark.parametrize(("n", "has_one"), [(5, False), (6, True)])
def test_five_differences_have_no_interval_at_95_percent(n: int, has_one: bool) -> None:
    assert (centre_interval(np.arange(n) * 1.0, 0.95) is not None) == has_one


def test_many_differences_have_the_interval_of_the_normal_law() -> None:
    values = np.random.default_rng(0).normal(size=301)
    many, exact = centre_interval(values, 0.95), centre_interval(values[:300], 0.95)
    assert many is not None
    assert exact is not None
    assert many.high - many.low == pytest.approx(exact.high - exact.low, rel=0.03)
