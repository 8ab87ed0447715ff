"""memory_copy counts bytes read plus written, and its check can fail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from cupel.run.slot import TorchSlot
from cupel.spec import Done, Seeds, WrongWorkError
from cupel.workloads import memory_copy

TINY = SimpleNamespace(**memory_copy.CARD.sizes("tiny"))


@pytest.fixture
def slot() -> TorchSlot:
    return TorchSlot(device="cpu", settings={}, threads=1)


def test_a_step_counts_what_it_reads_and_what_it_writes(slot):
    done = memory_copy.setup(TINY, slot, Seeds(0))()
    assert done.items * 1e9 == pytest.approx(2 * TINY.repeats * TINY.buffer_mib * 2**20)


def test_steps_rotate_over_all_buffers(slot):
    sizes = SimpleNamespace(buffer_mib=1, buffers=3, repeats=1)
    step, pairs = memory_copy.build(sizes, slot, Seeds(0))
    for num_done in range(1, 4):
        step()
        assert [torch.equal(*pair) for pair in pairs] == [idx < num_done for idx in range(3)]


def test_buffers_have_the_size_that_the_card_says_and_random_bytes(slot):
    _, pairs = memory_copy.build(TINY, slot, Seeds(0))
    for source, copy in pairs:
        assert source.nbytes == copy.nbytes == TINY.buffer_mib * 2**20
        counts = source.view(torch.uint8).bincount(minlength=256)[:128]
        assert counts.min() > 0.9 * counts.float().mean()


@pytest.mark.parametrize("size", ["small", "full"])
def test_buffers_are_larger_than_caches(size):
    sizes = memory_copy.CARD.sizes(size)
    assert sizes["buffer_mib"] >= 4 * {"small": 32, "full": 256}[size]
    total_gib = 2 * sizes["buffers"] * sizes["buffer_mib"] / 1024
    assert memory_copy.CARD.memory_gib[size] >= total_gib


def test_the_check_passes(slot):
    memory_copy.sane(TINY, slot, Seeds(0))
    memory_copy.sane(SimpleNamespace(buffer_mib=1, buffers=3, repeats=2), slot, Seeds(0))


@pytest.mark.parametrize("num_skipped", [1, 1000])
def test_the_check_fails_when_a_word_is_not_copied(slot, monkeypatch, num_skipped):
    def copy_all_but_some(copy, source):
        torch.mul(source[num_skipped:], 1, out=copy[num_skipped:])

    monkeypatch.setattr(torch.Tensor, "copy_", copy_all_but_some)
    with pytest.raises(WrongWorkError, match=f"{num_skipped} of 524288 words differ"):
        memory_copy.sane(TINY, slot, Seeds(0))


def test_the_check_fails_when_the_bytes_are_not_random(slot, monkeypatch):
    monkeypatch.setattr(torch.Tensor, "random_", lambda words, **_: words.fill_(7))
    with pytest.raises(WrongWorkError, match="repeat themselves"):
        memory_copy.sane(TINY, slot, Seeds(0))


def test_the_check_fails_when_the_count_is_wrong(slot, monkeypatch):
    build = memory_copy.build

    def doubled(sizes, slot, rng):
        step, pairs = build(sizes, slot, rng)
        return lambda: Done(items=2 * step().items), pairs

    monkeypatch.setattr(memory_copy, "build", doubled)
    with pytest.raises(WrongWorkError, match="counted"):
        memory_copy.sane(TINY, slot, Seeds(0))
