"""The studentized range against R, scipy, Student's law and a quadrature of its own."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cupel.stats.studentized_range import studentized_range_ppf, studentized_range_sf

# ptukey(q, k, df, lower.tail = FALSE) in R 4.2.2; left out is (3.5, 2, 2), where R has 0.13171 and Student 0.13176
PTUKEY = [
    (2, 3, 2, 0.4765606), (0.5, 10, 2, 0.9999534), (6, 10, 2, 0.2371673),
    (3.5, 40, 2, 0.7668237), (2, 2, 5, 0.2164372), (0.5, 3, 5, 0.9342985), (6, 3, 5, 0.0185292),
    (3.5, 10, 5, 0.4318313), (2, 40, 5, 0.9963768), (0.5, 2, 23.5, 0.7268258), (6, 2, 23.5, 0.0002958581),
    (3.5, 3, 23.5, 0.05278106), (2, 10, 23.5, 0.910657), (6, 40, 23.5, 0.07081027), (3.5, 2, 120, 0.01472503),
    (2, 3, 120, 0.3368238), (0.5, 10, 120, 0.9999984), (6, 10, 120, 0.00173412), (3.5, 40, 120, 0.8874822),
    (2, 2, math.inf, 0.1572992), (0.5, 3, math.inf, 0.9334219), (6, 3, math.inf, 6.55735e-05),
    (3.5, 10, math.inf, 0.2820164), (2, 40, math.inf, 0.9999984),
]  # fmt: skip


@pytest.mark.parametrize(("q", "k", "df", "p"), PTUKEY)
def test_recorded_values_of_r(q: float, k: int, df: float, p: float) -> None:
    assert float(studentized_range_sf(q, k, df)) == pytest.approx(p, abs=2e-7, rel=2e-5)  # as far as R goes


@pytest.mark.parametrize(
    ("k", "df", "q"),
    [(3, 48, 3.420257988), (3, 2, 8.330782551), (10, 5, 6.994697778), (2, 10, 3.151064177), (24, math.inf, 5.14385158)],
)
def test_recorded_quantiles_of_r(k: int, df: float, q: float) -> None:
    assert studentized_range_ppf(0.95, k, df) == pytest.approx(q, rel=1e-7)


@pytest.mark.parametrize("df", [3, 7.3, 19.9, 20.1, 48, 1000, 1e5, 9.9e5])
def test_two_means_follow_students_law(df: float) -> None:
    t = np.array([0.01, 0.3, 1.0, 2.0, 4.0, 8.0])
    assert studentized_range_sf(math.sqrt(2) * t, 2, df) == pytest.approx(2 * stats.t.sf(t, df), abs=1e-8)


@pytest.mark.parametrize("df", [1, 1.5, 2, 2.5, 1e6, 1e9])
def test_two_means_follow_students_law_with_hardly_any_or_endless_degrees_of_freedom(df: float) -> None:
    t = np.array([0.01, 0.3, 1.0, 2.0, 4.0, 8.0])
    assert studentized_range_sf(math.sqrt(2) * t, 2, df) == pytest.approx(2 * stats.t.sf(t, df), abs=5e-7)


@pytest.mark.parametrize("k", [3, 7, 24, 60])
def test_scipy_agrees(k: int) -> None:
    q = np.array([0.1, 1, 2, 3.3, 5, 8, 20])
    for df in (3, 10, 48, 3000):
        assert studentized_range_sf(q, k, df) == pytest.approx(stats.studentized_range.sf(q, k, df), abs=2e-9)


@pytest.mark.parametrize("k", [2, 3, 10, 100])
def test_known_scale_agrees_with_a_sum_of_many_terms(k: int) -> None:
    """With the scale known it is a single integral: the trapezoidal rule on a fine grid."""
    z = np.linspace(-12, 12, 24_001)
    for q in (0.5, 2.0, 4.0, 7.0):
        inside = k * stats.norm.pdf(z) * (stats.norm.cdf(z) - stats.norm.cdf(z - q)) ** (k - 1)
        expected = 1 - np.sum(inside) * (z[1] - z[0])
        assert float(studentized_range_sf(q, k, math.inf)) == pytest.approx(expected, abs=1e-8)


def test_simulation_agrees() -> None:
    rng = np.random.default_rng(6)
    k, df, draws = 4, 6, 200_000
    spread = np.ptp(rng.standard_normal((draws, k)), axis=1) / np.sqrt(rng.chisquare(df, draws) / df)
    for q in (2.0, 4.0, 6.0):
        p = float(studentized_range_sf(q, k, df))
        assert np.mean(spread > q) == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / draws))


@given(st.floats(0.01, 0.999), st.integers(2, 40), st.floats(2, 2000))
def test_the_quantile_is_the_inverse(p: float, k: int, df: float) -> None:
    assert float(studentized_range_sf(studentized_range_ppf(p, k, df), k, df)) == pytest.approx(1 - p, abs=1e-7)


@given(st.integers(2, 40), st.floats(1, 2e6))
def test_it_falls_with_the_value_and_grows_with_the_means(k: int, df: float) -> None:
    q = np.linspace(0, 12, 30)
    p = studentized_range_sf(q, k, df)
    assert p[0] == pytest.approx(1)
    assert np.all(np.diff(p) <= 1e-9)
    assert np.all(studentized_range_sf(q, k + 1, df) >= p - 1e-9)


def test_shapes_and_missing_values() -> None:
    q = np.array([[1.0, np.nan], [np.inf, 0.0]])
    found = studentized_range_sf(q, 3, 10)
    assert found.shape == (2, 2)
    assert np.isnan(found[0, 1])
    assert (found[1, 0], found[1, 1]) == (0.0, 1.0)
    assert studentized_range_sf([], 3, 10).shape == (0,)
    assert studentized_range_sf(2.0, 3, 10).shape == ()


def test_many_values_are_those_of_one_at_a_time() -> None:
    q = np.linspace(0.1, 9, 200)
    one = [float(studentized_range_sf(x, 5, 17)) for x in q]
    assert studentized_range_sf(q, 5, 17) == pytest.approx(one, abs=1e-14)
