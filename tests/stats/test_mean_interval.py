import math

import numpy as np
import pytest

from cupel.stats.mean_interval import mean_interval


def test_the_interval_is_students() -> None:
    found = mean_interval([1.0, 2.0, 4.0])
    assert found is not None
    assert found.interval is not None
    assert (found.mean, found.n) == (pytest.approx(7 / 3), 3)
    half = 4.302652729911275 * math.sqrt((7 / 3) / 3)  # the tabled quantile for 2 degrees of freedom
    assert (found.interval.low, found.interval.high) == pytest.approx((7 / 3 - half, 7 / 3 + half))


def test_what_is_not_known_has_no_interval() -> None:
    assert mean_interval([]) is None
    assert mean_interval([math.nan, math.inf]) is None
    one, equal = mean_interval([3.0, math.nan]), mean_interval([2.0, 2.0])
    assert one is not None
    assert (one.n, one.sd, one.interval, one.reason[:9]) == (1, None, None, "one value")
    assert equal is not None
    assert (equal.sd, equal.interval) == (0.0, None)
    assert "all values are equal" in equal.reason


def test_it_holds_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(2000):
        found = mean_interval(rng.normal(5, 2, size=4).tolist())
        assert found is not None
        assert found.interval is not None
        held += found.interval.contains(5.0)
    assert abs(held / 2000 - 0.95) < 3.3 * math.sqrt(0.95 * 0.05 / 2000)
