"""Batches are of the numbers of a size, and the checks find a model that knows too much or counts padding."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="the data are made by torch")
pytest.importorskip("transformers", reason="the decoders are of transformers")

from cupel.run.slot import TorchSlot
from cupel.spec import WrongWorkError
from cupel.tasks.decoder_training import check_counted, check_untrained, document_batches, next_token_loss
from cupel.tasks.models.llama import llama

SIZES = SimpleNamespace(
    layers=1, width=16, heads=2, kv_heads=1, feedforward=32, vocab_size=50, checkpoints=False, batch=3,
    shortest=4, longest=12, padded_to=12, batches=2,
)  # fmt: skip


def make_slot() -> TorchSlot:
    return TorchSlot(device="cpu", settings={"precision": "fp32"}, threads=1)


def test_batches_differ_and_hold_the_lengths_asked_for():
    first, second = document_batches(SIZES, make_slot(), seed=1)
    assert first.num_tokens == second.num_tokens == 4 + 8 + 12
    assert first.ids_BT.shape == (3, 12)
    assert not torch.equal(first.ids_BT, second.ids_BT)
    assert torch.equal(document_batches(SIZES, make_slot(), seed=1)[0].ids_BT, first.ids_BT)


def test_the_loss_agrees_with_a_loop_over_tokens():
    torch.manual_seed(0)
    model, batch = llama(SIZES), document_batches(SIZES, make_slot(), seed=1)[0]
    logits = model(input_ids=batch.ids_BT, attention_mask=batch.may_see_B1TT).logits.detach()
    surprises = [
        -float(torch.log_softmax(logits[b, t], dim=0)[batch.labels_BT[b, t + 1]])
        for b in range(3)
        for t in range(11)
        if batch.labels_BT[b, t + 1] >= 0
    ]
    assert len(surprises) == 4 + 8 + 12 - 3
    loss = float(next_token_loss(model, batch, slot=make_slot()).detach())
    assert loss == pytest.approx(sum(surprises) / len(surprises), rel=1e-5)


def test_the_checks_pass_and_fail():
    torch.manual_seed(0)
    model, batch = llama(SIZES), document_batches(SIZES, make_slot(), seed=1)[0]
    check_untrained("x", model, batch, slot=make_slot())
    check_counted("x", 24, batch)
    with pytest.raises(WrongWorkError, match="counted 36 tokens; expected 24"):
        check_counted("x", 36, batch)
    with torch.no_grad():
        model.lm_head.weight.mul_(100)
    with pytest.raises(WrongWorkError, match="before training"):
        check_untrained("x", model, batch, slot=make_slot())
