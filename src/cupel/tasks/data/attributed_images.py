"""Batches of random images with attributes, as faces have in CelebA: several of them, each there or not.

Shapes: N images, H height, W width, D attributes.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from cupel.spec import Seeds, Sizes, Slot


class AttributedBatch(NamedTuple):
    """Images (N, 3, H, W) float32 from -1 to 1 in the memory order of the run, attributes (N, D) float32 of 0 and 1."""

    images_NCHW: Tensor
    attributes_ND: Tensor


def attributed_batches(sizes: Sizes, slot: Slot, rng: Seeds) -> list[AttributedBatch]:
    """Draw batches of uniformly random pixels; each attribute is there in half of the images, independently.

    Args:
        sizes: `batches` and `batch` (counts), `image_px` (height and width), `num_domains` (attributes).
        slot: the device, the memory order and the random generator.
        rng: the seeds; everything is drawn from `data`.
    """
    generator = slot.generator(rng.seed("data"))
    where = {"generator": generator, "device": slot.device}
    batches = []
    for _ in range(sizes.batches):
        pixels_NCHW = torch.rand(sizes.batch, 3, sizes.image_px, sizes.image_px, **where)
        is_there_ND = torch.rand(sizes.batch, sizes.num_domains, **where) < 0.5
        batches.append(AttributedBatch(slot.laid_out(2.0 * pixels_NCHW - 1.0), is_there_ND.float()))
    return batches
