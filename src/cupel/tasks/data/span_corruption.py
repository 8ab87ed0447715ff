"""Batches for span corruption: random words or texts with spans cut out, and the spans to be told.

Shapes: B sequences, T raw tokens of each, I tokens to read, O tokens to write, S spans.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (everyone's name for it)

from cupel.spec import Seeds, Sizes, Slot
from cupel.tasks.data.batch_stream import held_or_streamed
from cupel.tasks.data.power_law import Words, zipf_words
from cupel.tasks.data.text_source import words_of

END = 1
"""Id of the end of a sequence; 0 is padding, 2 is the unknown word."""
FIRST_WORD = 3
NUM_SENTINELS = 100
"""Ids at the end of the vocabulary that stand for spans, the last id for the first span."""
CORRUPTED_FRAC, SPAN_TOKENS = 0.15, 3.0
"""Share of tokens that are cut out, and mean length of a span."""


class SpanBatch(NamedTuple):
    """What is read (B, I) and what is to be written (B, O), int64 ids without padding."""

    ids_BI: Tensor
    labels_BO: Tensor


def span_counts(sequence: int) -> tuple[int, int]:
    """Tokens cut out of a sequence, and the number of spans they make."""
    num_corrupted = round(sequence * CORRUPTED_FRAC)
    return num_corrupted, round(num_corrupted / SPAN_TOKENS)


def random_lengths(num_tokens: int, num_parts: int, *, batch: int, generator: torch.Generator) -> Tensor:
    """Lengths (B, S) of parts of at least one token that fill `num_tokens`, each way of cutting equally likely."""
    order = torch.rand(batch, num_tokens - 1, generator=generator, device=generator.device).argsort(dim=1)
    cuts = 1 + order[:, : num_parts - 1].sort(dim=1).values
    ends = F.pad(F.pad(cuts, (1, 0)), (0, 1), value=num_tokens)
    return ends.diff(dim=1)


def span_batches(sizes: Sizes, slot: Slot, rng: Seeds, *, vocab_size: int) -> Sequence[SpanBatch]:
    """Batches on the device, of `batch` sequences of `sequence` tokens: `batches` held ones, or a stream of `disk`."""
    generator = slot.generator(rng.seed("data"))
    words = words_of(slot, rng, ids=range(FIRST_WORD, vocab_size - NUM_SENTINELS), generator=generator)
    shape = {"batch": sizes.batch, "sequence": sizes.sequence, "vocab_size": vocab_size}

    stream = (span_batch(**shape, generator=generator, words=words) for _ in itertools.count())
    return held_or_streamed(stream, sizes, slot)


def span_batch(
    *, batch: int, sequence: int, vocab_size: int, generator: torch.Generator, words: Words | None = None
) -> SpanBatch:
    """Draw sequences of words and cut 15 % of each out, in spans of 3 tokens on average.

    A sequence starts with words that are kept and ends with a span. To be read: the words kept, a sentinel in place of
    each span, the end. To be written: each span after its sentinel, the end. Every sequence of a batch has the same
    numbers of both, so that there is no padding.

    Args:
        batch: number of sequences.
        sequence: raw tokens of each; 568 make 512 to read and 114 to write.
        vocab_size: number of ids, the 100 sentinels included.
        generator: the random generator; the batch is on its device.
        words: gives the words, of ids from 3 to the sentinels; Zipf's law where None.

    Source:
        Raffel et al. 2020, Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer, section
        3.1.4 and 3.3.4.
    """
    device = generator.device
    num_corrupted, num_spans = span_counts(sequence)
    ids = range(FIRST_WORD, vocab_size - NUM_SENTINELS)
    words_BT = (words or zipf_words(ids, generator=generator))((batch, sequence))
    kept_BS = random_lengths(sequence - num_corrupted, num_spans, batch=batch, generator=generator)
    cut_BS = random_lengths(num_corrupted, num_spans, batch=batch, generator=generator)
    ends_BP = torch.stack([kept_BS, cut_BS], dim=2).flatten(1).cumsum(dim=1)
    position_BT = torch.arange(sequence, device=device).expand(batch, -1).contiguous()
    part_BT = torch.searchsorted(ends_BP, position_BT, right=True)
    is_cut_BT = part_BT % 2 == 1
    is_first_BT = is_cut_BT & (part_BT != F.pad(part_BT, (1, 0))[:, :-1])
    sentinel_BT = vocab_size - 1 - part_BT // 2
    read_BT = torch.where(is_cut_BT, sentinel_BT, words_BT)[~is_cut_BT | is_first_BT].view(batch, -1)
    written_BT = torch.stack([sentinel_BT, words_BT], dim=2)[torch.stack([is_first_BT, is_cut_BT], dim=2)]
    return SpanBatch(F.pad(read_BT, (0, 1), value=END), F.pad(written_BT.view(batch, -1), (0, 1), value=END))
