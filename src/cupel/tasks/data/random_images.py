"""Batches of random images with random labels, for classifiers.

Shapes: N images, C channels, H height, W width.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from cupel.spec import Seeds, Sizes, Slot

NUM_CHANNELS = 3
"""Red, green and blue."""


class ImageBatch(NamedTuple):
    """A batch: images (N, C, H, W) float32 in the memory order of the run, labels (N) int64."""

    images_NCHW: Tensor
    labels_N: Tensor


def image_batches(sizes: Sizes, slot: Slot, rng: Seeds) -> list[ImageBatch]:
    """Draw batches of standard normal pixels with uniformly random labels, on the device.

    Args:
        sizes: `batches` and `batch` (counts), `image_px` (height and width), `num_classes`.
        slot: the device, the memory order and the random generator.
        rng: the seeds; images and labels are drawn from `data`.
    """
    generator = slot.generator(rng.seed("data"))
    shape = (sizes.batch, NUM_CHANNELS, sizes.image_px, sizes.image_px)
    return [
        ImageBatch(
            slot.laid_out(torch.randn(shape, generator=generator, device=slot.device)),
            torch.randint(sizes.num_classes, (sizes.batch,), generator=generator, device=slot.device),
        )
        for _ in range(sizes.batches)
    ]
