"""Grey images with labels in IDX files, as MNIST and its kin are handed out; the user's own, nothing is downloaded.

A folder holds four files: `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and
`t10k-labels-idx1-ubyte`, plain or gzipped. An IDX file is two zero bytes, a byte for the type (8: unsigned bytes), one
for the number of dimensions, each dimension as a big-endian integer of four bytes, then the values.

Source: LeCun, Cortes, Burges, the MNIST database of handwritten digits (1998).
"""

from __future__ import annotations

import functools
import gzip
import math
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cupel.spec import UsageError
from cupel.tasks.data.digits import Split
from cupel.tasks.data.file_cache import users_path

if TYPE_CHECKING:
    from numpy.typing import NDArray

ENVIRONMENT = "CUPEL_MNIST"
UNSIGNED_BYTE = 8
PARTS = ("train", "t10k")


def mnist_folder() -> Path | None:
    """The folder that `$CUPEL_MNIST` names; None where it names none.

    Raises:
        UsageError: there is nothing of that name.
    """
    return users_path(ENVIRONMENT, "a folder with the four IDX files of MNIST")


def idx_split(folder: Path, seed: int, *, num_valid: int) -> Split:
    """The training part in two by a seed, and the test part as it is.

    Args:
        folder: with the four files.
        seed: of the images that are set aside to choose hyperparameters by.
        num_valid: how many.

    Returns:
        Images (N, height x width), float32 from 0 to 1, with labels.

    Raises:
        UsageError: a file is missing or is not what it should be, or there are no images left to train on.
    """
    import torch

    train, test = ((_read(folder, f"{part}-images-idx3"), _read(folder, f"{part}-labels-idx1")) for part in PARTS)
    for images, labels in (train, test):
        if images.ndim < 2 or labels.shape != images.shape[:1]:
            raise UsageError(f"{folder} has images {images.shape} with labels {labels.shape}; expected one each.")
    if not 0 <= num_valid < len(train[0]):
        raise UsageError(f"{num_valid} images were to be set aside; {folder} has {len(train[0])}, one must be left.")
    order = torch.randperm(len(train[0]), generator=torch.Generator().manual_seed(seed))

    def part(
        images: NDArray[np.uint8], labels: NDArray[np.uint8], idx: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.from_numpy(images)[idx].flatten(1).float() / 255.0, torch.from_numpy(labels)[idx].long()

    return Split(
        part(*train, order[num_valid:]), part(*train, order[:num_valid]), part(*test, torch.arange(len(test[0])))
    )


@functools.cache
def _read(folder: Path, name: str) -> NDArray[np.uint8]:
    """The values of one file."""
    path = next((p for end in ("", ".gz") if (p := folder / f"{name}-ubyte{end}").is_file()), None)
    if path is None:
        raise UsageError(f"{folder} has no file {name}-ubyte, plain or as .gz; expected the four files of MNIST.")
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    num_dimensions = content[3] if len(content) > 3 else 0
    header = 4 + 4 * num_dimensions
    shape = struct.unpack(f">{num_dimensions}I", content[4:header]) if len(content) >= header else ()
    if content[:3] != bytes([0, 0, UNSIGNED_BYTE]) or len(content) - header != math.prod(shape) or not shape:
        raise UsageError(
            f"{path} starts with {content[:4].hex(' ')} and has {len(content):,} bytes; expected an IDX file of "
            f"unsigned bytes, which starts with 00 00 08, with {math.prod(shape):,} values for its dimensions {shape}."
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape).copy()
