"""The claim on sparse targets: arms share language, text and hidden layers, and the naive way is naive."""

import math
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="the claim needs torch")

from cupel.claims import sparse_targets_vs_dense as claim
from cupel.run.slot import TorchSlot
from cupel.spec.seeds import TrialSeeds

SLOT = TorchSlot(device="cpu", settings={}, threads=1)
SIZES = SimpleNamespace(**claim.CARD.sizes("tiny"))


def seeds(number=0):
    return TrialSeeds(0, number, claim.CARD.varies)


def trial(arm, number=0, hp=None, **changed):
    sizes, rng = SimpleNamespace(**{**vars(SIZES), **changed}), seeds(number)
    return getattr(claim, arm)(claim.task(sizes, SLOT, rng), SLOT, rng, hp or {})


@pytest.mark.parametrize("arm", claim.CARD.arms)
def test_an_arm_gives_the_same_for_the_same_seeds_and_draws_from_no_global_generator(arm):
    state = torch.get_rng_state()
    found = trial(arm)
    assert 0.0 < found.values["mrr"] <= 1.0
    assert found.selection != found.values["mrr"]
    assert found == trial(arm)
    assert found != trial(arm, 1)
    assert torch.equal(state, torch.get_rng_state())


def test_the_factored_arm_is_the_dense_arm_and_costs_less_where_words_are_many():
    same = [trial(arm, hp={"lr": 1.0}) for arm in ("method", "baseline")]
    assert same[0].values["mrr"] == pytest.approx(same[1].values["mrr"], abs=0.02)
    many = [trial(arm, words=4000, updates=2).costs["macs"] for arm in ("method", "baseline")]
    assert many[0] < many[1] / 4


LONGER = {"updates": 400, "held_out": 400}


def longer_texts():
    return claim.task(SimpleNamespace(**{**vars(SIZES), **LONGER}), SLOT, seeds()).texts


def rank(texts, score):
    return texts.mean_reciprocal_rank(texts.test, score)


@pytest.mark.parametrize("arm", claim.CARD.arms)
def test_every_arm_learns_more_than_word_counts(arm):
    texts = longer_texts()
    by_counts = rank(texts, lambda context: texts.counts.expand(len(context), -1).float())
    found = trial(arm, hp={"lr": 3.0 if arm in ("method", "baseline") else 1.0}, **LONGER)
    assert found.values["mrr"] > by_counts + 0.02


def test_ranks_are_of_the_word_that_follows():
    texts = longer_texts()
    following = iter(texts.test.following.split(500))
    assert rank(texts, lambda _: torch.nn.functional.one_hot(next(following), texts.num_words).float()) == 1.0
    even = rank(texts, lambda context: torch.zeros(len(context), texts.num_words))
    assert even == pytest.approx(2.0 / (texts.num_words + 1))
    assert rank(texts, lambda context: torch.full((len(context), texts.num_words), math.nan)) == 0.0


@pytest.mark.parametrize("number", range(3))
def test_an_instance_reaches_every_bar(number):
    found = claim.check(claim.instance(SIZES, seeds(number)))
    for said in claim.CARD.said:
        if said.kind == "exact":
            value = found.metric(said.metric)
            assert value <= said.bar if said.better == "lower" else value >= said.bar, said.name


def test_the_check_would_see_a_wrong_layer(monkeypatch):
    wrong = claim.SquaredError()
    monkeypatch.setattr(claim, "LOSSES", ((wrong, lambda o, y: claim.squared_error(o, 1.001 * y)),))
    found = claim.check(claim.instance(SIZES, seeds()))
    assert min(found.metric(name) for name in ("weight_error", "gradient_error", "loss_error")) > 1e-5


def test_both_arms_of_the_speed_do_the_same_work():
    task = claim.task(SIZES, SLOT, seeds())
    steps = [make(task, SLOT, seeds(), {}) for make in (claim.method_step, claim.baseline_step)]
    for _ in range(3):
        factored, dense = (step() for step in steps)
        assert factored.items == dense.items == SIZES.batch
        torch.testing.assert_close(factored.loss, dense.loss, rtol=1e-5, atol=0.0)


def test_the_bar_of_the_speed_is_half_of_d_over_4d_at_small_and_full():
    for size in ("small", "full"):
        sizes = claim.CARD.sizes(size)
        assert claim.CARD.said[0].bar == pytest.approx(0.5 * sizes["outputs"] / (4 * sizes["width"]) - 1.0)
