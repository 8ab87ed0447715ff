"""Batches of queries and passages, random ones or from texts, for training of retrieval.

Decisions:
- Of random words, a passage is hard for no query; it is a passage more.
- Of texts, a query is the beginning of a document, a quarter of it at most, and its passage is what follows; the other
  passages are of further documents in the same way.

Shapes: B queries, 2 B passages, T tokens of a text with its padding.

Source: Lee et al. 2019, Latent Retrieval for Weakly Supervised Open Domain Question Answering, section 4 (a query cut
out of its own passage).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cupel.spec import Seeds, Sizes, Slot
from cupel.tasks.data.batch_stream import held_or_streamed, is_from_files
from cupel.tasks.data.padded_documents import (
    FIRST_WORD,
    DocumentBatch,
    document_batch,
    document_lengths,
    padded_batch,
)
from cupel.tasks.data.text_documents import text_documents

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

CLS = 101
"""Id of the token that stands for a whole text."""


class Texts:
    """Padded texts: ids (B, T), and which of the tokens may be seen, (B, 1, T, T)."""

    def __init__(self, ids_BT: Tensor, is_real_BT: Tensor) -> None:
        self.ids_BT = ids_BT
        num_tokens = ids_BT.shape[1]
        self.may_see_B1TT = is_real_BT[:, None, None].expand(-1, 1, num_tokens, -1)


class Pairs(NamedTuple):
    """Queries, twice as many passages of which the first are theirs, and the real tokens of both."""

    queries: Texts
    passages: Texts
    num_tokens: int


def pair_batches(sizes: Sizes, slot: Slot, rng: Seeds) -> Sequence[Pairs]:
    """Batches on the device: `batches` held ones, or a stream of `disk`.

    Args:
        sizes: `batch` queries, `vocab_size`, and tokens of texts: `query_shortest`, `query_longest`,
            `passage_shortest`, `passage_longest`; texts from disk have no shortest.
        slot: the setting `data`, the device and the rank.
        rng: the seeds.
    """
    stream = _from_texts(sizes, slot, rng) if is_from_files(slot) else _random(sizes, slot, rng)
    return held_or_streamed(map(_pairs, stream), sizes, slot)


def _pairs(both: tuple[DocumentBatch, DocumentBatch]) -> Pairs:
    """Queries and passages that begin with their token."""
    for batch in both:
        batch.ids_BT[:, 0] = CLS
    queries, passages = (Texts(batch.ids_BT, batch.labels_BT >= 0) for batch in both)
    return Pairs(queries, passages, sum(batch.num_tokens for batch in both))


def _random(sizes: Sizes, slot: Slot, rng: Seeds) -> Iterator[tuple[DocumentBatch, DocumentBatch]]:
    """Texts of random words."""
    generator = slot.generator(rng.seed("data"))

    def texts(num: int, shortest: int, longest: int) -> DocumentBatch:
        lengths = document_lengths(batch=num, shortest=shortest, longest=longest)
        return document_batch(lengths=lengths, padded_to=longest, vocab_size=sizes.vocab_size, generator=generator)

    while True:
        queries = texts(sizes.batch, sizes.query_shortest, sizes.query_longest)
        yield queries, texts(2 * sizes.batch, sizes.passage_shortest, sizes.passage_longest)


def _from_texts(sizes: Sizes, slot: Slot, rng: Seeds) -> Iterator[tuple[DocumentBatch, DocumentBatch]]:
    """Texts from disk."""
    documents = text_documents(slot, rng, ids=range(FIRST_WORD, sizes.vocab_size))

    def cut() -> tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]]:
        queries, passages = [], []
        for document in itertools.islice(documents, 2 * sizes.batch):
            place = min(max(len(document) // 4, 1), sizes.query_longest - 1)
            # one id before the words, over which the token of the whole text is written
            queries.append(np.insert(document[:place], 0, CLS))
            passages.append(np.insert(document[place:], 0, CLS))
        return queries[: sizes.batch], passages

    def padded() -> tuple[DocumentBatch, DocumentBatch]:
        queries, passages = cut()
        passage_batch = padded_batch(passages, sizes.passage_longest, slot=slot)
        return padded_batch(queries, sizes.query_longest, slot=slot), passage_batch

    return (padded() for _ in itertools.count())
