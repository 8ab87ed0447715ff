"""Batches of photographs from files: decoded, cropped, resized, normalised; for training on images.

Processes of a `torch.utils.data.DataLoader` read, decode (Pillow, at full resolution), crop, resize and mirror; uint8
pixels go to the device, which normalises them.

Shapes: N images, H x W pixels, 3 channels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor

from cupel.spec import Seeds, Sizes, Slot, UsageError
from cupel.tasks.data.endless_loader import Draw, endless_loader, to_device
from cupel.tasks.data.file_cache import need_media, note_owner
from cupel.tasks.data.photo_files import ENVIRONMENT, Photo, photos
from cupel.tasks.data.photo_views import decode, random_view

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

View: TypeAlias = "Callable[[Image, np.random.Generator], Any]"
"""What a model sees of a picture: an array of pixels, or several."""
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's channels, of 1; those that classifiers normalise by."""


class PhotoSet(torch.utils.data.Dataset[tuple[Any, int]]):
    """Photographs as a model sees them: `photo_set[Draw(file_idx, epoch)]` is (what the view gives, label)."""

    def __init__(self, found: Sequence[Photo], view: View, *, seed: int) -> None:
        self.photos = list(found)
        self.view = view
        self.seed = seed

    def __len__(self) -> int:
        """Number of photographs."""
        return len(self.photos)

    def __getitem__(self, draw: Draw) -> tuple[Any, int]:
        """Read, decode and augment one."""
        path, label = self.photos[draw.file_idx]
        return self.view(decode(path), draw.rng(self.seed)), label


def collate(samples: Sequence[tuple[np.ndarray[Any, Any], int]]) -> tuple[Tensor, Tensor]:
    """A batch: pixels uint8 (N, H, W, 3), labels int64 (N)."""
    pixels_NHW3 = torch.stack([torch.from_numpy(pixels) for pixels, _ in samples])
    return pixels_NHW3, torch.tensor([label for _, label in samples])


def normaliser(slot: Slot, *, mean: Sequence[float], std: Sequence[float]) -> Callable[[Tensor], Tensor]:
    """What turns pixels (N, H, W, 3) on the device into fp32 images (N, 3, H, W).

    Its constants are on the device beforehand: bringing them there for each batch would make the host wait.

    Args:
        slot: the device and the memory order.
        mean: what is taken away from each channel, of 1.
        std: what each channel is then divided by.
    """
    mean_3, std_3 = (torch.tensor(of_channels, device=slot.device) for of_channels in (mean, std))

    def normalised(pixels_NHW3: Tensor) -> Tensor:
        images_NHW3 = pixels_NHW3.float().div_(255).sub_(mean_3).div_(std_3)
        images_N3HW: Tensor = slot.laid_out(images_NHW3.permute(0, 3, 1, 2))
        return images_N3HW

    return normalised


def found_photos(sizes: Sizes, slot: Slot) -> list[Photo]:
    """The photographs of a run: the user's own, of which a note is left in the records, else made ones.

    Args:
        sizes: `files` and `file_px` of made photographs.
        slot: takes the note.

    Raises:
        MissingExtraError: Pillow is not installed.
        UsageError: the user's folder has no photographs in folders of classes.
    """
    need_media("Photographs need Pillow")
    found = photos(num_files=sizes.files, longer_px=sizes.file_px)
    note_owner(slot, ENVIRONMENT, num_files=len(found))
    return found


def photo_batches(sizes: Sizes, slot: Slot, rng: Seeds) -> Iterator[tuple[Tensor, Tensor]]:
    """Images (N, 3, H, W) and labels (N) on the device, without an end; the processes start at once.

    Args:
        sizes: `batch`, `image_px`, `num_classes`; `files` and `file_px` of made photographs; `workers`, the number of
            processes (0: this one does it all).
        slot: the device; ranks get different photographs.
        rng: seeds for the order and for the crops.

    Raises:
        MissingExtraError: Pillow is not installed.
        UsageError: the user's photographs have more classes than `num_classes`.
    """
    found = found_photos(sizes, slot)
    num_classes = found[-1].label + 1
    if num_classes > sizes.num_classes:
        raise UsageError(
            f"The photographs have {num_classes} classes; the model has {sizes.num_classes}. "
            f"Take --set num_classes={num_classes}, or a folder with fewer in {ENVIRONMENT}."
        )
    return to_images(make_loader(found, sizes, slot, rng=rng), slot)


def make_loader(
    found: Sequence[Photo], sizes: Sizes, slot: Slot, *, rng: Seeds, view: View | None = None
) -> torch.utils.data.DataLoader[Any]:
    """The loader of pixels (N, H, W, 3) and labels, in memory that a device can read directly.

    Args:
        found: the photographs.
        sizes: `batch`, `image_px`, `workers`.
        slot: the device and the rank.
        rng: seeds for the order and for the crops.
        view: what is seen of a photograph, `image_px` wide and high; a random crop where none is given.
    """
    photo_set = PhotoSet(found, view or partial(random_view, image_px=sizes.image_px), seed=rng.seed("augmentation"))
    return endless_loader(photo_set, collate, sizes=sizes, slot=slot, rng=rng)


def to_images(
    loader: torch.utils.data.DataLoader[Any], slot: Slot, *, mean: Sequence[float] = (), std: Sequence[float] = ()
) -> Iterator[tuple[Tensor, Tensor]]:
    """Normalised images and labels on the device; starts the loader's processes at once, not with the first batch."""
    normalised = normaliser(slot, mean=mean or MEAN, std=std or STD)
    return ((normalised(pixels_NHW3), labels_N) for pixels_NHW3, labels_N in to_device(loader, slot))
