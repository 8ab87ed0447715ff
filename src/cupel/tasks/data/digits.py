"""Handwritten digits: 1,797 real images of 8 x 8 that come with scikit-learn, shared out by a seed.

Source: Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI (1998), its test part.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cupel.spec.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

NUM_IMAGES = 1797


@dataclass(frozen=True, eq=False)
class Split:
    """Images and labels of three sets that share no image.

    Args:
        train, valid, test: pairs of images (N, 64), float32 from 0 to 1, and labels (N,), int64 from 0 to 9.
    """

    train: tuple[Tensor, Tensor]
    valid: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]


def digits_split(seed: int, *, num_train: int, num_valid: int = 0, num_test: int | None = None) -> Split:
    """Digits in an order drawn from a seed, cut into three sets.

    Args:
        seed: of the split.
        num_train: images to train on.
        num_valid: images to choose hyperparameters by.
        num_test: images to judge by; all that are left where None.

    Raises:
        UsageError: more images than there are.
    """
    import torch

    images, labels = _digits()
    asked = num_train + num_valid + (num_test or 0)
    if num_train < 1 or min(num_valid, num_test or 0) < 0 or asked > NUM_IMAGES:
        raise UsageError(
            f"{num_train} + {num_valid} + {num_test} digits were asked; there are {NUM_IMAGES}, at least 1 to train on."
        )
    order = torch.randperm(NUM_IMAGES, generator=torch.Generator().manual_seed(seed))
    last = NUM_IMAGES if num_test is None else asked
    bounds = (0, num_train, num_train + num_valid, last)
    train, valid, test = (
        (torch.from_numpy(images)[order[a:b]], torch.from_numpy(labels)[order[a:b]])
        for a, b in itertools.pairwise(bounds)
    )
    return Split(train, valid, test)


@functools.cache
def _digits() -> tuple[Any, Any]:
    from sklearn.datasets import load_digits

    found = load_digits()
    return (found.data / 16.0).astype("float32"), found.target.astype("int64")
