"""Descent on digits against its formula, and what is noted on the way."""

import math
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="these tasks need torch")
pytest.importorskip("sklearn", reason="the digits come with scikit-learn (extra digits)")

from torch.nn import functional

from cupel.spec.seeds import Seeds
from cupel.tasks.digits_descent import MOMENTUM, digits_descent

SIZES = SimpleNamespace(train=20, valid=20, hidden=4, layers=1, steps=6, every=3)


def task(seed: int = 0, **changed):
    return digits_descent(SimpleNamespace(**{**vars(SIZES), **changed}), torch.device("cpu"), Seeds(seed))


def test_steps_are_gradient_descent_with_momentum_on_all_images() -> None:
    digits = task()
    run = digits.begin(0.2)
    run.penalty = lambda: sum(p.square().sum() for p in run.parameters) / 10
    run.train()
    model = digits.network()
    weights = list(model.parameters())
    velocity = [torch.zeros_like(weight) for weight in weights]
    for _ in range(SIZES.steps):
        loss = functional.cross_entropy(model(digits.split.train[0]), digits.split.train[1])
        loss = loss + sum(p.square().sum() for p in weights) / 10
        slopes = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for weight, v, slope in zip(weights, velocity, slopes, strict=True):
                v.mul_(MOMENTUM).add_(slope)
                weight.sub_(0.2 * v)
    for mine, theirs in zip(weights, run.parameters, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)
    assert run.gradients == SIZES.steps


def test_what_is_done_between_is_counted_and_the_best_validation_loss_is_kept() -> None:
    seen = []
    run = task(steps=30).begin(0.3)

    def between() -> int:
        seen.append(float(run.valid_loss().detach()))
        return 7

    run.train(between)
    assert len(seen) == 10
    assert run.gradients == 30 + 70
    assert run.best["valid_loss"] == min(seen)
    assert 0 < run.best["test_accuracy"] <= 1


def test_a_training_that_diverges_has_no_result() -> None:
    run = task().begin(0.1)
    run.penalty = lambda: torch.tensor(math.nan) * run.parameters[0].sum()
    run.train()
    assert run.best["valid_loss"] == math.inf
    assert math.isnan(run.best["test_loss"])


def test_sets_share_no_image_weights_are_drawn_by_a_seed_and_global_generators_are_left_alone() -> None:
    state = torch.get_rng_state()
    digits = task()
    assert [len(part[0]) for part in (digits.split.train, digits.split.valid, digits.split.test)] == [20, 20, 1757]
    first, again, other = digits.network(), digits.network(), task(1).network()
    assert sum(p.numel() for p in first.parameters()) == 64 * 4 + 4 + 4 * 10 + 10
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert not torch.equal(first[0].weight, other[0].weight)
    assert float(first[0].weight.detach().abs().max()) <= 1 / 8
    assert len(task(layers=2).network()) == 5
    assert torch.equal(torch.get_rng_state(), state)
