from __future__ import annotations

import math
import statistics
from collections.abc import Callable

import numpy as np
import pytest

from cupel.measure import noise_floor as module
from cupel.measure.noise_floor import noise_floor, summarize


class Machine:
    """A clock, and work that takes 100 ns a round times a factor that depends on the time."""

    def __init__(self, factor: Callable[[float], float]) -> None:
        self.now_ns = 0
        self.factor = factor

    def clock(self) -> int:
        return self.now_ns

    def spin(self, num_rounds: int) -> None:
        self.now_ns += round(100 * num_rounds * self.factor(self.now_ns * 1e-9))


def no_steal() -> None:
    return None


def test_a_machine_without_noise_has_a_floor_of_nothing() -> None:
    machine = Machine(lambda _: 1.0)
    found = noise_floor(2.0, machine.clock, spin=machine.spin, steal=no_steal)
    assert found.num == 2000
    assert found.p50_s == pytest.approx(1e-3)
    assert (found.cv, found.floor_frac, found.p99_over_p50, found.worst_over_p50) == pytest.approx((0, 0, 1, 1))
    assert found.block_s == pytest.approx(0.2)
    assert found.steal_frac is None


def test_calibration_believes_the_quickest_try() -> None:
    calls: list[int] = []

    def factor(_: float) -> float:
        calls.append(0)
        return 5.0 if len(calls) % 5 else 1.0

    machine = Machine(factor)
    assert module._calibrated(machine.spin, machine.clock) == 10_000


def test_at_least_twenty_repetitions_are_timed() -> None:
    machine = Machine(lambda _: 1.0)
    found = noise_floor(1e-9, machine.clock, spin=machine.spin, steal=no_steal)
    assert (found.num, found.p99_over_p50, found.floor_frac) == (20, None, None)
    assert "too few" in found.text


def test_a_drift_shows_in_the_floor() -> None:
    machine = Machine(lambda t_s: 1.0 if t_s < 1.0 else 1.1)
    found = noise_floor(2.0, machine.clock, spin=machine.spin, steal=no_steal)
    assert found.floor_frac is not None
    assert found.floor_frac > 0.1


def test_the_numbers_are_the_definitions() -> None:
    times_s = (1e-3 * np.random.default_rng(0).lognormal(0, 0.1, 1000)).tolist()
    found = summarize(times_s, steal_frac=0.25)
    assert found.p50_s == statistics.median(times_s)
    assert found.cv == pytest.approx(np.std(times_s, ddof=1) / np.mean(times_s))
    assert found.p99_over_p50 == pytest.approx(np.quantile(times_s, 0.99) / np.median(times_s))
    assert found.worst_over_p50 == pytest.approx(max(times_s) / np.median(times_s))
    means_s = np.reshape(times_s, (10, 100)).mean(axis=1)
    assert found.floor_frac == pytest.approx(2.262157 * math.sqrt(2) * np.std(means_s, ddof=1) / np.mean(times_s))
    assert found.steal_frac == 0.25


def test_two_later_blocks_differ_by_more_than_the_floor_one_time_in_twenty() -> None:
    rng = np.random.default_rng(1)
    num = 1000
    beyond = 0
    for _ in range(num):
        floor = summarize((1e-3 * (1 + 0.05 * rng.standard_normal(200))).tolist()).floor_frac
        a, b = 1 + 0.05 * rng.standard_normal((2, 20)).mean(axis=1)
        assert floor is not None
        beyond += abs(a - b) > floor
    assert abs(beyond / num - 0.05) < 4 * math.sqrt(0.05 * 0.95 / num)


def test_stolen_time_is_the_share_of_what_passed() -> None:
    readings = iter([(1.0, 100.0), (1.5, 110.0)])
    machine = Machine(lambda _: 1.0)
    assert noise_floor(0.1, machine.clock, spin=machine.spin, steal=lambda: next(readings)).steal_frac == 0.05
    assert module._steal_frac((1.0, 100.0), (1.0, 100.0)) is None


def test_the_text_says_what_can_be_seen() -> None:
    machine = Machine(lambda t_s: 1.0 if t_s < 1.0 else 1.1)
    text = noise_floor(2.0, machine.clock, spin=machine.spin, steal=no_steal).text
    assert text.startswith("Two stretches of 0.2 s of the very same work differ by up to ")
    assert "19 times in 20" in text
    short = noise_floor(0.1, machine.clock, spin=machine.spin, steal=no_steal).text
    assert short.startswith("Two stretches of 10 ms of the very same work differ by up to ")


def test_the_real_loop_can_be_timed() -> None:
    found = noise_floor(0.01)
    assert found.num >= 20
    assert found.p50_s > 0
    assert module._spin(10) == 29
