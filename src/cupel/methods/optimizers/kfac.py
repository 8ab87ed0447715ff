"""K-FAC: gradients divided by a Kronecker-factored Fisher matrix, layer by layer.

Paper to code: A and B (Martens and Grosse: A-bar, G) are the factors of `cupel.methods.kronecker_factors`, lambda is
`eps`, pi the ratio that shares the damping out between them.

Source: Martens and Grosse: Optimizing Neural Networks with Kronecker-factored Approximate Curvature (ICML 2015, arXiv
1503.05671); for convolutions Grosse and Martens (ICML 2016, arXiv 1602.01407).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from cupel.methods.kronecker_optimizer import KroneckerOptimizer, Preconditioning, State, require
from cupel.methods.layer_records import Examples


class KFAC(KroneckerOptimizer):
    """Steps along (F + damping)^-1 grad, F ~ B (x) A for each `nn.Linear` and `nn.Conv2d`.

    With the eigenvalues la of A and lb of B, a gradient's coordinates in their eigenbasis are divided by

    - `tikhonov`: lb la + eps, that is B (x) A + eps I;
    - `pi`: (lb + sqrt(eps) / pi) (la + pi sqrt(eps)), the factored damping of Martens and Grosse, (B + sqrt(eps)/pi I)
      (x) (A + pi sqrt(eps) I) with pi^2 = (tr A / dim A) / (tr B / dim B).

    The same eps damps more by the second form. What holds for accumulated gradients, eval mode, frozen and shared
    layers, is said of `cupel.methods.optimizers.ekfac.EKFAC`.

    Args:
        model: any model with such layers; the other parameters get SGD with momentum, `plain` names them.
        lr: length of a step.
        eps: damping, in units of the Fisher matrix (squared gradients of one example).
        damping: its form.
        options: how the factors are followed; see `cupel.methods.kronecker_optimizer.Preconditioning`.

    Raises:
        UsageError: an argument is out of range, or the model has no such layer, or shares one.

    Cost:
        Per step O^2 I + O I^2 for the direction; per decomposition N P (O^2 + I^2) + 9 (O^3 + I^3), where `decay` is
        above 0 the former at each step. Memory: 2 (O^2 + I^2) + O I numbers per layer, and the layers' inputs and
        output gradients from backward() to step().

    Example:
        >>> import torch
        >>> from cupel.methods.optimizers.kfac import KFAC
        >>> _ = torch.manual_seed(0)
        >>> x = torch.randn(50, 3) * torch.tensor([3.0, 1.0, 0.1])
        >>> model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 3))
        >>> optimizer = KFAC(model, lr=0.03, eps=1.0)
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
        damping: Literal["tikhonov", "pi"] = "tikhonov",
        options: Preconditioning | None = None,
    ) -> None:
        require("damping", damping, "'tikhonov' or 'pi'", is_so=damping in ("tikhonov", "pi"))
        self.damping = damping
        super().__init__(model, lr, eps=eps, options=options)

    def _moments(self, state: State, batches: Sequence[Examples], coordinates_OI: Tensor) -> Tensor:
        del batches, coordinates_OI
        return torch.outer(state["values_out"], state["values_in"])

    def _damped(self, state: State, moments_OI: Tensor, eps: float) -> Tensor:
        if self.damping == "tikhonov":
            return moments_OI + eps
        values_out, values_in = state["values_out"], state["values_in"]
        tiny = torch.finfo(values_in.dtype).tiny
        pi = (values_in.mean().clamp(min=tiny) / values_out.mean().clamp(min=tiny)).sqrt()
        return torch.outer(values_out + eps**0.5 / pi, values_in + eps**0.5 * pi)
