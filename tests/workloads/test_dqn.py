"""dqn counts environment steps, learns, and its check can fail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="dqn needs torch")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, WrongWorkError
from cupel.workloads import dqn

TINY = SimpleNamespace(**dqn.CARD.sizes("tiny"))


def make_slot(precision: str = "fp32") -> TorchSlot:
    return TorchSlot(device="cpu", settings={"precision": precision}, threads=1)


def test_full_has_the_network_and_the_sizes_that_the_card_says():
    full = SimpleNamespace(**dqn.CARD.sizes("full"))
    with torch.device("meta"):
        model = dqn.build_model(full)
    assert sum(parameter.numel() for parameter in model.parameters()) == 4 * 120 + 120 + 120 * 84 + 84 + 84 * 2 + 2
    assert sum(parameter.numel() for parameter in model.parameters()) == 10_934
    assert full.capacity % full.num_envs == 0


def test_a_step_counts_steps_of_all_environments():
    done = dqn.setup(TINY, make_slot(), Seeds(0))()
    assert done.items == TINY.num_envs * TINY.interval
    assert not done.loss.requires_grad


def test_the_memory_is_full_from_the_start_and_then_renewed():
    slot = make_slot()
    parts = dqn.build(TINY, slot, rng=Seeds(0))
    assert parts.memory.num_rows == TINY.capacity
    before = parts.memory.rows.state_MS.clone()
    dqn.step_of(parts, TINY, slot=slot)()
    changed = (parts.memory.rows.state_MS != before).any(dim=1)
    assert changed.nonzero().flatten().tolist() == list(range(TINY.num_envs * TINY.interval))


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_the_check_passes(precision):
    dqn.sane(TINY, make_slot(precision), Seeds(0))


def test_the_check_finds_memories_of_other_actions(monkeypatch):
    experience = dqn.Experience
    monkeypatch.setattr(dqn, "Experience", lambda state, action, *rest: experience(state, 1 - action, *rest))
    with pytest.raises(WrongWorkError, match="away from where their actions lead"):
        dqn.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_a_target_that_is_never_renewed(monkeypatch):
    monkeypatch.setattr(dqn, "renew_target", lambda _: None)
    with pytest.raises(WrongWorkError, match="the target differs"):
        dqn.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_training_that_climbs():
    slot = make_slot()
    slot.step = lambda loss: TorchSlot.step(slot, -loss)
    with pytest.raises(WrongWorkError, match="expected it to fall"):
        dqn.sane(TINY, slot, Seeds(0))


@pytest.mark.slow
def test_dqn_learns_to_balance():
    """From 22 steps an episode, a random policy's mean, to several times that."""
    sizes = SimpleNamespace(num_envs=16, interval=2, capacity=8192, batch=128, target_every=50)
    slot = make_slot()
    parts = dqn.build(sizes, slot, rng=Seeds(0))
    step = dqn.step_of(parts, sizes, slot=slot)
    for _ in range(5000):
        step()
    ends = parts.memory.rows.terminated_M.float().mean()
    assert 1 / float(ends) > 66
