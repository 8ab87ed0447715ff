"""Videos, which patches of them a model sees and which it predicts: blocks in space that last the whole clip.

Shapes: N clips, P patches of a clip; of clips T frames, C channels, H height, W width in pixels; of masks T slices of
time, H rows, W columns and S places of a frame, in patches.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

ASPECT_LOW, ASPECT_HIGH = 0.75, 1.5
"""Range of a block's height over its width."""


class BlockKind(NamedTuple):
    """How patches are hidden.

    Args:
        num_blocks: blocks that are drawn for a clip.
        area: share of the frame that each covers.
        hidden: share of the frame that is hidden in the end.
    """

    num_blocks: int
    area: float
    hidden: float


SHORT, LONG = BlockKind(8, 0.15, 0.625), BlockKind(2, 0.7, 0.8125)
"""Many small blocks, and few large ones; what is hidden is near the mean area of their unions, 62 % and 83 %."""


class VideoMask(NamedTuple):
    """Indices of the patches that are seen and of those to predict, int64 (N, seen) and (N, hidden), ascending."""

    seen_NP: Tensor
    hidden_NP: Tensor


def video_mask(kind: BlockKind, *, num_clips: int, grid: tuple[int, int], generator: torch.Generator) -> VideoMask:
    """Draw a mask for each clip; the same patches of every slice of time are hidden.

    Blocks of one area and a random shape and place are laid on the frame. As many places as `hidden` says are hidden,
    those under most blocks first, ties by chance: so every clip has the same number, known on the host, and each
    step does the same work. (The paper lets the union of blocks be as large as it comes and cuts to the smallest.)

    Args:
        kind: number and area of the blocks, and the share to hide.
        num_clips: number of clips.
        grid: slices of time, and patches along each side of a frame.
        generator: the random generator; the mask is on its device.

    Source:
        Bardes et al. 2024, Revisiting Feature Prediction for Learning Visual Representations from Video, section 3.2.
    """
    (num_slices, side), device = grid, generator.device
    shape = (num_clips, kind.num_blocks, 1, 1)
    draws = torch.rand((3, *shape), generator=generator, device=device)
    low, high = math.log(ASPECT_LOW), math.log(ASPECT_HIGH)
    aspect = (low + (high - low) * draws[0]).exp()
    height = (side * (kind.area * aspect).sqrt()).round().clamp(1, side)
    width = (side * (kind.area / aspect).sqrt()).round().clamp(1, side)
    top, left = ((side - height + 1) * draws[1]).floor(), ((side - width + 1) * draws[2]).floor()
    row_H1, column_W = torch.arange(side, device=device)[:, None], torch.arange(side, device=device)
    is_under = (row_H1 >= top) & (row_H1 < top + height) & (column_W >= left) & (column_W < left + width)
    num_over_NS = is_under.sum(dim=1).flatten(1)
    chance_NS = torch.rand(num_over_NS.shape, generator=generator, device=device)
    order_NS = (num_over_NS + chance_NS).argsort(dim=1, descending=True)
    num_hidden = round(kind.hidden * side * side)
    slice_T1 = torch.arange(num_slices, device=device)[:, None] * side * side
    hidden_NS, seen_NS = order_NS[:, :num_hidden].sort(dim=1).values, order_NS[:, num_hidden:].sort(dim=1).values
    return VideoMask((seen_NS[:, None] + slice_T1).flatten(1), (hidden_NS[:, None] + slice_T1).flatten(1))


class MaskedClips(NamedTuple):
    """A batch: clips (N, T, C, H, W) in fp32 and a mask of each kind."""

    clips_NTCHW: Tensor
    masks: list[VideoMask]


def grid_of(shape: tuple[int, int, int], patch: tuple[int, int]) -> tuple[int, int]:
    """Slices of time, and patches along each side of a frame.

    Args:
        shape: clips, frames of each, and their height and width in pixels.
        patch: frames that a patch lasts, and its height and width in pixels.
    """
    return shape[1] // patch[0], shape[2] // patch[1]


def masked_clips(
    shape: tuple[int, int, int], patch: tuple[int, int], *, kinds: Sequence[BlockKind], generator: torch.Generator
) -> MaskedClips:
    """Draw clips of standard normal pixels about a colour each, and masks for them.

    Args:
        shape: clips, frames of each, and their height and width in pixels.
        patch: frames that a patch lasts, and its height and width in pixels.
        kinds: one mask for each clip of each kind.
        generator: the random generator; clips and masks are on its device.
    """
    (num_clips, num_frames, side_px), device = shape, generator.device
    colour = torch.randn((num_clips, 1, 3, 1, 1), generator=generator, device=device)
    pixels = torch.randn((num_clips, num_frames, 3, side_px, side_px), generator=generator, device=device)
    like = {"num_clips": num_clips, "grid": grid_of(shape, patch), "generator": generator}
    masks = [video_mask(kind, **like) for kind in kinds]
    return MaskedClips(pixels.add_(colour), masks)
