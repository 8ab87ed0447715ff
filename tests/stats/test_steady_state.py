import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cupel.stats.steady_state import steady_state


def steps(*parts: tuple[int, float], noise: float = 0.002, seed: int = 0) -> np.ndarray:
    """Step times: (count, seconds) pairs with multiplicative noise."""
    levels = np.concatenate([np.full(count, seconds) for count, seconds in parts])
    return levels * np.exp(np.random.default_rng(seed).normal(size=levels.size) * noise)


def test_flat_but_for_step_zero() -> None:
    state = steady_state(steps((1, 5.0), (60, 0.1)))
    assert (state.kind, state.start, state.stop, state.num_kept) == ("flat", 1, 61, 60)


def test_warmup_is_found() -> None:
    state = steady_state(steps((1, 5.0), (12, 0.15), (50, 0.1)))
    assert (state.kind, state.start, state.changepoints) == ("warmup", 13, (13,))


def test_a_staircase_of_warmup_is_found_whole() -> None:
    state = steady_state(steps((1, 5.0), (10, 0.2), (10, 0.15), (60, 0.1)))
    assert (state.kind, state.start) == ("warmup", 21)


@pytest.mark.parametrize("slow", [1, 2, 3])
def test_a_warmup_too_short_to_be_a_segment_is_dropped(slow: int) -> None:
    state = steady_state(steps((1, 5.0), (slow, 0.4), (60, 0.1)))
    assert (state.kind, state.start) == ("warmup", 1 + slow)


def test_slowdown_is_not_steady() -> None:
    state = steady_state(steps((1, 5.0), (20, 0.1), (60, 0.12)))
    assert (state.kind, state.start) == ("slowdown", 21)


def test_a_change_near_the_end_leaves_no_steady_state() -> None:
    state = steady_state(steps((1, 5.0), (50, 0.1), (10, 0.12)))
    assert (state.kind, state.start, state.num_kept) == ("no steady state", 1, 60)


def test_a_staircase_that_goes_on_leaves_no_steady_state() -> None:
    assert steady_state(steps(*((8, 0.1 * 1.1**k) for k in range(8)))).kind == "no steady state"


def test_a_change_within_the_tolerance_is_the_same_level() -> None:
    parts = steps((1, 5.0), (40, 0.1), (40, 0.1005), noise=0.0003)
    assert steady_state(parts).kind == "flat"
    assert steady_state(parts, tolerance=0.001).kind == "slowdown"


@pytest.mark.parametrize("length", [1, 2, 4])
def test_stalls_inside_the_steady_part_stay(length: int) -> None:
    times = steps((1, 5.0), (80, 0.1))
    for start in (20, 40, 60):
        times[start : start + length] *= 4
    state = steady_state(times)
    assert (state.kind, state.start, state.num_kept) == ("flat", 1, 80)


def test_a_stall_at_the_end_like_one_before_is_still_a_stall() -> None:
    times = steps((1, 5.0), (80, 0.1))
    times[30:34] *= 4
    times[77:81] *= 4
    assert steady_state(times).num_kept == 80


@pytest.mark.parametrize("period", [(46.8, 51.2), (30.9, 77.1, 48.3)])
@pytest.mark.parametrize("n", [31, 61, 500])
def test_a_periodic_series_is_flat(period: tuple[float, ...], n: int) -> None:
    times = 1 / np.resize(np.asarray(period), n) * np.exp(np.random.default_rng(1).normal(size=n) * 0.005)
    assert steady_state(times).kind == "flat"


@pytest.mark.parametrize(("n", "start"), [(0, 0), (1, 0), (2, 1), (9, 1)])
def test_too_few_steps_are_not_searched(n: int, start: int) -> None:
    state = steady_state(np.ones(n))
    assert (state.kind, state.start, state.num_kept) == ("too few steps", start, n - start)


def test_equal_times_are_flat() -> None:
    assert steady_state(np.full(100, 0.5)).kind == "flat"


def test_a_long_series_is_cut_in_blocks() -> None:
    state = steady_state(steps((1, 5.0), (4000, 0.12), (16_000, 0.1), noise=0.05))
    assert state.kind == "warmup"
    assert abs(state.start - 4001) <= 20
    assert state.stop == 20_001


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_a_time_that_is_none_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match=r"seconds`\[3\]"):
        steady_state([1, 1, 1, bad, 1])


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 200), st.floats(1e-4, 1e4))
def test_unit_free_deterministic_and_in_range(seed: int, n: int, unit: float) -> None:
    rng = np.random.default_rng(seed)
    times = np.exp(rng.normal(size=n) * 0.1 + np.cumsum(rng.random(n) < 0.02) * rng.normal())
    before = np.random.get_state()[1].tobytes()  # type: ignore[index,union-attr]  # noqa: NPY002
    one, again, other = steady_state(times), steady_state(times), steady_state(times * unit)
    assert one == again
    assert (one.kind, one.start) == (other.kind, other.start)
    assert 0 <= one.start < n
    assert one.num_kept == n - one.start
    assert np.random.get_state()[1].tobytes() == before  # type: ignore[index,union-attr]  # noqa: NPY002


@pytest.mark.parametrize(
    "wrong", [{"penalty": math.nan}, {"penalty": -1}, {"tolerance": math.nan}, {"tolerance": -0.1}]
)
def test_options_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected numbers above 0"):
        steady_state([1.0] * 40, **wrong)
