import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cupel.stats.launch_interval import launch_interval

RATES = st.lists(st.floats(0.1, 1e6), min_size=2, max_size=12, unique_by=lambda rate: round(rate, 3))


@given(RATES)
def test_agrees_with_scipy_on_logs(rates: list[float]) -> None:
    estimate, logs = launch_interval(rates), np.log(rates)
    assert estimate.rate == pytest.approx(stats.gmean(rates))
    low, high = stats.t.interval(0.95, len(rates) - 1, logs.mean(), max(stats.sem(logs), 1e-300))
    assert math.log(estimate.interval.low) == pytest.approx(low, abs=1e-9)
    assert math.log(estimate.interval.high) == pytest.approx(high, abs=1e-9)


@given(RATES, st.floats(0.01, 100))
def test_the_unit_does_not_matter(rates: list[float], unit: float) -> None:
    one, other = launch_interval(rates), launch_interval(np.asarray(rates) * unit)
    assert other.rate / one.rate == pytest.approx(unit)
    assert other.cv == pytest.approx(one.cv, abs=1e-9)


def test_one_launch_has_a_rate_and_no_interval() -> None:
    estimate = launch_interval([250.0])
    assert (estimate.rate, estimate.interval, estimate.cv, estimate.n) == (pytest.approx(250), None, None, 1)


def test_launches_that_differ_wildly_are_unstable() -> None:
    assert [note.code for note in launch_interval([100, 150, 80]).warnings] == ["unstable"]
    assert launch_interval([100, 101, 102]).warnings == ()


@pytest.mark.parametrize("rates", [[], [1.0, 0.0], [1.0, math.nan], [[1.0, 2.0]]])
def test_what_is_no_series_of_rates_is_refused(rates: list[float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        launch_interval(rates)
