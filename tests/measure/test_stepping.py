"""Stepping on clocks that the test turns."""

from __future__ import annotations

import json
import math

import pytest

from cupel.measure.clock import DeviceClock, HostClock
from cupel.measure.stepping import Limits, StepRow, format_rows, grouped, run_steps
from cupel.spec.protocols import Done


class Hand:
    """A clock's hand that work and writing move."""

    def __init__(self) -> None:
        self.ns = 0

    def __call__(self) -> int:
        return self.ns

    def pass_ms(self, ms: float) -> None:
        self.ns += int(ms * 1e6)


def _steps(hand: Hand, ms: float, first_ms: float | None = None):
    durations = iter([ms if first_ms is None else first_ms])

    def step() -> Done:
        hand.pass_ms(next(durations, ms))
        return Done(items=2, loss=0.5)

    return step


def test_writing_between_steps_is_in_no_step():
    hand, rows = Hand(), []

    def write(batch):
        rows.extend(batch)
        hand.pass_ms(300)  # a slow disk

    run_steps(_steps(hand, 10), HostClock(hand), limits=Limits(3.0), write=write)
    assert {round(row.seconds, 9) for row in rows} == {0.01}
    assert [row.index for row in rows] == list(range(len(rows)))
    assert rows[-1].end_s > 3.0


def test_the_first_step_is_not_part_of_the_time_to_go_on():
    hand, rows = Hand(), []
    run_steps(_steps(hand, 10, first_ms=60_000), HostClock(hand), limits=Limits(1.0), write=rows.extend)
    assert rows[0].seconds == pytest.approx(60)
    assert len(rows) == 101


def test_slow_steps_get_more_time_up_to_a_limit():
    hand, rows = Hand(), []
    run_steps(_steps(hand, 100), HostClock(hand), limits=Limits(3.0), write=rows.extend)
    assert len(rows) == 40, "40 steps are reached within the stretch"
    hand, rows = Hand(), []
    run_steps(_steps(hand, 1000), HostClock(hand), limits=Limits(3.0), write=rows.extend)
    assert len(rows) == 6, "first step, then 4.8 s"


def test_losses_on_a_device_are_left_until_the_end():
    hand, rows = Hand(), []
    late = run_steps(_steps(hand, 10), HostClock(hand), limits=Limits(1.0), write=rows.extend, has_late_losses=True)
    assert len(late) == len(rows)
    assert all(row.loss is None for row in rows)


class FakeDevice:
    """A stream that works behind the host's back: events are past once the device's time has come."""

    def __init__(self, hand: Hand) -> None:
        self.hand = hand
        self.busy_until_ns = 0
        self.waits = 0

    def launch(self, ms: float) -> None:
        self.busy_until_ns = max(self.busy_until_ns, self.hand.ns) + int(ms * 1e6)

    def event(self) -> FakeEvent:
        return FakeEvent(self)


class FakeEvent:
    def __init__(self, device: FakeDevice) -> None:
        self.device = device
        self.at_ns = -1

    def record(self) -> None:
        self.at_ns = max(self.device.busy_until_ns, self.device.hand.ns)

    def query(self) -> bool:
        return self.device.hand.ns >= self.at_ns

    def synchronize(self) -> None:
        self.device.waits += self.device.hand.ns < self.at_ns
        self.device.hand.ns = max(self.device.hand.ns, self.at_ns)

    def elapsed_time(self, later: FakeEvent) -> float:
        return (later.at_ns - self.at_ns) / 1e6


def test_device_steps_are_timed_by_the_device_and_the_host_stays_close():
    hand, rows = Hand(), []
    device = FakeDevice(hand)
    ahead = []

    def step() -> Done:
        hand.pass_ms(0.1)  # the host only launches
        device.launch(5)
        ahead.append((device.busy_until_ns - hand.ns) / 5e6)
        return Done(items=1)

    run_steps(step, DeviceClock(device.event, hand, run_ahead=4), limits=Limits(2.0), write=rows.extend)
    assert {round(row.seconds, 6) for row in rows[2:]} == {0.005}
    assert max(ahead) <= 6
    assert 350 <= len(rows) <= 420
    assert len(rows) == len(ahead), "every step is resolved"


def test_steps_that_are_too_fast_to_be_told_apart_are_written_in_groups():
    hand, rows = Hand(), []
    run_steps(_steps(hand, 0.01), HostClock(hand), limits=Limits(2.5), write=rows.extend)
    assert len(rows) < 6100
    assert sum(row.steps for row in rows) > 250_000
    assert sum(row.items for row in rows) == 2 * sum(row.steps for row in rows)
    assert sum(row.seconds for row in rows) == pytest.approx(1e-5 * sum(row.steps for row in rows))
    assert [row.index for row in rows[:3]] == [0, 1, 1 + rows[1].steps]


def test_a_bad_loss_is_not_lost_in_a_group():
    rows = [StepRow(k, k + 1.0, 1.0, 1.0, loss, None) for k, loss in enumerate((1.0, math.nan, 2.0))]
    assert math.isnan(grouped(rows, 3)[0].loss)


def test_rows_are_strict_json_lines():
    rows = [
        StepRow(0, 0.5, 0.5, 3.0, 1.25, {"tokens": 7.0}),
        StepRow(1, 1.0, 0.5, 3.0, float("nan"), None),
        StepRow(2, 1.5, 0.5, 3.0, None, None),
    ]
    records = [json.loads(line) for line in format_rows(rows).splitlines()]
    assert records[0] == {
        "kind": "step",
        "i": 0,
        "end_s": 0.5,
        "s": 0.5,
        "n": 3.0,
        "loss": 1.25,
        "also": {"tokens": 7.0},
    }
    assert records[1]["loss"] == "nan"
    assert "loss" not in records[2]


def test_ranks_take_the_same_steps_and_the_first_decides_when_to_stop():
    """The second rank is slower and would stop earlier by itself; it is told at the steps that both know of."""
    said: list[int] = []

    def leads(value: int) -> int:
        said.append(value)
        return value

    first, rows = Hand(), []
    run_steps(_steps(first, 10), HostClock(first), limits=Limits(0.5, 1, leads), write=rows.extend)
    told, second, others = iter(said), Hand(), []
    run_steps(_steps(second, 70), HostClock(second), limits=Limits(0.5, 1, lambda _: next(told)), write=others.extend)
    assert len(rows) == len(others)
    assert 0.5 <= rows[-1].end_s <= 0.7
    assert said[-1] == 0
    assert len(said) < len(rows) / 2, "few steps wait for others"
    assert list(told) == []
