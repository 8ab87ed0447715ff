"""Byte pairs: a text can be put together again from its ids, and the vocabulary is that of the plain algorithm."""

from __future__ import annotations

import itertools
import re
from collections import Counter

import pytest

from cupel.tasks.data.byte_pairs import END, FIRST_BYTE, UNKNOWN, BytePairs, grow, joined

TEXT = "low low low low lower lower newest newest newest newest newest newest widest widest widest, été 1\n\n  x\t."


def spelled(vocabulary: BytePairs, ids: list[int]) -> bytes:
    """The bytes that ids stand for."""
    meaning = {one: bytes([byte]) for byte, one in vocabulary.byte_ids.items()}
    for (left, right), one in vocabulary.pair_ids.items():
        meaning[one] = meaning[left] + meaning[right]
    return b"".join(meaning[one] for one in ids)


@pytest.mark.parametrize("num_ids", [30, 40, 60, 1000])
def test_ids_spell_the_text(num_ids):
    vocabulary = grow(TEXT, num_ids=num_ids)
    ids = vocabulary.encode(TEXT)
    assert spelled(vocabulary, ids) == TEXT.encode()
    assert vocabulary.num_ids <= num_ids
    assert min(ids) >= FIRST_BYTE
    assert max(ids) < vocabulary.num_ids
    assert vocabulary.encode(TEXT) == ids


def test_more_ids_make_a_text_shorter():
    lengths = [len(grow(TEXT, num_ids=num).encode(TEXT)) for num in (25, 30, 35, 40)]
    assert lengths == sorted(set(lengths), reverse=True)


def plain_pairs(text: str, num_pairs: int) -> list[bytes]:
    """What the most frequent pairs spell, by counting all words anew for each; there must be no ties."""
    words = Counter(
        tuple(bytes([byte]) for byte in word.encode()) for word in re.findall(r" ?\w+| ?[^\w\s]+|\s+", text)
    )
    found = []
    for _ in range(num_pairs):
        counts: Counter[tuple[bytes, bytes]] = Counter()
        for word, num in words.items():
            for pair in itertools.pairwise(word):
                counts[pair] += num
        (pair, most), (_, second) = counts.most_common(2)
        assert most > second
        found.append(pair[0] + pair[1])
        words = Counter({tuple(joined(word, pair, found[-1])): num for word, num in words.items()})
    return found


def test_pairs_are_those_of_the_plain_algorithm():
    text = "ab " * 31 + "abc " * 17 + "bcd " * 11 + "cde " * 5 + "dea " * 3
    expected = plain_pairs(text, 4)
    vocabulary = grow(text, num_ids=100)
    assert [spelled(vocabulary, [one]) for one in vocabulary.pair_ids.values()][:4] == expected


def test_no_pair_that_occurs_once_is_joined_and_none_reaches_across_words():
    vocabulary = grow("ab cd ab xy", num_ids=100)
    pairs = {spelled(vocabulary, [one]) for one in vocabulary.pair_ids.values()}
    assert pairs == {b"ab"}  # with its blank it occurs once, as the third word


def test_bytes_that_were_never_seen_or_have_no_room_are_unknown():
    vocabulary = grow("aaaa bb c", num_ids=FIRST_BYTE + 2)
    assert vocabulary.byte_ids == {ord("a"): FIRST_BYTE, ord(" "): FIRST_BYTE + 1}
    assert vocabulary.encode("az") == [vocabulary.byte_ids[ord("a")], UNKNOWN]
    assert vocabulary.pair_ids == {}
    assert END not in vocabulary.encode("aaaa bb c")


def test_a_pair_is_joined_from_the_left_without_overlap():
    assert joined([1, 1, 1, 2], (1, 1), 9) == [9, 1, 2]
    assert joined([1, 2, 1, 2, 1], (1, 2), 9) == [9, 9, 1]
    assert joined([], (1, 2), 9) == []
