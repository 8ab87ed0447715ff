import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from cupel.stats.order_statistic import quantile_interval


def ranks_by_hand(n: int, q: float, level: float) -> tuple[int, int] | None:
    """The definition: largest l with P(B < l) <= tail, smallest u with P(B >= u) <= tail; ranks from 1."""
    tail = (1 - level) / 2
    lows = [rank for rank in range(1, n + 1) if binom.cdf(rank - 1, n, q) <= tail]
    highs = [rank for rank in range(1, n + 1) if binom.sf(rank - 1, n, q) <= tail]
    return (max(lows), min(highs)) if lows and highs else None


@given(st.integers(1, 120), st.sampled_from([0.1, 0.5, 0.9, 0.95]), st.sampled_from([0.8, 0.95, 0.99]))
def test_ranks_follow_the_definition(n: int, q: float, level: float) -> None:
    interval = quantile_interval(np.arange(1, n + 1), q, level=level)
    assert ranks_by_hand(n, q, level) == (interval and (interval.low, interval.high))


@pytest.mark.parametrize(("q", "least"), [(0.5, 6), (0.95, 72), (0.99, 368)])
def test_smallest_n_that_has_an_interval(q: float, least: int) -> None:
    values = np.arange(least, dtype=float)
    assert quantile_interval(values[:-1], q) is None
    assert quantile_interval(values, q) is not None


def test_median_of_ten_matches_the_tables() -> None:
    interval = quantile_interval(range(1, 11), 0.5)
    assert (interval.low, interval.high) == (2, 9)


@pytest.mark.parametrize("values", [[], [math.nan] * 50, [1.0] * 40 + [math.inf]])
def test_nothing_or_broken_values_have_none(values: list[float]) -> None:
    assert quantile_interval(values, 0.5) is None


def test_a_quantile_outside_zero_to_one_is_refused() -> None:
    with pytest.raises(ValueError, match="fraction"):
        quantile_interval([1, 2], 95)
