"""Ridge regression with a decay for each weight and a given condition number; its hypergradient in closed form.

    L_T(w, lambda) = 1/2 w' A w - b' w + 1/2 sum of exp(lambda_i) w_i^2,   L_V(w) = 1/2 (w - u)' B (w - u)

with A = Q diag(s) Q', Q a random rotation and s from 1 down to 1 / condition at equal ratios; B of random directions.
At the minimum w* = H^-1 b, H = A + diag(exp(lambda)), the derivative of L_V by lambda_i is

    -(H^-1 B (w* - u))_i exp(lambda_i) w*_i.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Ridge:
    """One problem, at its minimum; everything in double precision.

    Attributes:
        weight: (d,) w*, which requires a gradient.
        log_decay: (d,) lambda, which requires a gradient.
        curvature: (d, d) A.
        pull: (d,) b.
        valid_curvature: (d, d) B.
        wanted: (d,) u.
    """

    weight: Tensor
    log_decay: Tensor
    curvature: Tensor
    pull: Tensor
    valid_curvature: Tensor
    wanted: Tensor

    def train_loss(self) -> Tensor:
        """L_T at the present weights."""
        w = self.weight
        return w @ (self.curvature @ w) / 2 - self.pull @ w + (self.log_decay.exp() * w * w).sum() / 2

    def valid_loss(self) -> Tensor:
        """L_V at the present weights."""
        away = self.weight - self.wanted
        return away @ (self.valid_curvature @ away) / 2

    @property
    def hessian(self) -> Tensor:
        """(d, d): H of the training loss."""
        return self.curvature + torch.diag(self.log_decay.detach().exp())

    @property
    def hypergradient(self) -> Tensor:
        """(d,): dL_V / dlambda at the minimum, in closed form."""
        w = self.weight.detach()
        back = torch.linalg.solve(self.hessian, self.valid_curvature @ (w - self.wanted))
        return -back * self.log_decay.detach().exp() * w

    def error_of(self, found: Tensor) -> float:
        """Distance of a hypergradient from the true one, as a share of its length."""
        truth = self.hypergradient
        return float((found - truth).norm() / truth.norm())

    def sine_of(self, found: Tensor) -> float:
        """Of the angle between the two; 1 where it is a right angle or more."""
        truth = self.hypergradient
        cosine = max(float(found @ truth / (found.norm() * truth.norm())), 0.0)
        return max(1.0 - cosine * cosine, 0.0) ** 0.5


def ill_conditioned_ridge(seed: int, *, size: int, condition: float) -> Ridge:
    """A random problem.

    Args:
        seed: of all that is random in it.
        size: weights.
        condition: of A; that of H is lower, as decays of exp(-7) to exp(-3) lie on the diagonal.
    """
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    rotation = torch.linalg.qr(normal(size, size)).Q
    spectrum = condition ** -torch.linspace(0.0, 1.0, size, dtype=torch.float64)
    curvature = rotation @ torch.diag(spectrum) @ rotation.T
    log_decay = -7.0 + 4.0 * torch.rand(size, generator=generator, dtype=torch.float64)
    pull, directions, wanted = normal(size), normal(2 * size, size), normal(size)
    weight = torch.linalg.solve(curvature + torch.diag(log_decay.exp()), pull)
    return Ridge(
        weight.requires_grad_(),
        log_decay.requires_grad_(),
        curvature,
        pull,
        directions.T @ directions / (2 * size),
        wanted,
    )
