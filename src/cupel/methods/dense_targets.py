"""The output layer that computes all D outputs: the naive way, as fast as three matrix products allow.

It takes the same losses and has the same calls as `cupel.methods.sparse_targets.SparseTargetsLayer`, and does the same
arithmetic in O(D d) an example: outputs, their gradient in the same memory, the gradient by the inputs, and the update
of W in place. What to compare with; and what to use where D is no more than a few times d.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from cupel.methods.spherical_losses import SphericalLoss, SphericalOutputs, SphericalSoftmax, loss_and_slopes
from cupel.methods.target_places import first_weight, placed_targets
from cupel.spec.errors import UsageError


class DenseTargetsLayer(nn.Module):
    """The last layer of a network and its loss, for D outputs, under plain stochastic gradient descent.

    Args:
        num_inputs: d, the width of the hidden layer below.
        num_outputs: D.
        initial: W at the start, (D, d), copied; or a generator that it is drawn with.
        loss: of the spherical family; `SphericalSoftmax()` where None.

    Raises:
        UsageError: sizes or dtype cannot be.

    Cost:
        3 D d multiplications an example; memory for all outputs of a batch from the forward pass until the step.

    Example:
        >>> import torch
        >>> from cupel.methods.dense_targets import DenseTargetsLayer
        >>> last = DenseTargetsLayer(2, 5, initial=torch.Generator().manual_seed(0))
        >>> hidden = torch.ones(3, 2, requires_grad=True)
        >>> last(hidden, torch.tensor([1, 1, 4])).mean().backward()
        >>> last.step(learning_rate=0.5)
        >>> hidden.grad.shape
        torch.Size([3, 2])
    """

    matrix: Tensor

    def __init__(
        self,
        num_inputs: int,
        num_outputs: int,
        *,
        initial: Tensor | torch.Generator,
        loss: SphericalLoss | None = None,
    ) -> None:
        super().__init__()
        self.num_inputs, self.num_outputs = num_inputs, num_outputs
        self.loss = loss or SphericalSoftmax()
        self.register_buffer("matrix", first_weight(initial, num_outputs, num_inputs).clone())
        self._waiting: list[tuple[Tensor, Tensor]] = []

    def forward(self, inputs: Tensor, index: Tensor, targets: Tensor | None = None) -> Tensor:
        """The losses of a batch; arguments and result as of `SparseTargetsLayer`.

        Raises:
            UsageError: shapes do not fit, or a position does not exist.
        """
        size, dtype = (self.num_inputs, self.num_outputs), self.matrix.dtype
        places, values = placed_targets(inputs, index, targets, size=size, dtype=dtype)
        flat = inputs.reshape(len(places), self.num_inputs).to(dtype)
        anchor = flat if flat.requires_grad else torch.zeros((), requires_grad=torch.is_grad_enabled())
        losses: Tensor = _Losses.apply(self, flat, anchor, places, values)  # type: ignore[no-untyped-call]
        return losses.reshape(inputs.shape[:-1])

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Update W with the gradients that backward passes left, and forget them.

        Raises:
            UsageError: no gradient is waiting.
        """
        if not self._waiting:
            raise UsageError("step() was called, and no gradient is waiting; call loss.backward() first.")
        for slopes, inputs in self._waiting:
            self.matrix.addmm_(slopes.T, inputs, alpha=-learning_rate)
        self._waiting.clear()

    def weight(self) -> Tensor:
        """A copy of W, (D, d)."""
        return self.matrix.clone()

    @torch.no_grad()
    def scores(self, inputs: Tensor) -> Tensor:
        """All D outputs of inputs (..., d), without a gradient, to rank by."""
        return inputs.to(self.matrix.dtype) @ self.matrix.T


class _Losses(torch.autograd.Function):
    """The losses, with the gradient by the inputs; that by the outputs is left with the layer."""

    @staticmethod
    def forward(ctx: Any, layer: DenseTargetsLayer, inputs: Tensor, *rest: Tensor) -> Tensor:
        """Losses (M,)."""
        _, places, values = rest
        is_there, at = places >= 0, places.clamp_min(0)
        outputs = inputs @ layer.matrix.T
        sees_total = getattr(layer.loss, "sees_total", True)
        seen = SphericalOutputs(
            at_targets=outputs.gather(1, at) * is_there,
            squared_norm=torch.linalg.vector_norm(outputs, dim=1).square(),
            total=outputs.sum(1) if sees_total else outputs.new_zeros(len(outputs)),
            targets=values,
            num_outputs=layer.num_outputs,
        )
        losses, slopes = loss_and_slopes(layer.loss, seen)
        slopes = replace(slopes, at_targets=torch.where(is_there, slopes.at_targets, 0.0))
        ctx.layer, ctx.inputs, ctx.outputs, ctx.at, ctx.slopes = layer, inputs, outputs, at, slopes
        return losses

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """The gradient by the inputs, D d multiplications an example."""
        slopes = ctx.slopes.scaled(grad)
        by_outputs = ctx.outputs.mul_(slopes.outward[:, None])
        if slopes.level is not None:
            by_outputs.add_(slopes.level[:, None])
        by_outputs.scatter_add_(1, ctx.at, slopes.at_targets)
        ctx.layer._waiting.append((by_outputs, ctx.inputs))  # noqa: SLF001 - one class in two parts, as torch wants it
        return None, by_outputs @ ctx.layer.matrix, None, None, None
