"""Batches for masked language modelling: random words or texts, 15 % of the tokens to be predicted.

Shapes: B sequences, T tokens of each.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from cupel.spec import Seeds, Sizes, Slot
from cupel.tasks.data.batch_stream import held_or_streamed
from cupel.tasks.data.power_law import Words, zipf_words
from cupel.tasks.data.text_source import words_of

CLS, SEP, MASK = 101, 102, 103
"""Ids of the special tokens, as in the vocabulary that BERT was published with."""
FIRST_WORD = 104
"""Ids from here on are words; the vocabulary must be larger."""
NOT_PREDICTED = -100
"""Label of a position that does not count in the loss."""
SELECTED_FRAC, MASKED_FRAC, RANDOM_FRAC = 0.15, 0.8, 0.1
"""Share of tokens that are to be predicted; of these, those shown as [MASK] and those shown as a random word."""


class MaskedBatch(NamedTuple):
    """Input ids and labels, both int64 of shape (B, T)."""

    ids_BT: Tensor
    labels_BT: Tensor


def masked_batches(sizes: Sizes, slot: Slot, rng: Seeds, *, sequence: int) -> Sequence[MaskedBatch]:
    """Batches on the device, of `batch` sequences and `vocab_size` ids: `batches` held ones, or a stream of `disk`."""
    generator = slot.generator(rng.seed("data"))
    words = words_of(slot, rng, ids=range(FIRST_WORD, sizes.vocab_size), generator=generator)
    shape = {"batch": sizes.batch, "sequence": sequence, "vocab_size": sizes.vocab_size}

    stream = (masked_batch(**shape, generator=generator, words=words) for _ in itertools.count())
    return held_or_streamed(stream, sizes, slot)


def masked_batch(
    *, batch: int, sequence: int, vocab_size: int, generator: torch.Generator, words: Words | None = None
) -> MaskedBatch:
    """Draw sequences of words, framed by [CLS] and [SEP], and mask them once.

    Each word is selected with probability 15 %; a selected one is replaced by [MASK] with probability 80 %, by a
    uniformly drawn word with 10 %, and stays as it is with 10 %. There is no padding.

    Args:
        batch: number of sequences.
        sequence: tokens of each, the two special ones included.
        vocab_size: size of the vocabulary, more than 104.
        generator: the random generator; the batch is on its device.
        words: gives the words, of ids from 104 on; Zipf's law where None.

    Returns:
        The ids to read, and the labels: the true word where one is to be predicted, -100 elsewhere.

    Source:
        Devlin et al. 2018, BERT, section 3.1 and appendix A.1.
    """
    shape, device = (batch, sequence), generator.device
    words_BT = (words or zipf_words(range(FIRST_WORD, vocab_size), generator=generator))(shape)
    words_BT[:, 0], words_BT[:, -1] = CLS, SEP
    is_selected_BT = torch.rand(shape, generator=generator, device=device) < SELECTED_FRAC
    is_selected_BT &= words_BT >= FIRST_WORD
    fate_BT = torch.rand(shape, generator=generator, device=device)
    random_BT = torch.randint(FIRST_WORD, vocab_size, shape, generator=generator, device=device)
    is_masked_BT = is_selected_BT & (fate_BT < MASKED_FRAC)
    is_random_BT = is_selected_BT & (fate_BT >= MASKED_FRAC) & (fate_BT < MASKED_FRAC + RANDOM_FRAC)
    ids_BT = words_BT.masked_fill(is_masked_BT, MASK).where(~is_random_BT, random_BT)
    return MaskedBatch(ids_BT, words_BT.masked_fill(~is_selected_BT, NOT_PREDICTED))
