"""Files in random order without an end, loaded in batches by processes of a `torch.utils.data.DataLoader`.

What becomes of a file is decided by the seed, its number and how often it was seen, so that batches are the same for
any number of processes.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from cupel.spec import Seeds, Sizes, Slot

AHEAD = 2
"""Batches that each process prepares ahead."""


class Draw(NamedTuple):
    """A file in the order of the epochs: which one, and how often all were seen before."""

    file_idx: int
    epoch: int

    def rng(self, seed: int) -> np.random.Generator:
        """The generator of what is random about this draw."""
        return np.random.default_rng((seed, self.epoch, self.file_idx))


class EndlessBatches(torch.utils.data.Sampler[list[Draw]]):
    """Batches of draws, always full: each file once per epoch, in an order drawn anew, without an end.

    Args:
        num_files: number of files.
        batch: draws of a batch.
        seed: of the orders.
        part: which rank of how many; ranks share an epoch out.
    """

    def __init__(self, num_files: int, *, batch: int, seed: int, part: tuple[int, int] = (0, 1)) -> None:
        self.num_files = num_files
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
            order = np.random.default_rng((self.seed, epoch)).permutation(self.num_files)
            yield from (Draw(int(file_idx), epoch) for file_idx in order)


def endless_loader(
    files: Any, collate: Callable[[Any], Any], *, sizes: Sizes, slot: Slot, rng: Seeds
) -> torch.utils.data.DataLoader[Any]:
    """The loader of batches, in memory that a device can read directly.

    Args:
        files: a dataset that takes a `Draw` as its index and has a length.
        collate: makes a batch, a sequence of tensors, of what the dataset gives.
        sizes: `batch`; `workers`, the number of processes (0: this one does it all).
        slot: the device; ranks get different files.
        rng: seeds for the order.
    """
    return torch.utils.data.DataLoader(
        files,
        batch_sampler=EndlessBatches(
            len(files), batch=sizes.batch, seed=rng.seed("order"), part=(slot.rank, slot.world)
        ),
        num_workers=sizes.workers,
        prefetch_factor=AHEAD if sizes.workers else None,
        collate_fn=collate,
        pin_memory=slot.device.type == "cuda",
        generator=torch.Generator().manual_seed(rng.seed("order")),
    )


def to_device(loader: torch.utils.data.DataLoader[Any], slot: Slot) -> Iterator[list[Tensor]]:
    """Batches on the device; starts the loader's processes at once, not with the first batch."""
    return ([part.to(slot.device, non_blocking=True) for part in batch] for batch in iter(loader))
