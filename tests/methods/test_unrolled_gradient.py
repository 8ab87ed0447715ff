"""Differentiation through the steps of training: against torch's own, and against the implicit gradient."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="these methods need torch")

from torch import nn
from torch.nn import functional

from cupel.methods.implicit_gradient import implicit_gradient
from cupel.methods.inverse_hessian import Exact, Neumann
from cupel.methods.unrolled_gradient import Descent, unrolled_gradient
from cupel.spec.errors import UsageError


class Classifier:
    """Logistic regression with a log-decay for each weight and a weight for each example, in double precision."""

    def __init__(self, seed=0):
        generator = torch.Generator().manual_seed(seed)
        self.x, self.xv = (torch.randn(30, 4, generator=generator, dtype=torch.float64) for _ in range(2))
        self.y, self.yv = (torch.randint(3, (30,), generator=generator) for _ in range(2))
        self.weight = torch.zeros(3, 4, dtype=torch.float64, requires_grad=True)
        self.decay = torch.full((3, 4), -1.5, dtype=torch.float64, requires_grad=True)
        self.logits = torch.linspace(-1.0, 1.0, 30, dtype=torch.float64, requires_grad=True)
        self.hyper = [self.decay, self.logits]

    def train_at(self, weight):
        losses = functional.cross_entropy(self.x @ weight.T, self.y, reduction="none")
        return (self.logits.sigmoid() * losses).mean() + (self.decay.exp() * weight**2).sum() / 2

    def valid_at(self, weight):
        return functional.cross_entropy(self.xv @ weight.T, self.yv) + 0.1 * self.decay.mean()

    def unrolled(self, descent):
        return unrolled_gradient(
            lambda: self.train_at(self.weight),
            lambda: self.valid_at(self.weight),
            parameters=self.weight,
            hyperparameters=self.hyper,
            descent=descent,
        )

    def implicit(self, inverse):
        return implicit_gradient(
            lambda: self.train_at(self.weight),
            lambda: self.valid_at(self.weight),
            parameters=self.weight,
            hyperparameters=self.hyper,
            inverse=inverse,
        )

    def rest(self):
        """Put the weights at the minimum."""
        steps = self.unrolled(Descent(steps=120, learning_rate=1.5))
        with torch.no_grad():
            self.weight.copy_(steps.weights[0])


@pytest.mark.parametrize("momentum", [0.0, 0.8])
def test_it_is_what_torch_finds_through_a_graph_of_all_steps(momentum):
    task, rate = Classifier(), 0.3
    weight, velocity = task.weight, torch.zeros_like(task.weight)
    for _ in range(12):
        slope = torch.autograd.grad(task.train_at(weight), weight, create_graph=True)[0]
        velocity = momentum * velocity + slope
        weight = weight - rate * velocity
    expected = torch.autograd.grad(task.valid_at(weight), task.hyper)
    found = task.unrolled(Descent(steps=12, learning_rate=rate, momentum=momentum))
    torch.testing.assert_close(found.gradients, expected, rtol=1e-11, atol=1e-14)
    torch.testing.assert_close(found.weights[0], weight.detach(), rtol=1e-12, atol=1e-14)
    assert found.valid_loss == pytest.approx(float(task.valid_at(weight).detach()), rel=1e-12)


@pytest.mark.parametrize("terms", [0, 4, 20])
def test_from_a_minimum_it_is_the_neumann_series_of_one_term_less(terms):
    task = Classifier(1)
    task.rest()
    unrolled = task.unrolled(Descent(steps=terms + 1, learning_rate=0.7))
    implicit = task.implicit(Neumann(terms=terms, step_size=0.7))
    assert implicit.unrest < 1e-12
    torch.testing.assert_close(unrolled.gradients, implicit.gradients, rtol=1e-10, atol=1e-12)


def test_trained_to_the_end_it_is_the_implicit_gradient():
    task = Classifier(2)
    unrolled = task.unrolled(Descent(steps=120, learning_rate=1.5))
    task.rest()
    torch.testing.assert_close(unrolled.gradients, task.implicit(Exact()).gradients, rtol=1e-8, atol=1e-10)


def test_random_draws_of_a_step_are_the_same_on_the_way_back():
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Dropout(0.5), nn.Linear(6, 1)).double()
    x, log_scale = torch.ones(8, 4, dtype=torch.float64), torch.zeros((), dtype=torch.float64, requires_grad=True)

    def train():
        batch = x[torch.randint(8, (5,))] * torch.rand(5, 1, dtype=torch.float64)
        return (model(batch) * log_scale.exp() - 1.0).square().mean()

    def valid():
        return model[3](model[1](model[0](x))).square().mean()

    state, start = torch.get_rng_state(), [p.detach().clone() for p in model.parameters()]

    def value_at(log):
        torch.set_rng_state(state)
        with torch.no_grad():
            for parameter, first in zip(model.parameters(), start, strict=True):
                parameter.copy_(first)
            log_scale.fill_(log)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(5):
            optimizer.zero_grad()
            train().backward(inputs=list(model.parameters()))
            optimizer.step()
        return float(valid().detach())

    difference = (value_at(1e-5) - value_at(-1e-5)) / 2e-5
    with torch.no_grad():
        for parameter, first in zip(model.parameters(), start, strict=True):
            parameter.copy_(first)
        log_scale.fill_(0.0)
    torch.set_rng_state(state)
    found = unrolled_gradient(
        train, valid, parameters=model.parameters(), hyperparameters=log_scale, descent=Descent(5, 0.1)
    )
    assert float(found.gradients[0]) == pytest.approx(difference, rel=1e-6)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(start, model.parameters(), strict=True))


def test_weights_are_put_back_also_where_training_fails():
    task = Classifier()
    calls = iter(range(100))

    def train():
        return task.train_at(task.weight) * (float("nan") if next(calls) == 3 else 1.0)

    with pytest.raises(UsageError, match=r"train_loss\(\) is nan"):
        unrolled_gradient(
            train,
            lambda: task.valid_at(task.weight),
            parameters=task.weight,
            hyperparameters=task.hyper,
            descent=Descent(steps=9, learning_rate=0.1),
        )
    assert not task.weight.any()
    assert task.weight.grad is None


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Descent(steps=0, learning_rate=0.1), "steps=0 was asked; expected 1 or more"),
        (lambda: Descent(steps=1, learning_rate=-1.0), "learning_rate=-1.0 was asked"),
        (lambda: Descent(steps=1, learning_rate=0.1, momentum=1.0), "momentum=1.0 was asked"),
    ],
)
def test_numbers_out_of_range_are_refused(make, words):
    with pytest.raises(UsageError, match=words):
        make()
