"""host_to_device counts each byte once, is refused on a CPU where it would measure nothing, and its check can fail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from cupel.run.slot import TorchSlot
from cupel.spec import Done, Seeds, UnsupportedError, WrongWorkError
from cupel.workloads import host_to_device

TINY = SimpleNamespace(**host_to_device.CARD.sizes("tiny"))
DIRECTIONS = ("to_device", "to_host")


def make_slot(direction: str = "to_device") -> TorchSlot:
    return TorchSlot(device="cpu", settings={"direction": direction}, threads=1)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_step_counts_each_byte_once(direction):
    done = host_to_device.setup(TINY, make_slot(direction), Seeds(0))()
    assert done.items * 1e9 == pytest.approx(TINY.repeats * TINY.buffer_mib * 2**20)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_steps_rotate_over_all_buffers(direction):
    sizes = SimpleNamespace(buffer_mib=1, buffers=3, repeats=1, on_cpu=True)
    step, pairs = host_to_device.build(sizes, make_slot(direction), Seeds(0))
    for num_done in range(1, 4):
        step()
        assert [torch.equal(*pair) for pair in pairs] == [idx < num_done for idx in range(3)]


@pytest.mark.parametrize("size", ["small", "full"])
def test_a_cpu_is_refused_in_words(size):
    sizes = SimpleNamespace(**host_to_device.CARD.sizes(size))
    with pytest.raises(UnsupportedError, match=r"asked on a CPU, which has no memory of its own .* Take memory_copy"):
        host_to_device.setup(sizes, make_slot(), Seeds(0))


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_the_check_passes(direction):
    host_to_device.sane(TINY, make_slot(direction), Seeds(0))


@pytest.mark.parametrize("num_skipped", [1, 1000])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_the_check_fails_when_a_word_is_not_copied(monkeypatch, num_skipped, direction):
    def copy_all_but_some(copy, source, non_blocking):
        torch.mul(source[num_skipped:], 1, out=copy[num_skipped:])

    slot = make_slot(direction)
    monkeypatch.setattr(torch.Tensor, "copy_", copy_all_but_some)
    with pytest.raises(WrongWorkError, match=f"{num_skipped} of 262144 words differ"):
        host_to_device.sane(TINY, slot, Seeds(0))


def test_the_check_fails_when_a_buffer_is_on_the_wrong_side(monkeypatch):
    build = host_to_device.build

    def elsewhere(sizes, slot, rng):
        step, pairs = build(sizes, slot, rng)
        return step, [(source, copy.to("meta")) for source, copy in pairs]

    monkeypatch.setattr(host_to_device, "build", elsewhere)
    with pytest.raises(WrongWorkError, match="the buffers are on cpu and meta; expected cpu and cpu"):
        host_to_device.sane(TINY, make_slot(), Seeds(0))


def test_the_check_fails_when_the_bytes_are_not_random(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "random_", lambda words, **_: words.fill_(7))
    with pytest.raises(WrongWorkError, match="repeat themselves"):
        host_to_device.sane(TINY, make_slot(), Seeds(0))


def test_the_check_fails_when_the_count_is_wrong(monkeypatch):
    build = host_to_device.build

    def doubled(sizes, slot, rng):
        step, pairs = build(sizes, slot, rng)
        return lambda: Done(items=2 * step().items), pairs

    monkeypatch.setattr(host_to_device, "build", doubled)
    with pytest.raises(WrongWorkError, match="counted"):
        host_to_device.sane(TINY, make_slot(), Seeds(0))
