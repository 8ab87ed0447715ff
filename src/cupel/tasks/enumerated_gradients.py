"""A small network on random examples of very different sizes, with the gradient of each: what can be enumerated."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

NUM_EXAMPLES = 16


@dataclass(frozen=True, eq=False)
class EnumeratedGradients:
    """The problem, in float64.

    Args:
        model: two linear layers with tanh between them.
        inputs: (16, 5).
        targets: (16,).
        rows: (16, parameters), the gradient of each example's loss.
        full: (parameters,), the gradient of the mean loss, from a pass of its own.
    """

    model: nn.Module
    inputs: Tensor
    targets: Tensor
    rows: Tensor
    full: Tensor


def enumerated_gradients(seed: int) -> EnumeratedGradients:
    """A problem drawn from a seed."""
    generator = torch.Generator().manual_seed(seed)
    model = nn.Sequential(nn.utils.skip_init(nn.Linear, 5, 6), nn.Tanh(), nn.utils.skip_init(nn.Linear, 6, 3)).double()
    for parameter in model.parameters():
        nn.init.normal_(parameter, generator=generator)
    sizes = torch.randn(NUM_EXAMPLES, 1, generator=generator, dtype=torch.float64).exp()
    inputs = torch.randn(NUM_EXAMPLES, 5, generator=generator, dtype=torch.float64) * sizes
    targets = torch.randint(3, (NUM_EXAMPLES,), generator=generator)

    def gradient(x: Tensor, y: Tensor) -> Tensor:
        parts = torch.autograd.grad(functional.cross_entropy(model(x), y), list(model.parameters()))
        return torch.cat([part.flatten() for part in parts])

    rows = torch.stack([gradient(inputs[n : n + 1], targets[n : n + 1]) for n in range(NUM_EXAMPLES)])
    return EnumeratedGradients(model, inputs, targets, rows, gradient(inputs, targets))
