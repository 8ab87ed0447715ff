"""Order-statistic intervals hold the true quantile, whatever the law."""

import math

import numpy as np
import pytest
from scipy.special import bdtr

from cupel.stats.order_statistic import quantile_interval


@pytest.mark.parametrize(("q", "n"), [(0.5, 25), (0.95, 120), (0.99, 500)])
def test_coverage_for_a_skewed_law(q: float, n: int) -> None:
    rng = np.random.default_rng(n)
    truth = -math.log(1 - q)
    intervals = [quantile_interval(rng.exponential(size=n), q) for _ in range(1000)]
    held = sum(interval is not None and interval.contains(truth) for interval in intervals)
    assert bdtr(held, 1000, 0.95) > 0.001
