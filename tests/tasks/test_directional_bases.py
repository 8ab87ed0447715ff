"""The bases agree with scipy's functions, are orthogonal as the paper says, and vanish at the cutoff."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special

torch = pytest.importorskip("torch", reason="the bases are written in torch")

from cupel.tasks.models.directional_bases import (
    RadialBasis,
    SphericalBasis,
    bessel_roots,
    envelope,
    legendre,
    spherical_bessel,
)


def test_roots_are_the_first_ones():
    roots = bessel_roots(7, 6)
    assert roots.shape == (7, 6)
    np.testing.assert_allclose(roots[0], math.pi * np.arange(1, 7))
    np.testing.assert_allclose(roots[1, :2], [4.493409458, 7.725251837])  # where tan x = x
    for order, row in enumerate(roots):
        np.testing.assert_allclose(special.spherical_jn(order, row), 0.0, atol=1e-12)
        grid = special.spherical_jn(order, np.linspace(0.5, row[-1] + 0.5, 4000))
        assert (np.diff(np.sign(grid[np.abs(grid) > 1e-9])) != 0).sum() == 6


def test_bessel_functions_agree_with_scipy_where_neighbours_are():
    argument = torch.linspace(0.18, 1.0, 200)[:, None, None] * torch.tensor(bessel_roots(7, 6), dtype=torch.float32)
    found = spherical_bessel(argument).numpy()
    for order in range(7):
        expected = special.spherical_jn(order, argument[:, order].double().numpy())
        np.testing.assert_allclose(found[:, order], expected, atol=1e-4)


def test_legendre_polynomials_agree_with_scipy():
    cosine = torch.linspace(-1, 1, 50, dtype=torch.float64)
    for order, found in enumerate(legendre(cosine, 7).T):
        expected = special.eval_legendre(order, cosine.numpy()) * math.sqrt((2 * order + 1) / (4 * math.pi))
        np.testing.assert_allclose(found.numpy(), expected, atol=1e-12)


def test_the_envelope_is_smooth_at_the_cutoff():
    at = torch.tensor([1.0 - 1e-4, 1.0, 1.5], dtype=torch.float64, requires_grad=True)
    value = envelope(at)
    (slope,) = torch.autograd.grad(value.sum(), at)
    assert value[0].abs() < 1e-9
    assert value[1:].tolist() == [0.0, 0.0]
    assert slope[0].abs() < 1e-5
    assert float(envelope(torch.tensor([0.01]))) == pytest.approx(100.0, rel=1e-6)


def test_radial_functions_are_the_sines():
    distance = torch.tensor([0.2, 0.7])
    found = RadialBasis(3)(distance)
    for row, x in enumerate([0.2, 0.7]):
        for column in range(3):
            u = 1 - 28 * x**6 + 48 * x**7 - 21 * x**8
            assert float(found[row, column].detach()) == pytest.approx(
                u / x * math.sin((column + 1) * math.pi * x), rel=1e-5
            )


def test_spherical_functions_are_normalised_over_the_sphere():
    # without the envelope: the integral of the square over distance (times x squared) and angle (times 2 pi) is 1
    basis = SphericalBasis(7, 6)
    x = torch.linspace(0.002, 1.0, 4000, dtype=torch.float64)
    for order in range(7):
        for n in range(6):
            radial = special.spherical_jn(order, x.numpy() * float(basis.roots_LR[order, n])) * float(
                basis.scale_LR[order, n]
            )
            assert float(np.trapezoid(radial**2 * x.numpy() ** 2, x.numpy())) == pytest.approx(1.0, rel=2e-3)
    cosine = torch.linspace(-1, 1, 4001, dtype=torch.float64)
    squares = torch.trapezoid(legendre(cosine, 7).square(), cosine, dim=0) * 2 * math.pi
    torch.testing.assert_close(squares, torch.ones(7, dtype=torch.float64), atol=1e-4, rtol=0)


def test_a_row_is_the_product_of_its_edge_and_its_angle():
    basis = SphericalBasis(3, 2)
    distance, cosine, edge = torch.tensor([0.3, 0.6]), torch.tensor([0.5, -0.2, 0.9]), torch.tensor([1, 0, 1])
    found = basis(distance, cosine, edge).view(3, 3, 2)
    for t in range(3):
        for order in range(3):
            for n in range(2):
                x = float(distance[edge[t]])
                radial = special.spherical_jn(order, x * float(basis.roots_LR[order, n])) * float(
                    basis.scale_LR[order, n]
                )
                angular = special.eval_legendre(order, float(cosine[t])) * math.sqrt((2 * order + 1) / (4 * math.pi))
                expected = radial * angular * float(envelope(torch.tensor([x])))
                assert float(found[t, order, n]) == pytest.approx(expected, abs=1e-5)
