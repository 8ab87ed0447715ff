"""The claim's arms at tiny: what they share, and that the arms are what they say."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="these methods need torch")
pytest.importorskip("sklearn", reason="digits come with scikit-learn")

from cupel.claims import fedprox_vs_fedavg as claim
from cupel.run.slot import TorchSlot
from cupel.spec.seeds import TrialSeeds

SLOT = TorchSlot(device="cpu", settings={}, threads=1)


def make(trial=0, **changed):
    sizes = SimpleNamespace(**{**claim.CARD.sizes("tiny"), **changed})
    rng = TrialSeeds(0, trial, claim.CARD.varies)
    return rng, claim.task(sizes, SLOT, rng)


def run(arm, trial=0, hp=None, **changed):
    rng, task = make(trial, **changed)
    return getattr(claim, arm)(task, SLOT, rng, {"lr": 0.1} if hp is None else hp)


@pytest.mark.parametrize("arm", claim.CARD.arms)
def test_an_arm_gives_every_metric_and_the_same_ones_for_the_same_seeds(arm):
    state = torch.get_rng_state()
    found = run(arm)
    assert torch.equal(state, torch.get_rng_state())
    for statement in claim.CARD.said:
        assert 0.0 <= found.metric(statement.metric) <= 1.0
    assert found == run(arm)
    assert found.values != run(arm, trial=1).values
    assert found.costs["gradients"] > 0


def test_without_stragglers_partial_work_is_fedavg_to_the_last_bit_and_the_proximal_term_is_not():
    nets = {arm: run(arm, passes=6, num_rounds=4) for arm in claim.CARD.arms}
    assert nets["partial_work"].values["accuracy_0"] == nets["baseline"].values["accuracy_0"]
    _, task = make()
    plain = claim.fed_avg(0.1, batch_size=40)
    kept = claim.fed_prox(0.1, mu=0.0, batch_size=40)
    held = claim.fed_prox(0.1, mu=1.0, batch_size=40)
    results = [task.train("accuracy_0", rule) for rule in (plain, kept, held)]
    assert results[0] == results[1]
    assert results[0][2] == results[2][2], "as many local steps"


def test_fedprox_with_mu_0_is_the_arm_of_partial_work_and_no_mu_fails():
    assert run("method", hp={"lr": 0.1, "mu": 0.0}) == run("partial_work")
    longer = {"passes": 6, "num_rounds": 4}
    pulled = run("method", hp={"lr": 0.1, "mu": 1.0}, **longer)
    assert pulled.values != run("partial_work", **longer).values
    assert pulled == run("method", **longer), "mu is 1 where none is given"
    assert run("method", hp={"lr": 0.3, "mu": 100.0}).is_testable


def test_stragglers_of_90_percent_cost_fedavg_its_clients():
    _, task = make(num_clients=30, clients_per_round=10)
    for metric, num_fast in (("accuracy_90", 1), ("accuracy_50", 5), ("accuracy_0", 10)):
        assert [sum(not slow for slow in who.is_straggler) for who in task.rounds[metric]] == [num_fast] * 2
    for level in ("accuracy_50", "accuracy_0"):
        assert [who.clients for who in task.rounds[level]] == [who.clients for who in task.rounds["accuracy_90"]]
    assert [len(task.splits[name]) for name in ("synthetic", "digits")] == [30, 30]


def test_the_rate_is_tuned_at_90_percent_and_that_of_all_arms_elsewhere():
    one, other = run("baseline", hp={"lr": 0.003}), run("baseline", hp={"lr": 0.3})
    assert all(one.values[metric] == other.values[metric] for metric in ("accuracy_50", "accuracy_0"))
    assert any(one.values[metric] != other.values[metric] for metric in claim.TUNED)
    assert one.selection != other.selection
    assert run("baseline", hp={}) == run("baseline", hp={"lr": 0.1})
    assert set(claim.space()) == set(claim.CARD.arms)


def test_what_does_not_vary_stands_still():
    sizes = SimpleNamespace(**claim.CARD.sizes("tiny"))
    same = [claim.task(sizes, SLOT, TrialSeeds(0, trial, ("init",))) for trial in (0, 1)]
    for name in ("synthetic", "digits"):
        for one, other in zip(*(task.splits[name] for task in same), strict=True):
            assert torch.equal(one.train[0], other.train[0])
    assert same[0].rounds == same[1].rounds
    varied = [make(trial)[1] for trial in (0, 1)]
    assert varied[0].rounds != varied[1].rounds
    for name in ("synthetic", "digits"):
        ends = [float(task.splits[name][0].train[0].double().sum()) for task in varied]
        assert ends[0] != ends[1]
