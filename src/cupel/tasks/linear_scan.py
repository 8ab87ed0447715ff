"""The scan h[t] = a[t] h[t-1] + b[t] of linear recurrences, in parts that run side by side.

A sequence of T steps is cut into chunks of about the root of T. All chunks are scanned at once from zero, then what
each hands on is passed along the chunks, then added: about 2 sqrt(T) dependent passes in place of T, and three times
the multiplications of a plain loop. In torch alone, on any device; kernels that keep the state on the chip are faster.

Shapes: B sequences, T steps, K chunks, L steps of a chunk; anything after that is scanned side by side.

Source: Blelloch 1990, Prefix Sums and Their Applications, section 1.4 (recurrences); Martin & Cundy 2017,
Parallelizing Linear Recurrent Neural Nets Over Sequence Length (gradient).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor


def linear_scan(a_BT: Tensor, b_BT: Tensor) -> Tensor:
    """Scan from h = 0, differentiable in both arguments.

    Args:
        a_BT: factors, shape (B, T, ...).
        b_BT: what is added, of the same shape.

    Returns:
        Every h, of the same shape.
    """
    h_BT: Tensor = _Scan.apply(a_BT, b_BT)
    return h_BT


class _Scan(torch.autograd.Function):
    """The scan with its gradient, which is a scan backwards in time."""

    @staticmethod
    def forward(ctx: Any, a_BT: Tensor, b_BT: Tensor) -> Tensor:
        """Scan."""
        h_BT = chunked_scan(a_BT, b_BT)
        ctx.save_for_backward(a_BT, h_BT)
        return h_BT

    @staticmethod
    def backward(ctx: Any, grad_BT: Tensor) -> tuple[Tensor, Tensor]:
        """The gradient g of b obeys g[t] = grad[t] + a[t+1] g[t+1]; that of a is g[t] h[t-1]."""
        a_BT, h_BT = ctx.saved_tensors
        first = torch.zeros_like(a_BT[:, :1])
        following_BT = torch.cat([a_BT[:, 1:], first], dim=1)
        g_BT = chunked_scan(following_BT.flip(1), grad_BT.flip(1)).flip(1)
        return g_BT * torch.cat([first, h_BT[:, :-1]], dim=1), g_BT


def chunked_scan(a_BT: Tensor, b_BT: Tensor) -> Tensor:
    """The scan itself, without gradients."""
    num_steps = a_BT.shape[1]
    length = next(size for size in range(math.isqrt(num_steps), 0, -1) if num_steps % size == 0)
    h_BKL, kept_BKL = b_BT.unflatten(1, (-1, length)).clone(), a_BT.unflatten(1, (-1, length)).clone()
    for step in range(1, length):
        h_BKL[:, :, step] += kept_BKL[:, :, step] * h_BKL[:, :, step - 1]
        kept_BKL[:, :, step] *= kept_BKL[:, :, step - 1]  # now the product of all factors of the chunk so far
    carried_B = torch.zeros_like(h_BKL[:, 0, 0])
    carried = []
    for chunk in range(h_BKL.shape[1]):
        carried.append(carried_B)
        carried_B = kept_BKL[:, chunk, -1] * carried_B + h_BKL[:, chunk, -1]
    return (h_BKL + kept_BKL * torch.stack(carried, dim=1)[:, :, None]).flatten(1, 2)
