"""Degrees of freedom of a contrast of fixed effects, by Satterthwaite's approximation.

Formula
    For a contrast c with variance v(phi) = c' Cov(beta) c at the variance
    parameters phi = (theta, sigma):
        df = 2 v^2 / (grad v' A grad v),   A = 2 H^-1,
    with H the Hessian of the deviance (or REML criterion) in phi. The
    gradients are exact; H is their central difference. Directions in which
    H is not positive are left out, as lmerTest does.

Source: Satterthwaite (1946), Biometrics Bulletin 2, 110-114; Kuznetsova,
Brockhoff & Christensen (2017), Journal of Statistical Software 82(13).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cupel.stats.checked import Floats
from cupel.stats.mixed.random_terms import pack
from cupel.stats.one_thread import one_thread

if TYPE_CHECKING:
    from cupel.stats.mixed.model import MixedModel

STEP = 1e-4
FLAT = 1e-8
"""Eigenvalues of the Hessian below this are directions without information."""


@one_thread()
def satterthwaite(model: MixedModel, contrasts: Floats) -> Floats:
    """Degrees of freedom.

    Args:
        model: a fit.
        contrasts: (c, p) weights of the fixed effects, in the order of `model.coefficients`.

    Returns:
        (c,) degrees of freedom; infinite where the variance does not depend on what was estimated, NaN for a contrast
        of zeros.
    """
    here = model.evaluation
    weights = np.atleast_2d(contrasts) @ np.linalg.inv(model.data.r)
    weights = weights / np.maximum(np.abs(weights).max(axis=1, keepdims=True, initial=0.0), 1e-300)
    through = weights @ here.covariance_fixed
    relative = np.einsum("cp,cp->c", through, weights)
    sigma = np.sqrt(here.variance)
    gradients = []
    for factor, sides in zip(here.factors, here.fixed_sides, strict=True):
        s = np.einsum("lkp,cp->clk", sides, through, optimize=True)
        squares = np.einsum("clj,clk->cjk", s, s, optimize=True)
        gradients.append(2 * squares @ factor)
    by_theta = [pack([g[c] for g in gradients]) for c in range(len(relative))]
    jacobian = np.column_stack([here.variance * np.array(by_theta), 2 * sigma * relative])
    spread = jacobian @ parameter_covariance(model) @ jacobian.T
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(2 * (here.variance * relative) ** 2 / np.diag(spread))


def parameter_covariance(model: MixedModel) -> Floats:
    """(t + 1, t + 1) covariance of the estimates of theta and sigma, in the units of the fit."""
    hessian = _hessian(model)
    values, vectors = np.linalg.eigh(hessian)
    used = values > FLAT
    return np.asarray(2 * (vectors[:, used] / values[used]) @ vectors[:, used].T)


def _hessian(model: MixedModel) -> Floats:
    """Hessian of the deviance in theta and sigma, at the optimum."""
    here, theta = model.evaluation, model.optimum.theta
    variance = here.variance
    size = theta.size
    hessian = np.empty((size + 1, size + 1))

    def gradient(point: Floats) -> Floats:
        there = model.profile.at(point)
        slopes = there.covariance_slopes(variance)
        return pack([2 * q @ factor for q, factor in zip(slopes, there.factors, strict=True)])

    for j in range(size):
        step = np.zeros(size)
        step[j] = STEP * max(1.0, abs(theta[j]))
        hessian[:size, j] = (gradient(theta + step) - gradient(theta - step)) / (2 * step[j])
    hessian[:size, :size] = (hessian[:size, :size] + hessian[:size, :size].T) / 2
    squares = [g.T @ g @ factor for g, factor in zip(here.residual_sides, here.factors, strict=True)]
    mixed = 4 * pack(squares) / variance**1.5
    hessian[:size, size], hessian[size, :size] = mixed, mixed
    hessian[size, size] = 4 * model.profile.num_free / variance
    return hessian
