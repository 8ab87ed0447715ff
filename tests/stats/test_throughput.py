import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cupel.stats.throughput import throughput


def noisy(n: int, noise: float = 0.01, seed: int = 0) -> np.ndarray:
    return 0.1 * np.exp(np.random.default_rng(seed).normal(size=n) * noise)


def codes(result: object) -> list[str]:
    return [note.code for note in result.warnings]  # type: ignore[attr-defined]


def test_items_over_time_not_a_mean_of_rates() -> None:
    result = throughput(10, np.resize([0.1, 0.3], 61))
    assert result.rate == pytest.approx(50)


def test_an_ordinary_launch() -> None:
    times = np.concatenate([[4.0], noisy(100)])
    result = throughput(32, times)
    assert (result.kind, result.start, result.num_steps, result.num_kept) == ("flat", 1, 101, 100)
    assert result.rate == pytest.approx(32 * 100 / times[1:].sum())
    assert result.interval is not None
    assert result.interval.contains(result.rate)
    assert result.interval.half_width_frac < 0.01
    assert result.warnings == ()
    assert not result.is_unstable
    assert result.p50_s == pytest.approx(np.median(times[1:]))
    assert result.p50_interval is not None
    assert result.p50_interval.contains(result.p50_s)
    assert result.p99_interval is None


def test_steps_that_differ_in_items() -> None:
    items = np.resize([10, 20, 40], 100)
    result = throughput(items, items * 0.01 * np.exp(np.random.default_rng(0).normal(size=100) * 0.01))
    assert result.kind == "flat"
    assert result.rate == pytest.approx(100, rel=0.01)
    assert result.interval is not None


def test_stalls_are_neither_trimmed_nor_averaged_away() -> None:
    times = noisy(201)
    times[10::10] *= 5
    result = throughput(1, times)
    assert result.rate == pytest.approx(200 / times[1:].sum())
    assert result.rate < 0.8 * np.mean(1 / times[1:])
    assert codes(result) == ["stalls"]


@pytest.mark.parametrize(("n", "num"), [(31, 5), (60, 5), (61, 10)])
def test_batches_by_the_number_of_kept_steps(n: int, num: int) -> None:
    result = throughput(1, noisy(n, seed=3))
    assert result.interval is not None
    assert result.interval.method == f"within-launch, {num} batch means"


def test_too_few_steps_have_a_rate_and_no_interval() -> None:
    result = throughput(1, noisy(30))
    assert result.rate > 0
    assert result.interval is None
    assert codes(result) == ["few steps"]
    assert not result.is_unstable


def test_below_ten_steps_nothing_is_known() -> None:
    result = throughput(1, noisy(9))
    assert codes(result) == ["too few steps"]
    assert result.is_unstable


def test_a_steady_state_that_comes_late_is_said() -> None:
    result = throughput(1, np.concatenate([noisy(61) * np.linspace(4, 1.5, 61), noisy(40)]))
    assert result.kind == "warmup"
    assert "late steady state" in codes(result)
    assert (
        f"first {result.start} of 101 steps" in next(n for n in result.warnings if n.code == "late steady state").text
    )
    assert "late steady state" not in codes(throughput(1, np.concatenate([noisy(20) * 2, noisy(81)])))


@pytest.mark.parametrize("broken", ["items", "seconds"])
def test_one_empty_step_does_not_hide_the_steady_state(broken: str) -> None:
    items, times = np.full(100, 4.0), noisy(100)
    times[:20] *= 2
    if broken == "items":
        items[60] = 0
    else:
        times[60] = 0
    result = throughput(items, times)
    assert (result.kind, result.start, result.num_kept) == ("warmup", 20, 80)
    assert result.rate == pytest.approx(items[20:].sum() / times[20:].sum())
    assert (result.interval is not None) == (broken == "items")


def test_one_step_is_all_there_is() -> None:
    result = throughput(5, [2.0])
    assert (result.rate, result.interval, result.num_kept, result.start) == (2.5, None, 1, 0)


@pytest.mark.parametrize(
    ("parts", "code"),
    [(((50, 1.0), (10, 1.2)), "no steady state"), (((20, 1.0), (60, 1.2)), "slowdown")],
)
def test_what_is_not_steady_has_no_interval(parts: tuple[tuple[int, float], ...], code: str) -> None:
    times = np.concatenate([np.full(count, level) for count, level in parts])
    result = throughput(1, times * noisy(times.size, 0.002))
    assert result.kind == code
    assert result.interval is None
    assert code in codes(result)
    assert result.is_unstable


def test_dependent_steps_are_refused_in_words() -> None:
    noise = np.random.default_rng(5).normal(size=80)
    level = [0.0]
    for kick in noise:
        level.append(0.9 * level[-1] + kick)
    result = throughput(1, 0.1 * np.exp(0.005 * np.asarray(level)))
    assert result.kind == "flat"
    assert result.interval is None
    assert codes(result) == ["effective n too small"]
    assert result.ess is not None
    assert result.ess < 30
    assert result.rho1 is not None
    assert result.rho1 > 0.6


@pytest.mark.parametrize("power", [1, 2])
def test_ramps_have_no_interval(power: int) -> None:
    result = throughput(np.arange(1.0, 201) ** power, noisy(200))
    assert result.interval is None
    assert "ramp" in codes(result)
    assert result.is_unstable


@pytest.mark.parametrize("bad", [math.nan, math.inf, 0.0])
def test_broken_times_are_a_result_and_not_a_crash(bad: float) -> None:
    times = noisy(60)
    times[7] = bad
    result = throughput(1, times)
    assert result.interval is None
    assert (result.ess is None) == (not math.isfinite(bad))
    assert codes(result)[0] == "not finite"
    assert math.isnan(result.rate) == (not math.isfinite(bad))


def test_a_loss_that_is_no_number_takes_the_interval_away() -> None:
    losses = np.ones(60)
    losses[30] = math.nan
    result = throughput(1, noisy(60), losses=losses)
    assert result.interval is None
    assert codes(result) == ["not finite"]


def test_beyond_the_peak_takes_the_interval_away() -> None:
    assert throughput(1, noisy(60), peak_rate=5.0).interval is None


def test_empty_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        throughput(1, [])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 150), st.floats(0.001, 0.5), st.floats(1e-3, 1e3))
def test_units_and_bounds(seed: int, n: int, noise: float, unit: float) -> None:
    times = noisy(n, noise, seed)
    one, other = throughput(1, times), throughput(unit, times)
    assert other.rate == pytest.approx(one.rate * unit)
    assert (one.interval is None) == (other.interval is None)
    kept = times[one.start :]
    assert 1 / kept.max() * (1 - 1e-9) <= one.rate <= 1 / kept.min() * (1 + 1e-9)
    assert one.ess is not None
    assert 1 <= one.ess <= one.num_kept
    assert one.p50_s <= one.p95_s <= one.p99_s
    if one.interval is None:
        assert one.warnings
    else:
        assert one.interval.low < one.rate < one.interval.high
