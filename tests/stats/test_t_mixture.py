import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from cupel.stats.t_mixture import RunningMoments, running_moments, t_cut, t_limits, t_log_evidence


def evidence_at(t: float, n: int) -> float:
    moments = RunningMoments(np.array([float(n)]), np.array([t / np.sqrt(n)]), np.array([1.0]))
    return float(np.exp(t_log_evidence(moments, 0.0)[0]))


@pytest.mark.parametrize("n", [2, 3, 5, 12, 40])
def test_it_is_the_average_of_the_noncentral_likelihood_ratio(n: int) -> None:
    for t in (0.0, 0.7, -2.5, 6.0):

        def weighted(d: float, t: float = t) -> float:
            return float(stats.nct.pdf(t, n - 1, d * np.sqrt(n)) * stats.norm.pdf(d))

        ratio = integrate.quad(weighted, -7, 7, limit=200)[0]
        assert evidence_at(t, n) == pytest.approx(ratio / stats.t.pdf(t, n - 1), rel=1e-5)


@pytest.mark.parametrize("n", [2, 3, 5, 12, 200])
def test_its_mean_is_one_when_there_is_no_difference(n: int) -> None:
    mean = 2 * integrate.quad(lambda t: evidence_at(t, n) * stats.t.pdf(t, n - 1), 0, np.inf, limit=200)[0]
    assert mean == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize("level", [0.8, 0.95, 0.999])
def test_at_the_cut_the_evidence_is_the_bar(level: float) -> None:
    for n in (8, 20, 1000):
        assert evidence_at(float(t_cut(np.array([float(n)]), level)[0]), n) == pytest.approx(1 / (1 - level), rel=1e-9)


def test_four_values_exclude_nothing_and_five_do() -> None:
    n = np.arange(1, 7, dtype=float)
    assert np.isfinite(t_cut(n, 0.95)).tolist() == [False, False, False, False, True, True]
    assert t_cut(n, 0.95)[4] == pytest.approx(8.4532, abs=1e-4)


def test_the_cut_is_wider_than_student_s() -> None:
    n = np.array([5.0, 10, 20, 50, 200, 1000])
    assert np.all(t_cut(n, 0.95) > 1.5 * stats.t.ppf(0.975, n - 1))


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=30), st.floats(-1e4, 1e4))
def test_moments_are_those_of_numpy(values: list[float], shift: float) -> None:
    x = np.array(values) + shift
    _, mean, sd = running_moments(x)
    for k in range(1, x.size + 1):
        assert mean[k - 1] == pytest.approx(x[:k].mean(), abs=1e-9)
        expected = x[:k].std(ddof=1) if k > 1 else 0.0
        is_rounding = expected <= 1e-10 * np.abs(x[:k]).max()
        assert sd[k - 1] == (0.0 if is_rounding else pytest.approx(expected, rel=1e-4))


def test_differences_that_are_equal_but_for_rounding_have_no_spread() -> None:
    x = np.array([0.93, 0.53, 0.11, 0.35, 0.72, 0.29]) - np.array([0.92, 0.52, 0.10, 0.34, 0.71, 0.28])
    assert len(set(x.tolist())) > 1
    assert running_moments(x).sd.tolist() == [0.0] * 6


def test_equal_values_have_no_spread_and_exclude_nothing() -> None:
    x = np.full(50, 0.1) + 1e6
    low, high = t_limits(running_moments(x), 0.95)
    assert np.all(np.isinf(low))
    assert np.all(np.isinf(high))
    assert np.all(t_log_evidence(running_moments(x), 0.0) == 0)


def test_a_limit_is_where_the_evidence_reaches_the_bar() -> None:
    x = np.random.default_rng(0).normal(3, 2, 30)
    moments = running_moments(x)
    low, high = t_limits(moments, 0.95)
    for end in (low[-1], high[-1]):
        assert t_log_evidence(moments, end)[-1] == pytest.approx(np.log(20), rel=1e-9)


def test_unit_and_direction_do_not_matter() -> None:
    x = np.random.default_rng(1).normal(0.3, 1, 20)
    logs = t_log_evidence(running_moments(x), 0.0)
    assert t_log_evidence(running_moments(-1000 * x), 0.0) == pytest.approx(logs, rel=1e-9)
