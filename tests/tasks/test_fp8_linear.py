"""Eight-bit layers round as the paper's formats say, err by no more than that, and let every gradient through.

A processor does these products by converting to fp32: what is rounded is the same, how fast it is says nothing.
"""

from __future__ import annotations

import copy
import math

import pytest

torch = pytest.importorskip("torch", reason="the layers are torch's")

from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from cupel.measure.flop import flop_per_item
from cupel.spec import Done
from cupel.tasks.fp8_linear import E4M3, E5M2, Fp8Linear, rounded, scale_for, use_fp8

FORMATS = {E4M3: (4, 3, 448.0), E5M2: (5, 2, 57344.0)}
"""Bits of the exponent, bits behind the point, and the largest number: table 1 of Micikevicius et al. 2022."""
HALF_STEP = {E4M3: 2.0**-4, E5M2: 2.0**-3}
"""Largest error of rounding, relative, of a normal number."""
LEAST_HALF_STEP = {E4M3: 2.0**-10, E5M2: 2.0**-17}
"""Largest error of rounding of a number too small to be normal."""


def numbers_of(dtype):
    """Every finite number of a format that is not negative, in order, built from its fields."""
    exponent_bits, point_bits, largest = FORMATS[dtype]
    bias, steps = 2 ** (exponent_bits - 1) - 1, 2**point_bits
    found = []
    for exponent in range(2**exponent_bits):
        for point in range(steps):
            lead, power = (1, exponent - bias) if exponent else (0, 1 - bias)
            found.append((lead + point / steps) * 2.0**power)
    return torch.tensor([number for number in found if number <= largest], dtype=torch.float64)


def nearest(x, dtype):
    """Each element as the nearest number of the format; of two as near, the one whose last bit is zero."""
    numbers = numbers_of(dtype)
    distance = (x.abs().double()[..., None] - numbers).abs()
    distance[..., 1::2] *= 1 + 1e-12  # the odd ones lose where both are as near
    return numbers[distance.argmin(-1)] * x.sign()


def bound_of(left, right, *, dtypes):
    """Largest error of a product of two matrices that are rounded to eight bits and summed, then rounded to bf16."""
    errors = []
    for x, dtype in zip((left, right), dtypes, strict=True):
        least = LEAST_HALF_STEP[dtype] / float(scale_for(x, dtype))
        errors.append((HALF_STEP[dtype] * x.abs().double()).clamp(min=least))
    left, right = left.abs().double(), right.abs().double()
    of_operands = errors[0] @ right + left @ errors[1] + errors[0] @ errors[1]
    return of_operands + (2.0**-8 + 1e-5) * (left @ right + of_operands)


def wild(*shape, seed):
    """Numbers of either sign over five orders of magnitude."""
    generator = torch.Generator().manual_seed(seed)
    spread = torch.randn(*shape, generator=generator).mul(2).exp()
    return torch.randn(*shape, generator=generator) * spread


def layer_of(num_in=64, num_out=48, *, bias=True, dtype=torch.float32):
    torch.manual_seed(0)
    return nn.Linear(num_in, num_out, bias=bias, dtype=dtype)


class Products(TorchDispatchMode):
    """Notes the operands of each eight-bit product."""

    def __init__(self):
        super().__init__()
        self.operands = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.overloadpacket is torch.ops.aten._scaled_mm:
            self.operands.append(args[:2])
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("dtype", FORMATS)
def test_rounding_is_to_the_nearest_number_of_the_format(dtype):
    numbers = numbers_of(dtype).float()
    halfway = (numbers[1:] + numbers[:-1]) / 2
    x = torch.cat([wild(500, seed=0), numbers, -halfway])
    scale = scale_for(x, dtype)
    assert torch.equal(rounded(x, scale, dtype).double(), nearest(x * scale, dtype))


def test_the_formats_end_where_the_paper_says():
    for dtype, (_, _, largest) in FORMATS.items():
        assert torch.finfo(dtype).max == largest == float(numbers_of(dtype)[-1])


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("largest", [1e-44, 1e-20, 0.3, 1.0, 448.0, 448.0001, 5e4, 3.4e38])
def test_the_scale_is_the_largest_power_of_two_that_fits(dtype, largest):
    scale = float(scale_for(torch.tensor([[0.0, -largest]]), dtype))
    assert math.frexp(scale)[0] == 0.5
    end = FORMATS[dtype][2]
    assert scale * largest <= end
    assert scale * max(largest, 2.0**-100) * 2 > end


@pytest.mark.parametrize("x_dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("num_tokens", "bias"), [(48, True), (37, True), (37, False)])
def test_output_and_gradients_err_by_no_more_than_rounding(x_dtype, num_tokens, bias):
    plain = layer_of(bias=bias)
    x = wild(num_tokens, 64, seed=1).to(x_dtype).requires_grad_()
    g = wild(num_tokens, 48, seed=2).bfloat16()
    y = Fp8Linear(plain)(x)
    y.backward(g)
    weight = plain.weight.detach()
    exact = {
        "y": (x.detach(), weight.t(), y.detach(), (E4M3, E4M3)),
        "dx": (g, weight, x.grad, (E5M2, E4M3)),
        "dw": (g.t(), x.detach(), plain.weight.grad, (E5M2, E4M3)),
    }
    for name, (left, right, found, dtypes) in exact.items():
        product = left.double() @ right.double()
        if name == "y" and bias:
            product += plain.bias.detach().double()
        error = (found.double() - product).abs()
        assert bool((error <= bound_of(left, right, dtypes=dtypes)).all()), name
        assert float(error.norm() / product.norm()) > 0.01, f"{name} is better than eight bits can be"
    if bias:
        assert torch.allclose(plain.bias.grad, g.float().sum(0))
    assert (y.dtype, x.grad.dtype, plain.weight.grad.dtype) == (torch.bfloat16, x_dtype, torch.float32)


def test_the_result_is_the_exact_product_of_the_rounded_operands():
    plain = layer_of(bias=False)
    x, g = wild(32, 64, seed=3).requires_grad_(), wild(32, 48, seed=4).bfloat16()
    y = Fp8Linear(plain)(x)
    y.backward(g)

    def near(tensor, dtype):
        scale = scale_for(tensor, dtype)
        return nearest(tensor.detach() * scale, dtype) / scale

    x8, weight8, g8 = near(x, E4M3), near(plain.weight, E4M3), near(g, E5M2)
    for found, product in ((y, x8 @ weight8.t()), (x.grad, g8 @ weight8), (plain.weight.grad, g8.t() @ x8)):
        torch.testing.assert_close(found.double(), product, rtol=2.0**-8, atol=1e-5 * float(product.abs().max()))


@pytest.mark.parametrize("which", ["x", "weight", "gradient"])
def test_tensors_of_zeros_give_zeros(which):
    plain = layer_of(bias=False)
    x, g = wild(32, 64, seed=5), wild(32, 48, seed=6)
    with torch.no_grad():
        {"x": x, "weight": plain.weight, "gradient": g}[which].zero_()
    x.requires_grad_()
    y = Fp8Linear(plain)(x)
    y.backward(g.bfloat16())
    results = {"y": y, "dx": x.grad, "dw": plain.weight.grad}
    zero = {"x": {"y", "dw"}, "weight": {"y", "dx"}, "gradient": {"dx", "dw"}}[which]
    for name, result in results.items():
        assert bool(result.isfinite().all())
        assert bool(result.any()) is (name not in zero)


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_numbers_at_the_ends_of_bf16_neither_overflow_nor_vanish(size):
    """Products are of moderate size: the layer's weight makes up for what is large or small."""
    plain = layer_of(bias=False)
    x, g = wild(32, 64, seed=7) * size, wild(32, 48, seed=8).bfloat16()
    with torch.no_grad():
        plain.weight.div_(size)
    weight = plain.weight.detach()
    y = Fp8Linear(plain)(x.requires_grad_())
    y.backward(g)
    for found, product in ((y.detach(), x.detach() @ weight.t()), (x.grad, g.float() @ weight)):
        assert bool(found.isfinite().all())
        assert float((found.double() - product.double()).norm() / product.double().norm()) < 0.1


@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("where", ["x", "gradient"])
def test_what_is_not_finite_is_not_hidden(bad, where):
    plain = layer_of()
    x, g = wild(32, 64, seed=9), wild(32, 48, seed=10).bfloat16()
    {"x": x, "gradient": g}[where][3, 5] = bad
    x.requires_grad_()
    y = Fp8Linear(plain)(x)
    y.backward(g)
    assert not bool(plain.weight.grad.isfinite().all())
    assert not bool((y if where == "x" else x.grad).isfinite().all())


def test_products_lie_in_memory_as_the_units_of_a_gpu_ask_for():
    """Rows of the left and columns of the right in one piece, sides of 16s, and never two gradients' formats."""
    x = wild(3, 7, 64, seed=11).requires_grad_()
    with Products() as seen:
        y = Fp8Linear(layer_of())(x)
        y.sum().backward()  # a gradient that is one number, repeated without memory of its own
        y = Fp8Linear(layer_of())(x.transpose(0, 1))
        y.backward(torch.ones(48, 7, 3, dtype=torch.bfloat16).permute(1, 2, 0))
    assert len(seen.operands) == 6
    for left, right in seen.operands:
        assert left.stride() == (left.shape[1], 1)
        assert right.stride() == (1, right.shape[0])
        assert [side % 16 for side in (left.shape[1], *right.shape)] == [0, 0, 0]
        assert right.dtype == E4M3
    assert [left.dtype for left, _ in seen.operands] == [E4M3, E5M2, E5M2] * 2


@pytest.mark.parametrize("frozen", ["x", "weight"])
def test_a_gradient_that_nobody_wants_is_not_computed(frozen):
    plain, x = layer_of(), wild(32, 64, seed=12).requires_grad_(frozen != "x")
    plain.weight.requires_grad_(frozen != "weight")
    with Products() as seen:
        Fp8Linear(plain)(x).sum().backward()
    assert len(seen.operands) == 2
    assert (x.grad is None, plain.weight.grad is None) == (frozen == "x", frozen == "weight")
    assert plain.bias.grad is not None


def test_operations_are_counted_as_those_of_a_plain_layer():
    x = wild(32, 64, seed=13).requires_grad_()

    def step_of(layer):
        def step():
            layer(x).sum().backward()
            return Done(items=32)

        return step

    plain = layer_of()
    assert flop_per_item(step_of(Fp8Linear(plain))) == flop_per_item(step_of(plain)) == 3 * 2 * 64 * 48


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # by torch's own compiler
def test_a_compiled_layer_gives_the_same():
    plain, again = layer_of(), layer_of()
    x, y = wild(37, 64, seed=14).requires_grad_(), wild(37, 64, seed=14).requires_grad_()
    g = wild(37, 48, seed=15).bfloat16()
    Fp8Linear(plain)(x).backward(g)
    torch.compile(Fp8Linear(again), backend="aot_eager", fullgraph=True)(y).backward(g)
    for one, other in ((x, y), (plain.weight, again.weight), (plain.bias, again.bias)):
        assert torch.equal(one.grad, other.grad)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.wide, self.odd, self.narrow = nn.Linear(64, 32), nn.Linear(64, 40), nn.Linear(16, 64)
        self.inside = nn.Sequential(nn.Linear(32, 32, bias=False), nn.ReLU())
        self.attention = nn.MultiheadAttention(32, 2)  # uses the weight of its output layer, a subclass, by itself


def test_wide_layers_are_replaced_and_keep_their_parameters():
    model = nn.ModuleList([Block(), Block(), nn.Linear(32, 32)])
    before = dict(model.named_parameters())
    assert use_fp8(model) == 2 * 2 + 1
    assert {name for name, m in model.named_modules() if isinstance(m, Fp8Linear)} == {
        *("0.wide", "0.inside.0", "1.wide", "1.inside.0", "2")
    }
    after = dict(model.named_parameters())
    assert list(after) == list(before)
    assert all(after[name] is parameter for name, parameter in before.items())
    assert use_fp8(model) == 0, "a second call finds nothing left"


def test_a_layer_learns_a_product_as_bf16_does():
    """Towards a random matrix: the two losses stay within 3 % of the first one, which falls to less than half."""
    torch.manual_seed(1)
    x, target, start = torch.randn(256, 64), torch.randn(64, 64), layer_of(64, 64)
    losses = {}
    for kind in (Fp8Linear, lambda layer: layer):
        layer = copy.deepcopy(start)
        model, optimizer = kind(layer), torch.optim.AdamW(layer.parameters(), lr=0.1)
        found = []
        for _ in range(20):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                y = model(x)
            loss = (y.float() - x @ target).square().mean()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            found.append(float(loss.detach()))
        losses[kind] = torch.tensor(found)
    eight, sixteen = losses.values()
    assert float(eight[-1]) < float(eight[0]) / 2
    assert float((eight - sixteen).abs().max()) < 0.03 * float(sixteen[0])
