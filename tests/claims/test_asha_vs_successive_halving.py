"""The claim on ASHA: arms share one problem, times are bounded, and searches are those that a user gets by name."""

import dataclasses
from types import SimpleNamespace

import pytest

from cupel.claims import asha_vs_successive_halving as claim
from cupel.run.slot import PlainSlot
from cupel.spec.seeds import TrialSeeds

SLOT = PlainSlot(device="cpu", settings={}, threads=1)
SIZES = SimpleNamespace(**claim.CARD.sizes("tiny"))


def trial(arm: str, number: int = 0):
    rng = TrialSeeds(0, number, claim.CARD.varies)
    return getattr(claim, arm)(claim.task(SIZES, SLOT, rng), SLOT, rng, {})


@pytest.mark.parametrize("arm", claim.CARD.arms)
def test_an_arm_gives_every_number_that_a_statement_names_and_the_same_for_the_same_seeds(arm: str) -> None:
    found = trial(arm)
    for statement in claim.CARD.said:
        assert found.metric(statement.metric) >= 0
    for workers, limit in claim.LIMITS.items():
        assert 0 < found.values[f"time_{workers}"] <= max(1.5, limit * SIZES.patience)
    assert found == trial(arm)
    assert found != trial(arm, 1)


def test_more_workers_are_never_far_slower() -> None:
    values = trial("method").values
    assert values["time_16"] < values["time_1"]


def test_arms_get_the_same_problem_and_each_source_is_varied_by_its_name() -> None:
    def world(trial: int, varies: tuple[str, ...]) -> claim.World:
        return claim.task(SIZES, SLOT, TrialSeeds(0, trial, varies))

    first, again = world(0, claim.CARD.varies), world(0, claim.CARD.varies)
    assert dataclasses.replace(first, curves=again.curves, long_curves=again.long_curves) == again
    assert vars(first.curves) == vars(again.curves)
    by_instance, by_hpo, by_sampling = (world(1, (name,)) for name in ("instance", "hpo", "sampling"))
    still = world(0, ())
    assert (by_instance.search_seed, by_instance.cluster_seed) == (still.search_seed, still.cluster_seed)
    assert by_instance.target != still.target
    assert by_hpo.target == still.target
    assert by_hpo.search_seed != still.search_seed
    assert by_sampling.cluster_seed != still.cluster_seed
    assert by_sampling.search_seed == still.search_seed


def test_the_target_is_what_one_configuration_in_so_many_reaches() -> None:
    import random

    world = claim.task(SIZES, SLOT, TrialSeeds(0, 0, claim.CARD.varies))
    rng = random.Random(1)
    curves = world.curves
    worth = [curves.expected(curves.space.draw(rng), curves.max_resource) for _ in range(2000)]
    share = sum(value <= world.target / (1 + claim.TOLERANCE) for value in worth) / 2000
    assert share == pytest.approx(SIZES.share, rel=0.35)


def test_work_that_is_done_again_is_not_lost() -> None:
    found = [trial("method", number).values for number in range(3)]
    assert sum(one["in_full_again"] for one in found) >= sum(one["in_full_lost"] for one in found)
