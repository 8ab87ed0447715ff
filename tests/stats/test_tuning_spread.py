import math

import numpy as np
import pytest
import scipy.stats

from cupel.stats.tuning_spread import tuning_spread


def drawn(tunings: int, seeds: int, between: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return between * rng.normal(size=(tunings, 1)) + rng.normal(size=(tunings, seeds))


def test_the_intervals_are_those_of_the_formulas() -> None:
    values = drawn(6, 5, 2.0, 0)
    found = tuning_spread("A", list(values))
    msb, msw = 5 * values.mean(axis=1).var(ddof=1), values.var(axis=1, ddof=1).mean()
    assert (found.hpo_runs, found.n, found.num_failed) == (6, 30, 0)
    assert (found.between, found.within) == pytest.approx((math.sqrt((msb - msw) / 5), math.sqrt(msw)))
    low, high = (
        math.sqrt(5 * (msb - msw * scipy.stats.f.ppf(q, 5, 24)) / (5 * scipy.stats.chi2.ppf(q, 5)))
        for q in (0.975, 0.025)
    )
    assert (found.between_interval.low, found.between_interval.high) == pytest.approx((low, high))
    low, high = (math.sqrt(24 * msw / scipy.stats.chi2.ppf(q, 24)) for q in (0.975, 0.025))
    assert (found.within_interval.low, found.within_interval.high) == pytest.approx((low, high))
    assert found.between_interval.low < 2.0 < found.between_interval.high


def test_tunings_that_add_nothing_reach_down_to_zero() -> None:
    found = tuning_spread("A", list(drawn(8, 5, 0.0, 1)))
    assert found.between == 0
    assert found.share == 0
    assert found.between_interval.low == found.interval.low == 0
    assert 0 < found.between_interval.high < 1


def test_failures_are_counted_and_what_is_not_known_is_none() -> None:
    values = drawn(3, 4, 1.0, 2)
    values[0, 1:] = math.nan
    values[1] = math.inf
    found = tuning_spread("A", list(values))
    assert (found.hpo_runs, found.n, found.num_failed) == (2, 5, 7)
    one = tuning_spread("A", [np.array([1.0, 2.0])])
    assert (one.between, one.between_interval, one.interval) == (None, None, None)
    assert one.within_interval is not None
    assert "is not known" in one.text()
    single = tuning_spread("A", [np.array([1.0]), np.array([2.0])])
    assert (single.between, single.within, single.within_interval) == (None, None, None)
    equal = tuning_spread("A", [np.array([1.0, 1.0]), np.array([2.0, 2.0])])
    assert (equal.share, equal.interval, equal.between_interval) == (1, None, None)
