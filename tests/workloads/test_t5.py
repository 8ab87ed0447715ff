"""t5 has the published size, counts what is read and written, and its check can fail."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="t5 needs torch")
pytest.importorskip("transformers", reason="t5 needs transformers")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, WrongWorkError
from cupel.workloads import t5

TINY = SimpleNamespace(**t5.CARD.sizes("tiny"))


def make_slot(precision: str = "fp32") -> TorchSlot:
    return TorchSlot(device="cpu", settings={"precision": precision}, threads=1)


def test_full_is_t5_base():
    full = SimpleNamespace(**t5.CARD.sizes("full"))
    with torch.device("meta"):
        model = t5.build_model(full)
    assert sum(parameter.numel() for parameter in model.parameters()) == 222_903_552
    assert (full.batch, full.sequence) == (16, 568)


def test_a_step_counts_sequences_and_tokens():
    done = t5.setup(TINY, make_slot(), Seeds(0))()
    num_read, num_written = 32 - 5 + 2 + 1, 5 + 2 + 1
    assert done.items == 2
    assert done.also == {"tokens": 2 * (num_read + num_written)}
    assert not done.loss.requires_grad


def test_ids_stay_below_the_spare_rows():
    (batch, other) = t5.build_batches(TINY, make_slot(), rng=Seeds(0))
    assert int(batch.ids_BI.max()) == TINY.vocab_size - t5.SPARE_ROWS - 1
    assert not torch.equal(batch.ids_BI, other.ids_BI)


def test_the_loss_is_the_mean_surprise_of_the_words_to_be_written():
    sizes = copy.copy(TINY)
    sizes.dropout = 0.0
    model = t5.build_model(sizes)
    batch = t5.build_batches(sizes, make_slot(), rng=Seeds(0))[0]
    output = model(input_ids=batch.ids_BI, labels=batch.labels_BO)
    log_probs = torch.log_softmax(output.logits, dim=2)
    surprise = [
        -float(log_probs[b, o, batch.labels_BO[b, o]].detach()) for b in range(2) for o in range(log_probs.shape[1])
    ]
    assert float(output.loss.detach()) == pytest.approx(sum(surprise) / len(surprise), rel=1e-5)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_check_passes(precision):
    t5.sane(TINY, make_slot(precision), Seeds(0))


def test_the_check_finds_a_decoder_that_sees_what_it_is_to_write(monkeypatch):
    build = t5.build_model

    def peek(sizes):
        model = build(sizes)
        model.decoder.config.is_decoder = False
        for block in model.decoder.block:
            block.layer[0].SelfAttention.is_causal = False
        return model

    monkeypatch.setattr(t5, "build_model", peek)
    with pytest.raises(WrongWorkError, match="words to be written, 14 positions"):
        t5.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_a_decoder_that_does_not_read(monkeypatch):
    build = t5.build_model

    def blind(sizes):
        model = build(sizes)
        model.encoder.register_forward_hook(lambda _, __, output: setattr(
            output, "last_hidden_state", output.last_hidden_state.mean(dim=(0, 1), keepdim=True).expand(2, 30, 64)
        ))  # fmt: skip
        return model

    monkeypatch.setattr(t5, "build_model", blind)
    with pytest.raises(WrongWorkError, match="words to be read, 0 positions"):
        t5.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_an_update_that_is_left_out(monkeypatch):
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda _: None)
    with pytest.raises(WrongWorkError, match="expected it to fall"):
        t5.sane(TINY, make_slot(), Seeds(0))
