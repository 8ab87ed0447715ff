"""Gradients by hyperparameters through every step of training: what the implicit gradient is compared with.

Training is T steps of gradient descent with momentum from the present weights. The derivative of the validation loss
at its end is carried back through the steps, last to first (reverse mode): the weights of every step are kept, and
each step costs one more evaluation of the training loss and one product with its Hessian.

    v[t+1] = momentum v[t] + dL_T/dw(w[t]);   w[t+1] = w[t] - learning_rate v[t+1]

Started at a minimum, without momentum, it is the Neumann series of `steps` - 1 terms at the step size `learning_rate`.

Source: Maclaurin, Duvenaud, Adams: Gradient-based Hyperparameter Optimization through Reversible Learning (ICML 2015),
algorithm 2, with the weights stored where theirs are recomputed backwards.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cupel.methods.loss_gradients import Slope, refuse_not_finite, scalar, valid_gradients
from cupel.methods.weight_vectors import (
    Loss,
    RandomState,
    Tensors,
    Vector,
    as_found,
    filled,
    random_state,
    set_random_state,
    trained,
    tuned,
)
from cupel.spec.errors import UsageError


@dataclass(frozen=True)
class Descent:
    """Training as it is differentiated through.

    Args:
        steps: T, at least 1.
        learning_rate: of every step.
        momentum: 0 is plain gradient descent.

    Raises:
        UsageError: a number is out of range.
    """

    steps: int
    learning_rate: float
    momentum: float = 0.0

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise UsageError(f"steps={self.steps} was asked; expected 1 or more.")
        if not 0.0 < self.learning_rate < math.inf:
            raise UsageError(f"learning_rate={self.learning_rate} was asked; expected a finite number above 0.")
        if not 0.0 <= self.momentum < 1.0:
            raise UsageError(f"momentum={self.momentum} was asked; expected at least 0 and below 1.")


@dataclass(frozen=True, eq=False)
class UnrolledGradient:
    """Gradients by hyperparameters of the validation loss after some steps of training.

    Attributes:
        gradients: a tensor per hyperparameter, shaped as it; unit: validation loss per unit of the hyperparameter.
        valid_loss: the validation loss after the last step.
        weights: the weights after the last step, a copy per parameter that is not frozen.
    """

    gradients: tuple[Tensor, ...]
    valid_loss: float
    weights: tuple[Tensor, ...]


def unrolled_gradient(
    train_loss: Loss,
    valid_loss: Loss,
    *,
    parameters: Tensors,
    hyperparameters: Tensors,
    descent: Descent,
) -> UnrolledGradient:
    """The gradient of the validation loss after `descent` from the present weights, by hyperparameters of its loss.

    Exact for as many steps as are taken, whether or not they lead to a minimum. The weights, every `.grad` and torch's
    global generators are left as they were found.

    Args:
        train_loss: called twice per step without arguments. What is random in it must come from torch's global
            generators: the second call finds them as the first did, so that dropout and drawn batches are the same.
        valid_loss: called once, after the last step.
        parameters: the weights, frozen ones left out.
        hyperparameters: tensors that require gradients.
        descent: the steps.

    Returns:
        The gradients, in the order of `hyperparameters`, and where the steps led.

    Raises:
        UsageError: a loss is no finite scalar, the arguments do not fit together, or a gradient is not finite.

    Cost:
        Per step two gradients of the training loss and one product with its Hessian; memory: steps x the weights.

    Source: Maclaurin, Duvenaud, Adams (ICML 2015), algorithm 2.

    Example:
        >>> import torch
        >>> from cupel.methods.unrolled_gradient import Descent, unrolled_gradient
        >>> w, log_decay = torch.ones(1, requires_grad=True), torch.zeros(1, requires_grad=True)
        >>> found = unrolled_gradient(
        ...     lambda: log_decay.exp() * w**2 / 2,
        ...     lambda: w.sum(),
        ...     parameters=w,
        ...     hyperparameters=log_decay,
        ...     descent=Descent(steps=2, learning_rate=0.5),
        ... )
        >>> found.weights[0], found.gradients[0]  # w = (1 - 0.5)^2, and 2 (1 - 0.5) (-0.5)
        (tensor([0.2500]), tensor([-0.5000]))
    """
    weights = trained(parameters)
    hyper = tuned(hyperparameters, weights)
    before = _copy(weights)
    with as_found([*weights, *hyper]):
        try:
            path = _descend(train_loss, weights, descent)
            after = _copy(weights)
            value, v1, direct = valid_gradients(valid_loss(), weights, hyper)
            by_weight, by_hyper = _copy(v1), _copy(filled(hyper, direct))  # torch may give two of them one memory
            by_velocity = [torch.zeros_like(weight) for weight in weights]
            for at, state in reversed(path):
                _load(weights, at)
                set_random_state(state)
                _step_back(Slope(train_loss(), weights), descent, by_velocity, (weights, by_weight), (hyper, by_hyper))
        finally:
            _load(weights, before)
    refuse_not_finite(by_hyper)
    return UnrolledGradient(tuple(by_hyper), value, tuple(after))


def _descend(train_loss: Loss, weights: Sequence[Tensor], descent: Descent) -> list[tuple[Vector, RandomState]]:
    """Take the steps; what each started from, weights and generators."""
    path = []
    velocities = [torch.zeros_like(weight) for weight in weights]
    for _ in range(descent.steps):
        path.append((_copy(weights), random_state(weights)))
        loss = train_loss()
        scalar("train_loss", loss)
        slopes = filled(weights, torch.autograd.grad(loss, weights, allow_unused=True))
        with torch.no_grad():
            for weight, velocity, slope in zip(weights, velocities, slopes, strict=True):
                velocity.mul_(descent.momentum).add_(slope)
                weight.sub_(velocity, alpha=descent.learning_rate)
    return path


def _step_back(
    slope: Slope,
    descent: Descent,
    by_velocity: Vector,
    weight: tuple[Sequence[Tensor], Vector],
    hyper: tuple[Sequence[Tensor], Vector],
) -> None:
    """Carry derivatives from after a step to before it, in place; each pair is tensors and the derivatives by them."""
    for velocity, part in zip(by_velocity, weight[1], strict=True):
        velocity.mul_(descent.momentum).sub_(part, alpha=descent.learning_rate)
    bent = slope.towards([*weight[0], *hyper[0]], by_velocity, is_last=True)
    for total, part in zip([*weight[1], *hyper[1]], bent, strict=True):
        total.add_(part)


def _copy(weights: Sequence[Tensor]) -> Vector:
    return [weight.detach().clone() for weight in weights]


def _load(weights: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    with torch.no_grad():
        for weight, value in zip(weights, values, strict=True):
            weight.copy_(value)
