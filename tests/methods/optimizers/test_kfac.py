"""K-FAC's two dampings against dense matrices."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="these methods need torch")

from torch import nn

from cupel.methods.kronecker_optimizer import Preconditioning
from cupel.methods.optimizers.kfac import KFAC
from cupel.spec.errors import UsageError

PLAIN = Preconditioning(every=1, momentum=0.0, kl_clip=None)


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def one_layer(damping, eps, options=PLAIN):
    """A linear layer after one backward pass with the gradients given; its optimiser, A, B and gradient."""
    layer = nn.Linear(3, 2).double()
    x, slopes = random(8, 3), random(8, 2, seed=1)
    model = nn.Sequential(layer)
    optimizer = KFAC(model, lr=0.1, eps=eps, damping=damping, options=options)
    (model(x) * slopes).sum(1).mean().backward()
    ones = torch.cat([x, torch.ones(8, 1, dtype=torch.float64)], 1)
    gradient = torch.cat([layer.weight.grad, layer.bias.grad[:, None]], 1)
    return layer, optimizer, ones.T @ ones / 8, slopes.T @ slopes / 8, gradient


def joint(layer):
    return torch.cat([layer.weight, layer.bias[:, None]], 1).detach()


@pytest.mark.parametrize("eps", [1e-3, 0.5])
def test_tikhonov_damping_adds_to_the_whole_matrix(eps):
    layer, optimizer, a, b, gradient = one_layer("tikhonov", eps)
    before = joint(layer)
    optimizer.step()
    matrix = torch.kron(b, a) + eps * torch.eye(8, dtype=torch.float64)
    solved = torch.linalg.solve(matrix, gradient.flatten()).reshape(2, 4)
    torch.testing.assert_close(joint(layer) - before, -0.1 * solved, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("eps", [1e-3, 0.5])
def test_factored_damping_adds_to_each_factor_its_share(eps):
    layer, optimizer, a, b, gradient = one_layer("pi", eps)
    before = joint(layer)
    optimizer.step()
    pi = ((a.trace() / 4) / (b.trace() / 2)).sqrt()
    left = torch.linalg.inv(b + eps**0.5 / pi * torch.eye(2, dtype=torch.float64))
    right = torch.linalg.inv(a + eps**0.5 * pi * torch.eye(4, dtype=torch.float64))
    torch.testing.assert_close(joint(layer) - before, -0.1 * left @ gradient @ right, rtol=1e-9, atol=1e-12)


def test_a_layer_without_a_gradient_stands_still_under_either_damping():
    for damping in ("tikhonov", "pi"):
        layer, optimizer, *_ = one_layer(damping, 0.1)
        optimizer.zero_grad()
        (layer(random(4, 3)) * 0.0).sum().backward()
        before = joint(layer)
        optimizer.step()
        assert torch.equal(joint(layer), before)


def test_running_factors_are_an_average_that_starts_unbiased():
    layer = nn.Linear(3, 2, bias=False).double()
    model = nn.Sequential(layer)
    optimizer = KFAC(model, lr=0.0, options=Preconditioning(every=4, decay=0.6, kl_clip=None))
    wanted = None
    for step in range(5):
        x, slopes = random(8, 3, seed=step), random(8, 2, seed=step + 50)
        optimizer.zero_grad()
        (model(x) * slopes).sum(1).mean().backward()
        optimizer.step()
        new = [slopes.T @ slopes / 8, x.T @ x / 8]
        kept = min(0.6, step / (step + 1))  # plain means at first
        wanted = [kept * old + (1 - kept) * now for old, now in zip(wanted or new, new, strict=True)]
        if step % 4 == 0:
            decomposed = torch.kron(*wanted)
        torch.testing.assert_close(optimizer.approximation("0"), decomposed, rtol=1e-11, atol=1e-11)


def test_another_damping_is_refused():
    with pytest.raises(UsageError, match="damping='pie' was asked; expected 'tikhonov' or 'pi'"):
        KFAC(nn.Linear(2, 2), damping="pie")
