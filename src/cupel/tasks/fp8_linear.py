"""Linear layers that multiply in eight bits, forward and backward, over parameters of sixteen or thirty-two.

Definition
    A layer y = x w^T + b has x (T, K), w (N, K), b (N) and the gradient g (T, N) of the loss by y.

        x' = e4m3(s_x x) / s_x     w' = e4m3(s_w w) / s_w     g' = e5m2(s_g g) / s_g
        y = x' w'^T + b            dx = g' w'                 dw = g'^T x'            db = sum of g over T

    Products are of eight-bit numbers, summed by the units that multiply them (on NVIDIA's by fast accumulation in y, as
    in `matmul`, and not in dx and dw), divided by the scales and rounded to bf16 once. db is summed in fp32.
    e4m3 has three bits behind the point and ends at 448, e5m2 has two and ends at 57 344; rounding is to the nearest.
    The scale s of a tensor t is the largest power of two for which s max|t| does not pass the end of its format. It is
    found anew from the whole tensor each time it is rounded (dynamic scaling, one number a tensor): nothing overflows,
    s t has no error of its own, and how a batch is cut over ranks hardly moves what is rounded.

Decisions
    Parameters stay what they are; the eight-bit copy of w is made in the forward pass and again in the backward pass,
    so that a sharded model keeps no whole copy. Of x only the eight-bit copy is kept.
    An infinity or NaN in an operand makes results that are not finite; nothing hides it.
    A layer is replaced where both its sides are multiples of 16, which the units ask for, and 32 at least: narrower
    products, such as those of low-rank adapters, are bound by memory, and rounding would add to that.

Source: Micikevicius et al. 2022, FP8 Formats for Deep Learning, section 3 (formats) and 4.1 (what is rounded). There
every layer is rounded, and scales are any number; here the caller says which, and scales are powers of two.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (everyone's name for it)

E4M3, E5M2 = torch.float8_e4m3fn, torch.float8_e5m2
SIDE = 16
"""What the sides of an operand must be multiples of, by the eight-bit units."""
LEAST_SIDE = 32
"""Sides of a layer that is worth rounding."""
LEAST_LARGEST = 2.0**-100
"""Tensors whose largest magnitude is below this, zero included, are scaled as if it were this: no scale is infinite."""
EXPONENT_BITS = 0x7F800000
"""The bits of a positive fp32 number that are left when it is cut down to a power of two."""


class Fp8Linear(nn.Module):
    """A linear layer whose products are in eight bits; the module says how.

    Args:
        layer: gives its own parameters, which are not copied.
    """

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.weight = layer.weight
        self.register_parameter("bias", layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """The layer's output (..., N) in bf16, of any floating x (..., K)."""
        y_TN: Tensor = _Products.apply(x.reshape(-1, x.shape[-1]), self.weight, self.bias)
        return y_TN.view(*x.shape[:-1], -1)


def use_fp8(model: nn.Module) -> int:
    """Put an `Fp8Linear` in the place of each linear layer within a model that is wide enough; say how many.

    Args:
        model: changed in place. Subclasses of `torch.nn.Linear` are left alone: they have work of their own.
    """
    found = [
        (parent, name, layer)
        for parent in model.modules()
        for name, layer in parent.named_children()
        if type(layer) is nn.Linear and all(side % SIDE == 0 and side >= LEAST_SIDE for side in layer.weight.shape)
    ]
    for parent, name, layer in found:
        setattr(parent, name, Fp8Linear(layer))
    return len(found)


def scale_for(x: Tensor, dtype: torch.dtype) -> Tensor:
    """The scale of a tensor (fp32, no dimensions) for an eight-bit format: a power of two."""
    largest = torch.linalg.vector_norm(x, ord=float("inf"), dtype=torch.float32).clamp(min=LEAST_LARGEST)
    ratio = torch.finfo(dtype).max / largest
    return ratio.view(torch.int32).bitwise_and(EXPONENT_BITS).view(torch.float32)


def rounded(x: Tensor, scale: Tensor, dtype: torch.dtype) -> Tensor:
    """The tensor times its scale in an eight-bit format, row by row in memory."""
    return (x * scale).to(dtype).contiguous()


class _Products(torch.autograd.Function):
    """The three products of a layer."""

    @staticmethod
    def forward(ctx: Any, x_TK: Tensor, weight_NK: Tensor, bias_N: Tensor | None) -> Tensor:
        needs_x, needs_weight, _ = ctx.needs_input_grad
        x_scale, weight_scale = scale_for(x_TK, E4M3), scale_for(weight_NK, E4M3)
        x8_TK = rounded(x_TK, x_scale, E4M3)
        weight8_NK = rounded(weight_NK, weight_scale, E4M3)
        ctx.save_for_backward(
            x8_TK if needs_weight else None, x_scale, weight_NK if needs_x else None, weight_scale, bias_N
        )
        ctx.dtypes = x_TK.dtype, weight_NK.dtype
        bias = None if bias_N is None else bias_N.to(torch.bfloat16)
        return _multiply(x8_TK, weight8_NK.t(), scales=(x_scale, weight_scale), bias=bias, use_fast_accum=True)

    @staticmethod
    def backward(ctx: Any, g_TN: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x8_TK, x_scale, weight_NK, weight_scale, bias_N = ctx.saved_tensors
        x_dtype, weight_dtype = ctx.dtypes
        g_scale = scale_for(g_TN, E5M2)
        g8_TN = rounded(g_TN, g_scale, E5M2)
        dx_TK = dweight_NK = dbias_N = None
        if weight_NK is not None:
            weight8_NK = _by_column(rounded(weight_NK, weight_scale, E4M3))
            dx_TK = _multiply(g8_TN, weight8_NK, scales=(g_scale, weight_scale)).to(x_dtype)
        if x8_TK is not None:
            g8_NT = _whole(g8_TN).t().contiguous()
            dweight_NK = _multiply(g8_NT, _by_column(_whole(x8_TK)), scales=(g_scale, x_scale)).to(weight_dtype)
        if ctx.needs_input_grad[2]:
            dbias_N = g_TN.sum(0, dtype=torch.float32).to(bias_N.dtype)
        return dx_TK, dweight_NK, dbias_N


def _multiply(left: Tensor, right: Tensor, *, scales: tuple[Tensor, Tensor], **kinds: Any) -> Tensor:
    """Left, row by row in memory, times right, column by column; over the scales, in bf16."""
    over_left, over_right = (scale.reciprocal() for scale in scales)
    return torch._scaled_mm(left, right, over_left, over_right, out_dtype=torch.bfloat16, **kinds)  # noqa: SLF001


def _by_column(x8: Tensor) -> Tensor:
    """The same matrix, column by column in memory."""
    return x8.t().contiguous().t()


def _whole(x8_TK: Tensor) -> Tensor:
    """As many rows of zeros after the others as make their number a multiple of 16; they add nothing to a sum."""
    missing = -x8_TK.shape[0] % SIDE
    if not missing:
        return x8_TK
    return F.pad(x8_TK.view(torch.uint8), (0, 0, 0, missing)).view(x8_TK.dtype)  # zero has no bits in either format
