"""Targets of layers with very many outputs, checked and in one form; and the weight that a layer starts at."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from cupel.spec.errors import UsageError


def placed_targets(
    inputs: Tensor, index: Tensor, targets: Tensor | None, *, size: tuple[int, int], dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Positions and values of the targets of a batch.

    Args:
        inputs: (..., d).
        index: int64 positions in [0, D), (...) for one each, or (..., K); -1 leaves a place empty.
        targets: values, shaped as `index`; ones where None.
        size: d and D.
        dtype: of the values.

    Returns:
        Positions (M, K) and values (M, K). No example names a position twice: values that stood at one are added up.
        Empty places have position -1 and value 0.

    Raises:
        UsageError: shapes do not fit, or a position does not exist.
    """
    lead = inputs.shape[:-1]
    is_one = index.shape == lead
    if inputs.ndim < 1 or inputs.shape[-1] != size[0] or not (is_one or index.shape[:-1] == lead):
        raise UsageError(
            f"inputs {tuple(inputs.shape)} with index {tuple(index.shape)} were given; expected (..., {size[0]}) with "
            "(...) for one target each, or (..., K)."
        )
    if targets is not None and targets.shape != index.shape:
        raise UsageError(f"targets are {tuple(targets.shape)}; expected the shape of index, {tuple(index.shape)}.")
    places = index.reshape(lead.numel(), 1 if is_one else index.shape[-1])
    lowest, highest = (int(end) for end in torch.aminmax(places)) if places.numel() else (-1, -1)
    if not -1 <= lowest <= highest < size[1]:
        raise UsageError(
            f"index runs from {lowest} to {highest}; expected positions from 0 to {size[1] - 1}, or -1 for none."
        )
    values = torch.ones_like(places, dtype=dtype) if targets is None else targets.detach().to(dtype)
    values = values.reshape(places.shape)
    if places.shape[1] > 1:
        return _without_repeats(places, values)
    return places, torch.where(places < 0, 0.0, values) if lowest < 0 else values


def check_single_targets(inputs: Tensor, target: Tensor, *, size: tuple[int, int]) -> None:
    """Refuse a batch whose examples do not have one existing output each.

    Args:
        inputs: (..., d).
        target: int64 outputs in [0, D), (...).
        size: d and D.

    Raises:
        UsageError: shapes do not fit, or an output does not exist; a negative one would be counted from the end.
    """
    if inputs.shape[:-1] != target.shape or inputs.shape[-1:] != size[:1]:
        raise UsageError(
            f"inputs {tuple(inputs.shape)} with target {tuple(target.shape)} were given; expected (..., {size[0]}) "
            "with (...)."
        )
    lowest, highest = (int(end) for end in torch.aminmax(target)) if target.numel() else (0, 0)
    if not 0 <= lowest <= highest < size[1]:
        raise UsageError(f"target runs from {lowest} to {highest}; expected outputs from 0 to {size[1] - 1}.")


def _without_repeats(places: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Add values of a position that stands several times in an example to the first, and leave the others empty."""
    same = (places[:, :, None] == places[:, None, :]) & (places >= 0)[:, :, None]
    is_first = ~same.tril(-1).any(2)
    total = (same * values[:, None, :]).sum(2)
    return torch.where(is_first, places, -1), torch.where(is_first & (places >= 0), total, 0.0)


def first_weight(initial: Tensor | torch.Generator, num_outputs: int, num_inputs: int) -> Tensor:
    """W (D, d) at the start: as given, or drawn, normal with a standard deviation of 1 / sqrt(d) in float32.

    Raises:
        UsageError: sizes below 1, or a tensor of another shape or dtype.
    """
    if num_inputs < 1 or num_outputs < 1:
        raise UsageError(f"A layer of {num_inputs} inputs and {num_outputs} outputs was asked; expected 1 or more.")
    if isinstance(initial, torch.Generator):
        drawn = torch.randn(num_outputs, num_inputs, generator=initial, device=initial.device)
        return drawn.div_(math.sqrt(num_inputs))
    if initial.shape != (num_outputs, num_inputs) or initial.dtype not in (torch.float32, torch.float64):
        raise UsageError(
            f"initial is {initial.dtype} {tuple(initial.shape)}; expected float32 or float64, one row for each output: "
            f"({num_outputs}, {num_inputs}). A generator draws it: torch.Generator().manual_seed(0)."
        )
    return initial.detach()
