"""Documents keep their tokens whatever the padding, and padding is neither seen nor predicted."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the data are made by torch")

from cupel.tasks.data.padded_documents import NOT_PREDICTED, PADDING, document_batch, document_lengths

LENGTHS = [3, 5, 8]


def make(padded_to: int, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    return document_batch(lengths=LENGTHS, padded_to=padded_to, vocab_size=100, generator=generator)


def test_lengths_are_spread_from_shortest_to_longest():
    assert document_lengths(batch=4, shortest=512, longest=2048) == [512, 1024, 1536, 2048]
    assert document_lengths(batch=1, shortest=5, longest=9) == [9]


def test_real_tokens_are_counted_labelled_and_on_the_left():
    batch = make(12)
    is_real = batch.labels_BT != NOT_PREDICTED
    assert batch.num_tokens == sum(LENGTHS) == int(is_real.sum())
    assert sorted(is_real.sum(dim=1).tolist()) == LENGTHS
    assert torch.equal(batch.ids_BT[is_real], batch.labels_BT[is_real])
    assert (batch.ids_BT[is_real] != PADDING).all()
    assert (batch.ids_BT[~is_real] == PADDING).all()
    assert torch.equal(is_real.long().argmin(dim=1), is_real.sum(dim=1))


def test_a_token_sees_the_real_tokens_up_to_itself():
    batch = make(10)
    for row in range(3):
        length = int((batch.labels_BT[row] != NOT_PREDICTED).sum())
        for t in range(10):
            seen = batch.may_see_B1TT[row, 0, t].nonzero().flatten().tolist()
            assert seen == list(range(min(t + 1, length)))


def test_more_padding_leaves_the_documents_alone():
    narrow, wide = make(8), make(16)
    assert wide.num_tokens == narrow.num_tokens
    assert torch.equal(wide.ids_BT[:, :8], narrow.ids_BT)
    assert (wide.ids_BT[:, 8:] == PADDING).all()


def test_batches_differ_in_words():
    assert not torch.equal(make(8, seed=0).ids_BT, make(8, seed=1).ids_BT)
