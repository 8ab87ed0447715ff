"""Batches of photographs from files: decoded, cropped at random, flipped, normalised; for training on images.

Processes of a `torch.utils.data.DataLoader` read, decode (Pillow, at full resolution), crop, resize and flip; uint8
pixels go to the device, which normalises them. What happens to a photograph is decided by the seed, its number and how
often it was seen, so that batches are the same for any number of processes.

Shapes: N images, H x W pixels, 3 channels.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from cupel.spec import Seeds, Sizes, Slot, UsageError
from cupel.spec.catalog import has_extra, install_line
from cupel.spec.errors import MissingExtraError
from cupel.tasks.data.photo_files import ENVIRONMENT, Photo, photos

if TYPE_CHECKING:
    from PIL.Image import Image

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's channels, of 1; those that everyone normalises by."""
AREA, ASPECT = (0.08, 1.0), (3 / 4, 4 / 3)
"""Range of a crop's share of the picture, and of its width by its height."""
NUM_TRIES = 10
AHEAD = 2
"""Batches that each process prepares ahead."""


class Draw(NamedTuple):
    """A photograph in the order of the epochs: which one, and how often all were seen before."""

    photo_idx: int
    epoch: int


class Crop(NamedTuple):
    """A part of a picture in px, and whether it is mirrored."""

    left: int
    top: int
    right: int
    bottom: int
    is_flipped: bool


class PhotoSet(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """Photographs with random crops: `photo_set[Draw(photo_idx, epoch)]` is (uint8 (H, W, 3), label)."""

    def __init__(self, found: Sequence[Photo], *, image_px: int, seed: int) -> None:
        self.photos = list(found)
        self.image_px = image_px
        self.seed = seed

    def __getitem__(self, draw: Draw) -> tuple[Tensor, int]:
        """Read, decode and augment one."""
        path, label = self.photos[draw.photo_idx]
        rng = np.random.default_rng((self.seed, draw.epoch, draw.photo_idx))
        picture = decode(path)
        crop = random_crop(picture.width, picture.height, rng)
        return torch.from_numpy(cut(picture, crop, self.image_px)), label


class EndlessBatches(torch.utils.data.Sampler[list[Draw]]):
    """Batches of draws, always full: each photograph once per epoch, in an order drawn anew, without an end."""

    def __init__(self, num_photos: int, *, batch: int, seed: int, part: tuple[int, int] = (0, 1)) -> None:
        self.num_photos = num_photos
        self.batch = batch
        self.seed = seed
        self.part = part

    def __iter__(self) -> Iterator[list[Draw]]:
        """The batches of this rank."""
        rank, world = self.part
        draws = itertools.islice(self._draws(), rank, None, world)
        while True:
            yield list(itertools.islice(draws, self.batch))

    def _draws(self) -> Iterator[Draw]:
        for epoch in itertools.count():
            order = np.random.default_rng((self.seed, epoch)).permutation(self.num_photos)
            yield from (Draw(int(photo_idx), epoch) for photo_idx in order)


def decode(path: Path) -> Image:
    """A file's picture in RGB.

    Raises:
        UsageError: it is no picture, or damaged; the message names it.
    """
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return picture.convert("RGB")
    except OSError as error:
        raise UsageError(f"{path} cannot be decoded: {error}; replace or remove it.") from error


def random_crop(width_px: int, height_px: int, rng: np.random.Generator) -> Crop:
    """A part of random area and shape, mirrored every other time; the largest allowed one in the middle if none fits.

    Source:
        Szegedy et al. 2015, Going Deeper with Convolutions, section 6.
    """
    is_flipped = bool(rng.random() < 0.5)
    for _ in range(NUM_TRIES):
        area = width_px * height_px * rng.uniform(*AREA)
        aspect = np.exp(rng.uniform(*np.log(ASPECT)))
        width, height = round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)
        if 0 < width <= width_px and 0 < height <= height_px:
            left, top = int(rng.integers(width_px - width + 1)), int(rng.integers(height_px - height + 1))
            return Crop(left, top, left + width, top + height, is_flipped)
    width = min(width_px, round(height_px * ASPECT[1]))
    height = min(height_px, round(width_px / ASPECT[0]))
    left, top = (width_px - width) // 2, (height_px - height) // 2
    return Crop(left, top, left + width, top + height, is_flipped)


def cut(picture: Image, crop: Crop, image_px: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The part of a picture, resized with antialiasing (triangle filter): uint8 (H, W, 3), H = W = image_px."""
    from PIL import Image

    resized = picture.resize((image_px, image_px), Image.Resampling.BILINEAR, box=crop[:4])
    if crop.is_flipped:
        resized = resized.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return np.array(resized)


def collate(samples: Sequence[tuple[Tensor, int]]) -> tuple[Tensor, Tensor]:
    """A batch: pixels uint8 (N, H, W, 3), labels int64 (N)."""
    return torch.stack([pixels for pixels, _ in samples]), torch.tensor([label for _, label in samples])


def normaliser(slot: Slot) -> Callable[[Tensor], Tensor]:
    """What turns pixels (N, H, W, 3) on the device into fp32 images (N, 3, H, W) of about mean 0 and variance 1.

    Its constants are on the device beforehand: bringing them there for each batch would make the host wait.
    """
    mean, std = (torch.tensor(of_channels, device=slot.device) for of_channels in (MEAN, STD))

    def normalised(pixels_NHW3: Tensor) -> Tensor:
        images_NHW3 = pixels_NHW3.float().div_(255).sub_(mean).div_(std)
        images_N3HW: Tensor = slot.laid_out(images_NHW3.permute(0, 3, 1, 2))
        return images_N3HW

    return normalised


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
    if not has_extra("media"):
        raise MissingExtraError(f"Photographs need Pillow. Install it: {install_line(('media',))}")
    found = photos(num_files=sizes.files, longer_px=sizes.file_px)
    num_classes = found[-1].label + 1
    if num_classes > sizes.num_classes:
        raise UsageError(
            f"The photographs have {num_classes} classes; the model has {sizes.num_classes}. "
            f"Take --set num_classes={num_classes}, or a folder with fewer in {ENVIRONMENT}."
        )
    return to_device(make_loader(found, sizes, slot, rng), slot)


def make_loader(
    found: Sequence[Photo], sizes: Sizes, slot: Slot, rng: Seeds
) -> torch.utils.data.DataLoader[tuple[Tensor, int]]:
    """The loader of pixels (N, H, W, 3) and labels, in memory that a device can read directly."""
    part = slot.rank, slot.world
    return torch.utils.data.DataLoader(
        PhotoSet(found, image_px=sizes.image_px, seed=rng.seed("augmentation")),
        batch_sampler=EndlessBatches(len(found), batch=sizes.batch, seed=rng.seed("order"), part=part),
        num_workers=sizes.workers,
        prefetch_factor=AHEAD if sizes.workers else None,
        collate_fn=collate,
        pin_memory=slot.device.type == "cuda",
        generator=torch.Generator().manual_seed(rng.seed("order")),
    )


def to_device(loader: torch.utils.data.DataLoader[tuple[Tensor, int]], slot: Slot) -> Iterator[tuple[Tensor, Tensor]]:
    """Normalised batches on the device; starts the loader's processes at once, not with the first batch."""
    batches = iter(loader)
    normalised = normaliser(slot)

    def move() -> Iterator[tuple[Tensor, Tensor]]:
        for pixels_NHW3, labels_N in batches:
            pixels = pixels_NHW3.to(slot.device, non_blocking=True)
            yield normalised(pixels), labels_N.to(slot.device, non_blocking=True)

    return move()
