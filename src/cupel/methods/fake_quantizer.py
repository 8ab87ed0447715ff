"""Quantisation as training meets it: numbers are rounded to a grid of integers, and gradients pass straight through.

The grid is symmetric: 2^b - 1 steps of maximum / (2^(b-1) - 1) around zero, so that a product of two rounded tensors
is one of small integers times a constant. The maximum is an exponential average of the largest size seen in training,
and stands still in evaluation.

Source: Bengio, Leonard, Courville (2013, arXiv 1308.3432) for gradients straight through; Jacob et al. (CVPR 2018,
arXiv 1712.05877) for averaged ranges.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from cupel.spec.errors import UsageError


class _Rounding(torch.autograd.Function):
    """x to the nearest point of the grid; its gradient is taken for 1, outside the range too."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, step: Tensor, most: float) -> Tensor:
        del ctx
        return (x / step).round().clamp(-most, most) * step

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        del ctx
        return grads[0], None, None


class FakeQuantizer(nn.Module):
    """Rounds what goes through it to b bits, in the range that it has averaged.

    Args:
        bits: b, 2 to 16; None lets everything through as it is.
        momentum: share of the newest maximum in the average, above 0 and at most 1.
        positions: 0 for one range for all of a tensor; else the length of its first axis, each with a range.

    Raises:
        UsageError: an argument is out of its range; or, when called in evaluation, no range has been seen yet.

    Attributes:
        maximum: the averaged largest size, of shape () or (positions,); a buffer, saved with the model.
        is_observing: whether ranges are averaged though the module is in evaluation (`observing`).

    Example:
        >>> quantizer = FakeQuantizer(bits=3)
        >>> quantizer(torch.tensor([0.9, -0.5, 0.1, 0.4]))  # 3 steps of 0.3 either way
        tensor([ 0.9000, -0.6000,  0.0000,  0.3000])
    """

    maximum: Tensor
    num_seen: Tensor

    def __init__(self, *, bits: int | None, momentum: float = 0.1, positions: int = 0) -> None:
        super().__init__()
        if bits is not None and not 2 <= bits <= 16:
            raise UsageError(f"bits={bits} was asked; expected 2 to 16, or None for no rounding.")
        if not 0.0 < momentum <= 1.0:
            raise UsageError(f"momentum={momentum} was asked; expected above 0 and at most 1.")
        self.bits = bits
        self.momentum = momentum
        self.is_observing = False
        self.register_buffer("maximum", torch.zeros((positions,) if positions else ()))
        self.register_buffer("num_seen", torch.zeros((), dtype=torch.int64))
        self._is_known = False

    def forward(self, x: Tensor) -> Tensor:
        """The tensor on the grid, of its shape and type."""
        if self.bits is None:
            return x
        if self.training or self.is_observing:
            self._observe(x.detach())
        elif not self._is_known:
            self._refuse_unseen()
        most = float(2 ** (self.bits - 1) - 1)
        tiny = torch.finfo(self.maximum.dtype).tiny
        step = (self.maximum.clamp(min=tiny * most) / most).to(x.dtype)
        shape = (-1,) + (1,) * (x.ndim - 1) if step.ndim else ()
        rounded: Tensor = _Rounding.apply(x, step.view(shape), most)  # type: ignore[no-untyped-call]
        return rounded

    def follow(self, other: FakeQuantizer) -> None:
        """Take over the range of another that has seen the same tensor."""
        if other.bits is not None and self.maximum.shape == other.maximum.shape:
            self.maximum.copy_(other.maximum)
            self.num_seen.copy_(other.num_seen)

    def _observe(self, x: Tensor) -> None:
        """Average the largest size; no wait for the device."""
        size = x.abs()
        largest = (size.flatten(1).amax(1) if self.maximum.ndim else size.amax()).to(self.maximum)
        averaged = self.maximum + self.momentum * (largest - self.maximum)
        self.maximum.copy_(torch.where(self.num_seen == 0, largest, averaged))
        self.num_seen.add_(1)
        self._is_known = True

    def _refuse_unseen(self) -> None:
        if int(self.num_seen) == 0:
            raise UsageError(
                "A quantised layer was evaluated before it has seen any data, so that it has no range to round in. "
                "Train it first, or show it some batches: cupel.methods.winograd_swap.calibrate(model, batches)."
            )
        self._is_known = True

    def extra_repr(self) -> str:
        """What `print(model)` shows."""
        return f"bits={self.bits}, positions={self.maximum.numel() if self.maximum.ndim else 0}"


@contextmanager
def observing(model: nn.Module) -> Iterator[None]:
    """Let every `FakeQuantizer` of a model average ranges though the model is in evaluation."""
    quantizers = [module for module in model.modules() if isinstance(module, FakeQuantizer)]
    before = [quantizer.is_observing for quantizer in quantizers]
    for quantizer in quantizers:
        quantizer.is_observing = True
    try:
        yield
    finally:
        for quantizer, was in zip(quantizers, before, strict=True):
            quantizer.is_observing = was
