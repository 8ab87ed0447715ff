"""Indices follow their power law."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the data are made by torch")

from cupel.tasks.data.power_law import power_law_indices


def draw(num_values: int, exponent: float, seed: int = 0, num: int = 200_000) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return power_law_indices((num,), num_values=num_values, exponent=exponent, generator=generator)


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0, 1.05, 2.0])
def test_probabilities_are_those_of_the_intervals(exponent):
    num_values, num = 50, 200_000
    edges = torch.arange(1, num_values + 2, dtype=torch.float64)
    integral = edges.log() if exponent == 1.0 else edges ** (1 - exponent) / (1 - exponent)
    expected = integral.diff() / (integral[-1] - integral[0])
    found = draw(num_values, exponent).bincount(minlength=num_values) / num
    assert len(found) == num_values
    assert ((found - expected).abs() < 5 * (expected * (1 - expected) / num).sqrt()).all()


@pytest.mark.parametrize("num_values", [1, 2, 3, 40_000_000])
def test_indices_stay_in_range(num_values):
    found = draw(num_values, 1.05)
    assert 0 <= found.min() <= found.max() < num_values
    assert num_values > 3 or len(found.unique()) == num_values


def test_the_seed_decides_and_the_global_generator_is_left_alone():
    before = torch.get_rng_state()
    assert torch.equal(draw(1000, 1.0, seed=3), draw(1000, 1.0, seed=3))
    assert not torch.equal(draw(1000, 1.0, seed=3), draw(1000, 1.0, seed=4))
    assert torch.equal(torch.get_rng_state(), before)
