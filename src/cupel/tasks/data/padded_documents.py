"""Batches of documents of unequal length, random ones or those of a text, padded on the right, for decoders.

Shapes: B documents, T tokens of each with its padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from cupel.spec import Slot
from cupel.tasks.data.power_law import power_law_indices
from cupel.tasks.data.text_source import on_device

if TYPE_CHECKING:
    from numpy.typing import NDArray

NOT_PREDICTED = -100
"""Label of padding, which does not count in the loss."""
PADDING, FIRST_WORD = 0, 1
"""Id of padding, and the first one that words have."""


class DocumentBatch(NamedTuple):
    """A batch and the number of its real tokens.

    Args:
        ids_BT: int64 ids; 0 is padding.
        labels_BT: the ids, with -100 on padding; the model shifts them by one.
        may_see_B1TT: boolean; [b, 0, t, s] says whether token t of document b may attend to token s: s <= t and s real.
        num_tokens: real tokens in the batch, padding excluded.
    """

    ids_BT: Tensor
    labels_BT: Tensor
    may_see_B1TT: Tensor
    num_tokens: int


def document_lengths(*, batch: int, shortest: int, longest: int) -> list[int]:
    """Token counts spread evenly from `shortest` to `longest`, so that every batch has the same number of tokens."""
    if batch == 1:
        return [longest]
    return [shortest + (longest - shortest) * idx // (batch - 1) for idx in range(batch)]


def document_batch(*, lengths: list[int], padded_to: int, vocab_size: int, generator: torch.Generator) -> DocumentBatch:
    """Draw documents by Zipf's law, in random order of length, and pad them.

    The tokens of the documents do not depend on the padding.

    Args:
        lengths: tokens of each document, at most `padded_to`.
        padded_to: tokens of each row, padding included.
        vocab_size: size of the vocabulary.
        generator: the random generator; the batch is on its device.
    """
    device = generator.device
    num_tokens = sum(lengths)
    order_B = torch.randperm(len(lengths), generator=generator, device=device)
    length_B = torch.tensor(lengths, device=device)[order_B]
    num_words = vocab_size - FIRST_WORD
    words = FIRST_WORD + power_law_indices((num_tokens,), num_values=num_words, exponent=1.0, generator=generator)
    position_T = torch.arange(padded_to, device=device)
    is_real_BT = position_T < length_B[:, None]
    ids_BT = torch.full(is_real_BT.shape, PADDING, device=device).masked_scatter(is_real_BT, words)
    return _batch(ids_BT, is_real_BT, num_tokens=num_tokens)


def padded_batch(documents: Sequence[NDArray[np.int64]], padded_to: int, *, slot: Slot) -> DocumentBatch:
    """Documents as a batch on the device.

    Args:
        documents: ids of each; what is longer than `padded_to` is cut off.
        padded_to: tokens of each row, padding included.
        slot: the device.
    """
    ids_BT = np.full((len(documents), padded_to), PADDING, np.int64)
    length_B = np.asarray([min(len(one), padded_to) for one in documents])
    for row_T, one, length in zip(ids_BT, documents, length_B, strict=True):
        row_T[:length] = one[:length]
    is_real_BT = torch.arange(padded_to, device=slot.device) < on_device(length_B, slot)[:, None]
    return _batch(on_device(ids_BT, slot), is_real_BT, num_tokens=int(length_B.sum()))


def _batch(ids_BT: Tensor, is_real_BT: Tensor, *, num_tokens: int) -> DocumentBatch:
    """The batch of padded ids, of which some are real."""
    position_T = torch.arange(ids_BT.shape[1], device=ids_BT.device)
    is_past_TT = position_T[:, None] >= position_T
    return DocumentBatch(
        ids_BT=ids_BT,
        labels_BT=ids_BT.masked_fill(~is_real_BT, NOT_PREDICTED),
        may_see_B1TT=is_past_TT & is_real_BT[:, None, None, :],
        num_tokens=num_tokens,
    )
