"""Texts written with what was read kept are those of passes over the whole text."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="the model is of torch")
pytest.importorskip("transformers", reason="the model is of transformers")

from cupel.tasks.models.whisper import whisper
from cupel.tasks.transcribing import Scribe

SIZES = SimpleNamespace(
    layers=2, width=32, heads=2, feedforward=64, mels=8, vocab_size=50, positions=10, context=16
)  # fmt: skip


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = whisper(SIZES).eval()
    with torch.no_grad():  # far from the beginning, so that texts are not one word over and over
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(8.0)
    return model


@torch.no_grad()
def test_they_are_those_of_a_slow_loop_without_a_cache(model):
    sound = (torch.randn(2, 10, 32, generator=torch.Generator().manual_seed(0)) * 3.0,)
    prompt = torch.tensor([[1, 2, 3], [4, 5, 6]])
    ids, surprises = prompt, []
    for _ in range(6):
        log_p = model(encoder_outputs=sound, decoder_input_ids=ids, use_cache=False).logits[:, -1].log_softmax(-1)
        ids = torch.cat([ids, log_p.argmax(-1, keepdim=True)], dim=1)
        surprises.append(-log_p.amax(-1))
    assert len(set(ids[0, 3:].tolist())) > 2, "a text of one word shows little"
    scribe = Scribe(model, model.config, num_prompt=3, num_new=6)
    first, again = scribe.write(sound, prompt), scribe.write(sound, prompt, keep_logits=True)
    assert first.logits_BNV is None
    assert torch.equal(first.ids_BL, ids)
    assert torch.equal(again.ids_BL, ids)
    assert torch.equal(again.logits_BNV.argmax(-1), ids[:, 3:])
    torch.testing.assert_close(first.surprise, torch.stack(surprises).mean())


@torch.no_grad()
def test_other_sound_after_the_first_is_read_anew(model):
    prompt = torch.tensor([[1, 2, 3]])
    one, other = torch.randn(2, 1, 1, 10, 32, generator=torch.Generator().manual_seed(0)) * 3.0
    scribe = Scribe(model, model.config, num_prompt=3, num_new=4)
    scribe.write((one[0],), prompt)
    second = scribe.write((other[0],), prompt, keep_logits=True)
    fresh = Scribe(model, model.config, num_prompt=3, num_new=4).write((other[0],), prompt, keep_logits=True)
    torch.testing.assert_close(second.logits_BNV, fresh.logits_BNV)
