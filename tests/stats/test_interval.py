import math

import pytest

from cupel.stats.interval import Interval


def test_half_width_is_relative_on_the_log_scale() -> None:
    assert Interval(99 / 1.02, 99 * 1.02, 0.95, "by hand").half_width_frac == pytest.approx(0.02)


def test_half_width_is_unknown_when_an_end_is_not_positive() -> None:
    assert math.isnan(Interval(-1, 2, 0.95, "by hand").half_width_frac)


@pytest.mark.parametrize(("x", "inside"), [(1, True), (2, True), (1.5, True), (0.99, False), (math.nan, False)])
def test_contains_is_closed(x: float, inside: bool) -> None:
    assert Interval(1, 2, 0.95, "by hand").contains(x) is inside


def test_an_interval_with_an_unknown_end_contains_nothing() -> None:
    assert not Interval(math.nan, 2, 0.95, "by hand").contains(1)
