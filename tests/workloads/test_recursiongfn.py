"""recursiongfn counts trajectories, learns to draw trees as they are rewarded, and its check can fail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="recursiongfn needs torch")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, WrongWorkError
from cupel.tasks import trajectory_balance
from cupel.tasks.fragment_trees import Space
from cupel.workloads import recursiongfn

TINY = SimpleNamespace(**recursiongfn.CARD.sizes("tiny"))


def make_slot(precision: str = "fp32") -> TorchSlot:
    return TorchSlot(device="cpu", settings={"precision": precision}, threads=1)


def test_full_has_the_number_of_parameters_that_the_card_says():
    with torch.device("meta"):
        model = recursiongfn.build_model(SimpleNamespace(**recursiongfn.CARD.sizes("full")))
    layer = (128 * 384 + 384) + (128 * 128 + 128) + 4 * 128 + 6 * 2 + (128 * 512 + 512) + (512 * 128 + 128)
    trunk = 73 * 128 + 4 * 128 + 128 + 2 * 128
    heads = (128 * 3 * 72 + 3 * 72) + (128 * 72 + 72) + 129 + 1
    assert sum(parameter.numel() for parameter in model.parameters()) == 4 * layer + trunk + heads == 840_658


def test_a_step_counts_trajectories_and_leaves_the_reward_as_it_is():
    slot = make_slot()
    parts = recursiongfn.build(TINY, slot, rng=Seeds(0))
    assert not any(parameter.requires_grad for parameter in parts.reward.parameters())
    done = recursiongfn.setup(TINY, slot, Seeds(0))()
    assert done.items == TINY.batch
    assert not done.loss.requires_grad


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_check_passes(precision):
    recursiongfn.sane(TINY, make_slot(precision), Seeds(0))


def test_the_check_finds_leaves_that_are_miscounted(monkeypatch):
    monkeypatch.setattr(Space, "num_leaves", lambda space, trees: space.exists(trees).sum(1))
    with pytest.raises(WrongWorkError, match="exact flows end"):
        recursiongfn.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_a_balance_without_the_reward(monkeypatch):
    imbalance = trajectory_balance.imbalance
    monkeypatch.setattr(recursiongfn, "imbalance", lambda policy, drawn, reward: imbalance(policy, drawn, 0 * reward))
    with pytest.raises(WrongWorkError, match="draws all trees alike"):
        recursiongfn.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_a_flow_that_is_not_trained(monkeypatch):
    imbalance = trajectory_balance.imbalance

    def without(policy, drawn, reward):
        return imbalance(lambda trees: (policy(trees)[0], torch.tensor(5.0)), drawn, reward)

    monkeypatch.setattr(recursiongfn, "imbalance", without)
    with pytest.raises(WrongWorkError, match="no gradient reaches log_flow"):
        recursiongfn.sane(TINY, make_slot(), Seeds(0))
