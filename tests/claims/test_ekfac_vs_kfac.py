"""The claim's arms at tiny: what they share, what they cost, and that the exact statements could fail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="these methods need torch")
pytest.importorskip("sklearn", reason="digits come with scikit-learn")

from cupel.claims import ekfac_vs_kfac as claim
from cupel.measure.flop import counting_mode
from cupel.methods.optimizers.ekfac import EKFAC
from cupel.methods.optimizers.kfac import KFAC
from cupel.run.slot import TorchSlot
from cupel.spec.seeds import Seeds, TrialSeeds
from cupel.tasks.fisher_problem import random_fisher_problem

SLOT = TorchSlot(device="cpu", settings={}, threads=1)
HP = {arm: {name: values[1] for name, values in grid.items()} for arm, grid in claim.space().items()}


def make(trial=0, **changed):
    rng = TrialSeeds(0, trial, claim.CARD.varies)
    return rng, claim.task(SimpleNamespace(**{**claim.CARD.sizes("tiny"), **changed}), SLOT, rng)


def run(arm, trial=0, **changed):
    rng, task = make(trial, **changed)
    return getattr(claim, arm)(task, SLOT, rng, HP[arm])


@pytest.mark.parametrize("arm", claim.CARD.arms)
def test_an_arm_gives_every_metric_and_the_same_ones_for_the_same_seeds(arm):
    state = torch.get_rng_state()
    found = run(arm)
    assert torch.equal(state, torch.get_rng_state())
    for statement in claim.CARD.said:
        if statement.kind == "quality":
            assert 0.0 < found.metric(statement.metric) < 100.0
    assert found == run(arm)
    assert found.values != run(arm, trial=1).values


def test_every_arm_differs_from_every_other():
    found = {arm: run(arm).values["train_loss"] for arm in claim.CARD.arms}
    assert len(set(found.values())) == len(found)


@pytest.mark.parametrize("arm", claim.CARD.arms)
def test_the_costs_are_those_of_a_training(arm, monkeypatch):
    made = []
    for kind in (EKFAC, KFAC):
        first = kind.__init__
        monkeypatch.setattr(kind, "__init__", lambda self, *a, _f=first, **k: made.append(self) or _f(self, *a, **k))
    found = []
    for steps in (6, 3):
        with counting_mode() as counter:
            outcome = run(arm, iterations=steps)
        found.append((outcome.costs["macs"], counter.total / 2))
    assert found[0][0] - found[1][0] == found[0][1] - found[1][1]  # what training ends with is not counted
    assert found[0][0] == 2 * found[1][0]
    if arm in claim.KRONECKER:
        assert outcome.costs["decompositions"] == made[-1].num_decompositions == 8
    assert (outcome.costs["steps"], outcome.costs["samples"]) == (3, 75)


def test_ekfac_that_learns_nothing_new_between_is_still_not_kfac():
    assert run("method", iterations=1, every=1).values != run("baseline", iterations=1, every=1).values


def test_grids_are_equal_for_all_arms():
    sizes = {arm: [len(values) for values in grid.values()] for arm, grid in claim.space().items()}
    assert set(sizes) == set(claim.CARD.arms)
    assert all(size == [3, 4] for size in sizes.values())
    assert claim.space()["method"] == claim.space()["baseline"]


@pytest.mark.parametrize("root", range(8))
def test_the_exact_statements_hold(root):
    found = claim.check(claim.instance(None, Seeds(root)))
    gain, mismatch = (s for s in claim.CARD.said if s.kind == "exact")
    assert found.metric(gain.metric) >= gain.bar
    assert found.metric(mismatch.metric) <= mismatch.bar
    assert found.metric(gain.metric) > 1e-5  # a gain that can be seen


def test_the_exact_statements_would_notice_another_diagonal(monkeypatch):
    plain = EKFAC._moments
    monkeypatch.setattr(EKFAC, "_moments", lambda *a: plain(*a) * 1.5)
    found = claim.check(claim.instance(None, Seeds(0)))
    assert found.metric("gain_mismatch") > 1e-3
    monkeypatch.setattr(EKFAC, "_moments", lambda *a: plain(*a) * 20.0)
    assert claim.check(claim.instance(None, Seeds(0))).metric("frobenius_gain") < 0.0


def test_the_fisher_matrix_is_the_mean_of_outer_products():
    problem = random_fisher_problem(3)
    problem.backward()
    for name in problem.layers:
        fisher = problem.fisher(name)
        layer = problem.model.get_submodule(name)
        mean = torch.cat([layer.weight.grad.flatten(1), layer.bias.grad[:, None]], 1).flatten()
        assert torch.linalg.eigvalsh(fisher - torch.outer(mean, mean)).min() > -1e-12 * fisher.norm()
        assert torch.linalg.matrix_rank(fisher) <= len(problem.inputs)


def test_without_mnist_full_is_not_testable(monkeypatch):
    monkeypatch.delenv("CUPEL_MNIST", raising=False)
    found = run("baseline", data="mnist")
    assert not found.is_testable
    assert "CUPEL_MNIST" in found.note
