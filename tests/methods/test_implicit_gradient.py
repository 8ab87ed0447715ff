"""The implicit gradient against closed forms, differences, the paper's own algorithms, and on odd models."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="these methods need torch")

from torch import nn
from torch.nn import functional

from cupel.methods.implicit_gradient import implicit_gradient
from cupel.methods.inverse_hessian import ConjugateGradient, Exact, Identity, Neumann
from cupel.methods.unrolled_gradient import Descent, unrolled_gradient
from cupel.spec.errors import UsageError


def ridge(seed=0, rows=40, width=6):
    """Ridge regression with a log-decay per weight at its minimum; the hypergradient by numpy."""
    rng = np.random.default_rng(seed)
    x, xv = rng.normal(size=(rows, width)), rng.normal(size=(rows, width))
    truth = rng.normal(size=width)
    y, yv = x @ truth + rng.normal(size=rows), xv @ truth + rng.normal(size=rows)
    logs = rng.uniform(-2.0, 3.0, size=width)

    def minimum(logs):
        return np.linalg.solve(x.T @ x + np.diag(np.exp(logs)), x.T @ y)

    def valid(logs):
        return 0.5 * np.sum((xv @ minimum(logs) - yv) ** 2)

    hessian, w = x.T @ x + np.diag(np.exp(logs)), minimum(logs)
    closed = -np.linalg.solve(hessian, xv.T @ (xv @ w - yv)) * np.exp(logs) * w
    weight, log_decay = (torch.tensor(value, requires_grad=True) for value in (w, logs))
    x_, y_, xv_, yv_ = (torch.tensor(value) for value in (x, y, xv, yv))
    return SimpleNamespace(
        train=lambda: ((x_ @ weight - y_) ** 2).sum() / 2 + (log_decay.exp() * weight**2).sum() / 2,
        valid=lambda: ((xv_ @ weight - yv_) ** 2).sum() / 2,
        weight=weight,
        hyper=log_decay,
        closed=closed,
        by_logs=valid,
        hessian=hessian,
        largest=float(np.linalg.eigvalsh(hessian)[-1]),
    )


def gradient(problem, inverse=None):
    return implicit_gradient(
        problem.train, problem.valid, parameters=problem.weight, hyperparameters=problem.hyper, inverse=inverse
    )


def central(function, at, width=1e-5):
    """Finite differences of a function of a vector."""
    steps = np.eye(len(at)) * width
    return np.array([(function(at + step) - function(at - step)) / (2 * width) for step in steps])


@pytest.mark.parametrize(
    "inverse", [Exact(), Neumann(terms=3000), ConjugateGradient(terms=60, tolerance=1e-14)], ids=repr
)
def test_the_hypergradient_of_ridge_regression_is_the_closed_form(inverse):
    problem = ridge()
    found = gradient(problem, inverse)
    np.testing.assert_allclose(found.gradients[0].numpy(), problem.closed, rtol=1e-8, atol=1e-8)
    assert found.residual < 1e-9
    assert found.unrest < 1e-12
    assert found.notes == ()


def test_the_closed_form_itself_agrees_with_finite_differences():
    problem = ridge(3)
    differences = central(problem.by_logs, problem.hyper.detach().numpy())
    np.testing.assert_allclose(gradient(problem, Exact()).gradients[0].numpy(), differences, rtol=1e-6, atol=1e-8)


def test_the_residual_bounds_the_error():
    problem = ridge()
    mixed = np.exp(problem.hyper.detach().numpy()) * problem.weight.detach().numpy()
    v1 = torch.autograd.grad(problem.valid(), problem.weight)[0].numpy()
    reach = np.linalg.norm(v1) * np.linalg.norm(np.linalg.inv(problem.hessian), 2) * np.abs(mixed).max()
    errors = []
    for terms in (0, 1, 5, 20, 100, 1000):
        found = gradient(problem, Neumann(terms, 1.0 / problem.largest))
        errors.append(np.linalg.norm(found.gradients[0].numpy() - problem.closed))
        assert errors[-1] <= found.residual * reach + 1e-12
    assert errors[-1] < 1e-9
    assert errors[0] > 1e-3


def as_the_paper_writes_it(problem, terms, alpha):
    """Algorithms 2 and 3, line by line, with the factor alpha before the sum of (I - alpha H)^j v."""
    w, lam = problem.weight, problem.hyper
    v1 = torch.autograd.grad(problem.valid(), w)[0]
    f = torch.autograd.grad(problem.train(), w, create_graph=True)[0]
    v = p = v1
    for _ in range(terms):
        v = v - alpha * torch.autograd.grad(f, w, grad_outputs=v, retain_graph=True)[0]
        p = p + v
    v3 = torch.autograd.grad(f, lam, grad_outputs=alpha * p)[0]
    return -v3


@pytest.mark.parametrize("terms", [0, 1, 7])
def test_it_is_what_the_papers_algorithms_say(terms):
    problem = ridge(1)
    alpha = 1.3 / problem.largest
    expected = as_the_paper_writes_it(problem, terms, alpha)
    found = gradient(problem, Neumann(terms, alpha))
    torch.testing.assert_close(found.gradients[0], expected, rtol=1e-13, atol=1e-13)
    assert found.products == terms
    assert found.step_size == alpha


def test_the_identity_is_t1_t2():
    problem = ridge(2)
    w = problem.weight.detach().numpy()
    v1 = torch.autograd.grad(problem.valid(), problem.weight)[0].numpy()
    by_hand = -v1 * np.exp(problem.hyper.detach().numpy()) * w  # d2 L_T / dw dlambda is diag(exp(lambda) w)
    found = gradient(problem, Identity())
    np.testing.assert_allclose(found.gradients[0].numpy(), by_hand, rtol=1e-13)
    assert found.products == 0
    assert np.isnan(found.residual)
    no_terms = gradient(problem, Neumann(terms=0, step_size=0.03)).gradients[0]
    torch.testing.assert_close(gradient(problem, Identity(0.03)).gradients[0], no_terms, rtol=1e-14, atol=0.0)


def train_to_rest(loss, parameters):
    """Newton's method on all parameters, in double precision."""
    for _ in range(40):
        slopes = torch.autograd.grad(loss(), parameters, create_graph=True)
        flat = torch.cat([slope.flatten() for slope in slopes])
        rows = [torch.autograd.grad(element, parameters, retain_graph=True, materialize_grads=True) for element in flat]
        hessian = torch.stack([torch.cat([part.flatten() for part in row]) for row in rows])
        step = torch.linalg.solve(hessian, flat.detach())
        with torch.no_grad():
            for parameter, part in zip(parameters, step.split([p.numel() for p in parameters]), strict=True):
                parameter.sub_(part.view_as(parameter))
        if float(step.abs().max()) < 1e-13:
            return


def test_a_classifier_with_hyperparameters_of_several_kinds_agrees_with_training_it_again():
    generator = torch.Generator().manual_seed(0)
    x, xv = (torch.randn(24, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    y, yv = (torch.randint(2, (24,), generator=generator) for _ in range(2))
    model = nn.Linear(3, 2, dtype=torch.float64)
    decay = torch.full((2, 3), -1.0, dtype=torch.float64, requires_grad=True)
    bias_decay = torch.tensor(-0.5, dtype=torch.float64, requires_grad=True)
    logits = torch.linspace(-1.0, 1.0, 24, dtype=torch.float64, requires_grad=True)
    heat = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)  # in both losses
    hyper = [decay, bias_decay, logits, heat]

    def train():
        losses = functional.cross_entropy(model(x) / heat.exp(), y, reduction="none")
        penalty = (decay.exp() * model.weight**2).sum() + bias_decay.exp() * (model.bias**2).sum()
        return (logits.sigmoid() * losses).sum() + penalty

    def valid():
        return functional.cross_entropy(model(xv) * (1.0 + heat), yv)

    parameters = list(model.parameters())
    train_to_rest(train, parameters)
    found = implicit_gradient(train, valid, parameters=parameters, hyperparameters=hyper, inverse=Exact())
    assert [g.shape for g in found.gradients] == [h.shape for h in hyper]

    for tensor, analytic in zip(hyper, found.gradients, strict=True):

        def retrained(values, tensor=tensor):
            before = tensor.detach().clone()
            with torch.no_grad():
                tensor.copy_(torch.tensor(values).view_as(tensor))
            train_to_rest(train, parameters)
            value = float(valid().detach())
            with torch.no_grad():
                tensor.copy_(before)
            return value

        differences = central(retrained, tensor.detach().clone().flatten().numpy())
        torch.testing.assert_close(analytic, torch.tensor(differences).view_as(tensor), rtol=1e-6, atol=1e-8)
    assert found.gradients[3].abs() > 1e-3


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**20), width=st.integers(1, 7), factor=st.floats(0.01, 100.0))
def test_laws_that_hold_on_every_ridge_problem(seed, width, factor):
    problem = ridge(seed, rows=12, width=width)
    found = gradient(problem, Exact()).gradients[0]
    np.testing.assert_allclose(found.numpy(), problem.closed, rtol=1e-7, atol=1e-9)
    scaled = implicit_gradient(
        lambda: factor * problem.train(),  # has the same minimum
        lambda: 3.0 * problem.valid(),
        parameters=problem.weight,
        hyperparameters=problem.hyper,
        inverse=Exact(),
    )
    torch.testing.assert_close(scaled.gradients[0], 3.0 * found, rtol=1e-7, atol=1e-9)


def test_validation_and_training_on_the_same_loss_leave_only_the_direct_part():
    problem = ridge(5)
    same = implicit_gradient(
        problem.train, problem.train, parameters=problem.weight, hyperparameters=problem.hyper, inverse=Exact()
    )
    direct = torch.autograd.grad(problem.train(), problem.hyper)[0]
    torch.testing.assert_close(same.gradients[0], direct, rtol=1e-10, atol=1e-10)


def test_what_no_loss_reaches_and_what_is_frozen_counts_for_nothing():
    problem = ridge(4)
    loose, frozen = torch.ones(2, 2, dtype=torch.float64), torch.full((3,), 2.0, dtype=torch.float64)
    loose.requires_grad_()
    spare = torch.zeros(5, requires_grad=True)
    expected = gradient(problem, Exact()).gradients[0]
    for inverse in (Exact(), Neumann(3000), ConjugateGradient(60)):
        found = implicit_gradient(
            lambda: problem.train() + frozen.sum(),
            lambda: problem.valid() + (loose**2).sum(),  # training does not move it, so no decision does
            parameters=[loose, frozen, problem.weight, problem.weight],
            hyperparameters=[spare, problem.hyper],
            inverse=inverse,
        )
        assert torch.equal(found.gradients[0], torch.zeros(5))
        torch.testing.assert_close(found.gradients[1], expected, rtol=1e-8, atol=1e-8)


def test_hyperparameters_that_training_does_not_know_have_their_direct_part_alone():
    problem = ridge(4)
    shift = torch.ones(2, dtype=torch.float64, requires_grad=True)
    found = implicit_gradient(
        problem.train, lambda: problem.valid() + 3.0 * shift.sum(), parameters=problem.weight, hyperparameters=shift
    )
    assert found.gradients[0].tolist() == [3.0, 3.0]
    weight = torch.ones(2, requires_grad=True)
    spare = torch.zeros(1, requires_grad=True)
    straight = implicit_gradient(weight.sum, lambda: weight @ weight, parameters=weight, hyperparameters=spare)
    assert straight.gradients[0].tolist() == [0.0]
    assert any("Every gradient is zero" in note for note in straight.notes)


def test_losses_whose_derivatives_share_memory_are_taken_apart():
    left, right = (torch.ones(3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    first, second = (torch.zeros(3, dtype=torch.float64, requires_grad=True) for _ in range(2))

    def train():
        return ((left - first) ** 2 + (right - 2.0 * second) ** 2).sum() / 2  # the minimum: first, and 2 x second

    def valid():
        return (left + right + first + second).sum()  # torch derives one expanded element for all of it

    asked = {"parameters": [left, right], "hyperparameters": [first, second]}
    found = implicit_gradient(train, valid, inverse=Neumann(5, 1.0), **asked)
    unrolled = unrolled_gradient(train, valid, descent=Descent(steps=1, learning_rate=1.0), **asked)
    for gradients in (found.gradients, unrolled.gradients):
        assert [gradient.tolist() for gradient in gradients] == [[2.0] * 3, [3.0] * 3]


def small_network(seed=0):
    """A network with dropout, attention and layer norm, none of it from this package, with its data."""
    torch.manual_seed(seed)
    layer = nn.TransformerEncoderLayer(8, 2, dim_feedforward=16, dropout=0.2, batch_first=True)
    x, xv = torch.randn(4, 5, 8), torch.randn(4, 5, 8)
    log_decay = torch.full((), -4.0, requires_grad=True)

    def train():
        return (layer(x) - x).square().mean() + log_decay.exp() * sum(p.square().sum() for p in layer.parameters())

    return SimpleNamespace(
        layer=layer, train=train, valid=lambda: (layer(xv) - xv).square().mean(), hyper=log_decay, x=x
    )


def test_nothing_of_the_users_is_changed():
    net = small_network()
    parameters = list(net.layer.parameters())
    for parameter in parameters:
        parameter.grad = torch.full_like(parameter, 7.0)
    net.hyper.grad = torch.tensor(5.0)
    weights = [parameter.detach().clone() for parameter in parameters]
    state = torch.get_rng_state()
    with torch.no_grad():
        found = implicit_gradient(
            net.train, net.valid, parameters=net.layer.parameters(), hyperparameters=net.hyper, inverse=Neumann(4)
        )
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(weights, parameters, strict=True))
    assert all(bool((parameter.grad == 7.0).all()) for parameter in parameters)
    assert float(net.hyper.grad) == 5.0
    assert not found.gradients[0].requires_grad
    assert bool(found.gradients[0])


def test_dropout_is_one_draw_and_the_same_from_the_same_state():
    net = small_network()

    def found():
        return implicit_gradient(
            net.train, net.valid, parameters=net.layer.parameters(), hyperparameters=net.hyper, inverse=Neumann(3, 0.01)
        ).gradients[0]

    first, again = found(), found()
    assert torch.equal(first, again)
    torch.rand(1)
    assert not torch.equal(first, found())


def test_a_network_away_from_its_minimum_is_told_apart():
    net = small_network()
    found = implicit_gradient(
        net.train, net.valid, parameters=net.layer.parameters(), hyperparameters=net.hyper, inverse=Neumann(3)
    )
    net.layer.zero_grad()
    state = torch.get_rng_state()
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        net.valid()  # draws before the training loss does, as it did there
        loss = net.train()
    torch.set_rng_state(state)
    loss.backward()
    norm = torch.cat([parameter.grad.flatten() for parameter in net.layer.parameters()]).norm()
    assert found.train_gradient_norm == pytest.approx(float(norm), rel=1e-5)
    assert found.train_loss == pytest.approx(float(loss.detach()), rel=1e-5)
    assert found.unrest > 0.1
    assert any("at no minimum of the training loss" in note for note in found.notes)


def test_an_inverse_that_is_far_from_complete_is_said_to_be():
    problem = ridge()
    found = gradient(problem, Neumann(terms=2, step_size=0.01 / problem.largest))
    assert found.residual > 0.9
    assert any("far from complete" in note for note in found.notes)


def test_numbers_in_bfloat16_are_near_those_in_double():
    problem = ridge(6)
    expected = gradient(problem, Neumann(20)).gradients[0]
    weight, hyper = (t.detach().to(torch.bfloat16).requires_grad_() for t in (problem.weight, problem.hyper))
    hessian = torch.tensor(problem.hessian - np.diag(np.exp(problem.hyper.detach().numpy()))).bfloat16()
    back = torch.autograd.grad(problem.valid(), problem.weight)[0].bfloat16()
    right = (torch.tensor(problem.hessian) @ problem.weight.detach()).bfloat16()

    def train():
        return weight @ (hessian @ weight) / 2 - right @ weight + (hyper.exp() * weight**2).sum() / 2

    found = implicit_gradient(
        train, lambda: back @ weight, parameters=weight, hyperparameters=hyper, inverse=Neumann(20)
    ).gradients[0]
    assert found.dtype == torch.bfloat16
    error = float((found.double() - expected).norm() / expected.norm())
    assert error < 0.1


W = SimpleNamespace(w=torch.ones(2, requires_grad=True), h=torch.zeros(1, requires_grad=True))


def quadratic():
    return (W.w**2).sum() * W.h.exp().sum()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"train_loss": lambda: W.w * W.h}, "returned a tensor of shape (2,)"),
        ({"train_loss": lambda: 3.0}, "returned float"),
        ({"train_loss": lambda: quadratic().detach()}, "returned a constant"),
        ({"valid_loss": lambda: quadratic() * float("nan")}, "valid_loss() is nan"),
        ({"train_loss": W.h.sum}, "depends on none of the 1 parameters"),
        ({"parameters": []}, "parameters is empty"),
        ({"parameters": ["weight"]}, "holds 'weight' (str)"),
        ({"parameters": torch.ones(2)}, "All 1 parameters are frozen"),
        ({"hyperparameters": torch.zeros(3)}, "of shape (3,) does not require a gradient"),
        ({"hyperparameters": [W.h, W.w]}, "Hyperparameter 1 of shape (2,) is among the parameters too"),
        ({"valid_loss": lambda: quadratic() + (W.h - W.h).sqrt().sum()}, "has 1 elements that are not finite"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(changed, words):
    asked = {"train_loss": quadratic, "valid_loss": W.w.sum, "parameters": W.w, "hyperparameters": W.h}
    with pytest.raises(UsageError) as caught:
        implicit_gradient(**{**asked, **changed})
    assert words in str(caught.value)
