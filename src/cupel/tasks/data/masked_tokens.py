"""Batches for masked language modelling: random tokens, 15 % of them to be predicted.

Shapes: B sequences, T tokens of each.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from cupel.tasks.data.power_law import power_law_indices

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


def masked_batch(*, batch: int, sequence: int, vocab_size: int, generator: torch.Generator) -> MaskedBatch:
    """Draw sequences of words by Zipf's law, framed by [CLS] and [SEP], and mask them once.

    Each word is selected with probability 15 %; a selected one is replaced by [MASK] with probability 80 %, by a
    uniformly drawn word with 10 %, and stays as it is with 10 %. There is no padding.

    Args:
        batch: number of sequences.
        sequence: tokens of each, the two special ones included.
        vocab_size: size of the vocabulary, more than 104.
        generator: the random generator; the batch is on its device.

    Returns:
        The ids to read, and the labels: the true word where one is to be predicted, -100 elsewhere.

    Source:
        Devlin et al. 2018, BERT, section 3.1 and appendix A.1.
    """
    shape, device = (batch, sequence), generator.device
    num_words = vocab_size - FIRST_WORD
    words_BT = FIRST_WORD + power_law_indices(shape, num_values=num_words, exponent=1.0, generator=generator)
    words_BT[:, 0], words_BT[:, -1] = CLS, SEP
    is_selected_BT = torch.rand(shape, generator=generator, device=device) < SELECTED_FRAC
    is_selected_BT &= words_BT >= FIRST_WORD
    fate_BT = torch.rand(shape, generator=generator, device=device)
    random_BT = torch.randint(FIRST_WORD, vocab_size, shape, generator=generator, device=device)
    is_masked_BT = is_selected_BT & (fate_BT < MASKED_FRAC)
    is_random_BT = is_selected_BT & (fate_BT >= MASKED_FRAC) & (fate_BT < MASKED_FRAC + RANDOM_FRAC)
    ids_BT = words_BT.masked_fill(is_masked_BT, MASK).where(~is_random_BT, random_BT)
    return MaskedBatch(ids_BT, words_BT.masked_fill(~is_selected_BT, NOT_PREDICTED))
