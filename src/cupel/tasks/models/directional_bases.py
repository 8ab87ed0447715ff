"""Functions that distances and angles between atoms are expanded in.

Both are solutions of the Schroedinger equation for a free particle in a sphere of the radius of the cutoff: sines over
the distance, and spherical Bessel functions times Legendre polynomials of the angle. An envelope lets them and their
first two derivatives vanish at the cutoff.

Shapes: E distances, T angles, R radial functions, L angular ones.

Source: Gasteiger et al. 2020, Directional Message Passing for Molecular Graphs, equations 6 to 8. Constants that only
rescale an input of a linear layer are left out, as in the authors' code.
"""

from __future__ import annotations

import functools
import itertools
import math

import numpy as np
import torch
from scipy import optimize, special
from torch import Tensor, nn

ENVELOPE_POWER = 6


def envelope(distance_E: Tensor) -> Tensor:
    """The polynomial envelope over the distance, for distances as a fraction of the cutoff; 0 beyond it."""
    p = ENVELOPE_POWER
    polynomial_E = (
        1.0
        - (p + 1) * (p + 2) / 2 * distance_E**p
        + p * (p + 2) * distance_E ** (p + 1)
        - p * (p + 1) / 2 * distance_E ** (p + 2)
    )
    return torch.where(distance_E < 1.0, polynomial_E / distance_E, torch.zeros_like(distance_E))


@functools.cache
def bessel_roots(num_angular: int, num_radial: int) -> np.ndarray:
    """The first positive roots of the spherical Bessel functions of each order, shape (L, R).

    The roots of one order lie between those of the order below.
    """
    between = np.arange(1, num_radial + num_angular) * math.pi
    rows = [between[:num_radial]]
    for order in range(1, num_angular):
        function = functools.partial(special.spherical_jn, order)
        between = np.array([optimize.brentq(function, low, high) for low, high in itertools.pairwise(between)])
        rows.append(between[:num_radial])
    return np.stack(rows)


def spherical_bessel(argument_ELR: Tensor) -> Tensor:
    """The function of order l of the arguments at l, by the recursion upwards from sin(x) / x.

    In fp32 its error stays below 1e-4 for arguments above a fifth of the first root of each order, where nearest
    neighbours are.
    """
    inverse_ELR = 1.0 / argument_ELR
    below_ELR = argument_ELR.sin() * inverse_ELR
    this_ELR = (below_ELR - argument_ELR.cos()) * inverse_ELR
    found = [below_ELR[:, 0], this_ELR[:, 1]] if argument_ELR.shape[1] > 1 else [below_ELR[:, 0]]
    for order in range(2, argument_ELR.shape[1]):
        below_ELR, this_ELR = this_ELR, (2 * order - 1) * inverse_ELR * this_ELR - below_ELR
        found.append(this_ELR[:, order])
    return torch.stack(found, dim=1)


def legendre(cosine_T: Tensor, num: int) -> Tensor:
    """The Legendre polynomials of the orders below `num`, each times sqrt((2 l + 1) / 4 pi), shape (T, L)."""
    found = [torch.ones_like(cosine_T), cosine_T]
    for order in range(2, num):
        found.append(((2 * order - 1) * cosine_T * found[-1] - (order - 1) * found[-2]) / order)
    scales = [math.sqrt((2 * order + 1) / (4 * math.pi)) for order in range(num)]
    return torch.stack([scale * polynomial for scale, polynomial in zip(scales, found[:num], strict=True)], dim=1)


class RadialBasis(nn.Module):
    """Sines of the distance over the distance, their frequencies trained from multiples of pi on.

    Args:
        num_radial: how many.
    """

    def __init__(self, num_radial: int) -> None:
        super().__init__()
        self.frequency_R = nn.Parameter(math.pi * torch.arange(1.0, num_radial + 1))

    def forward(self, distance_E: Tensor) -> Tensor:
        """Values at distances as a fraction of the cutoff, shape (E, R)."""
        return envelope(distance_E)[:, None] * (distance_E[:, None] * self.frequency_R).sin()


class SphericalBasis(nn.Module):
    """Spherical Bessel functions of the distance times Legendre polynomials of the angle.

    Args:
        num_angular: angular functions.
        num_radial: radial functions for each.
    """

    def __init__(self, num_angular: int, num_radial: int) -> None:
        super().__init__()
        self.num_angular = num_angular
        roots_LR = bessel_roots(num_angular, num_radial)
        orders_LR = np.arange(num_angular)[:, None] + np.zeros_like(roots_LR, dtype=int)
        scale_LR = math.sqrt(2.0) / np.abs(special.spherical_jn(orders_LR + 1, roots_LR))
        self.register_buffer("roots_LR", torch.tensor(roots_LR, dtype=torch.float32), persistent=False)
        self.register_buffer("scale_LR", torch.tensor(scale_LR, dtype=torch.float32), persistent=False)
        self.roots_LR: Tensor
        self.scale_LR: Tensor

    def forward(self, distance_E: Tensor, cosine_T: Tensor, edge_T: Tensor) -> Tensor:
        """Values for each angle and the distance of its edge, shape (T, L R)."""
        radial_ELR = spherical_bessel(distance_E[:, None, None] * self.roots_LR) * self.scale_LR
        radial_ELR = radial_ELR * envelope(distance_E)[:, None, None]
        angular_TL = legendre(cosine_T, self.num_angular)
        return (radial_ELR[edge_T] * angular_TL[:, :, None]).flatten(1)
