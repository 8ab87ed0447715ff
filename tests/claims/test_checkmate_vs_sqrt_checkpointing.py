"""Budgets are the same for every arm, the program is never dearer than segments, and instances hold what is said."""

import math
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="the claim needs torch")

from cupel.claims import checkmate_vs_sqrt_checkpointing as claim
from cupel.methods.rematerialisation import keep_all
from cupel.run.slot import TorchSlot
from cupel.spec.seeds import Seeds, TrialSeeds

SIZES = SimpleNamespace(**claim.CARD.tiny)
SLOT = TorchSlot(device="cpu", settings={}, threads=1)


def outcome(arm, trial):
    rng = TrialSeeds(0, trial, claim.CARD.varies)
    return getattr(claim, arm)(claim.task(SIZES, SLOT, rng), SLOT, rng, {})


@pytest.mark.parametrize("trial", range(3))
def test_the_program_is_never_dearer_than_segments_nor_lets_in_less(trial):
    method, baseline, sqrt = (outcome(arm, trial).values for arm in ("method", "baseline", "sqrt"))
    assert 1.0 <= method["extra"] <= baseline["extra"] * (1 + 1e-9)
    assert baseline["extra"] <= sqrt["extra"]
    assert method["batch"] >= baseline["batch"] >= 1.0


def test_budgets_lie_between_the_leanest_segments_and_keeping_all():
    task = claim.task(SIZES, SLOT, TrialSeeds(0, 0, claim.CARD.varies))
    whole = keep_all(task.graph).peak_bytes
    assert list(task.budgets_bytes) == sorted(task.budgets_bytes)
    assert task.budgets_bytes[-1] < whole
    assert all(claim._best(task, budget).peak_bytes <= budget for budget in task.budgets_bytes)


def test_same_seeds_same_numbers_and_other_instances_others():
    assert outcome("method", 1).as_dict() == outcome("method", 1).as_dict()
    assert outcome("method", 0).values != outcome("method", 1).values


@pytest.mark.parametrize("trial", range(2))
def test_timed_arms_train_the_same_network_within_the_same_bytes(trial):
    state = torch.get_rng_state()
    rng = Seeds(trial)
    steps = [
        getattr(claim, f"{arm}_step")(claim.task(SIZES, SLOT, rng), SLOT, rng, {}) for arm in ("method", "baseline")
    ]
    method, again, baseline = steps[0](), steps[0](), steps[1]()
    assert method.items == baseline.items == SIZES.images
    assert torch.equal(method.loss, baseline.loss)
    assert torch.equal(method.loss, again.loss)
    assert float(method.loss) > 0.0
    assert torch.equal(state, torch.get_rng_state())


def test_an_instance_holds_and_a_wrong_optimum_would_show(monkeypatch):
    instance = claim.instance(SIZES, Seeds(0).child("instance", 0))
    found = claim.check(instance).values
    assert found["excess_cost"] <= 1e-6
    assert found["gradient_error"] <= 1e-10
    assert 0.3 < found["share_of_budget"] <= 1.0
    monkeypatch.setattr(claim, "_trained", lambda _: {})
    monkeypatch.setattr(claim, "exhaustive_cost", lambda *_: math.inf)
    assert claim.check(instance).values["excess_cost"] == math.inf
