"""Reading, decoding and augmenting photographs for training: how fast a machine can feed a vision model.

Decisions:
- JPEG files like ImageNet's (`cupel.tasks.data.photo_files`), made once into the cache folder, or the user's own where
  `CUPEL_IMAGENET` names a folder `class/file`. `full`: 2048 files of about 500 x 375 px and 110 kB, 225 MB in all.
- Per photograph: read, decode whole (Pillow with libjpeg-turbo), crop 8 to 100 % of the area at random, resize to
  `image_px` with antialiasing, mirror every other time; on the device: to fp32, minus mean, divided by deviation.
- `workers` processes of a `torch.utils.data.DataLoader`, two batches ahead each; 0 does all in the stepping process.
  `full` has 12 for the 16 cores that come with one accelerator; set them to your machine's: `--set workers=...`.
- The files are checked before the start and so lie in the page cache: this measures processors, memory and processes,
  not the disk, for which there is `disk_read`. The user's own files are not read beforehand.
- The first batches were prepared during set-up and come at once; the detected warm-up leaves them out.
- No precision: pixels are bytes, and images fp32.
- Counted: images that arrived on the device, normalised.
- Memory at `full`: a batch of 256 x 3 x 224 x 224 in fp32 is 0.14 GiB, in bytes 0.04; 24 of the latter wait in the
  host's shared memory (0.9 GiB: a container needs as much in /dev/shm).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cupel.spec import Done, Seeds, Sizes, Slot, Step, Workload, WrongWorkError
from cupel.tasks.data.endless_loader import EndlessBatches
from cupel.tasks.data.photo_batches import found_photos, make_loader, to_images
from cupel.tasks.data.photo_files import Photo
from cupel.tasks.data.photo_views import cut, decode, random_crop

CARD = Workload(
    measures="throughput of reading, decoding and augmenting",
    unit="images",
    better="higher",
    source="Mohan et al. 2021, Analyzing and Mitigating Data Stalls in DNN Training",
    tags=("data", "vision", "host"),
    needs=("torch", "media"),
    settings={"channels_last": (False, True)},
    tiny={"files": 16, "file_px": 96, "image_px": 32, "batch": 4, "workers": 0},
    small={"files": 64, "file_px": 320, "image_px": 224, "batch": 16, "workers": 2},
    full={"files": 2048, "file_px": 500, "image_px": 224, "batch": 256, "workers": 12},
    memory_gib={"tiny": 0.01, "small": 0.1, "full": 1.0},
)
TOLERANCE = 1e-5
"""Largest difference of a normalised pixel from the plain computation."""
DETAIL = 0.01
"""Least mean difference of neighbouring pixels that a photograph has, after normalising."""


def build(sizes: Sizes, slot: Slot, rng: Seeds) -> tuple[Iterator[tuple[Tensor, Tensor]], Any, list[Photo]]:
    """Batches on the device, the loader that they come from, and the photographs."""
    found = found_photos(sizes, slot)
    loader = make_loader(found, sizes, slot, rng=rng)
    return to_images(loader, slot), loader, found


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """Start the processes; a step takes a batch."""
    batches, _, _ = build(sizes, slot, rng)

    def step() -> Done:
        images, _ = next(batches)
        return Done(items=len(images))

    return step


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """Two epochs bring each photograph twice, with its label and other crops, equal to a plain computation of it."""
    batches, loader, found = build(sizes, slot, rng)
    expected = EndlessBatches(len(found), batch=sizes.batch, seed=rng.seed("order"))
    seen: dict[int, list[Tensor]] = {}
    for draws in itertools.islice(expected, -(-2 * min(len(found), 64) // sizes.batch)):
        images, labels = next(batches)
        shape = (sizes.batch, 3, sizes.image_px, sizes.image_px)
        if tuple(images.shape) != shape or images.dtype != torch.float32:
            raise WrongWorkError(
                f"dataloader: a batch is {tuple(images.shape)}, {images.dtype}; expected {shape}, fp32."
            )
        for draw, image, label in zip(draws, images.cpu(), labels.tolist(), strict=True):
            photo = found[draw.file_idx]
            if label != photo.label:
                raise WrongWorkError(f"dataloader: {photo.path} came with label {label}; expected {photo.label}.")
            seed = (loader.dataset.seed, draw.epoch, draw.file_idx)
            _check_image(image, photo, seed)
            seen.setdefault(draw.file_idx, []).append(image)
    if any(bool((first == second).all()) for first, second in (pair for pair in seen.values() if len(pair) == 2)):
        raise WrongWorkError("dataloader: a photograph came with the same crop in two epochs; expected random crops.")


def _check_image(image: Tensor, photo: Photo, seed: tuple[int, int, int]) -> None:
    """An image is what decoding and cutting its file here gives, and has the detail of a photograph."""
    rng = np.random.default_rng(seed)
    picture = decode(photo.path)
    pixels = cut(picture, random_crop(picture.width, picture.height, rng), image.shape[-1])
    plain = (pixels / 255.0 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    error = float(np.abs(image.permute(1, 2, 0).numpy() - plain).max())
    if not error <= TOLERANCE:
        raise WrongWorkError(
            f"dataloader: {photo.path} differs by {error:.2g} from its crop; expected at most {TOLERANCE}."
        )
    detail = float(image.diff(dim=-1).abs().mean())
    if not detail >= DETAIL:
        raise WrongWorkError(
            f"dataloader: neighbouring pixels of {photo.path} differ by {detail:.2g} in the mean; "
            f"expected a photograph, with {DETAIL} at least."
        )
