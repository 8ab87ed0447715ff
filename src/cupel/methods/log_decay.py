"""L2 penalties whose strength is a hyperparameter for each weight, each tensor, or the model, as a logarithm.

    penalty = 1/2 x sum over the weights i of exp(lambda_i) w_i^2

A step on lambda multiplies the decay, so none ever turns negative. The logs are held where exp(lambda) w can be held
by the weights' type, and where a learning rate is named, where a step of training still shrinks a weight: beyond
learning rate x exp(lambda) = 2 every step would throw it across zero and further out, and the run ends in NaN.

Source: Lorraine, Vicol, Duvenaud (AISTATS 2020, arXiv 1911.02590), whose experiments tune a weight decay per weight.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from cupel.methods.weight_vectors import Tensors, trained
from cupel.spec.errors import UsageError

Granularity = Literal["weight", "tensor", "model"]


class LogDecay:
    """Log-decays of a model's weights, and the penalty that they make.

    Args:
        parameters: the weights, frozen ones left out.
        per: a log-decay for each `weight`, one for each `tensor`, or one for the `model`.
        start: the log-decay to begin with; -8 is a decay of 3e-4.
        learning_rate: of the training that the penalty is part of. The logs are then held at or below
            log(1 / learning_rate), half of the decay at which training diverges, which leaves as much for the
            curvature of the loss itself. Leave it out where the optimiser rescales gradients (Adam).

    Raises:
        UsageError: all parameters are frozen, the learning rate is not positive, or the start is out of range.

    Attributes:
        logs: the hyperparameters: tensors shaped as the weights (`weight`), or of one element.
        lowest: the log-decay below which none goes: exp(lowest) is next to nothing in the weights' type.
        highest: the log-decay above which none goes.

    Example:
        >>> import torch
        >>> from cupel.methods.log_decay import LogDecay
        >>> weight = torch.tensor([1.0, 2.0], requires_grad=True)
        >>> decay = LogDecay(weight, start=0.0)
        >>> decay.penalty()  # (1 + 4) / 2
        tensor(2.5000, grad_fn=<DivBackward0>)
    """

    def __init__(
        self,
        parameters: Tensors,
        *,
        per: Granularity = "weight",
        start: float = -8.0,
        learning_rate: float | None = None,
    ) -> None:
        self._weights = trained(parameters)
        if per not in ("weight", "tensor", "model"):
            raise UsageError(f"per={per!r} was asked; expected 'weight', 'tensor' or 'model'.")
        self.lowest, self.highest = _range_of(self._weights, learning_rate)
        if not self.lowest <= start <= self.highest:
            raise UsageError(
                f"start={start} was asked; expected a log-decay from {self.lowest:.3g} to {self.highest:.3g}, where "
                "it neither overflows nor lets training diverge."
            )
        models = self._weights[:1] if per == "model" else self._weights
        shapes = [weight.shape if per == "weight" else torch.Size() for weight in models]
        self.logs = [
            torch.full(shape, start, dtype=weight.dtype, device=weight.device, requires_grad=True)
            for weight, shape in zip(models, shapes, strict=True)
        ]

    def penalty(self) -> Tensor:
        """1/2 x sum of exp(lambda) w^2 at the present weights, as a scalar; add it to the training loss alone.

        Logs out of range count as at its ends, so that the penalty cannot overflow; they then have no gradient.
        """
        logs = self.logs * len(self._weights) if len(self.logs) < len(self._weights) else self.logs
        parts = [
            (log.clamp(self.lowest, self.highest).to(weight.device).exp() * weight * weight).sum()
            for log, weight in zip(logs, self._weights, strict=True)
        ]
        return torch.stack([part.to(parts[0].device) for part in parts]).sum() / 2.0

    def clamp_(self) -> None:
        """Bring the logs back into range, in place; to be called after each step on them."""
        with torch.no_grad():
            for log in self.logs:
                log.clamp_(self.lowest, self.highest)


def _range_of(weights: Sequence[Tensor], learning_rate: float | None) -> tuple[float, float]:
    """The logs of the least and of the greatest decay that are of use."""
    if learning_rate is not None and not 0.0 < learning_rate < math.inf:
        raise UsageError(f"learning_rate={learning_rate} was asked; expected a finite number above 0, or None.")
    room = min(math.log(torch.finfo(weight.dtype).max) for weight in weights) / 2.0
    return -room, room if learning_rate is None else min(room, -math.log(learning_rate))
