"""JPEG files that are like photographs, and the user's own photographs in folders like ImageNet's.

A made photograph has the spectrum of natural images (amplitude falling as 1/f, colour weaker than brightness), edges of
things that hide each other, and the grain of a sensor; noise without these would make files that are larger and slower
to decode. Sizes lie around 500 x 375 px as ImageNet's do, and files have about 110 kB in the mean, as ImageNet's.
Labels are those of the folders, and say nothing of the pixels.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.fft

from cupel.spec import UsageError
from cupel.tasks.data.file_cache import cached_folder, users_folder

ENVIRONMENT = "CUPEL_IMAGENET"
VERSION = 1
"""Part of the folder's name: changed with anything that changes a pixel."""
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
QUALITY = 90
ASPECTS = ((500, 375), (500, 333), (375, 500), (500, 400), (500, 500))
ASPECT_ODDS = (0.5, 0.2, 0.2, 0.05, 0.05)
"""Shapes of pictures in px, and how common each is."""
SCALE_LOG_SD = 0.15
CONTRAST, COLOUR, GRAIN = 60.0, 10.0, 4.5
"""Standard deviations of brightness, of its two colour differences, and of the grain, of 255."""
CONTRAST_LOG_SD = 0.4
"""By how much pictures differ in contrast, and so in the size of their files."""
COLOURS_3 = np.array([CONTRAST, COLOUR, COLOUR], np.float32)
NUM_THINGS = 12
MOST_CLASSES = 1000


class Photo(NamedTuple):
    """A file and the index of its class."""

    path: Path
    label: int


def photos(*, num_files: int, longer_px: int) -> list[Photo]:
    """The user's photographs where `$CUPEL_IMAGENET` names a folder of them, else made ones.

    Args:
        num_files: files to make; the user's own are all taken.
        longer_px: longer side of a made photograph, in the mean.

    Raises:
        UsageError: the user's folder has no photographs in folders of classes.
    """
    own = users_folder(ENVIRONMENT, "class folders with photographs in them, as ImageNet's train folder has")
    return find_photos(own or photo_folder(num_files=num_files, longer_px=longer_px))


def photo_folder(*, num_files: int, longer_px: int) -> Path:
    """The folder of made photographs, two or more in each class; the same on every machine but for the encoder."""

    def make(folder: Path) -> None:
        def write(index: int) -> None:
            _write(folder, index, num_files=num_files, longer_px=longer_px)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(write, range(num_files)))

    return cached_folder(f"photos-v{VERSION}-{num_files}x{longer_px}px", make)


def find_photos(root: Path) -> list[Photo]:
    """All photographs of a folder `class/file.jpg` (or `train/class/file.jpg`), by class and name.

    Raises:
        UsageError: there are none.
    """
    if (root / "train").is_dir():
        root = root / "train"
    folders = sorted(path for path in root.iterdir() if path.is_dir())
    found = [_pictures(folder) for folder in folders]
    filled = [paths for paths in found if paths]
    if not filled:
        raise UsageError(
            f"{root} has no photographs in folders of classes; expected class/file with one of the endings "
            f"{', '.join(sorted(SUFFIXES))}."
        )
    return [Photo(path, label) for label, paths in enumerate(filled) for path in paths]


def _pictures(folder: Path) -> list[Path]:
    """The photographs of one class, at any depth, by name."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def _write(folder: Path, index: int, *, num_files: int, longer_px: int) -> None:
    """Make and encode one photograph."""
    from PIL import Image

    rng = np.random.default_rng((VERSION, index))
    scale = longer_px / 500 * np.exp(SCALE_LOG_SD * rng.standard_normal())
    width_px, height_px = (max(16, round(side * scale)) for side in ASPECTS[rng.choice(len(ASPECTS), p=ASPECT_ODDS)])
    label = index % max(1, min(MOST_CLASSES, num_files // 2))
    path = folder / f"class_{label:04}" / f"photo_{index:06}.jpg"
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(photo_like(height_px, width_px, rng)).save(path, quality=QUALITY)


def photo_like(height_px: int, width_px: int, rng: np.random.Generator) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """One picture: uint8 (height, width, 3), RGB."""
    shape = (height_px, width_px)
    planes_3HW = np.stack([one_over_f(shape, rng) for _ in range(3)])
    things_HW = _things(shape, rng)
    shades_3K = rng.standard_normal((3, NUM_THINGS + 1)).astype(np.float32)
    planes_3HW = 0.6 * planes_3HW + 0.8 * shades_3K[:, things_HW]
    contrast = np.exp(CONTRAST_LOG_SD * rng.standard_normal())
    light_HW, blue_HW, red_HW = planes_3HW * np.float32(contrast) * COLOURS_3[:, None, None]
    light_HW += 118 + GRAIN * rng.standard_normal(shape, dtype=np.float32)
    # brightness and colour differences, as JPEG codes them, back to colours
    green_HW = light_HW - 0.344 * blue_HW - 0.714 * red_HW
    rgb_HW3 = np.stack([light_HW + 1.402 * red_HW, green_HW, light_HW + 1.772 * blue_HW], axis=-1)
    return rgb_HW3.clip(0, 255).round().astype(np.uint8)


def one_over_f(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray[Any, np.dtype[np.float32]]:
    """A texture whose amplitude falls as 1/f, of mean 0 and variance 1.

    Source:
        Field 1987, Relations between the statistics of natural images and the response properties of cortical cells.
    """
    height_px, width_px = (scipy.fft.next_fast_len(side, real=True) for side in shape)
    rows, columns = np.fft.fftfreq(height_px)[:, None], np.fft.rfftfreq(width_px)[None]
    frequency = np.hypot(rows, columns).astype(np.float32)
    frequency[0, 0] = np.inf
    noise = rng.standard_normal((*frequency.shape, 2), dtype=np.float32).view(np.complex64)[..., 0]
    texture = scipy.fft.irfft2(noise / frequency, s=(height_px, width_px))[: shape[0], : shape[1]]
    return np.asarray((texture - texture.mean()) / texture.std(), np.float32)


def _things(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray[Any, np.dtype[np.intp]]:
    """For each pixel the number of the thing that is seen there: ellipses that hide each other, a few large ones.

    Source:
        Lee, Mumford & Huang 2001, Occlusion models for natural images (dead leaves).
    """
    height_px, width_px = shape
    y, x = np.ogrid[:height_px, :width_px]
    seen = np.zeros(shape, np.intp)
    for thing in range(1, NUM_THINGS + 1):
        centre_y, centre_x = rng.random() * height_px, rng.random() * width_px
        radius_px = min(shape) * 0.04 / (1 - 0.9 * rng.random())
        stretch, angle = np.exp(0.4 * rng.standard_normal()), np.pi * rng.random()
        along = (x - centre_x) * np.cos(angle) + (y - centre_y) * np.sin(angle)
        across = (y - centre_y) * np.cos(angle) - (x - centre_x) * np.sin(angle)
        seen[(along / stretch) ** 2 + (across * stretch) ** 2 < radius_px**2] = thing
    return seen
