"""Latent images of a diffusion model: random ones, or what a frozen encoder makes of photographs.

Shapes: N images, C channels, H height, W width.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor

from cupel.spec import Seeds, Sizes, Slot
from cupel.tasks.data.batch_stream import is_from_files
from cupel.tasks.data.image_source import middles
from cupel.tasks.models.latent_encoder import DOWN, LATENT_CHANNELS, LatentEncoder, latents_of


def latent_images(sizes: Sizes, slot: Slot, *, rng: Seeds, generator: torch.Generator) -> Iterator[Tensor]:
    """Latent images fp32 (N, C, H, W) of mean about 0 and variance 1, without an end.

    Args:
        sizes: `batch`, `latent_px` (H and W); for photographs `encoder_width`, `files`, `file_px` and `workers`.
        slot: the setting `data`, the device; photographs are encoded at the run's precision.
        rng: the seeds of the order of photographs.
        generator: the source of random latents; those of a batch are drawn when it is taken.
    """
    if not is_from_files(slot):
        shape = (sizes.batch, LATENT_CHANNELS, sizes.latent_px, sizes.latent_px)
        return (torch.randn(shape, generator=generator, device=slot.device) for _ in itertools.count())
    photographs = middles(sizes, slot, rng=rng, image_px=DOWN * sizes.latent_px)
    with slot.device:
        encoder = LatentEncoder(sizes.encoder_width).eval().requires_grad_(requires_grad=False)
    encode = slot.compile(encoder)

    def encoded() -> Iterator[Tensor]:
        for images_NCHW, _ in photographs:
            with slot.autocast():
                latents_NCHW = latents_of(encode, images_NCHW)
            yield latents_NCHW

    return encoded()
