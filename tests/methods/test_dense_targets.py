"""The dense layer is autograd on a matrix product, and does what the factored layer does."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="these methods need torch")

from torch import nn

from cupel.methods.dense_targets import DenseTargetsLayer
from cupel.methods.sparse_targets import SparseTargetsLayer
from cupel.methods.spherical_losses import SphericalSoftmax, SquaredError, TaylorSoftmax, ZLoss
from cupel.spec.errors import UsageError

LOSSES = [SquaredError(), SphericalSoftmax(), TaylorSoftmax(), ZLoss()]


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_it_agrees_with_the_factored_layer(loss):
    weight = normal(15, 4)
    layers = [kind(4, 15, initial=weight, loss=loss) for kind in (DenseTargetsLayer, SparseTargetsLayer)]
    for update in range(4):
        h = normal(6, 4, seed=update)
        index = torch.randint(-1, 15, (6, 3), generator=torch.Generator().manual_seed(update))
        found = []
        for layer in layers:
            inputs = h.clone().requires_grad_()
            for some in (slice(0, 4), slice(4, 6)):  # two backward passes before a step
                losses = layer(inputs[some], index[some])
                losses.sum().backward()
            layer.step(0.01)
            found.append((losses.detach(), inputs.grad, layer.weight(), layer.scores(h)))
        for dense, factored in zip(*found, strict=True):
            torch.testing.assert_close(dense, factored, rtol=1e-9, atol=1e-9)


def test_squared_error_is_autograd_on_a_matrix_product():
    weight, y = normal(7, 3).requires_grad_(), torch.zeros(2, 7, dtype=torch.float64)
    y[0, 4], y[1, 0] = 2.0, -1.0
    hidden = nn.Linear(5, 3, dtype=torch.float64)
    with torch.no_grad():
        for parameter in hidden.parameters():
            parameter.copy_(normal(*parameter.shape, seed=3))
    layer = DenseTargetsLayer(3, 7, initial=weight, loss=SquaredError())
    x = normal(2, 5, seed=1)
    values = torch.tensor([2.0, -1.0])
    layer(hidden(x), torch.tensor([4, 0]), values).sum().backward()
    found = hidden.weight.grad.clone()
    hidden.zero_grad()
    ((hidden(x) @ weight.T - y) ** 2).sum().backward()
    torch.testing.assert_close(found, hidden.weight.grad)
    layer.step(0.1)
    torch.testing.assert_close(layer.weight(), weight.detach() - 0.1 * weight.grad)


def test_it_learns_where_nothing_below_it_does_and_refuses_a_step_without_a_gradient():
    layer = DenseTargetsLayer(3, 7, initial=torch.Generator().manual_seed(0))
    before = layer.weight()
    layer(torch.ones(2, 3), torch.tensor([1, 2])).sum().backward()
    layer.step(0.1)
    assert not torch.equal(layer.weight(), before)
    with pytest.raises(UsageError, match="no gradient is waiting"):
        layer.step(0.1)
