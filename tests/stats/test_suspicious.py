import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cupel.spec.errors import UsageError
from cupel.stats.devices_differ import devices_differ
from cupel.stats.suspicious import mann_kendall, suspicious


def codes(items: object, seconds: object, **options: object) -> list[str]:
    return [note.code for note in suspicious(items, seconds, **options)]  # type: ignore[arg-type]


def noisy(n: int, noise: float = 0.02, seed: int = 0) -> np.ndarray:
    return np.exp(np.random.default_rng(seed).normal(size=n) * noise)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 10, 60, 500])
@pytest.mark.parametrize("noise", [0.0, 0.02, 0.1])
def test_an_honest_series_is_not_accused(n: int, noise: float) -> None:
    assert codes(32, 0.1 * noisy(n, noise)) == []


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("n", [4, 5, 8, 31, 70, 400])
def test_work_added_up_over_the_launch_is_caught(power: int, n: int) -> None:
    """Milabench's old faults: ppo divided cumulative work by the last interval (linear), dqn twice (quadratic)."""
    ramp = 128.0 * np.arange(1, n + 1) ** power
    assert "ramp" in codes(ramp, 0.05 * noisy(n))


@pytest.mark.parametrize(("n", "warm"), [(8, 1), (8, 3), (20, 5), (60, 5), (60, 25)])
def test_warmup_is_no_ramp(n: int, warm: int) -> None:
    times = 0.1 * noisy(n)
    times[:warm] *= np.linspace(8, 4, warm)
    assert "ramp" not in codes(32, times)


def test_a_slow_first_step_and_noise_make_no_ramp() -> None:
    rng = np.random.default_rng(1)
    for _ in range(500):
        times = 0.1 * np.exp(0.1 * rng.normal(size=12))
        times[0] *= 10
        assert "ramp" not in codes(1, times)


def test_drift_is_caught() -> None:
    times = 0.1 * noisy(60) * np.linspace(1, 1.15, 60)
    assert codes(1, times) == ["drift"]
    assert "%" in suspicious(1, times)[0].text


def test_drift_is_looked_for_where_the_steps_count() -> None:
    times = np.concatenate([np.linspace(0.2, 0.1, 30) * noisy(30), 0.1 * noisy(20)])
    assert "drift" in codes(1, times)
    assert "drift" not in codes(1, times, start=30)


def test_a_spike_and_a_stall_are_named_with_their_numbers() -> None:
    times = 0.1 * noisy(60)
    times[20], times[40] = 0.001, 0.9
    spike, stall = suspicious(32, times)
    assert (spike.code, stall.code) == ("spike", "stalls")
    assert "1 of 59" in spike.text
    assert "1 of 59" in stall.text


@pytest.mark.parametrize("bad", [math.nan, math.inf, 0.0, -1.0])
def test_numbers_that_are_none(bad: float) -> None:
    times = 0.1 * noisy(20)
    times[5] = bad
    assert codes(32, times)[0] == "not finite"
    if bad != 0:
        assert codes(times, 0.1 * noisy(20))[0] == "not finite"


def test_a_step_without_items_is_none_that_is_broken() -> None:
    items = np.full(60, 4.0)
    items[7] = 0
    assert codes(items, 0.1 * noisy(60)) == []


@pytest.mark.parametrize("n", [30, 60, 200, 500])
def test_steps_that_follow_each_other_are_no_drift(n: int) -> None:
    """A stationary AR(1) of 0.9 with a spread of 10 %: at most one launch in twenty may be said to drift."""
    rng = np.random.default_rng(n)
    draws, found = 200, 0
    for _ in range(draws):
        kicks = 0.1 * np.sqrt(1 - 0.81) * rng.normal(size=n + 60)
        level = np.zeros(n + 60)
        for i in range(1, level.size):
            level[i] = 0.9 * level[i - 1] + kicks[i]
        found += "drift" in codes(1, 0.1 * np.exp(level[60:]), start=0)
    assert found / draws <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / draws)


@pytest.mark.parametrize(("n", "spread"), [(60, 0.02), (200, 0.04)])
def test_real_drifts_of_a_tenth_are_seen(n: int, spread: float) -> None:
    rng = np.random.default_rng(n)
    drift = np.linspace(0, 0.12, n)
    found = sum("drift" in codes(1, 0.1 * np.exp(drift + spread * rng.normal(size=n))) for _ in range(100))
    assert found >= 90


def test_nothing_but_broken_numbers() -> None:
    assert codes(0, [math.nan, 1.0]) == ["not finite"]


@pytest.mark.parametrize(("losses", "expected"), [([1.0, 0.5], []), ([1.0, math.nan], ["not finite"])])
def test_a_loss_that_is_no_number(losses: list[float], expected: list[str]) -> None:
    assert codes(1, [0.1, 0.1], losses=losses) == expected


@pytest.mark.parametrize(("peak", "expected"), [(400.0, []), (300.0, ["impossible rate"])])
def test_faster_than_the_device_can_be(peak: float, expected: list[str]) -> None:
    assert codes(32, np.full(20, 0.1), peak_rate=peak) == expected


def test_shapes_must_fit() -> None:
    with pytest.raises(ValueError, match="same number"):
        suspicious([1, 2, 3], [1, 2])
    with pytest.raises(ValueError, match="at least one"):
        suspicious(1, [])


@given(st.lists(st.integers(0, 6), min_size=4, max_size=60))
def test_kendall_by_definition(values: list[int]) -> None:
    n = len(values)
    total = sum(np.sign(values[j] - values[i]) for i in range(n) for j in range(i + 1, n))
    tau, p = mann_kendall(np.asarray(values, dtype=float))
    assert tau == pytest.approx(total / (n * (n - 1) / 2) if len(set(values)) > 1 else 0)
    assert 0 <= p <= 1


def test_kendall_agrees_with_scipy_for_long_series() -> None:
    x = np.random.default_rng(0).normal(size=300) + np.linspace(0, 0.6, 300)
    expected = stats.kendalltau(np.arange(300), x, method="asymptotic")
    tau, p = mann_kendall(x)
    assert tau == pytest.approx(expected.statistic)
    assert p == pytest.approx(expected.pvalue, rel=0.05)


def test_kendall_false_alarms_at_short_lengths() -> None:
    rng = np.random.default_rng(4)
    share = np.mean([mann_kendall(rng.normal(size=20))[1] < 0.05 for _ in range(2000)])
    assert share <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2000)


@pytest.mark.parametrize(
    ("rates", "code"),
    [([100, 101, 99, 100], None), ([100, 120, 80, 100], "devices differ"), ([100], None)],
)
def test_devices(rates: list[float], code: str | None) -> None:
    note = devices_differ(rates)
    assert (note and note.code) == code


def test_a_staircase_counts_as_growth_only_while_it_grows() -> None:
    rates = np.repeat([1.0, 2, 4, 8, 16], 10)
    assert all(b >= a for a, b in pairwise(rates))
    assert "ramp" in codes(rates, np.ones(50))


@pytest.mark.parametrize(
    "wrong", [{"start": -1}, {"start": 1.5}, {"peak_rate": 0}, {"peak_rate": math.nan}, {"losses": [1.0]}]
)
def test_options_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="expected"):
        suspicious(1.0, [1.0] * 10, **wrong)
