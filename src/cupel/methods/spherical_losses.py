"""Losses that see a vector of D outputs only through its target positions, its squared length and its sum.

Their gradient by the outputs o is a sparse vector, plus a multiple of o, plus a constant: what lets
`cupel.methods.sparse_targets` work without ever computing the D outputs. Squared error belongs to the family; the
ordinary softmax does not.

Paper to code: q = |o|^2 `squared_norm`, s = sum of o `total`, a_c = o_c at the targets `at_targets`, y `targets`,
K `index.shape[1]`, D `num_outputs`.

Source: Vincent, de Brebisson, Bouthillier (NIPS 2015, arXiv 1412.7091), section 3 (squared error, spherical softmax);
de Brebisson and Vincent, An Exploration of Softmax Alternatives Belonging to the Spherical Loss Family (ICLR 2016);
the same, The Z-loss (2016).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from cupel.spec.errors import UsageError


@dataclass(frozen=True, eq=False)
class SphericalOutputs:
    """What a spherical loss may see of M output vectors.

    Attributes:
        at_targets: the outputs at each example's K target positions, (M, K); 0 where a position is left out.
        squared_norm: squared length of each output vector, (M,).
        total: sum of each output vector, (M,).
        targets: the targets' values, (M, K); 0 where a position is left out.
        num_outputs: D.
    """

    at_targets: Tensor
    squared_norm: Tensor
    total: Tensor
    targets: Tensor
    num_outputs: int


SphericalLoss: TypeAlias = Callable[[SphericalOutputs], Tensor]
"""From what is seen of M output vectors to M losses, each of its own example alone; torch differentiates it.

A loss may have a method `slopes`, which does it in closed form, and `sees_total = False`, which spares the dense layer
the sum.
"""


@dataclass(frozen=True, eq=False)
class OutputSlopes:
    """The gradient of M losses by their outputs o, which is `at_targets` (sparse) + `outward` o + `level` 1.

    Attributes:
        at_targets: derivatives by the outputs at the targets, (M, K).
        outward: twice the derivative by the squared length, (M,).
        level: derivative by the sum, (M,); None for a loss that does not see the sum.
    """

    at_targets: Tensor
    outward: Tensor
    level: Tensor | None = None

    def scaled(self, factor: Tensor) -> OutputSlopes:
        """The gradient of losses that are multiplied with a factor each, (M,)."""
        level = None if self.level is None else self.level * factor
        return OutputSlopes(self.at_targets * factor[:, None], self.outward * factor, level)


@dataclass(frozen=True)
class SquaredError:
    """Squared distance |o - y|^2 of the D outputs to the sparse target vector."""

    sees_total: ClassVar[bool] = False

    def __call__(self, outputs: SphericalOutputs) -> Tensor:
        """Losses (M,)."""
        y = outputs.targets
        return outputs.squared_norm + (y * torch.sub(y, outputs.at_targets, alpha=2.0)).sum(1)

    def slopes(self, outputs: SphericalOutputs) -> OutputSlopes:
        """Their derivatives, in closed form."""
        return OutputSlopes(
            at_targets=-2.0 * outputs.targets,
            outward=torch.full_like(outputs.squared_norm, 2.0),
        )


@dataclass(frozen=True)
class SphericalSoftmax:
    """Cross entropy to p_c = (o_c^2 + epsilon) / sum_j (o_j^2 + epsilon), a distribution without exponentials.

    Args:
        epsilon: what every class is given, above 0; about the square of the outputs at the start is a good value. The
            smaller, the more the loss curves where an output crosses 0 (by 2 / epsilon), and the more every way of
            computing it magnifies rounding errors.
    """

    epsilon: float = 1.0
    sees_total: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse what would divide by zero."""
        if not self.epsilon > 0.0:
            raise UsageError(f"SphericalSoftmax was asked with epsilon {self.epsilon}; expected a number above 0.")

    def __call__(self, outputs: SphericalOutputs) -> Tensor:
        """Losses (M,)."""
        whole = (outputs.squared_norm + outputs.num_outputs * self.epsilon).log()
        return (outputs.targets * (whole[:, None] - (outputs.at_targets.square() + self.epsilon).log())).sum(1)

    def slopes(self, outputs: SphericalOutputs) -> OutputSlopes:
        """Their derivatives, in closed form."""
        a, y = outputs.at_targets, outputs.targets
        return OutputSlopes(
            at_targets=-2.0 * y * a / (a * a + self.epsilon),
            outward=2.0 * y.sum(1) / (outputs.squared_norm + outputs.num_outputs * self.epsilon),
        )


@dataclass(frozen=True)
class TaylorSoftmax:
    """Cross entropy to p_c proportional to 1 + o_c + o_c^2 / 2, the exponential's second-order Taylor expansion."""

    def __call__(self, outputs: SphericalOutputs) -> Tensor:
        """Losses (M,)."""
        a = outputs.at_targets
        whole = (outputs.num_outputs + outputs.total + outputs.squared_norm / 2.0).log()
        return (outputs.targets * (whole[:, None] - (1.0 + a + a.square() / 2.0).log())).sum(1)


@dataclass(frozen=True)
class ZLoss:
    """Softplus of how far a target's output stands below `shift` standard deviations above the mean of all outputs.

    The outputs are standardised first, so that neither their scale nor their level matters.

    Args:
        scale: steepness a of the softplus, which is divided by it.
        shift: b, in standard deviations.
        least_variance: added to the variance of the outputs, so that equal ones have a gradient too.
    """

    scale: float = 0.1
    shift: float = 10.0
    least_variance: float = 1e-12

    def __call__(self, outputs: SphericalOutputs) -> Tensor:
        """Losses (M,)."""
        mean = outputs.total / outputs.num_outputs
        sd = (outputs.squared_norm / outputs.num_outputs - mean.square() + self.least_variance).sqrt()
        z = (outputs.at_targets - mean[:, None]) / sd[:, None]
        return (outputs.targets * functional.softplus(self.scale * (self.shift - z))).sum(1) / self.scale


def loss_and_slopes(loss: SphericalLoss, outputs: SphericalOutputs) -> tuple[Tensor, OutputSlopes]:
    """Losses (M,), and their derivatives: the loss's own `slopes` where it has them, else by autograd.

    Raises:
        UsageError: the loss returns no tensor (M,).
    """
    own = getattr(loss, "slopes", None)
    if own is not None:
        return loss(outputs), own(outputs)
    with torch.enable_grad():
        seen = [t.detach().requires_grad_() for t in (outputs.at_targets, outputs.squared_norm, outputs.total)]
        losses = loss(replace(outputs, at_targets=seen[0], squared_norm=seen[1], total=seen[2]))
        if not isinstance(losses, Tensor) or losses.shape != outputs.total.shape:
            found = f"a tensor {tuple(losses.shape)}" if isinstance(losses, Tensor) else type(losses).__name__
            raise UsageError(
                f"The loss returned {found}; expected a loss for each of {len(outputs.total)} examples, a tensor "
                f"({len(outputs.total)},), unreduced: take the mean of what the layer returns."
            )
        by = torch.autograd.grad(losses.sum(), seen, materialize_grads=True) if losses.requires_grad else seen[:0]
    by_a, by_q, by_s = by or [torch.zeros_like(t) for t in seen]
    return losses.detach(), OutputSlopes(at_targets=by_a, outward=2.0 * by_q, level=by_s)
