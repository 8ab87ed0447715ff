"""bert has the published size, counts its sequences, and its check can fail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="bert needs torch")
pytest.importorskip("transformers", reason="bert needs transformers")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, WrongWorkError
from cupel.tasks.data.masked_tokens import MaskedBatch
from cupel.workloads import bert

TINY = SimpleNamespace(**bert.CARD.sizes("tiny"))


def make_slot(precision: str = "fp32") -> TorchSlot:
    return TorchSlot(device="cpu", settings={"precision": precision}, threads=1)


def test_full_is_bert_large():
    with torch.device("meta"):
        model = bert.build_model(SimpleNamespace(**bert.CARD.sizes("full")))
    num_parameters = sum(parameter.numel() for parameter in model.parameters())
    assert num_parameters == 335_174_458
    # the paper's 340 M counts the pooler and the head for next sentences too
    assert num_parameters + 1024 * 1024 + 1024 + 2 * 1024 + 2 == pytest.approx(340e6, rel=0.02)


def test_a_step_counts_sequences_and_tokens():
    done = bert.setup(TINY, make_slot(), Seeds(0))()
    assert done.items == TINY.batch
    assert done.also == {"tokens": TINY.batch * TINY.sequence}
    assert not done.loss.requires_grad


def test_steps_rotate_over_batches_that_differ():
    batches = bert.build_batches(TINY, make_slot(), rng=Seeds(0))
    assert len(batches) == TINY.batches
    assert not torch.equal(batches[0].ids_BT, batches[1].ids_BT)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_the_check_passes(precision):
    bert.sane(TINY, make_slot(precision), Seeds(0))


def test_the_check_finds_an_optimiser_that_does_nothing(monkeypatch):
    monkeypatch.setattr(bert, "adamw", lambda parameters: torch.optim.SGD(parameters, lr=0.0))
    with pytest.raises(WrongWorkError, match="expected it to fall"):
        bert.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_a_layer_that_is_cut_off(monkeypatch):
    build = bert.build_model

    def cut(sizes):
        model = build(sizes)
        model.bert.encoder.layer[0].register_forward_hook(lambda *parts: parts[2].detach())
        return model

    monkeypatch.setattr(bert, "build_model", cut)
    with pytest.raises(WrongWorkError, match="no gradient reaches bert"):
        bert.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_a_loss_over_the_wrong_tokens(monkeypatch):
    batches = bert.build_batches(TINY, make_slot(), rng=Seeds(0))
    nothing = [MaskedBatch(batch.ids_BT, torch.full_like(batch.labels_BT, -100)) for batch in batches]
    monkeypatch.setattr(bert, "build_batches", lambda *_, **__: nothing)
    with pytest.raises(WrongWorkError, match="loss before training is nan"):
        bert.sane(TINY, make_slot(), Seeds(0))
