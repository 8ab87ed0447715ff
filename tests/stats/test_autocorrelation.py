import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import lfilter

from cupel.stats.autocorrelation import autocorrelations, effective_size, pessimistic_size


def chain(rho: float, n: int, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=n + 200)
    return np.asarray(lfilter([1.0], [1.0, -rho], noise))[200:]


@given(st.integers(2, 80), st.integers(0, 2**31))
def test_the_definition_agrees(n: int, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=n)
    y = x - x.mean()
    naive = [float((y[: n - lag] * y[lag:]).sum() / (y * y).sum()) for lag in range(n)]
    assert autocorrelations(x) == pytest.approx(naive, abs=1e-9)


def test_a_constant_series_has_none() -> None:
    assert autocorrelations(np.ones(4)).tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize(("rho", "share"), [(0.0, 1.0), (0.5, 1 / 3), (0.9, 0.1 / 1.9)])
def test_a_long_chain_is_worth_what_theory_says(rho: float, share: float) -> None:
    assert effective_size(chain(rho, 200_000)) == pytest.approx(200_000 * share, rel=0.12)


def test_an_alternating_series_is_worth_no_more_than_its_steps() -> None:
    assert effective_size(np.resize([1.0, 2.0], 100)) == 100


def test_the_pessimistic_size_is_below_the_estimate() -> None:
    for seed in range(20):
        x = chain(0.5, 60, seed)
        assert 1 <= pessimistic_size(x)[1] <= effective_size(x)


def test_too_short_to_tell() -> None:
    assert effective_size(np.array([1.0, 2.0])) == 2
    assert pessimistic_size(np.array([1.0, 2.0])) == (0.0, 2.0)
