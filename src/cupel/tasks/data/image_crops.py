"""Crops of images, for learning from what they share.

Shapes: N crops in one tensor, C channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

NUM_CHANNELS = 3


def image_crops(*, num_images: int, kinds: Sequence[tuple[int, int]], generator: torch.Generator) -> list[Tensor]:
    """Draw crops of each kind: standard normal pixels about a mean colour that the crops of an image share.

    Args:
        num_images: number of images.
        kinds: for each kind, how many crops of an image there are, and their height and width in pixels.
        generator: the random generator; the crops are on its device.

    Returns:
        For each kind a float32 tensor (N, C, H, W) with N = crops x images: the first crop of every image, then the
        second of every image, and so on.
    """
    device = generator.device
    colour = torch.randn((num_images, NUM_CHANNELS, 1, 1), generator=generator, device=device)
    crops = []
    for num_crops, side_px in kinds:
        shape = (num_crops * num_images, NUM_CHANNELS, side_px, side_px)
        pixels = torch.randn(shape, generator=generator, device=device)
        crops.append(pixels + colour.repeat(num_crops, 1, 1, 1))
    return crops
