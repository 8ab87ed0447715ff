"""What is read and what is written make up the text again, in the numbers that the paper has."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the data are made by torch")

from cupel.tasks.data.span_corruption import END, FIRST_WORD, NUM_SENTINELS, random_lengths, span_batch, span_counts

VOCAB = 400


def make(seed: int = 0, batch: int = 3, sequence: int = 60):
    generator = torch.Generator().manual_seed(seed)
    return span_batch(batch=batch, sequence=sequence, vocab_size=VOCAB, generator=generator)


def spans_of(written: list[int]) -> dict[int, list[int]]:
    """Words by the sentinel before them."""
    spans: dict[int, list[int]] = {}
    for token in written:
        if token >= VOCAB - NUM_SENTINELS:
            spans[token] = []
        else:
            spans[list(spans)[-1]].append(token)
    return spans


def test_568_tokens_make_512_to_read_and_114_to_write():
    batch = make(sequence=568, batch=2)
    assert batch.ids_BI.shape == (2, 512)
    assert batch.labels_BO.shape == (2, 114)
    assert span_counts(568) == (85, 28)


def test_reading_and_writing_make_up_the_text_again():
    batch = make()
    num_corrupted, num_spans = span_counts(60)
    for ids, labels in zip(batch.ids_BI.tolist(), batch.labels_BO.tolist(), strict=True):
        assert (ids.pop(), labels.pop()) == (END, END)
        spans = spans_of(labels)
        sentinels = [token for token in ids if token >= VOCAB - NUM_SENTINELS]
        assert sentinels == list(spans) == [VOCAB - 1 - k for k in range(num_spans)]
        assert all(spans.values())
        text = [word for token in ids for word in spans.get(token, [token])]
        assert len(text) == 60
        assert sum(map(len, spans.values())) == num_corrupted
        assert all(FIRST_WORD <= word < VOCAB - NUM_SENTINELS for word in text)
        assert ids[0] not in spans
        assert ids[-1] in spans


def test_common_words_are_common():
    counts = torch.cat([make(seed).ids_BI.flatten() for seed in range(20)]).bincount(minlength=VOCAB)
    assert counts[FIRST_WORD] > 5 * counts[FIRST_WORD + 20]


def test_every_way_of_cutting_is_equally_likely():
    lengths = random_lengths(5, 3, batch=6000, generator=torch.Generator().manual_seed(0))
    assert (lengths.sum(dim=1) == 5).all()
    assert (lengths >= 1).all()
    ways, counts = lengths.unique(dim=0, return_counts=True)
    assert len(ways) == 6  # two cuts out of four places
    assert (counts - 1000).abs().max() < 5 * (6000 * 1 / 6 * 5 / 6) ** 0.5


def test_one_span_is_not_cut():
    assert random_lengths(5, 1, batch=2, generator=torch.Generator().manual_seed(0)).tolist() == [[5], [5]]


def test_other_seeds_give_other_batches():
    assert torch.equal(make(1).ids_BI, make(1).ids_BI)
    assert not torch.equal(make(1).ids_BI, make(2).ids_BI)
