"""Tokens for language models, from where the run's `data` setting says: random words, or texts from disk.

Documents of `disk` (`cupel.tasks.data.text_documents`) are read, turned into ids and padded or cut while training goes
on: this is part of the step, and no process does it beforehand. Rows of one length are cut from documents one after the
other, without padding.

Shapes: B rows, T tokens of each.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from cupel.spec import Seeds, Slot
from cupel.tasks.data.batch_stream import is_from_files
from cupel.tasks.data.power_law import Words, zipf_words
from cupel.tasks.data.text_documents import text_documents

if TYPE_CHECKING:
    from numpy.typing import NDArray


def words_of(slot: Slot, rng: Seeds, *, ids: range, generator: torch.Generator) -> Words:
    """What rows of tokens are drawn from: random words by Zipf's law, or the texts of `disk`.

    Args:
        slot: the setting `data`, the device and the rank.
        rng: seeds of the order of documents.
        ids: those that words may have.
        generator: of random words, on the device.
    """
    if is_from_files(slot):
        return TextRows(text_documents(slot, rng, ids=ids), slot=slot)
    return zipf_words(ids, generator=generator)


class TextRows:
    """Rows of tokens cut from documents one after the other; a row goes on where the one before it ends."""

    def __init__(self, documents: Iterator[NDArray[np.int64]], *, slot: Slot) -> None:
        self.documents = documents
        self.slot = slot
        self.rest = np.empty(0, np.int64)

    def __call__(self, shape: tuple[int, int]) -> Tensor:
        """The next rows, int64 (B, T), on the device."""
        num_tokens = shape[0] * shape[1]
        parts, num_there = [self.rest], len(self.rest)
        while num_there < num_tokens:
            parts.append(next(self.documents))
            num_there += len(parts[-1])
        text = np.concatenate(parts)
        self.rest = text[num_tokens:]
        return on_device(text[:num_tokens].reshape(shape), self.slot)


def on_device(array: NDArray[np.int64], slot: Slot) -> Tensor:
    """An array as a tensor on the device, without waiting for it."""
    tensor = torch.from_numpy(array)
    return (tensor.pin_memory() if slot.device.type == "cuda" else tensor).to(slot.device, non_blocking=True)
