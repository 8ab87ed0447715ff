"""Scores agree with texts encoded one by one without padding, and the loss with a loop over queries."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="the encoders need torch")
pytest.importorskip("transformers", reason="the encoders are of transformers")

from cupel.tasks.data.retrieval_pairs import Texts
from cupel.tasks.models.bi_encoder import BiEncoder, in_batch_loss

SIZES = SimpleNamespace(layers=2, width=16, heads=2, feedforward=32, vocab_size=50, positions=12, dropout=0.0)


def make_texts(lengths: list[int], seed: int) -> Texts:
    ids = torch.randint(50, (len(lengths), max(lengths)), generator=torch.Generator().manual_seed(seed))
    return Texts(ids, torch.arange(max(lengths)) < torch.tensor(lengths)[:, None])


def test_scores_are_dot_products_of_texts_encoded_alone():
    torch.manual_seed(0)
    model = BiEncoder(SIZES).eval()
    lengths_q, lengths_p = [3, 5], [7, 4, 12, 6]
    queries, passages = make_texts(lengths_q, 1), make_texts(lengths_p, 2)
    scores = model(queries, passages)
    assert scores.shape == (2, 4)
    for i, length_q in enumerate(lengths_q):
        query = model.queries(input_ids=queries.ids_BT[i : i + 1, :length_q]).last_hidden_state[0, 0]
        for j, length_p in enumerate(lengths_p):
            passage = model.passages(input_ids=passages.ids_BT[j : j + 1, :length_p]).last_hidden_state[0, 0]
            assert float(scores[i, j].detach()) == pytest.approx(float((query @ passage).detach()), rel=1e-4, abs=1e-4)


def test_the_two_encoders_share_nothing():
    model = BiEncoder(SIZES)
    shared = {id(p) for p in model.queries.parameters()} & {id(p) for p in model.passages.parameters()}
    assert not shared


def test_the_loss_agrees_with_a_loop_over_queries():
    scores = torch.randn(3, 6, generator=torch.Generator().manual_seed(0))
    total = 0.0
    for i in range(3):
        shares = [math.exp(float(score)) for score in scores[i]]
        total -= math.log(shares[i] / sum(shares))
    assert float(in_batch_loss(scores)) == pytest.approx(total / 3, rel=1e-5)
    assert in_batch_loss(scores.bfloat16()).dtype == torch.float32
