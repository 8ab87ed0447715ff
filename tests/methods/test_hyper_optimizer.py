"""Hyperparameter steps within a training loop."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="these methods need torch")

from torch import nn
from torch.nn import functional

from cupel.methods.hyper_optimizer import HyperOptimizer
from cupel.methods.implicit_gradient import implicit_gradient
from cupel.methods.inverse_hessian import Neumann
from cupel.methods.log_decay import LogDecay
from cupel.spec.errors import UsageError


def noisy_task(seed=0, **options):
    """A network that overfits 40 examples, with a decay for each weight; its losses and its training step."""
    torch.manual_seed(seed)
    truth = torch.randn(10, 3)
    x, xv = torch.randn(40, 10), torch.randn(40, 10)
    y, yv = ((part @ truth + 2.0 * torch.randn(40, 3)).argmax(1) for part in (x, xv))
    model = nn.Sequential(nn.Linear(10, 16), nn.Tanh(), nn.Linear(16, 3))
    parameters = list(model.parameters())
    decay = LogDecay(parameters, start=-6.0, learning_rate=0.2)
    training = torch.optim.SGD(parameters, lr=0.2)

    def train():
        return functional.cross_entropy(model(x), y) + decay.penalty()

    def train_once():
        training.zero_grad()
        train().backward(inputs=parameters)
        training.step()

    return SimpleNamespace(
        parameters=parameters,
        decay=decay,
        train=train,
        valid=lambda: functional.cross_entropy(model(xv), yv),
        train_once=train_once,
        hyper=HyperOptimizer(
            parameters, torch.optim.RMSprop(decay.logs, lr=0.1), after_step=decay.clamp_, **{"every": 5, **options}
        ),
    )


def test_a_decay_for_each_weight_lowers_the_validation_loss_far_below_training_alone():
    tuned, alone = noisy_task(), noisy_task()
    for _ in range(400):
        tuned.train_once()
        tuned.hyper.step(tuned.train, tuned.valid)
        alone.train_once()
    assert float(tuned.valid().detach()) < 0.6 * float(alone.valid().detach())
    for log in tuned.decay.logs:
        assert float(log.detach().max()) <= tuned.decay.highest + 1e-6


def test_each_nth_call_moves_the_hyperparameters_along_the_implicit_gradient():
    task = noisy_task(every=3, inverse=Neumann(terms=4, step_size=0.1))
    task.hyper.optimizer = torch.optim.SGD(task.decay.logs, lr=10.0)
    before = [log.detach().clone() for log in task.decay.logs]
    expected = implicit_gradient(
        task.train,
        task.valid,
        parameters=task.parameters,
        hyperparameters=task.decay.logs,
        inverse=Neumann(terms=4, step_size=0.1),
    ).gradients
    assert task.hyper.step(task.train, task.valid) is None
    assert task.hyper.step(task.train, task.valid) is None
    assert all(torch.equal(a, b) for a, b in zip(before, task.decay.logs, strict=True))
    assert task.hyper.step(task.train, task.valid) is not None
    for log, first, gradient in zip(task.decay.logs, before, expected, strict=True):
        torch.testing.assert_close(log.detach(), first - 10.0 * gradient, rtol=1e-5, atol=1e-6)


def test_gradients_of_the_users_are_left_as_they_were():
    task = noisy_task(every=1)
    for tensor in [*task.parameters, *task.decay.logs]:
        tensor.grad = torch.full_like(tensor, 3.0)
    task.hyper.step(task.train, task.valid)
    assert all(bool((tensor.grad == 3.0).all()) for tensor in [*task.parameters, *task.decay.logs])


def residuals(warm_start):
    """Of hyperparameter steps that are small, at few terms."""
    task = noisy_task(inverse=Neumann(terms=2), warm_start=warm_start, every=10)
    task.hyper.optimizer = torch.optim.SGD(task.decay.logs, lr=1.0)
    found = []
    for _ in range(400):
        task.train_once()
        found.append(task.hyper.step(task.train, task.valid))
    return [step.residual for step in found if step is not None]


def test_a_warm_start_leaves_a_smaller_residual_where_hyperparameters_move_slowly():
    warm, cold = residuals(warm_start=True), residuals(warm_start=False)
    assert len(warm) == len(cold) == 40
    assert max(warm[30:]) < 0.7 * min(cold[30:])


def test_training_that_broke_leaves_the_hyperparameters_where_they_were():
    task = noisy_task(every=1)
    before = [log.detach().clone() for log in task.decay.logs]
    with pytest.raises(UsageError, match="train_loss"):
        task.hyper.step(lambda: task.train() * float("nan"), task.valid)
    assert all(torch.equal(a, b) for a, b in zip(before, task.decay.logs, strict=True))


def test_what_cannot_be_done_is_refused_in_words():
    weight, hyper = torch.ones(2, requires_grad=True), torch.zeros(2, requires_grad=True)
    with pytest.raises(UsageError, match="every=0 was asked"):
        HyperOptimizer(weight, torch.optim.SGD([hyper], lr=0.1), every=0)
    with pytest.raises(UsageError, match="is among the parameters too"):
        HyperOptimizer(weight, torch.optim.SGD([hyper, weight], lr=0.1))
