"""Labelled images for classifiers, from where the run's `data` setting says: random ones, or photographs from files.

A workload that takes `"data": ("synthetic", "disk")` into its settings, and `files`, `file_px` and `workers` into its
sizes, gets its images here instead of from `cupel.tasks.data.random_images`; the check of its work
(`cupel.tasks.classification.check_classifier`) holds a few of them, since photographs never come twice in the same
crop.
"""

from __future__ import annotations

from collections.abc import Sequence

from cupel.spec import Seeds, Sizes, Slot
from cupel.tasks.data import random_images
from cupel.tasks.data.batch_stream import BatchStream, is_from_files
from cupel.tasks.data.random_images import ImageBatch


def image_batches(sizes: Sizes, slot: Slot, rng: Seeds) -> Sequence[ImageBatch]:
    """Batches on the device: `synthetic` ones to rotate over, or those of `disk`, which are new each time.

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
