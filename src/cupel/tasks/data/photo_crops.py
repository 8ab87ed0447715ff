"""Several crops of each photograph, coloured, blurred and solarised at random, for learning from what they share.

Decisions:
- What DINO's recipe does to a crop, with its probabilities and ranges: mirrored, brightness, contrast, saturation and
  hue changed in random order, grey, blurred, solarised; all by Pillow, on the crop's own pixels, in the loader's
  processes. A photograph is decoded once for all of its crops.
- Pillow's blur is three passes of a box, close to a Gaussian of that radius.

Shapes: N crops in one tensor, H x W pixels, 3 channels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from cupel.spec import Seeds, Sizes, Slot
from cupel.tasks.data.endless_loader import endless_loader, to_device
from cupel.tasks.data.photo_batches import MEAN, STD, PhotoSet, found_photos, normaliser
from cupel.tasks.data.photo_views import Pixels, random_crop, resized

if TYPE_CHECKING:
    from PIL.Image import Image


class Recipe(NamedTuple):
    """How a crop is taken and changed.

    Args:
        area: range of its share of the picture.
        blurred: probability of a blur.
        solarised: probability that bright pixels are inverted.
    """

    area: tuple[float, float]
    blurred: float
    solarised: float


FIRST, SECOND, LOCAL = Recipe((0.32, 1.0), 1.0, 0.0), Recipe((0.32, 1.0), 0.1, 0.2), Recipe((0.05, 0.32), 0.5, 0.0)
"""Of the two large crops and of each small one."""
JITTERED, GREYED = 0.8, 0.2
"""Probabilities that colours are changed, and that they are taken away."""
BRIGHTNESS, CONTRAST, SATURATION, HUE = 0.4, 0.4, 0.2, 0.1
"""By how much at most; of hue in turns of the circle of colours."""
RADIUS_PX = (0.1, 2.0)


def crops_of(picture: Image, rng: np.random.Generator, *, kinds: Sequence[tuple[int, int]]) -> list[list[Pixels]]:
    """The crops of a picture, each uint8 (H, W, 3).

    Args:
        picture: what they are cut from.
        rng: decides everything random.
        kinds: how many large crops there are and their side in px, then the same of small ones.

    Source:
        Caron et al. 2021, Emerging Properties in Self-Supervised Vision Transformers, section 3.2; Oquab et al. 2023,
        DINOv2, appendix B; its ranges of areas.
    """
    (num_large, large_px), (num_small, small_px) = kinds
    large = [(FIRST, SECOND)[number % 2] for number in range(num_large)]
    return [
        [changed_crop(picture, rng, recipe=recipe, side_px=side_px) for recipe in recipes]
        for recipes, side_px in ((large, large_px), ([LOCAL] * num_small, small_px))
    ]


def changed_crop(picture: Image, rng: np.random.Generator, *, recipe: Recipe, side_px: int) -> Pixels:
    """One crop, uint8 (H, W, 3), H = W = side_px."""
    from PIL import ImageFilter, ImageOps

    crop = random_crop(picture.width, picture.height, rng, area=recipe.area)
    part = resized(picture, crop, side_px)
    if rng.random() < JITTERED:
        part = jittered(part, rng)
    if rng.random() < GREYED:
        part = ImageOps.grayscale(part).convert("RGB")
    if rng.random() < recipe.blurred:
        part = part.filter(ImageFilter.GaussianBlur(rng.uniform(*RADIUS_PX)))
    if rng.random() < recipe.solarised:
        part = ImageOps.solarize(part)
    return np.array(part)


def jittered(picture: Image, rng: np.random.Generator) -> Image:
    """Brightness, contrast, saturation and hue changed at random, in random order."""
    from PIL import ImageEnhance

    kinds = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
    factors = [rng.uniform(1 - most, 1 + most) for most in (BRIGHTNESS, CONTRAST, SATURATION)]
    turn = rng.uniform(-HUE, HUE)
    for which in rng.permutation(len(kinds) + 1):
        picture = turned(picture, turn) if which == len(kinds) else kinds[which](picture).enhance(factors[which])
    return picture


def turned(picture: Image, turn: float) -> Image:
    """A picture whose hues are moved by so many turns of the circle of colours."""
    from PIL import Image

    hue, saturation, value = picture.convert("HSV").split()
    moved = (np.asarray(hue).astype(np.int16) + round(256 * turn)).astype(np.uint8)  # it goes round at 256
    return Image.merge("HSV", (Image.fromarray(moved), saturation, value)).convert("RGB")


def collate_crops(samples: Sequence[tuple[list[list[Pixels]], int]]) -> list[Tensor]:
    """For each kind uint8 (N, H, W, 3): the first crop of every image, then the second of every image, and so on."""
    kinds = zip(*(kinds for kinds, _ in samples), strict=True)
    return [
        torch.stack([torch.from_numpy(crop) for crops in zip(*images, strict=True) for crop in crops])
        for images in kinds
    ]


def photo_crops(sizes: Sizes, slot: Slot, *, rng: Seeds, kinds: Sequence[tuple[int, int]]) -> Iterator[list[Tensor]]:
    """For each kind images fp32 (N, 3, H, W) on the device, normalised, without an end; the processes start at once.

    Args:
        sizes: `batch`, images of a batch; `files` and `file_px` of made photographs; `workers`, the number of
            processes (0: this one does it all).
        slot: the device; ranks get different photographs.
        rng: seeds for the order and for the crops.
        kinds: how many large crops there are and their side in px, then the same of small ones.

    Raises:
        MissingExtraError: Pillow is not installed.
    """
    view = partial(crops_of, kinds=kinds)
    photo_set: Any = PhotoSet(found_photos(sizes, slot), view, seed=rng.seed("augmentation"))
    loader = endless_loader(photo_set, collate_crops, sizes=sizes, slot=slot, rng=rng)
    normalised = normaliser(slot, mean=MEAN, std=STD)
    return ([normalised(pixels_NHW3) for pixels_NHW3 in batch] for batch in to_device(loader, slot))
