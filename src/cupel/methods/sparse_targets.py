"""An output layer for very many outputs and sparse targets, with loss, gradient and update exact in O(d^2) an example.

It stands in for `nn.Linear(d, D)` and a loss where the loss is spherical (`cupel.methods.spherical_losses`): squared
error, spherical softmax, or one's own. Neither the D outputs nor their D gradients are ever computed, and yet the
loss, the gradient that goes to the layers below and the updated weight are those of the dense layer under plain
stochastic gradient descent. Momentum and Adam have no such form.

Paper to code: D `num_outputs`, d `num_inputs`, h `inputs`, y `targets` at positions `index`, eta `learning_rate`; the
factors of W are in `cupel.methods.factored_weight`.

Source: Vincent, de Brebisson, Bouthillier: Efficient Exact Gradient Update for training Deep Networks with Very Large
Sparse Targets (NIPS 2015, arXiv 1412.7091).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from cupel.methods.factored_weight import Descent, FactoredWeight, joined
from cupel.methods.spherical_losses import (
    SphericalLoss,
    SphericalOutputs,
    SphericalSoftmax,
    loss_and_slopes,
)
from cupel.methods.target_places import first_weight, placed_targets
from cupel.spec.errors import UsageError

MAX_CONDITION = 2.0
"""Condition of U above which it is set back, where the user does not say; small enough that float32 loses nothing."""


class SparseTargetsLayer(nn.Module):
    """The last layer of a network and its loss, for D outputs of which few are not zero in a target.

    Call it for the losses of a batch, call `backward()` on what you make of them, and `step(learning_rate)`. Several
    backward passes before a step add up, as in `.grad`. The weight is no parameter: no optimiser, clipping or weight
    decay reaches it. For a bias, append a column of ones to the inputs.

    Args:
        num_inputs: d, the width of the hidden layer below.
        num_outputs: D.
        initial: W at the start, (D, d), float32 or float64; or a generator that it is drawn with, on the device wanted,
            normal with a standard deviation of 1 / sqrt(d), in float32.
        loss: of the spherical family; `SphericalSoftmax()` where None.
        max_condition: how far the factors may drift before they are set right, above 1. Larger is faster and loses
            digits in proportion; infinity never sets them right, and diverges.

    Raises:
        UsageError: sizes, dtype or `max_condition` cannot be.

    Cost:
        About 8 d^2 + 5 M d + 3 K d multiplications an example, of M examples with K targets each; and seldom a pass
        over all rows. In memory: W once, and five matrices of d x d in float64.

    Caveats:
        Plain SGD only. Products have the digits of the dtype of `initial`, whatever the inputs and autocast say, and no
        more than TF32 has where that is allowed; `.half()` and `.double()` leave the layer as it is, `.to(device)`
        moves it. One process: under data parallelism gather the inputs first.

    Source: Vincent, de Brebisson, Bouthillier (NIPS 2015), algorithm 1 and section 3.7.

    Example:
        >>> import torch
        >>> from cupel.methods.sparse_targets import SparseTargetsLayer
        >>> body = torch.nn.Sequential(torch.nn.Embedding(50, 8), torch.nn.Tanh())
        >>> last = SparseTargetsLayer(8, 10_000, initial=torch.Generator().manual_seed(0))
        >>> optimizer = torch.optim.SGD(body.parameters(), lr=0.5)
        >>> words, following = torch.tensor([3, 4, 5]), torch.tensor([7, 7, 9_999])
        >>> for _ in range(2):
        ...     loss = last(body(words), following).mean()
        ...     optimizer.zero_grad()
        ...     loss.backward()
        ...     optimizer.step()
        ...     last.step(learning_rate=0.5)
        >>> last.weight().shape
        torch.Size([10000, 8])
    """

    def __init__(
        self,
        num_inputs: int,
        num_outputs: int,
        *,
        initial: Tensor | torch.Generator,
        loss: SphericalLoss | None = None,
        max_condition: float = MAX_CONDITION,
    ) -> None:
        super().__init__()
        if not max_condition > 1.0:
            raise UsageError(f"max_condition is {max_condition}; expected a number above 1, such as {MAX_CONDITION}.")
        self.num_inputs, self.num_outputs = num_inputs, num_outputs
        self.loss = loss or SphericalSoftmax()
        self.factors = FactoredWeight(first_weight(initial, num_outputs, num_inputs), max_condition)
        self._waiting: list[Descent] = []

    def forward(self, inputs: Tensor, index: Tensor, targets: Tensor | None = None) -> Tensor:
        """The losses of a batch, exact.

        Args:
            inputs: (..., d), as the layer below gives them.
            index: int64 positions of the targets in [0, D), (...) for one each, or (..., K); -1 leaves a place empty.
                A position that an example names twice has the sum of the two values.
            targets: values there, shaped as `index`; ones where None. They get no gradient.

        Returns:
            A loss for each example, (...), in the dtype of `initial`.

        Raises:
            UsageError: shapes do not fit, or a position does not exist.
        """
        size, dtype = (self.num_inputs, self.num_outputs), self.factors.rows.rows.dtype
        places, values = placed_targets(inputs, index, targets, size=size, dtype=dtype)
        flat = inputs.reshape(len(places), self.num_inputs)
        # W learns even where nothing below it does: an input that requires a gradient makes torch call backward()
        anchor = flat if flat.requires_grad else torch.zeros((), requires_grad=torch.is_grad_enabled())
        losses: Tensor = _Losses.apply(self, flat, anchor, places, values)  # type: ignore[no-untyped-call]
        return losses.reshape(inputs.shape[:-1])

    def step(self, learning_rate: float) -> None:
        """Update W with the gradients that backward passes left: W <- W - learning_rate dL/dW, and forget them.

        Raises:
            UsageError: no gradient is waiting, or it is not finite.
        """
        if not self._waiting:
            raise UsageError("step() was called, and no gradient is waiting; call loss.backward() first.")
        with torch.no_grad(), full_digits(self.factors.inner.device):
            self.factors.update(joined(self._waiting), learning_rate)
        self._waiting.clear()

    def zero_grad(self, set_to_none: bool = True) -> None:  # noqa: FBT001, FBT002 - torch's signature
        """Forget the gradients that are waiting."""
        super().zero_grad(set_to_none)
        self._waiting.clear()

    @torch.no_grad()
    def weight(self) -> Tensor:
        """W as a dense tensor (D, d) of its own. Cost: O(D d^2)."""
        return self.factors.dense()

    @torch.no_grad()
    def rows(self, index: Tensor) -> Tensor:
        """Rows of W at an index (...), as float64 (..., d). Cost: O(d^2) a row."""
        return self.factors.read(index.flatten()).view(*index.shape, self.num_inputs)

    @torch.no_grad()
    def scores(self, inputs: Tensor) -> Tensor:
        """All D outputs of inputs (..., d), without a gradient, to rank by. Cost: O(D d) an example."""
        flat = inputs.reshape(-1, inputs.shape[-1])
        with full_digits(inputs.device):
            return self.factors.scores(flat).reshape(*inputs.shape[:-1], self.num_outputs)

    @property
    def num_stabilised(self) -> int:
        """How often the factors were set right since the layer was made."""
        return self.factors.num_stabilised

    def extra_repr(self) -> str:
        """What the layer is, for its text."""
        return f"num_inputs={self.num_inputs}, num_outputs={self.num_outputs}, loss={self.loss}"

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> SparseTargetsLayer:  # noqa: FBT001, FBT002 - torch's signature
        """Move to another device; dtypes stay, since digits lost here do not come back."""

        def moved(tensor: Tensor) -> Tensor:
            new = fn(tensor)
            return new if new.dtype == tensor.dtype else tensor.to(new.device)

        super()._apply(moved, recurse)  # type: ignore[no-untyped-call]
        return self


class _Losses(torch.autograd.Function):
    """The losses, with the gradient by the inputs; that by W is left with the layer."""

    @staticmethod
    def forward(ctx: Any, layer: SparseTargetsLayer, inputs: Tensor, *rest: Tensor) -> Tensor:
        """Losses (M,)."""
        _, places, values = rest
        is_there = places >= 0
        with full_digits(inputs.device):
            views = layer.factors.view(inputs, places.clamp_min(0))
        seen = SphericalOutputs(
            at_targets=views.at_targets * is_there,
            squared_norm=(views.inputs * views.gram_inputs).sum(1),
            total=views.total,
            targets=values,
            num_outputs=layer.num_outputs,
        )
        losses, slopes = loss_and_slopes(layer.loss, seen)
        ctx.layer, ctx.views = layer, views
        ctx.slopes = replace(slopes, at_targets=torch.where(is_there, slopes.at_targets, 0.0))
        ctx.dtype, ctx.at = inputs.dtype, layer.factors.num_updates
        return losses

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """The gradient by the inputs."""
        factors = ctx.layer.factors
        if ctx.at != factors.num_updates:
            raise UsageError(
                "backward() was called on a loss from before the last step(): the weight is another by now. Call the "
                "layer again after each step."
            )
        with full_digits(grad.device):
            descent = factors.descent(ctx.views, ctx.slopes.scaled(grad))
        ctx.layer._waiting.append(descent)  # noqa: SLF001 - one class in two parts, as torch wants it
        return None, descent.by_inputs.to(ctx.dtype), None, None, None


def full_digits(device: torch.device) -> AbstractContextManager[Any]:
    """Keep what follows out of autocast, which would cut its products to 16 bits."""
    on = torch.is_autocast_enabled(device.type)
    return torch.autocast(device.type, enabled=False) if on else contextlib.nullcontext()
