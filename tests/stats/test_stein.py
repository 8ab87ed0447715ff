import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cupel.stats.launch_interval import launch_interval
from cupel.stats.stein import stein_interval, stein_plan


def test_the_plan_by_hand() -> None:
    logs = np.array([0.00, 0.02, 0.01])
    plan = stein_plan(np.exp(logs), width=0.02)
    half = math.log(1.01)
    assert plan.pilot_sd_log == pytest.approx(0.01)
    assert plan.half_width_log == pytest.approx(half)
    assert plan.num_launches == math.ceil((stats.t.ppf(0.975, 2) * 0.01 / half) ** 2)


def test_a_quiet_pilot_is_enough() -> None:
    assert stein_plan([100.0, 100.01, 100.02], width=0.02).num_launches == 3
    assert stein_plan([100.0, 100.0], width=0.02).num_launches == 2


@given(st.integers(0, 2**31), st.integers(2, 8), st.floats(0.005, 0.2))
def test_the_interval_is_never_wider_than_asked(seed: int, pilot_n: int, width: float) -> None:
    rng = np.random.default_rng(seed)
    pilot = np.exp(0.02 * rng.normal(size=pilot_n))
    plan = stein_plan(pilot, width=width)
    if plan.num_launches > 100_000:
        return
    rates = np.concatenate([pilot, np.exp(0.02 * rng.normal(size=plan.num_launches - pilot_n))])
    interval = stein_interval(rates, pilot_n).interval
    assert interval is not None
    assert interval.half_width_frac <= width / 2 + 1e-9


def test_when_the_pilot_is_all_there_is_it_is_the_ordinary_interval() -> None:
    rates = [100.0, 103.0, 99.0]
    mine, ordinary = stein_interval(rates, 3), launch_interval(rates)
    assert mine.interval is not None
    assert ordinary.interval is not None
    assert (mine.interval.low, mine.interval.high) == pytest.approx((ordinary.interval.low, ordinary.interval.high))


@pytest.mark.parametrize("pilot", [[], [1.0]])
def test_one_launch_is_no_pilot(pilot: list[float]) -> None:
    with pytest.raises(ValueError, match="at least 2"):
        stein_plan(pilot, width=0.02)


@pytest.mark.parametrize("width", [0, -1, math.inf, math.nan])
def test_a_width_that_is_none_is_refused(width: float) -> None:
    with pytest.raises(ValueError, match="width"):
        stein_plan([1.0, 2.0], width=width)


@pytest.mark.parametrize("pilot_n", [1, 4])
def test_the_pilot_is_part_of_the_launches(pilot_n: int) -> None:
    with pytest.raises(ValueError, match="pilot_n"):
        stein_interval([1.0, 2.0, 3.0], pilot_n)


def test_an_outlier_after_the_pilot_is_not_hidden() -> None:
    rates = [100.0, 101.0, 99.0, 100.0, 100.5, 160.0]
    estimate = stein_interval(rates, 5)
    assert estimate.cv == pytest.approx(float(np.log(rates).std(ddof=1)))
    assert [note.code for note in estimate.warnings] == ["unstable"]
    assert "6 launches differ" in estimate.warnings[0].text
    assert stein_interval([100.0, 160.0, 100.0, 100.0], 2).warnings, "nor one in the pilot"


def test_launches_without_spread_have_no_interval() -> None:
    estimate = stein_interval([5.0, 5.0, 5.0], 3)
    assert (estimate.interval, estimate.cv) == (None, None)
    assert "too coarse" in estimate.reason
