import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from cupel.stats.student import t_p_value, t_power, t_quantile


@given(st.floats(0.5, 0.999), st.floats(1, 500))
def test_quantile_agrees_with_scipy_stats(level: float, df: float) -> None:
    assert t_quantile(level, df) == pytest.approx(stats.t.ppf(0.5 + level / 2, df))


def test_no_degrees_of_freedom_no_certainty() -> None:
    assert t_quantile(0.95, 0) == math.inf


@given(st.floats(-10, 10), st.floats(0.1, 5), st.floats(1, 100))
def test_p_value_agrees_with_scipy_stats(effect: float, se: float, df: float) -> None:
    assert t_p_value(effect, se, df) == pytest.approx(2 * stats.t.sf(abs(effect) / se, df))


def test_no_spread_at_all() -> None:
    assert t_p_value(0, 0, 3) == 1
    assert t_p_value(0.1, 0, 3) == 0


@given(st.floats(0, 60), st.integers(1, 60))
def test_power_is_the_integral_over_the_spread(effect: float, df: float) -> None:
    """Power = mean over the chi-square law of the estimated spread of the normal power; 4000 midpoints."""
    spread = np.sqrt(2 * special.gammaincinv(df / 2, (np.arange(4000) + 0.5) / 4000) / df)
    cut = stats.t.ppf(0.975, df) * spread
    power = float(np.mean(special.ndtr(effect - cut) + special.ndtr(-effect - cut)))
    assert t_power(effect, 1.0, df, 0.95) == pytest.approx(power, abs=2e-3)
