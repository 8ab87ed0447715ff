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
    eight, one = torch.ones(16, 32).to(torch.float8_e4m3fn), torch.ones(())
    kinds = {"scale_a": one, "scale_b": one, "out_dtype": torch.bfloat16}
    assert flop_per_item(lambda: (torch._scaled_mm(eight, eight.t(), **kinds), Done(items=1))[1]) == 2 * 16 * 32 * 16
    out = torch.empty(4, 6)
    assert flop_per_item(lambda: (torch.mm(torch.ones(4, 5), torch.ones(5, 6), out=out), Done(items=1))[1]) == 240


def test_a_compiled_model_counts_what_it_replaces():
    layer = torch.compile(torch.nn.Linear(D, 5), backend="eager")
    assert flop_per_item(trained(layer, torch.randn(B, D))) == 2 * 2 * D * 5


def test_what_does_no_product_counts_nothing():
    x = torch.ones(5)
    assert flop_per_item(lambda: (x + 1, Done(items=1))[1]) is None


def test_a_product_of_complex_numbers_is_four_real_ones():
    a, b = (torch.randn(B, T, D, dtype=torch.complex64, requires_grad=True) for _ in range(2))
    step = trained(lambda x, y: torch.einsum("btd,bsd->bts", x, y).abs(), a, b)
    assert flop_per_item(step) == 3 * 8 * T * T * D


@pytest.mark.parametrize("groups", [1, 2, 8])
def test_channels_meet_those_of_their_group_only(groups):
    layer = torch.nn.Conv1d(8, 8, 3, groups=groups)
    x = torch.randn(B, 8, T, requires_grad=True)
    forward = 2 * 8 * (8 // groups) * 3 * (T - 2)
    assert flop_per_item(trained(layer, x)) == 3 * forward
    assert flop_per_item(trained(layer, x.detach())) == 2 * forward


def test_a_convolution_turned_round_is_counted_by_its_input():
    layer = torch.nn.ConvTranspose2d(4, 8, 3, stride=2, groups=2)
    x = torch.randn(B, 4, 5, 5, requires_grad=True)
    assert flop_per_item(trained(layer, x)) == 3 * 2 * 4 * 4 * 9 * 25


def test_products_of_groups_are_counted_whichever_side_is_cut():
    num, rows, depth, columns = 3, 24, 16, 8
    a, stack = torch.randn(rows, depth).bfloat16(), torch.randn(num, depth, columns).bfloat16()
    ends = torch.tensor([8, 8, 24], dtype=torch.int32)
    grad = torch.randn(rows, columns).bfloat16()
    whole = 2 * rows * depth * columns
    for left, right, shape in (
        (a, stack, (rows, columns)),
        (stack.mT, a.mT, (columns, rows)),
        (a.mT, grad, (num, depth, columns)),
    ):
        assert torch._grouped_mm(left, right, offs=ends).shape == shape
        assert flop_per_item(done_by(torch._grouped_mm, left, right, offs=ends)) == whole
    assert flop_per_item(done_by(torch._grouped_mm, stack.mT, stack)) == 2 * num * columns * depth * columns


def done_by(function, *args, **kwargs):
    return lambda: (function(*args, **kwargs), Done(items=1))[1]


def test_a_matrix_times_a_vector_is_counted():
    assert flop_per_item(done_by(torch.mv, torch.ones(16, 32), torch.ones(32))) == 2 * 16 * 32


def test_gradients_of_gradients_are_counted():
    """As a gradient penalty has them; torch's own counter raises here."""
    layer, x = torch.nn.Linear(D, 1, bias=False), torch.randn(B, D, requires_grad=True)

    def step() -> Done:
        (grad,) = torch.autograd.grad(layer(x).square().sum(), x, create_graph=True)
        grad.square().sum().backward()
        return Done(items=B)

    one = 2 * D  # forward; gradient; its own gradients by both factors; forward's by both factors
    assert flop_per_item(step) == (1 + 1 + 2 + 2) * one


def test_products_within_a_function_with_a_gradient_of_its_own_are_counted():
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, weight):
            ctx.save_for_backward(x, weight)
            return x @ weight

        @staticmethod
        def backward(ctx, grad):
            x, weight = ctx.saved_tensors
            assert (x @ weight).shape == grad.shape  # worked out once more, as layers do that keep nothing
            return grad @ weight.T, x.T @ grad

    x, weight = torch.randn(B, D, requires_grad=True), torch.randn(D, 5, requires_grad=True)
    assert flop_per_item(trained(Twice.apply, x, weight)) == 4 * 2 * D * 5
