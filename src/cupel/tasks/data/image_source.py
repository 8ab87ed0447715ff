"""Labelled images for classifiers, from where the run's `data` setting says: random ones, or photographs from files.

A workload that takes `"data": ("synthetic", "disk")` into its settings, and `files`, `file_px` and `workers` into its
sizes, gets its images here instead of from `cupel.tasks.data.random_images`; its `sane` holds a few of them by
`classifier.batches = list(classifier.batches)`, since photographs never come twice in the same crop.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, overload

from cupel.spec import Seeds, Sizes, Slot
from cupel.tasks.data import random_images
from cupel.tasks.data.random_images import ImageBatch

if TYPE_CHECKING:
    from torch import Tensor


class PhotoStream(Sequence[ImageBatch]):
    """Batches that are new at each look: an item is the next batch of the stream, whatever its index.

    Args:
        stream: batches without an end.
        num_batches: how many are one round; `list(photo_stream)` takes as many and holds them.
    """

    def __init__(self, stream: Iterator[tuple[Tensor, Tensor]], *, num_batches: int) -> None:
        self.stream = stream
        self.num_batches = num_batches

    def __len__(self) -> int:
        """Batches of one round."""
        return self.num_batches

    @overload
    def __getitem__(self, index: int) -> ImageBatch: ...
    @overload
    def __getitem__(self, index: slice) -> list[ImageBatch]: ...
    def __getitem__(self, index: int | slice) -> ImageBatch | list[ImageBatch]:
        """The next batch; for a slice, as many as it is long."""
        if isinstance(index, slice):
            return [self[idx] for idx in range(*index.indices(self.num_batches))]
        if not 0 <= index < self.num_batches:
            raise IndexError(f"index {index} was asked of a round of {self.num_batches} batches")
        return ImageBatch(*next(self.stream))


def image_batches(sizes: Sizes, slot: Slot, rng: Seeds) -> Sequence[ImageBatch]:
    """Batches on the device: `synthetic` ones to rotate over, or those of `disk`, which are new each time.

    Args:
        sizes: `batches`, `batch`, `image_px`, `num_classes`; for `disk` also `files`, `file_px` and `workers`.
        slot: the setting `data` (`synthetic` where there is none), the device, the memory order.
        rng: the seeds.
    """
    if slot.settings.get("data", "synthetic") == "disk":
        from cupel.tasks.data.photo_batches import photo_batches

        return PhotoStream(photo_batches(sizes, slot, rng), num_batches=sizes.batches)
    return random_images.image_batches(sizes, slot, rng)
