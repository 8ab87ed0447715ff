"""Images from where the run's `data` setting says: random ones, or photographs from files.

A workload that takes `"data": ("synthetic", "disk")` into its settings, and `files`, `file_px` and `workers` into its
sizes, gets its images here. What comes from files never comes twice in the same crop: the check of a workload's work
holds a few batches, as `cupel.tasks.classification.check_classifier` does.

Shapes: N images, C channels, H height, W width, D attributes.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from cupel.spec import Seeds, Sizes, Slot
from cupel.tasks.data import attributed_images, random_images
from cupel.tasks.data.attributed_images import AttributedBatch
from cupel.tasks.data.batch_stream import BatchStream, is_from_files
from cupel.tasks.data.image_crops import image_crops
from cupel.tasks.data.random_images import ImageBatch

NUM_GLOBAL = 2
"""Large crops of an image in self-distillation."""
HALF = (0.5, 0.5, 0.5)
"""Mean and deviation that bring pixels into [-1, 1], as models that make images take them."""
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Of the channels of CLIP's images, of 1; those that its vision transformer normalises by."""


def image_batches(sizes: Sizes, slot: Slot, rng: Seeds) -> Sequence[ImageBatch]:
    """Labelled batches on the device: `synthetic` ones to rotate over, or those of `disk`, which are new each time.

    Args:
        sizes: `batches`, `batch`, `image_px`, `num_classes`; for `disk` also `files`, `file_px` and `workers`.
        slot: the setting `data` (`synthetic` where there is none), the device, the memory order.
        rng: the seeds.
    """
    if is_from_files(slot):
        from cupel.tasks.data.photo_batches import photo_batches

        stream = (ImageBatch(*batch) for batch in photo_batches(sizes, slot, rng))
        return BatchStream(stream, num_batches=sizes.batches)
    return random_images.image_batches(sizes, slot, rng)


def attributed_batches(sizes: Sizes, slot: Slot, rng: Seeds) -> Sequence[AttributedBatch]:
    """The same with attributes, from -1 to 1; those of a photograph are the last binary digits of its class's number.

    Args:
        sizes: `batches`, `batch`, `image_px`, `num_domains`; for `disk` also `files`, `file_px` and `workers`.
        slot: as above.
        rng: the seeds.
    """
    if not is_from_files(slot):
        return attributed_images.attributed_batches(sizes, slot, rng)
    digit_D = torch.arange(sizes.num_domains, device=slot.device)
    stream = (
        AttributedBatch(images_NCHW, ((labels_N[:, None] >> digit_D) & 1).float())
        for images_NCHW, labels_N in middles(sizes, slot, rng=rng, image_px=sizes.image_px)
    )
    return BatchStream(stream, num_batches=sizes.batches)


def crop_batches(sizes: Sizes, slot: Slot, *, rng: Seeds) -> Sequence[list[Tensor]]:
    """Batches of large and small crops of the same images, as `cupel.tasks.data.image_crops` describes them.

    Args:
        sizes: `batches`, `batch`, `global_px` of the two large crops, `local_px` and `num_local`; for `disk` also
            `files`, `file_px` and `workers`.
        slot: as above.
        rng: the seeds.
    """
    kinds = [(NUM_GLOBAL, sizes.global_px), (sizes.num_local, sizes.local_px)]
    if is_from_files(slot):
        from cupel.tasks.data.photo_crops import photo_crops

        return BatchStream(photo_crops(sizes, slot, rng=rng, kinds=kinds), num_batches=sizes.batches)
    generator = slot.generator(rng.seed("data"))
    return [image_crops(num_images=sizes.batch, kinds=kinds, generator=generator) for _ in range(sizes.batches)]


def whole_images(sizes: Sizes, slot: Slot, *, rng: Seeds, generator: torch.Generator) -> Iterator[Tensor]:
    """Images (N, 3, H, W) without an end: standard normal pixels, or whole photographs, padded, normalised as CLIP's.

    Args:
        sizes: `batch`, `image_px`; for `disk` also `files`, `file_px` and `workers`.
        slot: as above.
        rng: the seeds of the order of photographs.
        generator: the source of random pixels; those of an image are drawn when it is taken.
    """
    if is_from_files(slot):
        from cupel.tasks.data.photo_views import padded_view

        view = partial(padded_view, image_px=sizes.image_px)
        return (images for images, _ in _seen(sizes, slot, rng=rng, view=view, channels=(CLIP_MEAN, CLIP_STD)))
    shape = (sizes.batch, 3, sizes.image_px, sizes.image_px)
    return (torch.randn(shape, generator=generator, device=slot.device) for _ in itertools.count())


def middles(sizes: Sizes, slot: Slot, *, rng: Seeds, image_px: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Photographs (N, 3, H, W) from -1 to 1 and their classes (N) without an end; the largest square, mirrored or not.

    Args:
        sizes: `batch`, `files`, `file_px` and `workers`.
        slot: the device, the memory order; ranks get different photographs.
        rng: the seeds.
        image_px: H and W.
    """
    from cupel.tasks.data.photo_views import middle_view

    return _seen(sizes, slot, rng=rng, view=partial(middle_view, image_px=image_px), channels=(HALF, HALF))


def _seen(
    sizes: Sizes,
    slot: Slot,
    *,
    rng: Seeds,
    view: Callable[..., Any],
    channels: tuple[Sequence[float], Sequence[float]],
) -> Iterator[tuple[Tensor, Tensor]]:
    """Photographs as a view has them, on the device, normalised by the mean and deviation of channels; and classes."""
    from cupel.tasks.data.photo_batches import found_photos, make_loader, to_images

    loader = make_loader(found_photos(sizes, slot), sizes, slot, rng=rng, view=view)
    return to_images(loader, slot, mean=channels[0], std=channels[1])
