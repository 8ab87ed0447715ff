"""Layers undone give the outputs and gradients of layers whose activations are kept, whatever is random in them."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the layers are written in torch")
from torch import nn

from cupel.tasks.models.reversible import run_plainly, run_reversibly


class Noisy(nn.Module):
    """A layer with dropout, and a sign that is drawn in every pass and noted."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.num_runs = 0

    def note(self, x):
        return torch.randint(2, x.shape[-1:]).mul(2).sub(1)

    def forward(self, x, note):
        self.num_runs += 1
        return nn.functional.dropout(self.linear(x).tanh(), 0.5) * note


def gradients(run, layers, *, seed: int = 1, dtype=None):
    torch.manual_seed(seed)
    x = torch.linspace(-1, 1, 24).view(4, 6).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype is not None):
        y1, y2 = run(x, x, layers)
    (y1.square().sum() + y2.sin().sum()).backward()
    parameters = [p for pair in layers for branch in pair for p in branch.parameters()]
    grads = [x.grad, *(p.grad.clone() for p in parameters)]
    for parameter in parameters:
        parameter.grad = None
    return (y1.detach(), y2.detach()), grads


def make_layers() -> list[tuple[Noisy, Noisy]]:
    torch.manual_seed(0)
    return [(Noisy(6), Noisy(6)) for _ in range(3)]


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_outputs_and_gradients_are_those_of_plain_layers(dtype):
    layers = make_layers()
    outputs, grads = gradients(run_plainly, layers, dtype=dtype)
    outputs_reversed, grads_reversed = gradients(run_reversibly, layers, dtype=dtype)
    assert all(torch.equal(a, b) for a, b in zip(outputs, outputs_reversed, strict=True))
    for a, b in zip(grads, grads_reversed, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4 if dtype is None else 0.1, atol=1e-5 if dtype is None else 0.05)
    assert not torch.equal(gradients(run_reversibly, layers, seed=2)[1][0], grads[0])


def test_each_branch_runs_once_forward_and_once_on_the_way_back():
    layers = make_layers()
    gradients(run_reversibly, layers)
    assert [branch.num_runs for pair in layers for branch in pair] == [2] * 6


def test_the_way_back_leaves_the_generator_where_it_was():
    layers = make_layers()
    gradients(run_plainly, layers)
    after_plain = torch.rand(3)
    gradients(run_reversibly, layers)
    assert torch.equal(torch.rand(3), after_plain)
