"""The factors' inverse on its ways to be computed, and what an update costs."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="these methods need torch")

from torch.utils.flop_counter import FlopCounterMode

from cupel.methods.sparse_targets import SparseTargetsLayer


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def update(layer, h, index, *, rate):
    layer(h, index).mean().backward()
    layer.step(rate)


@pytest.mark.parametrize("num", [3, 20])
def test_batches_narrower_and_wider_than_the_layer_invert_alike(num):
    layer = SparseTargetsLayer(5, 30, initial=normal(30, 5))
    for number in range(300):  # beyond the update at which the inverse is computed anew
        update(layer, normal(num, 5, seed=number), torch.full((num,), number % 30), rate=0.5)
    torch.testing.assert_close(layer.factors.inverse, layer.factors.inner.inverse(), rtol=1e-9, atol=1e-9)


def macs(num_outputs, width=32, num=16):
    """Multiplications of matrix products in one update."""
    layer = SparseTargetsLayer(width, num_outputs, initial=torch.Generator().manual_seed(0))
    with FlopCounterMode(display=False) as counter:
        update(layer, normal(num, width).float(), torch.arange(num), rate=0.1)
    return counter.get_total_flops() / 2


def test_the_cost_of_an_update_does_not_depend_on_the_number_of_outputs():
    assert macs(100) == macs(5000) <= 16 * (8 * 32**2 + 5 * 16 * 32)
