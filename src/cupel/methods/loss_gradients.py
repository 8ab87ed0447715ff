"""Gradients of a training and a validation loss, the first such that it can be differentiated again."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from cupel.methods.weight_vectors import Vector, dot, filled
from cupel.spec.errors import UsageError


class Slope:
    """The training loss's gradient by the weights, kept so that it can be differentiated again and again."""

    def __init__(self, loss: Tensor, weights: Sequence[Tensor]) -> None:
        self.loss = scalar("train_loss", loss)
        slopes = torch.autograd.grad(loss, weights, create_graph=True, allow_unused=True)
        self._is_reached = [slope is not None for slope in slopes]
        reached = [slope for slope in slopes if slope is not None]
        if not reached:
            raise UsageError(
                f"train_loss() depends on none of the {len(weights)} parameters; expected the weights that it trains."
            )
        self.norm = math.sqrt(float(sum(dot([slope], [slope]).cpu() for slope in map(Tensor.detach, reached))))
        self._is_bent = [slope is not None and slope.requires_grad for slope in slopes]
        self._bent = [slope for slope in reached if slope.requires_grad]

    def without_unreached(self, vector: Vector) -> Vector:
        """A vector with zeros for weights that training does not move: no hyperparameter moves them either."""
        return [
            part if is_reached else torch.zeros_like(part)
            for part, is_reached in zip(vector, self._is_reached, strict=True)
        ]

    def towards(self, tensors: Sequence[Tensor], vector: Sequence[Tensor], *, is_last: bool = False) -> Vector:
        """The derivative of vector . dL_T/dw by some tensors; zeros for those that it does not depend on."""
        if not self._bent:
            return [torch.zeros_like(tensor) for tensor in tensors]
        along = [part for part, is_bent in zip(vector, self._is_bent, strict=True) if is_bent]
        found = torch.autograd.grad(self._bent, tensors, along, retain_graph=not is_last, allow_unused=True)
        return filled(tensors, found)


def valid_gradients(
    loss: Tensor, weights: Sequence[Tensor], hyper: Sequence[Tensor]
) -> tuple[float, Vector, list[Tensor | None]]:
    """The validation loss, its gradient by the weights, and by the hyperparameters.

    The last is None for those that the loss does not depend on, which are mostly all of them.
    """
    value = scalar("valid_loss", loss)
    found = torch.autograd.grad(loss, [*weights, *hyper], allow_unused=True)
    return value, filled(weights, found[: len(weights)]), list(found[len(weights) :])


def refuse_not_finite(gradients: Sequence[Tensor]) -> None:
    """Raise a UsageError where a gradient by a hyperparameter has elements that are not finite."""
    for index, gradient in enumerate(gradients):
        num = int((~gradient.isfinite()).sum())
        if num:
            raise UsageError(
                f"The gradient by hyperparameter {index} of shape {tuple(gradient.shape)} has {num} elements that are "
                "not finite; expected none. Take a smaller step_size or fewer terms, and look for infinite slopes in "
                "the losses (a square root at zero)."
            )


def scalar(what: str, loss: Tensor) -> float:
    """The value of a loss that can be differentiated.

    Raises:
        UsageError: it is no scalar tensor, a constant, or not finite.
    """
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        found = f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else f"{type(loss).__name__}"
        raise UsageError(f"{what}() returned {found}; expected a tensor with one element, such as a mean.")
    if not loss.requires_grad:
        raise UsageError(
            f"{what}() returned a constant: no parameter and no hyperparameter leads to it. Expected a loss computed "
            "from them inside the function, without detach(), item() or torch.no_grad()."
        )
    value = float(loss.detach())
    if not math.isfinite(value):
        raise UsageError(
            f"{what}() is {value}; expected a finite number. Look for a step that is too large, or for logs of decay "
            "beyond what exp can hold (cupel.methods.log_decay keeps them below)."
        )
    return value
