"""The plain calls behind the entries that measure parts of a machine."""

from __future__ import annotations

import itertools
import math
import os
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from cupel.run.slot import PlainSlot
from cupel.spec import Seeds
from cupel.tasks.data.photo_files import photos
from interleaved import Step

MIB = 2**20
MEAN, STD = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)


def matmul(entry: Any, sizes: Any) -> Step:
    """`a @ b` of random squares."""
    del entry
    left, right = torch.randn(2, sizes.n, sizes.n)

    def step() -> float:
        left @ right
        return float(2 * sizes.n**3 / 1e12)

    return step


def memory_copy(entry: Any, sizes: Any) -> Step:
    """`copy_` between two pairs of buffers; bytes read and bytes written count."""
    del entry
    words = sizes.buffer_mib * MIB // 8
    pairs = [(torch.randint(2**60, (words,)), torch.zeros(words, dtype=torch.int64)) for _ in range(sizes.buffers)]
    rotation = itertools.cycle(pairs)

    def step() -> float:
        source, copy = next(rotation)
        copy.copy_(source)
        return 2 * source.nbytes / 1e9

    return step


def kernel_launch(entry: Any, sizes: Any) -> Step:
    """`x += 1`, many times."""
    del entry
    x = torch.zeros(1, dtype=torch.int64)

    def step() -> float:
        nonlocal x
        for _ in range(sizes.launches):
            x += 1
        return float(sizes.launches)

    return step


def disk_read(entry: Any, sizes: Any) -> Step:
    """The entry's file, block after block; what was read is dropped from the page cache."""
    _, _, path = entry.build(sizes, PlainSlot(device="cpu", settings={}, threads=1), Seeds(0))
    file = path.open("rb", buffering=0)
    buffer = bytearray(sizes.block_kib * 1024)

    def step() -> float:
        num_bytes = file.readinto(buffer)
        os.posix_fadvise(file.fileno(), file.tell() - num_bytes, num_bytes, os.POSIX_FADV_DONTNEED)
        if file.tell() == sizes.file_mib * MIB:
            file.seek(0)
        return float(num_bytes / 1e9)

    return step


class Photographs(Dataset[tuple[Tensor, int]]):
    """Decode, crop at random, resize, mirror every other time, normalise: image by image, as tensors of numbers."""

    def __init__(self, sizes: Any) -> None:
        self.files = photos(num_files=sizes.files, longer_px=sizes.file_px)
        self.image_px = sizes.image_px

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, idx: int) -> tuple[Tensor, int]:
        path, label = self.files[idx]
        picture = Image.open(path).convert("RGB")
        box = random_box(*picture.size)
        picture = picture.resize((self.image_px, self.image_px), Image.Resampling.BILINEAR, box=box)
        if random.random() < 0.5:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        pixels = (np.asarray(picture, np.float32) / 255 - MEAN) / STD
        return torch.from_numpy(pixels.transpose(2, 0, 1)), label


def random_box(width: int, height: int) -> tuple[int, int, int, int]:
    """A part of 8 to 100 % of the area, between 3:4 and 4:3; the whole picture where ten tries do not fit."""
    for _ in range(10):
        area = width * height * random.uniform(0.08, 1.0)
        aspect = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
        across, down = round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)
        if across <= width and down <= height:
            left, top = random.randint(0, width - across), random.randint(0, height - down)
            return left, top, left + across, top + down
    return 0, 0, width, height


def dataloader(entry: Any, sizes: Any) -> Step:
    """A `torch.utils.data.DataLoader` over such a set of photographs, epoch after epoch."""
    del entry
    loader = DataLoader(Photographs(sizes), batch_size=sizes.batch, shuffle=True, num_workers=sizes.workers)

    def endless() -> Iterator[Tensor]:
        while True:
            for images, _ in loader:
                yield images

    batches = endless()
    return lambda: len(next(batches))


LOOPS: dict[str, Callable[[Any, Any], Step]] = {
    "matmul": matmul,
    "memory_copy": memory_copy,
    "kernel_launch": kernel_launch,
    "dataloader": dataloader,
    "disk_read": disk_read,
}
