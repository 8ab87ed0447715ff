"""The spectral convolution agrees with sums over modes, and pressures with a direct solver."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the model is written in torch")

from scipy import sparse
from scipy.sparse.linalg import spsolve

from cupel.tasks.data.darcy_flow import HIGH, LOW, permeabilities, pressures
from cupel.tasks.models.fno import FourierNeuralOperator, SpectralConvolution


def naive_convolution(layer: SpectralConvolution, x):
    """Mode by mode, with the waves written out."""
    num, width, height_px, width_px = x.shape
    weight = torch.view_as_complex(layer.weight.detach()).to(torch.complex128)
    down, across = torch.meshgrid(torch.arange(height_px), torch.arange(width_px), indexing="ij")
    out = torch.zeros(num, width, height_px, width_px, dtype=torch.float64)
    for sign in range(2):
        for m in range(layer.modes):
            for n in range(layer.modes):
                k = m if sign == 0 else m - layer.modes
                wave = torch.exp(2j * math.pi * (k * down / height_px + n * across / width_px).to(torch.complex128))
                amplitude = (x.to(torch.complex128) * wave.conj()).sum((2, 3))
                mixed = amplitude @ weight[sign, :, :, m, n]
                # the mirrored mode, which a real field has as well, doubles all but the modes along the height
                out += (1 if n == 0 else 2) * (mixed[:, :, None, None] * wave).real / (height_px * width_px)
    return out


def test_the_convolution_is_a_sum_over_modes():
    torch.manual_seed(0)
    layer = SpectralConvolution(width=3, modes=2)
    layer.weight.data.normal_()
    x = torch.randn(2, 3, 7, 8)
    torch.testing.assert_close(layer(x).double(), naive_convolution(layer, x), rtol=1e-4, atol=1e-4)


def test_a_convolution_moves_with_what_it_sees():
    torch.manual_seed(0)
    layer, x = SpectralConvolution(width=3, modes=3), torch.randn(2, 3, 9, 8)
    torch.testing.assert_close(layer(x.roll((2, 3), (2, 3))), layer(x).roll((2, 3), (2, 3)), rtol=1e-4, atol=1e-6)


def test_the_operator_takes_any_grid_that_holds_its_modes():
    model = FourierNeuralOperator(width=4, modes=3, layers=2, padding_px=2)
    assert model(torch.randn(2, 9, 9)).shape == (2, 9, 9)
    assert model(torch.randn(1, 16, 12)).shape == (1, 16, 12)


def test_pressures_are_those_of_a_direct_solver():
    a = permeabilities(2, 12, torch.Generator().manual_seed(0))
    found = pressures(a).numpy()
    for sample in range(2):
        rows, columns, values = [], [], []
        inner = [(i, j) for i in range(1, 11) for j in range(1, 11)]
        place = {node: idx for idx, node in enumerate(inner)}
        for (i, j), idx in place.items():
            for other in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
                between = float(a[sample, i, j] + a[sample, *other]) / 2 * 11**2
                rows += [idx]
                columns += [idx]
                values += [between]
                if other in place:
                    rows += [idx]
                    columns += [place[other]]
                    values += [-between]
        matrix = sparse.csr_matrix((values, (rows, columns)))
        expected = spsolve(matrix, np.ones(len(inner))).reshape(10, 10)
        np.testing.assert_allclose(found[sample, 1:-1, 1:-1], expected, rtol=1e-8)


def test_an_even_square_has_the_pressure_of_the_series():
    middle = pressures(torch.ones(1, 65, 65, dtype=torch.float64))[0, 32, 32]
    assert float(middle) == pytest.approx(0.0736713, rel=1e-3)  # Poisson's equation on the unit square


def test_permeabilities_are_of_two_kinds_in_patches():
    a = permeabilities(20, 33, torch.Generator().manual_seed(0))
    assert set(a.unique().tolist()) == {LOW, HIGH}
    assert float((a == HIGH).double().mean()) == pytest.approx(0.5, abs=0.05)
    assert float((a[:, 1:] == a[:, :-1]).double().mean()) > 0.9
