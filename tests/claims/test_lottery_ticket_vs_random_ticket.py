"""The claim's arms at tiny: what they share, and where each begins."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="these methods need torch")
pytest.importorskip("sklearn", reason="digits come with scikit-learn")

from cupel.claims import lottery_ticket_vs_random_ticket as claim
from cupel.run.slot import TorchSlot
from cupel.spec.seeds import TrialSeeds

SLOT = TorchSlot(device="cpu", settings={}, threads=1)
HP = {"lr": 0.01}


def make(trial=0, **changed):
    sizes = SimpleNamespace(**{**claim.CARD.sizes("tiny"), **changed})
    rng = TrialSeeds(0, trial, claim.CARD.varies)
    return rng, claim.task(sizes, SLOT, rng)


def run(arm, trial=0, hp=HP, **changed):
    rng, task = make(trial, **changed)
    return getattr(claim, arm)(task, SLOT, rng, hp)


@pytest.mark.parametrize("arm", claim.CARD.arms)
def test_an_arm_gives_every_metric_and_the_same_ones_for_the_same_seeds(arm):
    state = torch.get_rng_state()
    found = run(arm)
    assert torch.equal(state, torch.get_rng_state())
    for statement in claim.CARD.said:
        assert 0.0 <= found.metric(statement.metric) <= 1.0
    assert found == run(arm)
    assert found.values != run(arm, trial=1).values
    trainings = 2 if arm == "dense" else 3 + 4
    assert found.costs == {"steps": trainings * 12.0}


def test_arms_share_images_batches_and_masks_whatever_was_run_before():
    (rng, one), (_, other) = make(), make()
    alone = claim.baseline(other, SLOT, rng, HP)
    for arm in (claim.method, claim.random_mask, claim.dense):
        arm(one, SLOT, rng, HP)
    assert claim.baseline(one, SLOT, rng, HP) == alone
    assert torch.equal(one.net.batches, other.net.batches)
    assert all(torch.equal(m, other.ticket.masks[name]) for name, m in one.ticket.masks.items())


def test_each_arm_begins_where_it_should():
    _, task = make()
    masks, start = task.ticket.masks, task.ticket.start
    fresh = dict(task.net.network().named_parameters())
    assert all(torch.equal(start[name], weight) for name, weight in fresh.items())
    began = {}
    for arm in claim.CARD.arms:
        with task.start(arm, masks) as guard:
            began[arm] = {name: weight.detach().clone() for name, weight in guard.model.named_parameters()}
    for name, mask in masks.items():
        assert torch.equal(began["dense"][name], start[name])
        assert torch.equal(began["method"][name], start[name] * mask)
        assert torch.equal(began["baseline"][name] != 0.0, mask)
        assert not (began["baseline"][name] == start[name])[mask].any()
        elsewhere = began["random_mask"][name] != 0.0
        assert int(elsewhere.sum()) == int(mask.sum())
        assert torch.equal(began["random_mask"][name], start[name] * elsewhere)
    assert any(not torch.equal(began["random_mask"][name] != 0.0, mask) for name, mask in masks.items())


def test_at_the_papers_rate_the_method_is_the_last_round_and_the_dense_arm_the_first():
    rng, task = make()
    rounds = task.ticket.rounds
    assert [round(done.density, 2) for done in rounds] == [1.0, 0.61, 0.37, 0.23]
    for arm, number in (("method", -1), ("dense", 0)):
        found = getattr(claim, arm)(task, SLOT, rng, HP)
        for name in ("accuracy", "early_accuracy"):
            assert found.values[f"{name}_paper_rate"] == rounds[number].result[name]
    assert claim.method(task, SLOT, rng, {"lr": task.sizes.lr}).values["accuracy_21"] == rounds[1].result["accuracy"]


def test_full_without_mnist_is_not_testable(monkeypatch):
    monkeypatch.delenv("CUPEL_MNIST", raising=False)
    for arm in claim.CARD.arms:
        found = run(arm, data="mnist")
        assert not found.is_testable
        assert "CUPEL_MNIST" in found.note
    assert set(claim.space()) == set(claim.CARD.arms)
