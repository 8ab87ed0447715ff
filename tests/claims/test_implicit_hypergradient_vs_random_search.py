"""The claim on hyperparameters by gradient: arms share images and first weights, and each pays for what it does."""

import itertools
import math
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="the claim needs torch")
pytest.importorskip("sklearn", reason="the digits come with scikit-learn (extra digits)")

from cupel.claims import implicit_hypergradient_vs_random_search as claim
from cupel.run.slot import TorchSlot
from cupel.spec.seeds import Seeds, TrialSeeds

SLOT = TorchSlot(device="cpu", settings={}, threads=1)
SIZES = SimpleNamespace(**claim.CARD.sizes("tiny"))
TRAININGS = {"none": 1, "baseline": 3, "patient": 12}


def trial(arm: str, number: int = 0, *, hp=None, **changed):
    rng = TrialSeeds(0, number, claim.CARD.varies)
    sizes = SimpleNamespace(**{**vars(SIZES), **changed})
    return getattr(claim, arm)(claim.task(sizes, SLOT, rng), SLOT, rng, hp or {})


@pytest.mark.parametrize("arm", claim.CARD.arms)
def test_an_arm_gives_every_number_the_same_for_the_same_seeds_and_draws_from_no_global_generator(arm: str) -> None:
    state = torch.get_rng_state()
    found = trial(arm)
    assert {s.metric for s in claim.CARD.said if s.kind == "quality"} <= set(found.values)
    assert all(math.isfinite(value) for value in found.values.values())
    assert found.selection == found.values["valid_loss"]
    assert found == trial(arm)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("arm", TRAININGS)
def test_a_search_trains_as_often_as_its_gradients_allow(arm: str) -> None:
    assert trial(arm).costs["gradients"] == TRAININGS[arm] * SIZES.steps


def test_the_baseline_has_no_fewer_gradients_than_the_method_and_patience_begins_with_its_decays() -> None:
    assert trial("baseline").costs["gradients"] >= trial("method").costs["gradients"]
    assert trial("patient").values["valid_loss"] <= trial("baseline").values["valid_loss"]


def test_hyperparameter_steps_are_charged_for() -> None:
    hyper_steps = SIZES.steps // SIZES.every
    assert trial("identity").costs["gradients"] == SIZES.steps + 2 * hyper_steps
    assert trial("unrolled").costs["gradients"] == SIZES.steps + (1 + 4 * (SIZES.terms + 1)) * hyper_steps
    method = trial("method").costs["gradients"]
    assert method >= SIZES.steps + (2 + 2 * (SIZES.terms + 1)) * hyper_steps


def test_arms_by_gradient_move_the_validation_loss_and_a_rate_of_nought_does_not() -> None:
    plain = trial("none", steps=60).values["valid_loss"]
    for arm in ("method", "identity", "unrolled", "one_decay"):
        still = trial(arm, steps=60, hp={"hyper_lr": 1e-12}).values["valid_loss"]
        assert still == pytest.approx(plain, rel=1e-4)
    assert trial("method", steps=60, hp={"hyper_lr": 0.3}).values["valid_loss"] < plain - 1e-4


def test_both_arms_of_the_headline_are_tuned_over_one_grid() -> None:
    grids = claim.space()
    assert grids["method"] == grids["baseline"]
    assert set(grids) <= set(claim.CARD.arms)
    assert claim.RATE in grids["method"]["lr"]


def test_exact_statements_hold_on_an_instance() -> None:
    found = claim.check(claim.instance(SIZES, Seeds(0)))
    for statement in claim.CARD.said:
        if statement.kind == "exact":
            assert found.metric(statement.metric) <= statement.bar, statement.name


def test_the_full_size_has_more_than_a_million_hyperparameters() -> None:
    full = claim.CARD.sizes("full")
    widths = [64, *[full["hidden"]] * full["layers"], 10]
    assert sum(a * b + b for a, b in itertools.pairwise(widths)) == 1_076_010
