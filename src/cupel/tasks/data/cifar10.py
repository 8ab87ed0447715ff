"""CIFAR-10 from its binary files, the user's own; nothing is downloaded.

A folder holds `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin`. A file is a row of records: one byte for
the class, then 3 x 32 x 32 bytes for the pixels, channel by channel.

Source: Krizhevsky, Learning Multiple Layers of Features from Tiny Images (2009).
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from cupel.spec import UsageError
from cupel.tasks.data.digits import Split
from cupel.tasks.data.file_cache import users_path

if TYPE_CHECKING:
    from numpy.typing import NDArray

ENVIRONMENT = "CUPEL_CIFAR10"
SHAPE = (3, 32, 32)
TRAIN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST = ("test_batch.bin",)
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
"""Of the channels of the training images, of 1."""
SHIFT_PX = 4
"""Pixels by which an image is shifted at most when it is augmented."""


def cifar10_folder() -> Path | None:
    """The folder that `$CUPEL_CIFAR10` names; None where it names none.

    Raises:
        UsageError: there is nothing of that name.
    """
    return users_path(ENVIRONMENT, "a folder with the binary files of CIFAR-10")


def cifar10_split(folder: Path, seed: int, *, num_valid: int) -> Split:
    """The training part in two by a seed, and the test part as it is.

    Returns:
        Images (N, 3, 32, 32), float32, normalised by channel, with labels.

    Raises:
        UsageError: a file is missing or is not what it should be, or there are no images left to train on.
    """
    train, test = _read(folder, TRAIN), _read(folder, TEST)
    if not 0 <= num_valid < len(train):
        raise UsageError(f"{num_valid} images were to be set aside; {folder} has {len(train)}, one must be left.")
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed)).numpy()
    return Split(_part(train[order[num_valid:]]), _part(train[order[:num_valid]]), _part(test))


def shifted_and_mirrored(images_NCHW: Tensor, generator: torch.Generator) -> Tensor:
    """Each image shifted by up to 4 pixels each way, over black, and mirrored or not, as is usual for CIFAR-10.

    Args:
        images_NCHW: the images.
        generator: of the CPU, so that every device draws the same.
    """
    num, _, height, width = images_NCHW.shape
    device = images_NCHW.device
    padded = torch.nn.functional.pad(images_NCHW, (SHIFT_PX,) * 4)
    shift_N2 = torch.randint(2 * SHIFT_PX + 1, (num, 2), generator=generator).to(device)
    is_mirrored = torch.rand(num, generator=generator).to(device) < 0.5
    row_NH = shift_N2[:, :1] + torch.arange(height, device=device)
    column_NW = shift_N2[:, 1:] + torch.arange(width, device=device)
    column_NW = torch.where(is_mirrored[:, None], column_NW.flip(1), column_NW)
    first_N = torch.arange(num, device=device)[:, None, None]
    return padded[first_N, :, row_NH[:, :, None], column_NW[:, None, :]].permute(0, 3, 1, 2).contiguous()


def _part(records: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
    """Records as images and labels."""
    images = torch.from_numpy(records[:, 1:].copy()).view(-1, *SHAPE).float().div_(255.0)
    mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
    return images.sub_(mean).div_(std), torch.from_numpy(records[:, 0].astype(np.int64))


@functools.cache
def _read(folder: Path, names: tuple[str, ...]) -> NDArray[np.uint8]:
    """The records of some files, (N, 1 + 3072)."""
    length = 1 + int(np.prod(SHAPE))
    parts = []
    for name in names:
        path = folder / name
        if not path.is_file():
            raise UsageError(f"{folder} has no file {name}; expected the binary version of CIFAR-10, six .bin files.")
        content = np.fromfile(path, np.uint8)
        if not len(content) or len(content) % length or int(content[::length].max()) > 9:
            raise UsageError(
                f"{path} has {len(content):,} bytes; expected records of {length} bytes that start with a class from 0 "
                "to 9, as in the binary version of CIFAR-10."
            )
        parts.append(content.reshape(-1, length))
    return np.concatenate(parts)
