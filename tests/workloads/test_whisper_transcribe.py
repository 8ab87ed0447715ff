"""whisper_transcribe has the published size, counts sound and words, and its check can fail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="whisper_transcribe needs torch")
pytest.importorskip("transformers", reason="whisper_transcribe needs transformers")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, WrongWorkError
from cupel.tasks.transcribing import Scribe
from cupel.workloads import whisper_transcribe

TINY = SimpleNamespace(**whisper_transcribe.CARD.sizes("tiny"))


def make_slot(precision: str = "fp32") -> TorchSlot:
    return TorchSlot(device="cpu", settings={"precision": precision}, threads=1)


def test_full_is_large_v3():
    with torch.device("meta"):
        model = whisper_transcribe.build_model(SimpleNamespace(**whisper_transcribe.CARD.sizes("full")))
    num_fixed = model.model.encoder.embed_positions.weight.numel()
    assert sum(parameter.numel() for parameter in model.parameters()) + num_fixed == 1_543_490_560
    assert num_fixed == 1_920_000


def test_a_step_counts_seconds_and_tokens_written():
    done = whisper_transcribe.setup(TINY, make_slot(), Seeds(0))()
    assert done.items == TINY.batch * TINY.positions / 50
    assert done.also == {"tokens": TINY.batch * TINY.new_tokens}
    assert not done.loss.requires_grad


def test_weights_are_stored_at_the_precision_of_the_run():
    model, _ = whisper_transcribe.build(TINY, make_slot("bf16"))
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_the_check_passes(precision):
    whisper_transcribe.sane(TINY, make_slot(precision), Seeds(0))


def test_the_check_finds_texts_that_are_forgotten(monkeypatch):
    logits = Scribe._logits

    def forgetful(scribe, sound, ids, **places):
        scribe._cache.self_attention_cache.reset()
        return logits(scribe, sound, ids, **places)

    monkeypatch.setattr(Scribe, "_logits", forgetful)
    with pytest.raises(WrongWorkError, match="from those of one pass"):
        whisper_transcribe.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_a_choice_that_is_not_the_likeliest(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "argmax", torch.Tensor.argmin)
    with pytest.raises(WrongWorkError, match="from those of one pass"):
        whisper_transcribe.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_a_decoder_that_is_deaf(monkeypatch):
    build = whisper_transcribe.build_model

    def deaf(sizes, **chosen):
        model = build(sizes, **chosen)
        model.model.encoder.register_forward_hook(
            lambda *parts: type(parts[2])(last_hidden_state=torch.zeros_like(parts[2].last_hidden_state))
        )
        return model

    monkeypatch.setattr(whisper_transcribe, "build_model", deaf)
    with pytest.raises(WrongWorkError, match="expected the sound to count"):
        whisper_transcribe.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_texts_that_do_not_repeat(monkeypatch):
    logits, seeds = Scribe._logits, iter(range(1000))

    def moody(scribe, sound, ids, **places):
        found = logits(scribe, sound, ids, **places)
        mood = next(seeds)
        return found if mood < TINY.new_tokens else found.roll(mood, dims=1)

    monkeypatch.setattr(Scribe, "_logits", moody)
    with pytest.raises(WrongWorkError, match="wrote another text"):
        whisper_transcribe.sane(TINY, make_slot(), Seeds(0))
