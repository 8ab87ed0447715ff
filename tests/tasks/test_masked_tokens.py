"""Masking follows the rule of the BERT paper."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the data are made by torch")

from cupel.tasks.data import masked_tokens
from cupel.tasks.data.masked_tokens import CLS, FIRST_WORD, MASK, NOT_PREDICTED, SEP

VOCAB_SIZE = 5000


@pytest.fixture(scope="module")
def batch() -> masked_tokens.MaskedBatch:
    generator = torch.Generator().manual_seed(0)
    return masked_tokens.masked_batch(batch=400, sequence=512, vocab_size=VOCAB_SIZE, generator=generator)


def test_sequences_are_framed_and_the_frame_is_not_predicted(batch):
    assert batch.ids_BT.shape == batch.labels_BT.shape == (400, 512)
    assert (batch.ids_BT[:, 0] == CLS).all()
    assert (batch.ids_BT[:, -1] == SEP).all()
    assert (batch.labels_BT[:, [0, -1]] == NOT_PREDICTED).all()
    assert batch.ids_BT.max() < VOCAB_SIZE
    assert batch.labels_BT[batch.labels_BT != NOT_PREDICTED].min() >= FIRST_WORD


def test_fifteen_per_cent_are_predicted_by_the_rule_of_80_10_10(batch):
    is_selected = batch.labels_BT != NOT_PREDICTED
    assert float(is_selected.float().mean()) == pytest.approx(0.15 * 510 / 512, abs=0.003)
    ids, labels = batch.ids_BT[is_selected], batch.labels_BT[is_selected]
    assert float((ids == MASK).float().mean()) == pytest.approx(0.8, abs=0.01)
    # a random word is the true one now and then, hence the wider tolerance
    assert float((ids == labels).float().mean()) == pytest.approx(0.1, abs=0.01)
    random = ids[(ids != MASK) & (ids != labels)]
    assert len(random) / len(ids) == pytest.approx(0.1, abs=0.01)
    assert float(random.float().mean()) == pytest.approx((FIRST_WORD + VOCAB_SIZE) / 2, rel=0.05)


def test_other_tokens_are_shown_as_they_are(batch):
    is_word = batch.labels_BT == NOT_PREDICTED
    is_word[:, [0, -1]] = False
    assert (batch.ids_BT[is_word] >= FIRST_WORD).all()
