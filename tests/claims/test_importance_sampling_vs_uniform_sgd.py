"""The claim's arms at tiny: what they share, what each draws by, and what each may spend."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.io import savemat

torch = pytest.importorskip("torch", reason="these methods need torch")
pytest.importorskip("sklearn", reason="digits come with scikit-learn")

from cupel.claims import importance_sampling_vs_uniform_sgd as claim
from cupel.run.slot import TorchSlot
from cupel.spec.seeds import TrialSeeds

SLOT = TorchSlot(device="cpu", settings={}, threads=1)
HP = {"lr": 0.2, "smoothing": 0.1}


def make(trial=0, **changed):
    sizes = SimpleNamespace(**{**claim.CARD.sizes("tiny"), **changed})
    rng = TrialSeeds(0, trial, claim.CARD.varies)
    return rng, claim.task(sizes, SLOT, rng)


def run(arm, trial=0, hp=HP, **changed):
    rng, task = make(trial, **changed)
    return getattr(claim, arm)(task, SLOT, rng, hp)


@pytest.mark.parametrize("arm", claim.CARD.arms)
def test_an_arm_gives_what_statements_name_and_the_same_for_the_same_seeds(arm):
    state = torch.get_rng_state()
    found = run(arm)
    assert torch.equal(state, torch.get_rng_state())
    for statement in claim.CARD.said:
        if statement.kind == "quality" and arm in statement.arms:
            assert 0.0 < found.metric(statement.metric) < math.inf
    assert found == run(arm)
    assert found.values != run(arm, trial=1).values
    scored = {"method": 3 * 60, "ideal": 30 * 60}.get(arm, 0)
    assert found.costs == {"steps": 30.0, "gradients": 30 * 8.0 + scored}


def test_arms_get_the_same_examples_and_weights():
    (_, one), (_, other), (_, next_one) = make(), make(), make(1)
    assert torch.equal(one.inputs, other.inputs)
    assert not torch.equal(one.inputs, next_one.inputs)
    assert all(
        torch.equal(*pair) for pair in zip(one.network().parameters(), other.network().parameters(), strict=True)
    )


def test_variance_is_compared_on_one_path_whatever_an_arm_was_tuned_to():
    roots = {arm: claim._roots(make()[1], arm, 0.1) for arm in ("method", "baseline", "ideal")}
    for stale, uniform, ideal in zip(*roots.values(), strict=True):
        assert ideal <= min(stale, uniform)
    assert len(roots["ideal"]) == 3
    for arm, hp in (("baseline", {"lr": 0.01}), ("ideal", {"lr": 0.01}), ("method", {"lr": 0.01, "smoothing": 0.1})):
        found = run(arm, hp=hp).values
        assert found["sqrt_trace_end"] == roots[arm][-1]
        assert found["sqrt_trace"] == pytest.approx(math.prod(roots[arm]) ** (1 / 3))
    assert run("method", hp={"smoothing": 1e9}).values["sqrt_trace"] == pytest.approx(
        math.prod(roots["baseline"]) ** (1 / 3), rel=1e-6
    )


def test_loss_at_equal_gradients_is_taken_where_uniform_draws_have_spent_as_many():
    for arm in ("baseline", "shuffled"):
        found = run(arm).values
        assert found["loss_equal_gradients"] == found["loss"]
    rng, task = make()
    seen = []
    loss = task.loss
    object.__setattr__(task, "loss", lambda model: seen.append(loss(model)) or seen[-1])
    found = claim.method(task, SLOT, rng, HP).values
    assert seen == [found["loss_equal_gradients"], found["loss"]]
    # 60 are scored before updates 0 and 10: fifteen updates of 8 and 120 scored are the 240 that may be spent.
    assert found["loss_equal_gradients"] != run("method", steps=14).values["loss"]
    assert found["loss_equal_gradients"] == run("method", steps=15).values["loss"]


def test_without_scoring_a_sampler_draws_all_alike():
    _, task = make()
    assert claim._sampler(task, claim.UNIFORM).probabilities.unique().numel() == 1
    index, scale = next(claim._drawn(task, claim._sampler(task, claim.UNIFORM)))
    assert index.shape == (8,)
    assert scale.tolist() == [1.0] * 8


def test_the_exact_statement_holds_on_random_instances_and_a_wrong_scale_is_found_out(monkeypatch):
    sizes = SimpleNamespace(**claim.CARD.sizes("tiny"))
    bars = {said.metric: said.bar for said in claim.CARD.said if said.kind == "exact"}
    for trial in range(claim.CARD.num_instances("tiny")):
        posed = claim.instance(sizes, TrialSeeds(0, trial, claim.CARD.varies))
        assert claim.check(posed).metric("bias") <= bars["bias"]
    sampler = posed[1]
    assert float(sampler.probabilities.max() / sampler.probabilities.min()) > 10
    monkeypatch.setattr(type(sampler), "scales", torch.ones(16, dtype=torch.float64))
    assert claim.check(posed).metric("bias") > 0.01


def test_the_code_of_full_runs_on_files_of_svhn(tmp_path, monkeypatch):
    numbers = np.random.default_rng(0)
    images, labels = numbers.integers(256, size=(32, 32, 3, 50), dtype=np.uint8), numbers.integers(1, 11, size=(50, 1))
    savemat(tmp_path / "train_32x32.mat", {"X": images, "y": labels})
    monkeypatch.setenv("CUPEL_SVHN", str(tmp_path))
    sizes = {**claim.CARD.sizes("full"), "hidden": 16, "steps": 40, "batch": 8, "every": 10}
    for arm in claim.CARD.arms:
        found = run(arm, hp={}, **sizes)
        assert math.isfinite(found.metric("loss"))
    assert found.costs == {"steps": 40.0, "gradients": 320.0}


def test_full_without_svhn_is_not_testable(monkeypatch):
    monkeypatch.delenv("CUPEL_SVHN", raising=False)
    for arm in claim.CARD.arms:
        found = run(arm, data="svhn")
        assert not found.is_testable
        assert "CUPEL_SVHN" in found.note
    assert set(claim.space()) == set(claim.CARD.arms)
