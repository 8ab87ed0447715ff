"""Gaussian-process regression on the unit cube, grown a point at a time.

    k(x, x') = variance (1 + √5 r + 5/3 r^2) exp(-√5 r),  r^2 = sum over d of ((x_d - x'_d) / length_d)^2

is Matern's kernel of smoothness 5/2 with a length for each dimension (automatic relevance determination); a value is
that of the function plus noise. The function has mean 0: centre the values. Lengths, variance and noise are those of
the greatest posterior density (marginal likelihood times weak priors on their logarithms).

Notation of the source: X `points`, y values, K + sigma^2 I = L L^T with L `factor`; the mean at x* is k*^T L^-T L^-1 y,
the variance k** - |L^-1 k*|^2.

Source: Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), algorithm 2.1 and section 5.4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.optimize import minimize

from cupel.spec.errors import UsageError

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

LENGTH, LENGTH_SD = 0.5, 1.0
"""Median of the prior of a length, and standard deviation of its logarithm: ratios of e either way are usual."""
VARIANCE_SD = 1.0
NOISE, NOISE_SD = 0.03, 1.5
BOUNDS = ((0.02, 50.0), (0.05, 20.0), (1e-5, 1.0))
"""Least and greatest length, variance and noise."""
MOST_STEPS = 40
JITTER = 1e-10
"""Part of the variance that is the least left of a point, so that a point given twice does no harm."""


@dataclass(frozen=True, eq=False)
class Matern:
    """The kernel and the noise.

    Args:
        lengths: (d,) how far one goes along each dimension before values differ.
        variance: of the function.
        noise: variance of a value around it.
    """

    lengths: Floats
    variance: float
    noise: float

    def between(self, left: Floats, right: Floats) -> Floats:
        """(n, m) covariances of the function at (n, d) and (m, d) points."""
        r = _distances(left / self.lengths, right / self.lengths)
        return np.asarray(self.variance * (1 + r + r * r / 3) * np.exp(-r))


class GaussianProcess:
    """A process that has been told where its values are known.

    Args:
        kernel: of the function.
        points: (n, d).

    Raises:
        UsageError: points that are no matrix of finite numbers.

    Cost: n^3 / 3 products to make, n^2 for each point more, n^2 m to whiten m points.

    Example:
        >>> import numpy as np
        >>> process = GaussianProcess(Matern(np.ones(1), 1.0, 1e-6), np.array([[0.0], [1.0]]))
        >>> mean, sd = process.predict(np.array([1.0, -1.0]), np.array([[0.0], [0.5]]))
        >>> mean.round(2), sd.round(2)
        (array([1., 0.]), array([0.  , 0.31]))
    """

    def __init__(self, kernel: Matern, points: Floats) -> None:
        if points.ndim != 2 or not np.isfinite(points).all():
            raise UsageError(f"The points have shape {points.shape}; expected (n, d) finite numbers.")
        self.kernel = kernel
        self.points = points
        covariance = kernel.between(points, points)
        covariance.flat[:: len(points) + 1] += kernel.noise + JITTER * kernel.variance
        self.factor: Floats = np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)

    def whiten(self, points: Floats) -> Floats:
        """(n, m): L^-1 k for m points; the square sums of its columns are what is known of them."""
        found: Floats = solve_triangular(
            self.factor, self.kernel.between(self.points, points), lower=True, check_finite=False
        )
        return found

    def solve(self, values: Floats) -> Floats:
        """(n,): L^-1 y."""
        found: Floats = solve_triangular(self.factor, values, lower=True, check_finite=False)
        return found

    def predict(self, values: Floats, points: Floats) -> tuple[Floats, Floats]:
        """(m,) mean and standard deviation of the function at m points, given the (n,) values at its own."""
        white = self.whiten(points)
        left = self.kernel.variance - np.square(white).sum(axis=0)
        return white.T @ self.solve(values), np.sqrt(np.maximum(left, JITTER * self.kernel.variance))

    def add(self, point: Floats, white: Floats) -> float:
        """Take one more point, (d,); `white` is its column of `whiten`. Returns its diagonal element of L."""
        n = len(self.points)
        left = self.kernel.variance + self.kernel.noise - float(white @ white)
        diagonal = math.sqrt(max(left, self.kernel.noise + JITTER * self.kernel.variance))
        factor = np.zeros((n + 1, n + 1))
        factor[:n, :n], factor[n, :n], factor[n, n] = self.factor, white, diagonal
        self.factor, self.points = factor, np.vstack([self.points, point])
        return diagonal


def fitted_kernel(points: Floats, values: Floats, start: Matern | None = None) -> Matern:
    """The kernel of the greatest posterior density, given values of mean 0 and variance about 1.

    Args:
        points: (n, d), from 0 to 1.
        values: (n,).
        start: where to begin the ascent; the medians of the priors where None.

    Cost: about 40 times n^3, so that a few hundred points are enough.
    """
    d = points.shape[1]
    middle = _logs(Matern(np.full(d, LENGTH), 1.0, NOISE))
    spread = np.array([LENGTH_SD] * d + [VARIANCE_SD, NOISE_SD])

    def objective(theta: Floats) -> tuple[float, Floats]:
        loss, gradient = negative_log_likelihood(points, values, theta)
        away = (theta - middle) / spread
        return loss + float(away @ away) / 2, gradient + away / spread

    bounds = [tuple(np.log(BOUNDS[0]))] * d + [tuple(np.log(pair)) for pair in BOUNDS[1:]]
    first = middle if start is None else _logs(start)
    found = minimize(objective, first, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": MOST_STEPS})
    lengths, variance, noise = np.split(np.exp(found.x), [d, d + 1])
    return Matern(lengths, float(variance[0]), float(noise[0]))


def negative_log_likelihood(points: Floats, values: Floats, theta: Floats) -> tuple[float, Floats]:
    """Of values at points, and its gradient by the logs of lengths, variance and noise, in this order."""
    n, d = points.shape
    lengths, variance, noise = np.exp(theta[:d]), math.exp(theta[d]), math.exp(theta[d + 1])
    scaled = points / lengths
    r = _distances(scaled, scaled)
    fall = variance * np.exp(-r)
    smooth = fall * (1 + r + r * r / 3)
    covariance = smooth.copy()
    covariance.flat[:: n + 1] += noise + JITTER * variance
    factor = cho_factor(covariance, lower=True, check_finite=False)
    alpha = cho_solve(factor, values, check_finite=False)
    loss = (values @ alpha + n * math.log(2 * math.pi)) / 2 + np.log(np.diag(factor[0])).sum()
    slope = cho_solve(factor, np.eye(n), check_finite=False) - np.outer(alpha, alpha)
    bent = slope * fall * (1 + r) / 3  # of sqrt(5) r; the factor is the squared distance along one dimension, times 5
    rows = bent.sum(axis=1)
    squares = 2 * (rows @ scaled**2 - np.einsum("id,ij,jd->d", scaled, bent, scaled, optimize=True))
    trace = float(np.trace(slope))
    by_variance = float((slope * smooth).sum()) + JITTER * variance * trace
    return float(loss), np.array([*(5 * squares / 2), by_variance / 2, noise * trace / 2])


def _distances(left: Floats, right: Floats) -> Floats:
    """√5 times the distances of rows."""
    squares = np.square(left).sum(axis=1)[:, None] + np.square(right).sum(axis=1) - 2 * left @ right.T
    return np.asarray(np.sqrt(5 * np.maximum(squares, 0.0)), dtype=np.float64)


def _logs(kernel: Matern) -> Floats:
    return np.asarray(np.log([*kernel.lengths, kernel.variance, kernel.noise]), dtype=np.float64)
