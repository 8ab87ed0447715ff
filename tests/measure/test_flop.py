"""Operations are counted as executed, forward and backward."""

from __future__ import annotations

import pytest

from cupel.measure.flop import flop_per_item
from cupel.spec.protocols import Done

torch = pytest.importorskip("torch", reason="counts what torch does")

B, T, D = 3, 7, 8


def trained(module, *inputs):
    def step() -> Done:
        out = module(*inputs)
        (out[0] if isinstance(out, tuple) else out).sum().backward()
        return Done(items=B)

    step()
    return step


def test_a_linear_layer_is_three_products():
    layer, x = torch.nn.Linear(D, 5), torch.randn(B, D, requires_grad=True)
    assert flop_per_item(trained(layer, x)) == 3 * 2 * D * 5
    assert flop_per_item(trained(layer, x.detach())) == 2 * 2 * D * 5


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_attention_is_two_products_forward_and_five_backward(dtype):
    qkv = [torch.randn(B, 2, T, D, dtype=dtype, requires_grad=True) for _ in range(3)]
    step = trained(torch.nn.functional.scaled_dot_product_attention, *qkv)
    assert flop_per_item(step) == 7 * 2 * 2 * T * T * D


def test_recurrent_layers_are_counted():
    layer = torch.nn.LSTM(D, 5, batch_first=True)
    step = trained(layer, torch.randn(B, T, D))
    forward = 2 * T * 4 * 5 * (D + 5)
    assert flop_per_item(step) == 3 * forward


def test_whole_numbers_and_products_into_given_memory_are_counted():
    a, b = torch.ones(16, 32, dtype=torch.int8), torch.ones(32, 8, dtype=torch.int8)
    assert flop_per_item(lambda: (torch._int_mm(a, b), Done(items=1))[1]) == 2 * 16 * 32 * 8
    out = torch.empty(4, 6)
    assert flop_per_item(lambda: (torch.mm(torch.ones(4, 5), torch.ones(5, 6), out=out), Done(items=1))[1]) == 240


def test_a_compiled_model_counts_what_it_replaces():
    layer = torch.compile(torch.nn.Linear(D, 5), backend="eager")
    assert flop_per_item(trained(layer, torch.randn(B, D))) == 2 * 2 * D * 5


def test_what_does_no_product_counts_nothing():
    x = torch.ones(5)
    assert flop_per_item(lambda: (x + 1, Done(items=1))[1]) is None
