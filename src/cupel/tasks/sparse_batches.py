"""Batches with sparse targets of very many dimensions, and the naive way to learn from them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import torch

from cupel.tasks.data.power_law import power_law_indices

if TYPE_CHECKING:
    from torch import Tensor

DenseLoss: TypeAlias = "Callable[[Tensor, Tensor], Tensor]"
"""From all outputs (M, D) and all targets (M, D) to losses (M,)."""


def sparse_batch(shape: tuple[int, ...], width: int, outputs: int, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """Hidden units as rectified ones are, and target positions by Zipf's law.

    Args:
        shape: of the positions: (M,), or (M, K).
        width: hidden units, d.
        outputs: D.
        draw: the generator, whose device is taken.

    Returns:
        Hidden units (M, d), of a mean square length of 1, which require a gradient; and positions, int64.
    """
    hidden = torch.randn(shape[0], width, generator=draw, device=draw.device).relu_().mul_(math.sqrt(2.0 / width))
    return hidden.requires_grad_(), power_law_indices(shape, num_values=outputs, exponent=1.0, generator=draw)


def squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Squared distances (M,)."""
    return ((outputs - targets) ** 2).sum(1)


def spherical_softmax(outputs: Tensor, targets: Tensor) -> Tensor:
    """Cross entropies (M,) to probabilities in proportion to o^2 + 1."""
    mass = outputs**2 + 1.0
    return -(targets * (mass / mass.sum(1, keepdim=True)).log()).sum(1)


def naive_slopes(
    weight: Tensor, hidden: Tensor, *, index: Tensor, values: Tensor, loss: DenseLoss
) -> tuple[Tensor, Tensor, Tensor]:
    """Losses (M,), and the gradients of their mean by W (D, d) and by the hidden units: all outputs, and autograd."""
    weight = weight.detach().requires_grad_()
    targets = torch.zeros(len(hidden), len(weight)).scatter_add_(1, index, values)
    losses = loss(hidden @ weight.T, targets)
    by_weight, by_hidden = torch.autograd.grad(losses.mean(), [weight, hidden])
    return losses.detach(), by_weight, by_hidden


def relative_error(found: Tensor, expected: Tensor) -> float:
    """Length of the difference as a share of what was expected."""
    return float((found.double() - expected.double()).norm() / expected.double().norm())
