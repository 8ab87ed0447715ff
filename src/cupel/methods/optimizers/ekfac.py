"""EKFAC: K-FAC with a diagonal that is re-estimated in the Kronecker-factored eigenbasis.

Paper to code: A, B, Ua, Ub, s in `cupel.methods.kronecker_factors`; T `options.every`, epsilon `eps`, EKFAC-ra
`running_average`.

Source: George, Laurent, Bouthillier, Ballas, Vincent: Fast Approximate Natural Gradient Descent in a Kronecker-factored
Eigenbasis (NeurIPS 2018, arXiv 1806.03884), algorithm 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cupel.methods.kronecker_factors import second_moments
from cupel.methods.kronecker_optimizer import (
    KroneckerOptimizer,
    Preconditioning,
    State,
    mean_square,
    require,
    state_bases,
)
from cupel.methods.layer_records import Examples


class EKFAC(KroneckerOptimizer):
    """Steps along (U diag(s) U^T + eps I)^-1 grad for each `nn.Linear` and `nn.Conv2d` of a model.

    U = Ub (x) Ua are the eigenvectors of K-FAC's factors, computed every T steps; s are the second moments of the
    examples' gradients in that basis, computed at each step from the batch at hand. With `running_average` (EKFAC-ra)
    they are followed instead by the square of the mini-batch gradient's coordinates, times the number of examples,
    and start from K-FAC's eigenvalues whenever the basis changes.

    What happens with

    - *accumulated gradients*: all backward passes since the last step count, and `.grad` is taken for the mean over
      their examples. Divide the loss of k micro-batches by k: the step is then that of the whole batch. The loss must
      be a mean over examples, an example being a row of the layer's first dimension.
    - *eval mode*: no difference; what fills `.grad` is recorded. Nothing is recorded under `torch.no_grad`.
    - *frozen layers*: a parameter that needs no gradient stays where it is; a layer whose weight is frozen is not
      recorded, its bias gets plain steps. A frozen bias leaves the weight's factors without its column.
    - *shared layers*: refused, at once where a layer or a parameter has two places in the model, else in `step()`
      where a layer ran twice in a backward pass; `options.leave_out` gives it plain steps.
    - *compiled models*: give the model itself here, compiled or not yet; run it as you like.
    - *clipped gradients*: the step uses `.grad` as it is, the moments are of the gradients before.
    - *mixed precision*: autocast to bf16 is fine, factors are float32 at least. Scaled losses (fp16) are not.

    Args:
        model: any model with such layers; the other parameters get SGD with momentum, `plain` names them.
        lr: length of a step.
        eps: Tikhonov damping, in units of s (squared gradients of one example).
        running_average: share of the old s that is kept at each step, such as 0.95; None takes s from each batch.
        options: how the basis is followed; see `cupel.methods.kronecker_optimizer.Preconditioning`.

    Raises:
        UsageError: an argument is out of range, or the model has no such layer, or shares one.

    Cost:
        K-FAC's, and per step N P (O^2 + I^2) + N O I for s (with several positions N P O I); with `running_average`
        O I. Memory: K-FAC's; with several positions up to 2^24 numbers more.

    Example:
        >>> import torch
        >>> from cupel.methods.optimizers.ekfac import EKFAC
        >>> _ = torch.manual_seed(0)
        >>> x = torch.randn(50, 3) * torch.tensor([3.0, 1.0, 0.1])
        >>> model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 3))
        >>> optimizer = EKFAC(model, lr=0.03, eps=1.0)
        >>> for _ in range(100):
        ...     optimizer.zero_grad()
        ...     loss = (model(x) - x).square().sum(1).mean()
        ...     loss.backward()
        ...     optimizer.step()
        >>> loss.item() < 0.05  # two of three directions pass
        True
    """

    def __init__(
        self,
        model: nn.Module,
        lr: float = 0.03,
        *,
        eps: float = 0.1,
        running_average: float | None = None,
        options: Preconditioning | None = None,
    ) -> None:
        is_share = running_average is None or 0.0 <= running_average < 1.0
        require("running_average", running_average, "0 or more and below 1, or None", is_so=is_share)
        self.running_average = running_average
        super().__init__(model, lr, eps=eps, options=options)

    def _moments(self, state: State, batches: Sequence[Examples], coordinates_OI: Tensor) -> Tensor:
        if self.running_average is None:
            return second_moments(batches, *state_bases(state))
        now = mean_square(batches, coordinates_OI)
        state["moments"] = torch.lerp(now, state["moments"], self.running_average)
        moments: Tensor = state["moments"]
        return moments

    def _damped(self, state: State, moments_OI: Tensor, eps: float) -> Tensor:
        del state
        return moments_OI + eps

    def _new_basis(self, state: State) -> None:
        if self.running_average is not None:
            state["moments"] = torch.outer(state["values_out"], state["values_in"])
