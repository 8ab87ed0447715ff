"""From a file to what a model sees of a picture: decoding, cropping, resizing, mirroring.

Shapes: H x W pixels, 3 channels.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from cupel.spec import UsageError

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels: TypeAlias = np.ndarray[Any, np.dtype[np.uint8]]
AREA, ASPECT = (0.08, 1.0), (3 / 4, 4 / 3)
"""Range of a crop's share of the picture, and of its width by its height."""
NUM_TRIES = 10
BACKGROUND = (122, 116, 104)
"""Colour around a padded picture: the mean of those that CLIP was trained on."""


class Crop(NamedTuple):
    """A part of a picture in px, and whether it is mirrored."""

    left: int
    top: int
    right: int
    bottom: int
    is_flipped: bool


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


def random_crop(width_px: int, height_px: int, rng: np.random.Generator, *, area: tuple[float, float] = AREA) -> Crop:
    """A part of random area and shape, mirrored every other time; the largest allowed one in the middle if none fits.

    Source:
        Szegedy et al. 2015, Going Deeper with Convolutions, section 6.
    """
    is_flipped = bool(rng.random() < 0.5)
    for _ in range(NUM_TRIES):
        area_px = width_px * height_px * rng.uniform(*area)
        aspect = np.exp(rng.uniform(*np.log(ASPECT)))
        width, height = round((area_px * aspect) ** 0.5), round((area_px / aspect) ** 0.5)
        if 0 < width <= width_px and 0 < height <= height_px:
            left, top = int(rng.integers(width_px - width + 1)), int(rng.integers(height_px - height + 1))
            return Crop(left, top, left + width, top + height, is_flipped)
    width = min(width_px, round(height_px * ASPECT[1]))
    height = min(height_px, round(width_px / ASPECT[0]))
    left, top = (width_px - width) // 2, (height_px - height) // 2
    return Crop(left, top, left + width, top + height, is_flipped)


def resized(picture: Image, crop: Crop, image_px: int) -> Image:
    """The part of a picture with sides of `image_px`, with antialiasing (triangle filter)."""
    from PIL import Image

    part = picture.resize((image_px, image_px), Image.Resampling.BILINEAR, box=crop[:4])
    return part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if crop.is_flipped else part


def cut(picture: Image, crop: Crop, image_px: int) -> Pixels:
    """The pixels of `resized`: uint8 (H, W, 3), H = W = image_px."""
    return np.array(resized(picture, crop, image_px))


def random_view(picture: Image, rng: np.random.Generator, *, image_px: int) -> Pixels:
    """A random crop, as classifiers are trained on: uint8 (H, W, 3)."""
    return cut(picture, random_crop(picture.width, picture.height, rng), image_px)


def middle_view(picture: Image, rng: np.random.Generator, *, image_px: int) -> Pixels:
    """The largest square in the middle, mirrored every other time, as image generators are trained on."""
    side = min(picture.width, picture.height)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return cut(picture, Crop(left, top, left + side, top + side, bool(rng.random() < 0.5)), image_px)


def padded_view(picture: Image, rng: np.random.Generator, *, image_px: int) -> Pixels:
    """The whole picture in the middle of a grey square, as LLaVA 1.5 reads it; nothing is random."""
    from PIL import Image

    del rng
    side = max(picture.size)
    square = Image.new("RGB", (side, side), BACKGROUND)
    square.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return cut(square, Crop(0, 0, side, side, is_flipped=False), image_px)
