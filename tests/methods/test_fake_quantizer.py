"""Rounding to a grid: which grid, which range, which gradient."""

from __future__ import annotations

import io

import pytest

torch = pytest.importorskip("torch", reason="these methods need torch")

from cupel.methods.fake_quantizer import FakeQuantizer, observing
from cupel.spec.errors import UsageError


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_values_lie_on_the_grid_and_are_the_nearest_points_of_it(bits):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(500, generator=generator, dtype=torch.float64)
    quantizer = FakeQuantizer(bits=bits)
    found = quantizer(x)
    step = float(quantizer.maximum) / (2 ** (bits - 1) - 1)
    codes = found / step
    torch.testing.assert_close(codes, codes.round(), rtol=0, atol=1e-5)
    assert len(set(codes.round().tolist())) <= 2**bits - 1
    assert float((found - x).abs().max()) <= step / 2 * (1 + 1e-6)
    assert float(x.abs().max()) == pytest.approx(float(quantizer.maximum))


def test_ranges_are_averaged_in_training_and_stand_still_in_evaluation():
    quantizer = FakeQuantizer(bits=8, momentum=0.25)
    quantizer(torch.tensor([1.0, -2.0]))
    assert float(quantizer.maximum) == 2.0
    quantizer(torch.tensor([6.0]))
    assert float(quantizer.maximum) == 3.0
    quantizer.eval()
    assert quantizer(torch.tensor([100.0, -100.0])).tolist() == [3.0, -3.0]
    with observing(quantizer):
        quantizer(torch.tensor([7.0]))
    assert float(quantizer.maximum) == 4.0
    assert not quantizer.is_observing


def test_each_position_has_its_own_range():
    quantizer = FakeQuantizer(bits=2, positions=2)
    found = quantizer(torch.tensor([[[1.0, 0.4]], [[100.0, 60.0]]]))
    assert found.tolist() == [[[1.0, 0.0]], [[100.0, 100.0]]]


def test_gradients_pass_straight_through():
    x = torch.tensor([0.3, -0.8, 5.0], requires_grad=True)
    quantizer = FakeQuantizer(bits=4)
    quantizer(torch.ones(1))
    quantizer.eval()
    (quantizer(x) * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert x.grad.tolist() == [1.0, 2.0, 3.0]


def test_no_bits_is_no_rounding_and_zeros_stay_zeros():
    x = torch.tensor([0.1, 0.2])
    assert FakeQuantizer(bits=None)(x) is x
    assert FakeQuantizer(bits=8)(torch.zeros(3)).tolist() == [0.0] * 3


def test_a_saved_range_comes_back():
    quantizer, other = FakeQuantizer(bits=8), FakeQuantizer(bits=8)
    quantizer(torch.tensor([2.5]))
    file = io.BytesIO()
    torch.save(quantizer.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert other.eval()(torch.tensor([9.0])).tolist() == [2.5]


def test_an_unseen_range_and_impossible_bits_are_refused_in_words():
    with pytest.raises(UsageError, match="before it has seen any data"):
        FakeQuantizer(bits=8).eval()(torch.ones(1))
    with pytest.raises(UsageError, match="bits=1 was asked"):
        FakeQuantizer(bits=1)
    with pytest.raises(UsageError, match="momentum=0"):
        FakeQuantizer(bits=8, momentum=0.0)
