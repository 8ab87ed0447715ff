"""whisper has the published size, counts seconds of sound, and its check can fail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="whisper needs torch")
pytest.importorskip("transformers", reason="whisper needs transformers")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, WrongWorkError
from cupel.tasks.data.log_mel import mel_filters
from cupel.workloads import whisper

TINY = SimpleNamespace(**whisper.CARD.sizes("tiny"))


def make_slot(precision: str = "fp32") -> TorchSlot:
    return TorchSlot(device="cpu", settings={"precision": precision}, threads=1)


def test_full_is_whisper_small():
    with torch.device("meta"):
        model = whisper.build_model(SimpleNamespace(**whisper.CARD.sizes("full")))
    fixed = model.model.encoder.embed_positions.weight
    assert not isinstance(fixed, torch.nn.Parameter)
    trained = sum(parameter.numel() for parameter in model.parameters())
    assert trained + fixed.numel() == 241_734_912
    assert fixed.numel() == 1500 * 768


def test_the_encoder_keeps_its_sinusoids():
    positions = whisper.build_model(TINY).model.encoder.embed_positions.weight
    width = positions.shape[1]
    assert positions[0].tolist() == [0.0] * (width // 2) + [1.0] * (width // 2)
    assert positions[3, 0].item() == pytest.approx(0.1411, abs=1e-4)  # sin 3


def test_a_step_counts_seconds_and_utterances():
    done = whisper.setup(TINY, make_slot(), Seeds(0))()
    assert done.items == TINY.batch * TINY.positions / 50
    assert done.also == {"utterances": TINY.batch}
    assert whisper.CARD.sizes("full")["positions"] / 50 == 30


def test_the_loss_is_that_of_words_given_those_before():
    model = whisper.build_model(TINY)
    batch = whisper.transcribed_batches(TINY, make_slot(), rng=Seeds(0), num_samples=whisper.samples_of(TINY))[0]
    start = torch.full((TINY.batch, 1), TINY.vocab_size - 1)
    given = torch.cat([start, batch.labels_BL[:, :-1]], dim=1)
    mel = whisper.log_mel(batch.waveform_BS, mel_filters(TINY.mels))
    logits = model(input_features=mel, decoder_input_ids=given).logits
    expected = -logits.log_softmax(-1).gather(-1, batch.labels_BL[..., None]).mean()
    found = whisper.outputs_of(model, batch, filters_FM=mel_filters(TINY.mels), slot=make_slot()).loss
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_the_check_passes(precision):
    whisper.sane(TINY, make_slot(precision), Seeds(0))


def test_the_check_finds_an_optimiser_that_does_nothing(monkeypatch):
    monkeypatch.setattr(whisper, "adamw", lambda parameters: torch.optim.SGD(parameters, lr=0.0))
    with pytest.raises(WrongWorkError, match="expected it to fall"):
        whisper.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_a_decoder_that_is_deaf(monkeypatch):
    build = whisper.build_model

    def deaf(sizes):
        model = build(sizes)
        model.model.encoder.register_forward_hook(
            lambda *parts: type(parts[2])(last_hidden_state=torch.zeros_like(parts[2].last_hidden_state))
        )
        return model

    monkeypatch.setattr(whisper, "build_model", deaf)
    with pytest.raises(WrongWorkError, match=r"no gradient reaches model\.encoder"):
        whisper.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_labels_of_another_loss(monkeypatch):
    build = whisper.transcribed_batches

    def silent(sizes, slot, **named):
        batches = build(sizes, slot, **named)
        return [batch._replace(labels_BL=torch.full_like(batch.labels_BL, -100)) for batch in batches]

    monkeypatch.setattr(whisper, "transcribed_batches", silent)
    with pytest.raises(WrongWorkError, match="loss before training is nan"):
        whisper.sane(TINY, make_slot(), Seeds(0))
