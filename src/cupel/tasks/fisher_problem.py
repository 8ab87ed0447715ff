"""Small networks with data, and the Fisher matrix of each of their layers made of every example's own gradient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class FisherProblem:
    """A network in float64, its data, and a loss of each example.

    Args:
        model: with layers that have a weight and a bias.
        layers: their names.
        inputs: the examples.
        losses: from the network's output, the loss of each.
    """

    model: nn.Module
    layers: tuple[str, ...]
    inputs: Tensor
    losses: Callable[[Tensor], Tensor]

    def backward(self) -> None:
        """Add the gradient of the mean loss to `.grad`."""
        self.losses(self.model(self.inputs)).mean().backward()

    def fisher(self, layer: str) -> Tensor:
        """E[vec(G) vec(G)^T] of a layer, G = [weights, bias] (O, I) row by row, by a backward pass per example."""
        parameters = list(self.model.get_submodule(layer).parameters())
        losses = self.losses(self.model(self.inputs))
        single = [torch.autograd.grad(one, parameters, retain_graph=True) for one in losses]
        rows = torch.stack([torch.cat([w.flatten(1), b[:, None]], 1).flatten() for w, b in single])
        return rows.T @ rows / len(rows)


def random_fisher_problem(seed: int) -> FisherProblem:
    """A convolution and two linear layers with random weights, on 2 to 24 examples of very different sizes.

    The loss is a squared error where their number is odd, else a cross-entropy.
    """
    generator = torch.Generator().manual_seed(seed)
    wide: dict[str, Any] = {"generator": generator, "dtype": torch.float64}
    wanted = [(nn.Conv2d, (2, 3, 2)), (nn.Linear, (12, 4)), (nn.Linear, (4, 3))]
    first, second, third = (nn.utils.skip_init(kind, *shape).double() for kind, shape in wanted)
    model = nn.Sequential(first, nn.Tanh(), nn.Flatten(), second, nn.Softplus(), third)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.7, generator=generator)
    num = int(torch.randint(2, 25, (), generator=generator))
    inputs = torch.randn(num, 2, 3, 3, **wide) * torch.randn(num, 1, 1, 1, **wide).exp()
    values, classes = torch.randn(num, 3, **wide), torch.randint(3, (num,), generator=generator)

    def losses(output: Tensor) -> Tensor:
        if num % 2:
            return (output - values).square().sum(1)
        return functional.cross_entropy(output, classes, reduction="none")

    return FisherProblem(model, ("0", "3", "5"), inputs, losses)
