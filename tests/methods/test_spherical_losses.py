"""Closed derivatives against autograd, and the distributions that the softmaxes are."""

from __future__ import annotations

import dataclasses
import math

import pytest

torch = pytest.importorskip("torch", reason="these methods need torch")

from cupel.methods.spherical_losses import (
    SphericalOutputs,
    SphericalSoftmax,
    SquaredError,
    TaylorSoftmax,
    ZLoss,
    loss_and_slopes,
)


def seen_of(outputs, index, values=None):
    """What a loss sees of outputs (M, D) with targets at index (M, K)."""
    return SphericalOutputs(
        at_targets=outputs.gather(1, index),
        squared_norm=outputs.square().sum(1),
        total=outputs.sum(1),
        targets=torch.ones_like(index, dtype=outputs.dtype) if values is None else values,
        num_outputs=outputs.shape[1],
    )


def outputs(num=4, num_outputs=11):
    return torch.randn(num, num_outputs, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("loss", [SquaredError(), SphericalSoftmax(0.3)], ids=repr)
def test_closed_derivatives_are_those_of_autograd(loss):
    index = torch.tensor([[0, 3], [1, 1], [2, 9], [10, 4]])
    seen = seen_of(outputs(), index, torch.linspace(-1.0, 2.0, 8, dtype=torch.float64).view(4, 2))
    losses, closed = loss_and_slopes(loss, seen)
    again, by_torch = loss_and_slopes(loss.__call__, seen)  # a function has no slopes of its own
    torch.testing.assert_close(losses, again)
    for name in ("at_targets", "outward"):
        torch.testing.assert_close(getattr(closed, name), getattr(by_torch, name))
    assert closed.level is None
    assert not bool(by_torch.level.any())


@pytest.mark.parametrize("loss", [SphericalSoftmax(0.3), TaylorSoftmax()], ids=repr)
def test_the_softmaxes_are_distributions(loss):
    o = outputs(1)
    every = torch.arange(11)[:, None]
    losses = loss(seen_of(o.expand(11, 11), every))
    assert float((-losses).exp().sum()) == pytest.approx(1.0, rel=1e-12)


def test_the_z_loss_knows_neither_scale_nor_level():
    index = torch.tensor([[0], [1], [2], [3]])
    plain, moved = (ZLoss()(seen_of(o, index)) for o in (outputs(), 3.0 * outputs() + 5.0))
    torch.testing.assert_close(plain, moved, rtol=1e-9, atol=0.0)
    z = (outputs()[0, 0] - outputs()[0].mean()) / outputs()[0].std(unbiased=False)
    assert float(plain[0]) == pytest.approx(math.log1p(math.exp(0.1 * (10.0 - float(z)))) / 0.1, rel=1e-9)


def test_a_loss_that_sees_nothing_has_no_slope():
    seen = seen_of(outputs(), torch.zeros(4, 1, dtype=torch.int64))
    losses, slopes = loss_and_slopes(lambda same: torch.ones_like(same.total), seen)
    assert losses.tolist() == [1.0] * 4
    assert not any(bool(getattr(slopes, f.name).any()) for f in dataclasses.fields(slopes))


def test_targets_of_zero_count_for_nothing():
    index = torch.tensor([[0, 5], [1, 6], [2, 7], [3, 8]])
    half = torch.tensor([[1.0, 0.0]], dtype=torch.float64).expand(4, 2)
    for loss in (SquaredError(), SphericalSoftmax(), TaylorSoftmax(), ZLoss()):
        torch.testing.assert_close(loss(seen_of(outputs(), index, half)), loss(seen_of(outputs(), index[:, :1])))
