"""wav2vec2 has the published size, its loss is that of CTC, and its check can fail."""

from __future__ import annotations

import copy
import itertools
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="wav2vec2 needs torch")
pytest.importorskip("transformers", reason="wav2vec2 needs transformers")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, WrongWorkError
from cupel.tasks.models.wav2vec2 import num_frames
from cupel.workloads import wav2vec2

TINY = SimpleNamespace(**wav2vec2.CARD.sizes("tiny"))
SEEN = torch.zeros(TINY.batch, num_frames(TINY.num_samples), dtype=torch.bool)


def make_slot(precision: str = "fp32") -> TorchSlot:
    return TorchSlot(device="cpu", settings={"precision": precision}, threads=1)


def make_batch() -> wav2vec2.SpelledSounds:
    generator = torch.Generator().manual_seed(0)
    return wav2vec2.spelled_batches(TINY, make_slot(), rng=Seeds(0), generator=generator)[0]


def test_full_is_the_base_model():
    with torch.device("meta"):
        model = wav2vec2.build_model(SimpleNamespace(**wav2vec2.CARD.sizes("full")))
    assert sum(parameter.numel() for parameter in model.parameters()) == 94_396_320


def test_a_step_counts_seconds_and_utterances():
    done = wav2vec2.setup(TINY, make_slot(), Seeds(0))()
    assert done.items == pytest.approx(TINY.batch * 0.4)
    assert done.also == {"utterances": TINY.batch}
    full = wav2vec2.CARD.sizes("full")
    assert full["batch"] * full["num_samples"] == pytest.approx(3.2e6, rel=0.05)
    assert num_frames(full["num_samples"]) == 799


def test_logits_and_loss_are_those_of_the_library_where_nothing_is_hidden():
    sizes = copy.copy(TINY)
    sizes.dropout = 0.0
    model, batch = wav2vec2.build_model(sizes).eval(), make_batch()
    model.net.config.ctc_loss_reduction = "mean"
    model.net.config.pad_token_id = wav2vec2.BLANK
    expected = model.net(input_values=batch.waveform_BS, labels=batch.letters_BL)
    found = model(batch.waveform_BS, SEEN)
    torch.testing.assert_close(found, expected.logits)
    torch.testing.assert_close(wav2vec2.ctc(found, batch.letters_BL), expected.loss)


def test_the_loss_is_the_sum_over_all_ways_to_spell():
    logits, letters = torch.randn(1, 4, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([[2, 1]])
    log_p = logits[0].log_softmax(-1)
    ways = []
    for path in itertools.product(range(3), repeat=4):
        merged = [letter for letter, _ in itertools.groupby(path)]
        if [letter for letter in merged if letter != wav2vec2.BLANK] == [2, 1]:
            ways.append(sum(log_p[frame, letter] for frame, letter in enumerate(path)))
    expected = -torch.stack(ways).logsumexp(0) / 2
    torch.testing.assert_close(wav2vec2.ctc(logits, letters), expected)


def test_hidden_frames_do_not_reach_the_transformer():
    model, is_hidden = wav2vec2.build_model(TINY).eval(), torch.ones_like(SEEN)
    one, other = make_batch().waveform_BS, torch.randn(TINY.batch, TINY.num_samples)
    assert torch.equal(model(one, is_hidden), model(other, is_hidden))
    assert not torch.allclose(model(one, SEEN), model(other, SEEN))


def test_waveforms_have_mean_0_and_variance_1():
    sound = make_batch().waveform_BS
    assert sound.mean(dim=1).tolist() == pytest.approx([0.0] * TINY.batch, abs=1e-5)
    assert sound.var(dim=1).tolist() == pytest.approx([1.0] * TINY.batch, abs=1e-3)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_the_check_passes(precision):
    wav2vec2.sane(TINY, make_slot(precision), Seeds(0))


def test_the_check_finds_an_optimiser_that_does_nothing(monkeypatch):
    monkeypatch.setattr(wav2vec2, "adam", lambda parameters, lr: torch.optim.SGD(parameters, lr=0.0 * lr))
    with pytest.raises(WrongWorkError, match="expected it to fall"):
        wav2vec2.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_masks_that_hide_nothing(monkeypatch):
    monkeypatch.setattr(wav2vec2, "masked_spans", lambda **_: SEEN)
    with pytest.raises(WrongWorkError, match=r"no gradient reaches net\.wav2vec2\.masked_spec_embed"):
        wav2vec2.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_convolutions_that_are_frozen(monkeypatch):
    build = wav2vec2.build_model

    def frozen(sizes):
        model = build(sizes)
        model.net.freeze_feature_encoder()
        return model

    monkeypatch.setattr(wav2vec2, "build_model", frozen)
    with pytest.raises(WrongWorkError, match=r"no gradient reaches net\.wav2vec2\.feature_extractor"):
        wav2vec2.sane(TINY, make_slot(), Seeds(0))


def test_a_users_own_recordings_are_what_it_hears_and_the_records_say_so(tmp_path, monkeypatch):
    soundfile = pytest.importorskip("soundfile", reason="recordings are coded by soundfile")
    seconds = np.arange(22_050) / 44_100
    for speaker, hz in (("anne", 440), ("bob", 1000)):
        (tmp_path / speaker).mkdir()
        tone = 0.3 * np.sin(2 * np.pi * hz * seconds)
        soundfile.write(tmp_path / speaker / "a.flac", np.stack([tone, tone], axis=1), 44_100)
    monkeypatch.setenv("CUPEL_AUDIO", str(tmp_path))
    slot, heard, logits_of = make_slot(), [], wav2vec2.logits_of
    slot.settings["data"] = "disk"
    monkeypatch.setattr(
        wav2vec2, "logits_of", lambda model, batch, **named: heard.append(batch) or logits_of(model, batch, **named)
    )
    step = wav2vec2.setup(TINY, slot, Seeds(0))
    assert [step().items for _ in range(2)] == [pytest.approx(TINY.batch * 0.4)] * 2
    loudest = [int(sound.abs().argmax()) for batch in heard for sound in torch.fft.rfft(batch.waveform_BS)]
    bins_per_hz = TINY.num_samples / 16_000
    assert sorted(loudest) == [round(440 * bins_per_hz)] * 2 + [round(1000 * bins_per_hz)] * 2
    assert slot.notes == [f"the data are 2 files of the user's own, in {tmp_path} (CUPEL_AUDIO)"]
