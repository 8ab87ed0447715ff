"""dense_retrieval has the published size, counts queries and real tokens, and its check can fail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="dense_retrieval needs torch")
pytest.importorskip("transformers", reason="dense_retrieval needs transformers")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, WrongWorkError
from cupel.tasks.data.retrieval_pairs import CLS, Texts
from cupel.workloads import dense_retrieval

TINY = SimpleNamespace(**dense_retrieval.CARD.sizes("tiny"))


def make_slot(precision: str = "fp32") -> TorchSlot:
    return TorchSlot(device="cpu", settings={"precision": precision}, threads=1)


def test_full_is_two_bert_base_encoders():
    with torch.device("meta"):
        model = dense_retrieval.build_model(SimpleNamespace(**dense_retrieval.CARD.sizes("full")))
    num_parameters = sum(parameter.numel() for parameter in model.parameters())
    assert num_parameters == 217_783_296
    # the 110 M of the paper on BERT has the pooler too
    assert num_parameters / 2 + 768 * 768 + 768 == pytest.approx(110e6, rel=0.01)


def test_a_step_counts_queries_and_real_tokens():
    done = dense_retrieval.setup(TINY, make_slot(), Seeds(0))()
    assert done.items == TINY.batch
    assert done.also == {"tokens": (4 + 5 + 6 + 8) + (12 + 14 + 17 + 20 + 23 + 26 + 29 + 32)}


def test_texts_start_with_their_token_and_batches_differ():
    first, second = dense_retrieval.build_batches(TINY, make_slot(), rng=Seeds(0))
    assert first.queries.ids_BT.shape == (4, 8)
    assert first.passages.ids_BT.shape == (8, 32)
    assert (first.queries.ids_BT[:, 0] == CLS).all()
    assert (first.passages.ids_BT[:, 0] == CLS).all()
    assert not torch.equal(first.passages.ids_BT, second.passages.ids_BT)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_check_passes(precision):
    dense_retrieval.sane(TINY, make_slot(precision), Seeds(0))


def test_the_check_finds_pairs_that_are_mixed_up(monkeypatch):
    loss_of = dense_retrieval.in_batch_loss
    monkeypatch.setattr(dense_retrieval, "in_batch_loss", lambda scores: loss_of(scores.flip(0)))
    with pytest.raises(WrongWorkError, match="of these scores"):
        dense_retrieval.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_padding_that_is_seen(monkeypatch):
    monkeypatch.setattr(Texts, "__init__", see_all)
    with pytest.raises(WrongWorkError, match="ids in the padding"):
        dense_retrieval.sane(TINY, make_slot(), Seeds(0))


def see_all(self, ids_BT, is_real_BT):
    """Texts whose padding is seen behind the back of whoever asks with the first row."""
    self.ids_BT = ids_BT
    self.may_see_B1TT = torch.ones(len(ids_BT), 1, ids_BT.shape[1], ids_BT.shape[1], dtype=torch.bool)
    self.may_see_B1TT[:, 0, 0] = is_real_BT


def test_the_check_finds_an_encoder_that_is_not_trained(monkeypatch):
    build = dense_retrieval.build_model

    def frozen(sizes):
        model = build(sizes)
        model.passages.requires_grad_(requires_grad=False)
        return model

    monkeypatch.setattr(dense_retrieval, "build_model", frozen)
    with pytest.raises(WrongWorkError, match="no gradient reaches passages"):
        dense_retrieval.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_padding_that_is_counted(monkeypatch):
    build = dense_retrieval.build_batches

    def count_all(sizes, slot, *, rng):
        return [
            pairs._replace(num_tokens=pairs.queries.ids_BT.numel() + pairs.passages.ids_BT.numel())
            for pairs in build(sizes, slot, rng=rng)
        ]

    monkeypatch.setattr(dense_retrieval, "build_batches", count_all)
    with pytest.raises(WrongWorkError, match="288 tokens counted; expected 196"):
        dense_retrieval.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_an_update_that_is_left_out(monkeypatch):
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda _: None)
    with pytest.raises(WrongWorkError, match="expected it to fall"):
        dense_retrieval.sane(TINY, make_slot(), Seeds(0))
