"""kernel_launch counts what the device did, and its check can fail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from cupel.run.slot import TorchSlot
from cupel.spec import Done, Seeds, WrongWorkError
from cupel.workloads import kernel_launch

TINY = SimpleNamespace(**kernel_launch.CARD.sizes("tiny"))


@pytest.fixture
def slot() -> TorchSlot:
    return TorchSlot(device="cpu", settings={}, threads=1)


def test_a_step_launches_what_it_counts(slot):
    step, total = kernel_launch.build(TINY, slot)
    assert [step().items for _ in range(3)] == [TINY.launches] * 3
    assert int(total) == 3 * TINY.launches


def test_each_launch_is_one_operation_of_the_device(slot):
    step, total = kernel_launch.build(SimpleNamespace(launches=7), slot)
    before = total._version  # counts the operations that wrote to it
    step()
    assert total._version == before + 7


def test_no_launch_is_lost_in_a_long_run(slot):
    step, total = kernel_launch.build(SimpleNamespace(launches=3), slot)
    total.fill_(2**24)
    step()
    assert int(total) == 2**24 + 3


def test_the_check_passes(slot):
    kernel_launch.sane(TINY, slot, Seeds(0))


def test_the_check_fails_when_a_launch_is_left_out(slot, monkeypatch):
    zeros = torch.zeros

    class Lazy:
        def __init__(self) -> None:
            self.total, self.num_calls = zeros(1), 0

        def add_(self, number):
            self.num_calls += 1
            if self.num_calls % 100:
                self.total += number

        def __int__(self) -> int:
            return int(self.total)

    monkeypatch.setattr(torch, "zeros", lambda *_, **__: Lazy())
    with pytest.raises(WrongWorkError, match="2970 launches did their work; expected 3000"):
        kernel_launch.sane(TINY, slot, Seeds(0))


def test_the_check_fails_when_the_count_is_wrong(slot, monkeypatch):
    build = kernel_launch.build

    def doubled(sizes, slot):
        step, total = build(sizes, slot)
        return lambda: Done(items=2 * step().items), total

    monkeypatch.setattr(kernel_launch, "build", doubled)
    with pytest.raises(WrongWorkError, match="6000 launches were counted; expected 3000"):
        kernel_launch.sane(TINY, slot, Seeds(0))
