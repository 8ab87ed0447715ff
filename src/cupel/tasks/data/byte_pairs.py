"""Byte pairs: a vocabulary grown out of a text by joining its most frequent neighbours, and the ids of texts in it.

Decisions:
- A text is cut into words, runs of marks (both with a blank before them) and white space; no pair reaches across a cut.
- Ids: 0 is a byte that the vocabulary lacks, 1 the end of a document; then come the bytes of the training text, the
  most frequent first, then the pairs in the order in which they were joined. A small vocabulary is thus one of bytes.
- Of equally frequent pairs the one of the lower ids is joined first; growing ends where no pair occurs twice.

Source: Sennrich et al. 2015, Neural Machine Translation of Rare Words with Subword Units, section 3.2.
"""

from __future__ import annotations

import heapq
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TypeAlias

Pair: TypeAlias = tuple[int, int]
UNKNOWN, END = 0, 1
FIRST_BYTE = 2
MOST_KNOWN = 100_000
"""Words whose ids are kept, so that a frequent word is looked up."""
_CUT = re.compile(r" ?\w+| ?[^\w\s]+|\s+")


class BytePairs:
    """A vocabulary.

    Args:
        alphabet: the bytes that have an id.
        pairs: the pairs that have one, each of ids before its own.
    """

    end = END

    def __init__(self, alphabet: Sequence[int], pairs: Sequence[Pair]) -> None:
        first_pair = FIRST_BYTE + len(alphabet)
        self.byte_ids = {byte: FIRST_BYTE + idx for idx, byte in enumerate(alphabet)}
        self.pair_ids = {pair: first_pair + idx for idx, pair in enumerate(pairs)}
        self.num_ids = first_pair + len(pairs)
        self._known: dict[str, list[int]] = {}

    def encode(self, text: str) -> list[int]:
        """The ids of a text, joined in the order of the vocabulary; the end of a document is not among them."""
        return list(itertools.chain.from_iterable(map(self._word_ids, _CUT.findall(text))))

    def _word_ids(self, word: str) -> list[int]:
        known = self._known.get(word)
        if known is not None:
            return known
        ids = [self.byte_ids.get(byte, UNKNOWN) for byte in word.encode()]
        while True:
            there = [pair for pair in itertools.pairwise(ids) if pair in self.pair_ids]
            if not there:
                break
            first = min(there, key=self.pair_ids.__getitem__)
            ids = joined(ids, first, self.pair_ids[first])
        if len(self._known) < MOST_KNOWN:
            self._known[word] = ids
        return ids


def grow(text: str, *, num_ids: int) -> BytePairs:
    """The vocabulary of a text, with at most `num_ids` ids, of which there must be three at least.

    Cost: a pass over the text, then, for each pair that is joined, one over the distinct words that have it.
    """
    counts = Counter(_CUT.findall(text))
    num_of_byte: Counter[int] = Counter()
    for word, count in counts.items():
        for byte in word.encode():
            num_of_byte[byte] += count
    alphabet = sorted(num_of_byte, key=lambda byte: (-num_of_byte[byte], byte))[: num_ids - FIRST_BYTE]
    bare = BytePairs(alphabet, ())
    words = _Words([(bare.encode(word), count) for word, count in counts.items()])
    return BytePairs(alphabet, list(words.join_up(range(bare.num_ids, num_ids))))


def joined(ids: Sequence[int], pair: Pair, new: int) -> list[int]:
    """The ids with each occurrence of a pair, from the left, replaced by one new id."""
    found: list[int] = []
    for one in ids:
        if found and (found[-1], one) == pair:
            found[-1] = new
        else:
            found.append(one)
    return found


class _Words:
    """Distinct words as ids, and how often each pair occurs in them; pairs with an unknown byte are left out."""

    def __init__(self, words: Sequence[tuple[list[int], int]]) -> None:
        self.ids = [ids for ids, _ in words]
        self.counts = [count for _, count in words]
        self.num_of: Counter[Pair] = Counter()
        self.places: dict[Pair, set[int]] = {}
        for idx in range(len(words)):
            self._count(idx)
        self.heap = [(-num, pair) for pair, num in self.num_of.items()]
        heapq.heapify(self.heap)

    def join_up(self, new_ids: Sequence[int]) -> Iterator[Pair]:
        """The pairs that get these ids, the most frequent one each time."""
        given = iter(new_ids)
        while self.heap:
            num, pair = heapq.heappop(self.heap)
            if -num != self.num_of[pair]:
                continue  # its number has changed since, and stands in the heap once more
            new = next(given, None)
            if new is None or -num < 2:
                return
            self._join(pair, new)
            yield pair

    def _join(self, pair: Pair, new: int) -> None:
        """Replace a pair everywhere."""
        changed: set[Pair] = set()
        for idx in self.places[pair].copy():
            changed |= self._count(idx, sign=-1)
            self.ids[idx] = joined(self.ids[idx], pair, new)
            changed |= self._count(idx)
        for other in changed:
            if self.num_of[other]:
                heapq.heappush(self.heap, (-self.num_of[other], other))

    def _count(self, idx: int, *, sign: int = 1) -> set[Pair]:
        """Add a word's pairs to the numbers, or take them away; returns the pairs."""
        pairs = [pair for pair in itertools.pairwise(self.ids[idx]) if UNKNOWN not in pair]
        for pair in pairs:
            self.num_of[pair] += sign * self.counts[idx]
            places = self.places.setdefault(pair, set())
            if sign > 0:
                places.add(idx)
            else:
                places.discard(idx)
        return set(pairs)
