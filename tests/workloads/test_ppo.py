"""ppo counts environment steps, learns, and its check can fail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="ppo needs torch")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, WrongWorkError
from cupel.tasks import cartpole, policy_gradient
from cupel.workloads import ppo

TINY = SimpleNamespace(**ppo.CARD.sizes("tiny"))


def make_slot(precision: str = "fp32") -> TorchSlot:
    return TorchSlot(device="cpu", settings={"precision": precision}, threads=1)


def test_a_step_counts_steps_of_all_environments():
    done = ppo.setup(TINY, make_slot(), Seeds(0))()
    assert done.items == TINY.num_envs * TINY.horizon
    assert not done.loss.requires_grad


def test_episodes_go_on_from_step_to_step():
    slot = make_slot()
    parts = ppo.build(TINY, slot, rng=Seeds(0))
    first, _ = ppo.act(parts, TINY, slot=slot)
    second, _ = ppo.act(parts, TINY, slot=slot)
    ended = first.transition.terminated_N[-1] | first.transition.truncated_N[-1]
    assert torch.equal(second.state_TNS[0][~ended], first.transition.reached_NS[-1][~ended])


def test_each_sample_is_learned_from_once_an_epoch(monkeypatch):
    slot, seen = make_slot(), []
    parts = ppo.build(TINY, slot, rng=Seeds(0))
    _, samples = ppo.act(parts, TINY, slot=slot)
    marked = samples._replace(return_M=torch.arange(len(samples.return_M), dtype=torch.float32))
    loss_of = policy_gradient.clipped_loss

    def watch(policy, minibatch, **weights):
        seen.append(minibatch.return_M.long())
        return loss_of(policy, minibatch, **weights)

    monkeypatch.setattr(policy_gradient, "clipped_loss", watch)
    ppo.update(parts, marked, slot=slot)
    assert len(seen) == TINY.epochs * TINY.minibatches
    assert torch.cat(seen).bincount().tolist() == [TINY.epochs] * (TINY.num_envs * TINY.horizon)
    assert not torch.equal(seen[0], seen[TINY.minibatches])


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_the_check_passes(precision):
    ppo.sane(TINY, make_slot(precision), Seeds(0))


def test_the_check_finds_a_policy_that_flees_its_advantages(monkeypatch):
    loss_of = policy_gradient.clipped_loss

    def against(policy, samples, **weights):
        return loss_of(policy, samples._replace(advantage_M=-samples.advantage_M), **weights)

    monkeypatch.setattr(policy_gradient, "clipped_loss", against)
    with pytest.raises(WrongWorkError, match="better actions having become likelier"):
        ppo.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_advantages_of_the_wrong_sign(monkeypatch):
    advantages_of = ppo.advantages
    monkeypatch.setattr(ppo, "advantages", lambda rollout, **rates: -advantages_of(rollout, **rates))
    with pytest.raises(WrongWorkError, match="poles fell in the first three"):
        ppo.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_poles_that_cannot_fall(monkeypatch):
    monkeypatch.setattr(cartpole, "MAX_ANGLE_RAD", 1e9)
    monkeypatch.setattr(cartpole, "MAX_POSITION_M", 1e9)
    with pytest.raises(WrongWorkError, match="0 poles fell in the first three"):
        ppo.sane(TINY, make_slot(), Seeds(0))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_ppo_learns_to_balance(seed):
    """From 22 steps an episode, a random policy's mean, to above 195: the bar that the first version was solved at."""
    sizes, slot = SimpleNamespace(**ppo.CARD.sizes("tiny")), make_slot()
    torch.manual_seed(Seeds(seed).seed("init"))
    parts = ppo.build(sizes, slot, rng=Seeds(seed))
    lengths = []
    for _ in range(100):
        rollout, samples = ppo.act(parts, sizes, slot=slot)
        transition = rollout.transition
        lengths.append(transition.steps_N[transition.terminated_N | transition.truncated_N])
        ppo.update(parts, samples, slot=slot)
    assert torch.cat(lengths[:2]).float().mean() < 35
    assert torch.cat(lengths[-40:]).float().mean() > 195
