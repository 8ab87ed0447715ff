"""Waveforms are like a voice: a pitch with its harmonics, in syllables."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the data are made by torch")

from cupel.tasks.data import waveforms


def draw(seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return waveforms.waveforms(batch=4, num_samples=16000, generator=generator)


def test_the_same_seed_gives_the_same_sound_and_another_gives_another():
    assert torch.equal(draw(), draw())
    assert not torch.equal(draw(), draw(1))


def test_utterances_are_of_one_loudness_and_not_alike():
    sound = draw()
    assert sound.shape == (4, 16000)
    assert sound.dtype == torch.float32
    assert float(sound.abs().max()) < 1.1
    assert float(sound.square().mean(dim=1).sqrt().min()) > 0.1
    assert not torch.allclose(sound[0], sound[1], atol=0.1)


def test_the_lowest_strong_tone_is_the_pitch_of_a_voice():
    power = torch.fft.rfft(draw()).abs().square()  # one second, hence a hertz for each number
    loudest_hz = power.argmax(dim=1)
    assert bool(((loudest_hz >= waveforms.LOWEST_HZ - 1) & (loudest_hz <= waveforms.HIGHEST_HZ + 1)).all())
    assert float(power[:, 2300:].sum() / power.sum()) < 0.01


def test_loudness_rises_and_falls_four_times_a_second():
    loudness = draw().square().view(4, 160, 100).mean(dim=2)
    strength = torch.fft.rfft(loudness - loudness.mean(dim=1, keepdim=True)).abs()
    assert strength.argmax(dim=1).tolist() == [4] * 4
