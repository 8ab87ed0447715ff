"""Steady flow through a porous square (Darcy): permeabilities, and the pressures that solve their equation.

Decisions:
- -div(a grad u) = 1 inside the unit square, u = 0 on its edge; a is 12 where a Gaussian random field is positive and 3
  elsewhere, the field of covariance (-Laplace + 9)^-2 without flux over the edge, by its cosine series.
- Finite differences on the nodes, a between two nodes by their mean; solved on the device by conjugate gradients in
  float64, all samples side by side, until the residual is that of rounding. No finer grid is thinned out:
  what is learned is the solution of the discrete equation.

Shapes: N samples, S nodes along each side, the edges among them.

Source: Li et al. 2020, Fourier Neural Operator for Parametric Partial Differential Equations, section 5.2 and A.3.2.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

LOW, HIGH = 3.0, 12.0
"""The two permeabilities."""


def permeabilities(num_samples: int, side_px: int, generator: torch.Generator) -> Tensor:
    """Draw permeabilities, shape (N, S, S), float64, on the generator's device."""
    device = generator.device
    node_S = torch.linspace(0, math.pi, side_px, device=device, dtype=torch.float64)
    mode_S = torch.arange(side_px, device=device, dtype=torch.float64)
    cosine_SS = torch.cos(node_S[:, None] * mode_S)
    scale_SS = 1 / (math.pi**2 * (mode_S[:, None] ** 2 + mode_S**2) + 9)
    shape = (num_samples, side_px, side_px)
    random_NSS = torch.randn(shape, generator=generator, device=device, dtype=torch.float64) * scale_SS
    random_NSS[:, 0, 0] = 0.0  # the mean: with it, whole squares would be of one permeability
    field_NSS = cosine_SS @ random_NSS @ cosine_SS.T
    return torch.full_like(field_NSS, LOW).masked_fill(field_NSS > 0, HIGH)


def apply_operator(a_NSS: Tensor, u_NSS: Tensor) -> Tensor:
    """-div(a grad u) at the inner nodes, zero on the edge, shape (N, S, S)."""
    spacing = 1 / (u_NSS.shape[1] - 1)
    flux_x = (a_NSS[:, 1:] + a_NSS[:, :-1]) / 2 * u_NSS.diff(dim=1)
    flux_y = (a_NSS[:, :, 1:] + a_NSS[:, :, :-1]) / 2 * u_NSS.diff(dim=2)
    inner = flux_x.diff(dim=1)[:, :, 1:-1] + flux_y.diff(dim=2)[:, 1:-1]
    return torch.nn.functional.pad(-inner / spacing**2, (1, 1, 1, 1))


def pressures(a_NSS: Tensor) -> Tensor:
    """Solve for u, zero on the edge, shape (N, S, S), by conjugate gradients.

    Cost: 8 S rounds, each a few passes over N S^2 numbers.
    """
    u_NSS = torch.zeros_like(a_NSS)
    residual = torch.nn.functional.pad(torch.ones_like(a_NSS[:, 1:-1, 1:-1]), (1, 1, 1, 1))
    direction = residual.clone()
    squared = residual.square().sum((1, 2), keepdim=True)
    for _ in range(8 * a_NSS.shape[1]):
        image = apply_operator(a_NSS, direction)
        pace = squared / (direction * image).sum((1, 2), keepdim=True).clamp_min(1e-300)
        u_NSS += pace * direction
        residual -= pace * image
        before, squared = squared, residual.square().sum((1, 2), keepdim=True)
        direction = residual + squared / before.clamp_min(1e-300) * direction
    return u_NSS
