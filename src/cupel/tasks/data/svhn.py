"""Street view house numbers, cropped to a digit each, from the user's own files; nothing is downloaded.

A folder holds `train_32x32.mat`, and `extra_32x32.mat` where there is one: `X` of bytes (32, 32, 3, N), and `y` (N, 1)
with 10 for the digit 0.

Source: Netzer et al., Reading Digits in Natural Images with Unsupervised Feature Learning (2011).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from cupel.spec import UsageError
from cupel.tasks.data.file_cache import users_path

if TYPE_CHECKING:
    from numpy.typing import NDArray

ENVIRONMENT = "CUPEL_SVHN"
FILES = ("train_32x32.mat", "extra_32x32.mat")
SHAPE = (32, 32, 3)


def svhn_folder() -> Path | None:
    """The folder that `$CUPEL_SVHN` names; None where it names none.

    Raises:
        UsageError: there is nothing of that name.
    """
    return users_path(ENVIRONMENT, "a folder with train_32x32.mat of SVHN, and extra_32x32.mat")


def svhn_examples(folder: Path, seed: int, *, num: int) -> tuple[Tensor, Tensor]:
    """Training images drawn by a seed, as flat rows.

    Args:
        folder: with the files.
        seed: of which images, and in what order.
        num: how many at most.

    Returns:
        Images (N, 3072), float32, of mean 0 and deviation 1 over all pixels, and labels (N,) from 0 to 9.

    Raises:
        UsageError: the first file is missing, or one is not what it should be.
    """
    parts = [_read(folder / name) for name in FILES if name == FILES[0] or (folder / name).is_file()]
    total = sum(len(labels) for _, labels in parts)
    taken = torch.randperm(total, generator=torch.Generator().manual_seed(seed)).numpy()[:num]
    rows = np.empty((len(taken), int(np.prod(SHAPE))), np.float32)
    labels = np.empty(len(taken), np.int64)
    first = 0
    for images, classes in parts:
        is_here = (taken >= first) & (taken < first + len(classes))
        rows[is_here] = images[..., taken[is_here] - first].reshape(-1, int(is_here.sum())).T
        labels[is_here] = classes[taken[is_here] - first] % 10
        first += len(classes)
    rows -= rows.mean(dtype=np.float64)
    rows /= rows.std(dtype=np.float64)
    return torch.from_numpy(rows), torch.from_numpy(labels)


def _read(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images (32, 32, 3, N) and classes (N,) of one file."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    if not path.is_file():
        raise UsageError(f"{path.parent} has no file {path.name}; expected the cropped digits of SVHN (format 2).")
    try:
        found = loadmat(path, variable_names=("X", "y"))
        images, classes = found["X"], found["y"].ravel()
    except (MatReadError, ValueError, TypeError, KeyError, NotImplementedError) as error:
        raise UsageError(f"{path} cannot be read as a file of SVHN: {type(error).__name__}: {error}.") from error
    if images.shape != (*SHAPE, len(classes)) or images.dtype != np.uint8 or not len(classes):
        raise UsageError(
            f"{path} has X of shape {images.shape} ({images.dtype}) and {len(classes)} labels; expected bytes of shape "
            f"{SHAPE} and N."
        )
    return images, classes.astype(np.int64)
