"""Gradients by hyperparameters through the end of training, by the implicit function theorem.

Training finds the weights w*(lambda) at which the training loss L_T(lambda, w) is least; the validation loss L_V is
wanted least by lambda. Where the gradient of L_T by the weights is zero and its Hessian H has an inverse,

    dL_V/dlambda = direct part - (dL_V/dw) H^-1 (d2 L_T / dw dlambda)

for as many hyperparameters as one likes: nothing is made that is larger than the weights or the hyperparameters.

Paper to code: lambda `hyperparameters`, w `parameters`, L_T `train_loss`, L_V `valid_loss`, H the Hessian of L_T by w,
alpha `step_size`, i `terms`; v1 = dL_V/dw, v2 = v1 H^-1 (algorithm 3, see `cupel.methods.inverse_hessian`), and
v3 = v2 (d2 L_T / dw dlambda), in algorithm 2.

Source: Lorraine, Vicol, Duvenaud: Optimizing Millions of Hyperparameters by Implicit Differentiation (AISTATS 2020,
arXiv 1911.02590), algorithms 2 and 3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cupel.methods.inverse_hessian import InverseHessian, Neumann, Solution, WarmStart
from cupel.methods.loss_gradients import Slope, refuse_not_finite, valid_gradients
from cupel.methods.weight_vectors import Loss, Tensors, as_found, dot, trained, tuned

if TYPE_CHECKING:
    from torch import Tensor

AT_REST = 0.1
"""Length of the training gradient, as a share of the validation gradient's, above which a note says so."""
INCOMPLETE = 0.5
"""Residual of the inverse above which a note says so."""


@dataclass(frozen=True, eq=False)
class ImplicitGradient:
    """Gradients by hyperparameters, with what tells whether they are to be believed.

    Attributes:
        gradients: a tensor per hyperparameter, shaped as it; unit: validation loss per unit of the hyperparameter.
        train_loss: the training loss at the weights given.
        valid_loss: the validation loss there.
        train_gradient_norm: length of the training loss's gradient by the weights. The theorem wants zero.
        unrest: that length as a share of the validation gradient's; 0 is a minimum, a note is made above 0.1.
        residual: of the inverse, |v1 - H v2| / |v1|; 0 is exact, NaN where it was not measured (`Identity`). For
            `Neumann` that of the series without its last term.
        step_size: alpha, as given or as estimated; NaN where the inverse has none.
        products: products with the Hessian that it took; one costs about two gradients of the training loss.
        notes: what to know, in words; empty where all is well.
    """

    gradients: tuple[Tensor, ...]
    train_loss: float
    valid_loss: float
    train_gradient_norm: float
    unrest: float
    residual: float
    step_size: float
    products: int
    notes: tuple[str, ...]


def implicit_gradient(
    train_loss: Loss,
    valid_loss: Loss,
    *,
    parameters: Tensors,
    hyperparameters: Tensors,
    inverse: InverseHessian | None = None,
) -> ImplicitGradient:
    """The gradient of the validation loss by hyperparameters of the training loss, at the end of training.

    Works on any model and losses of torch that can be differentiated twice. The weights, every `.grad` and torch's
    global generators are left as they were found.

    Args:
        train_loss: called once without arguments; the training loss at the present weights and hyperparameters, with
            every penalty, as a tensor with one element.
        valid_loss: the same for the validation loss. It may depend on hyperparameters too (the direct part).
        parameters: the weights: `model.parameters()`, or tensors. Frozen ones are left out.
        hyperparameters: tensors of any shapes that require gradients. One that no loss depends on gets zero.
        inverse: `Neumann(terms=20)` where None; or `ConjugateGradient`, `Identity`, `Exact` of
            `cupel.methods.inverse_hessian`.

    Returns:
        The gradients, in the order of `hyperparameters`, and how far they can be trusted.

    Raises:
        UsageError: a loss is no finite scalar, the arguments do not fit together, the Neumann series diverges at the
            step size given, or a gradient is not finite.

    Cost:
        Two gradients, and about two more per product with the Hessian (`terms`, and at most 10 to estimate a step
        size). Memory: the graph of one gradient of the training loss, and three vectors as large as the weights.

    Caveats:
        The theorem holds at a minimum: train first, and look at `unrest`. A loss is one draw of what is random in it:
        dropout draws as the next training step will. Batch normalisation in training mode moves its running averages
        when a loss is evaluated here, as at any other time. What cannot be differentiated twice is refused by torch:
        models out of `torch.compile`, recurrent layers by cuDNN. Attention is made to work. Under data parallelism
        each rank gets the gradient of its own losses: average them.

    Source: Lorraine, Vicol, Duvenaud (AISTATS 2020, arXiv 1911.02590), algorithm 2.

    Example:
        >>> import torch
        >>> from cupel.methods.implicit_gradient import implicit_gradient
        >>> x, y = torch.eye(2), torch.tensor([[4.0], [2.0]])
        >>> model = torch.nn.Linear(2, 1, bias=False)
        >>> log_decay = torch.zeros(1, 2, requires_grad=True)
        >>> _ = model.weight.data.copy_(torch.tensor([[2.0, 1.0]]))  # the end of training, here in closed form
        >>> def train_loss():
        ...     return ((model(x) - y) ** 2).sum() / 2 + (log_decay.exp() * model.weight**2).sum() / 2
        >>> def valid_loss():
        ...     return ((model(x) - torch.tensor([[3.0], [0.5]])) ** 2).sum() / 2
        >>> found = implicit_gradient(
        ...     train_loss, valid_loss, parameters=model.parameters(), hyperparameters=log_decay
        ... )
        >>> found.gradients[0]  # less decay is wanted for the first weight, more for the second
        tensor([[ 1.0000, -0.2500]])
    """
    weights = trained(parameters)
    hyper = tuned(hyperparameters, weights)
    return gradient_by(train_loss, valid_loss, weights=weights, hyper=hyper, way=(inverse or Neumann(), WarmStart()))


def gradient_by(
    train_loss: Loss,
    valid_loss: Loss,
    *,
    weights: Sequence[Tensor],
    hyper: Sequence[Tensor],
    way: tuple[InverseHessian, WarmStart],
) -> ImplicitGradient:
    """`implicit_gradient` by tensors that were checked; `way` is the inverse, and what its last solution left."""
    with as_found([*weights, *hyper]):
        valid_value, v1, direct = valid_gradients(valid_loss(), weights, hyper)
        slope = Slope(train_loss(), weights)
        v1 = slope.without_unreached(v1)
        solution = way[0].solve(lambda vector: slope.towards(weights, vector), v1, way[1])
        v3 = slope.towards(hyper, solution.vector, is_last=True)
    gradients = tuple(-part if own is None else own - part for own, part in zip(direct, v3, strict=True))
    refuse_not_finite(gradients)
    wanted = float(dot(v1, v1).sqrt())
    unrest = slope.norm / wanted if wanted > 0.0 else math.inf if slope.norm > 0.0 else 0.0
    return ImplicitGradient(
        gradients=gradients,
        train_loss=slope.loss,
        valid_loss=valid_value,
        train_gradient_norm=slope.norm,
        unrest=unrest,
        residual=solution.residual,
        step_size=solution.step_size,
        products=solution.products,
        notes=_notes(gradients, unrest, solution),
    )


def _notes(gradients: Sequence[Tensor], unrest: float, solution: Solution) -> tuple[str, ...]:
    """What a user must know before believing the gradients."""
    notes = list(solution.notes)
    if unrest > AT_REST:
        notes.append(
            f"The weights are at no minimum of the training loss: its gradient is {unrest:.3g} of the validation "
            f"gradient's length; the theorem holds at 0, {AT_REST} is a rule of thumb. Train longer."
        )
    if solution.residual > INCOMPLETE:
        notes.append(
            f"The inverse is far from complete: a residual of {solution.residual:.3g} of the whole is left, expected "
            f"at most {INCOMPLETE}. Take more terms; what is left belongs to directions of little curvature."
        )
    if not any(bool(gradient.any()) for gradient in gradients):
        notes.append("Every gradient is zero: at these weights no loss changes with a hyperparameter.")
    return tuple(notes)
