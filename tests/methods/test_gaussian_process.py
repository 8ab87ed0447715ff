"""The process against its formulas written out, differences, and itself made in one go."""

import math

import numpy as np
import pytest

from cupel.methods.gaussian_process import BOUNDS, GaussianProcess, Matern, fitted_kernel, negative_log_likelihood
from cupel.spec.errors import UsageError

RNG = np.random.default_rng(0)
X, Y, AT = RNG.random((12, 3)), RNG.standard_normal(12), RNG.random((5, 3))
KERNEL = Matern(np.array([0.3, 0.7, 2.0]), 1.4, 0.05)


def naive(kernel: Matern, a: np.ndarray, b: np.ndarray) -> float:
    """Matern's kernel as the book prints it."""
    r = math.sqrt(sum(((x - z) / length) ** 2 for x, z, length in zip(a, b, kernel.lengths, strict=True)))
    return kernel.variance * (1 + math.sqrt(5) * r + 5 * r * r / 3) * math.exp(-math.sqrt(5) * r)


def test_the_kernel_is_as_printed() -> None:
    expected = [[naive(KERNEL, a, b) for b in AT] for a in X]
    np.testing.assert_allclose(KERNEL.between(X, AT), expected, rtol=1e-12)


def test_mean_and_spread_are_those_of_the_normal_law_given_the_values() -> None:
    inverse = np.linalg.inv(KERNEL.between(X, X) + KERNEL.noise * np.eye(12))
    across = KERNEL.between(X, AT)
    mean, sd = GaussianProcess(KERNEL, X).predict(Y, AT)
    np.testing.assert_allclose(mean, across.T @ inverse @ Y, rtol=1e-7)
    left = KERNEL.variance - np.einsum("nm,nk,km->m", across, inverse, across)
    np.testing.assert_allclose(sd**2, left, rtol=1e-7)


def test_a_process_grown_point_by_point_is_the_one_made_in_one_go() -> None:
    whole, grown = GaussianProcess(KERNEL, X), GaussianProcess(KERNEL, X[:4])
    for point in X[4:]:
        grown.add(point, grown.whiten(point[None])[:, 0])
    np.testing.assert_allclose(grown.factor, whole.factor, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(grown.predict(Y, AT), whole.predict(Y, AT), rtol=1e-7)


def test_the_likelihood_is_the_normal_density_and_its_gradient_that_of_differences() -> None:
    theta = np.log([*KERNEL.lengths, KERNEL.variance, KERNEL.noise])
    covariance = KERNEL.between(X, X) + KERNEL.noise * np.eye(12)
    expected = (Y @ np.linalg.solve(covariance, Y) + np.linalg.slogdet(2 * math.pi * covariance)[1]) / 2
    loss, gradient = negative_log_likelihood(X, Y, theta)
    assert loss == pytest.approx(expected, rel=1e-7)
    step = 1e-5
    differences = [
        (negative_log_likelihood(X, Y, theta + e)[0] - negative_log_likelihood(X, Y, theta - e)[0]) / (2 * step)
        for e in step * np.eye(5)
    ]
    np.testing.assert_allclose(gradient, differences, rtol=1e-6, atol=1e-7)


def test_the_fit_finds_along_which_dimension_values_change_and_stays_in_bounds() -> None:
    points = np.random.default_rng(1).random((60, 2))
    values = np.sin(6 * points[:, 0])
    kernel = fitted_kernel(points, (values - values.mean()) / values.std())
    assert kernel.lengths[0] < 1 < kernel.lengths[1]
    assert kernel.noise < 1e-3
    flat = fitted_kernel(points, np.zeros(60))
    assert flat.variance >= BOUNDS[1][0] * (1 - 1e-9)


def test_a_point_given_twice_does_no_harm() -> None:
    silent = Matern(np.ones(1), 1.0, 0.0)
    mean, sd = GaussianProcess(silent, np.array([[0.5], [0.5]])).predict(np.ones(2), np.array([[0.5]]))
    assert mean == pytest.approx([1.0], abs=1e-6)
    assert 0 < sd[0] < 1e-3


def test_points_that_are_none_are_refused() -> None:
    with pytest.raises(UsageError, match="expected \\(n, d\\) finite numbers"):
        GaussianProcess(KERNEL, np.array([[math.nan, 0.0, 0.0]]))
