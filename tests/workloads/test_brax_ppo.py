"""brax_ppo counts actions, learns, and its check can fail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="brax_ppo needs torch")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, WrongWorkError
from cupel.tasks import body_chain, policy_gradient
from cupel.tasks.models.gaussian_actor_critic import GaussianActorCritic
from cupel.workloads import brax_ppo

TINY = SimpleNamespace(**brax_ppo.CARD.sizes("tiny"))


def make_slot(precision: str = "fp32") -> TorchSlot:
    return TorchSlot(device="cpu", settings={"precision": precision}, threads=1)


def test_full_has_the_networks_of_brax():
    with torch.device("meta"):
        model = brax_ppo.build_model(SimpleNamespace(**brax_ppo.CARD.sizes("full")))
    policy = (11 * 32 + 32) + 3 * (32 * 32 + 32) + (32 * 6 + 6)
    value = (11 * 256 + 256) + 4 * (256 * 256 + 256) + 257
    assert sum(parameter.numel() for parameter in model.parameters()) == policy + value == 270_247


def test_a_step_counts_actions():
    done = brax_ppo.setup(TINY, make_slot(), Seeds(0))()
    assert done.items == TINY.num_envs * TINY.horizon
    assert not done.loss.requires_grad


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_the_check_passes(precision):
    brax_ppo.sane(TINY, make_slot(precision), Seeds(0))


def test_the_check_finds_a_floor_that_pushes_in_the_air(monkeypatch):
    def everywhere(bodies, _):
        push = torch.ones(len(bodies.spin_NB), 2, 2)
        return push, torch.zeros_like(push)

    monkeypatch.setattr(body_chain, "floor_forces", everywhere)
    with pytest.raises(WrongWorkError, match="in free flight momentum changed"):
        brax_ppo.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_a_policy_that_flees_its_advantages(monkeypatch):
    loss_of = policy_gradient.clipped_loss

    def against(policy, samples, **weights):
        return loss_of(policy, samples._replace(advantage_M=-samples.advantage_M), **weights)

    monkeypatch.setattr(policy_gradient, "clipped_loss", against)
    with pytest.raises(WrongWorkError, match="better actions having become likelier"):
        brax_ppo.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_a_spread_that_is_not_trained(monkeypatch):
    forward = GaussianActorCritic.forward

    def value_only(model, state):
        choice, value = forward(model, state)
        return type(choice)(choice.mean_NA.detach(), choice.log_std_NA.detach()), value

    monkeypatch.setattr(GaussianActorCritic, "forward", value_only)
    with pytest.raises(WrongWorkError, match=r"likelier|no gradient reaches policy"):
        brax_ppo.sane(TINY, make_slot(), Seeds(0))


@pytest.mark.slow
def test_the_robot_learns_to_stand_longer():
    sizes = SimpleNamespace(**{**brax_ppo.CARD.sizes("small"), "horizon": 20, "epochs": 4})
    slot = make_slot()
    torch.manual_seed(Seeds(0).seed("init"))
    parts = brax_ppo.build(sizes, slot, rng=Seeds(0))
    falls = []
    for _ in range(120):
        before = parts.envs.steps_N
        brax_ppo.act_and_learn(parts, sizes, slot=slot)
        falls.append(int((parts.envs.steps_N < before + sizes.horizon).sum()))
    assert sum(falls[-10:]) < 0.7 * sum(falls[:10])
