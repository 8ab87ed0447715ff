"""Checks that a training step learns; for the `sane` of workloads that train."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cupel.spec import WrongWorkError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from torch import Tensor, nn

GRADIENT_SCALE = 1024.0
"""Factor on the loss while gradients are inspected, so that fp16 does not round the small ones to zero."""


def check_output(what: str, output: Tensor, *, shape: Sequence[int], dtype: torch.dtype) -> None:
    """The output has its shape, was computed at the precision of the run, and is finite.

    Raises:
        WrongWorkError: one of the three is not so.
    """
    if tuple(output.shape) != tuple(shape):
        raise WrongWorkError(f"{what}: the output has shape {tuple(output.shape)}; expected {tuple(shape)}.")
    if output.dtype != dtype:
        raise WrongWorkError(f"{what}: the output is {output.dtype}; expected {dtype}, the precision of the run.")
    if not bool(output.isfinite().all()):
        raise WrongWorkError(f"{what}: {int((~output.isfinite()).sum())} outputs are not finite; expected none.")


def check_gradients(what: str, model: nn.Module, loss: Tensor) -> None:
    """The loss reaches every parameter with a finite gradient that is not all zero; gradients are cleared afterwards.

    Raises:
        WrongWorkError: a parameter is not reached; the message names it.
    """
    (loss * GRADIENT_SCALE).backward()
    for name, parameter in model.named_parameters():
        grad = parameter.grad
        if grad is None or not bool(grad.any()):
            raise WrongWorkError(f"{what}: no gradient reaches {name}; expected the loss to reach every parameter.")
        if not bool(grad.isfinite().all()):
            raise WrongWorkError(f"{what}: the gradient of {name} is not finite; expected finite numbers.")
    model.zero_grad(set_to_none=True)


def check_fall(what: str, losses: Sequence[float]) -> None:
    """Training on the same data lowers the loss: the last is finite and below the first.

    Raises:
        WrongWorkError: it is not.
    """
    if not all(math.isfinite(loss) for loss in losses):
        raise WrongWorkError(f"{what}: the losses are {losses}; expected finite numbers.")
    if not losses[-1] < losses[0]:
        raise WrongWorkError(
            f"{what}: the loss on the same data went from {losses[0]:.4g} to {losses[-1]:.4g} "
            f"in {len(losses) - 1} updates; expected it to fall."
        )
