"""Made recordings are like speech, and a user's are read in one channel at the rate that models take."""

from __future__ import annotations

import numpy as np
import pytest

soundfile = pytest.importorskip("soundfile", reason="recordings are coded by soundfile")

from cupel.spec import UsageError
from cupel.tasks.data.audio_files import (
    HIGHEST_HZ,
    LOWEST_HZ,
    SAMPLES_PER_S,
    _room,
    audio_folder,
    find_recordings,
    read_audio,
    recordings,
    speech_like,
)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CUPEL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CUPEL_AUDIO", raising=False)
    return tmp_path


def loudness_of(samples, window: int = 400):
    return np.sqrt((samples[: len(samples) // window * window].reshape(-1, window) ** 2).mean(axis=1))


def test_speech_has_pauses_syllables_and_a_pitch():
    speech = speech_like(5.0, np.random.default_rng(0))
    assert (speech.shape, speech.dtype) == ((5 * SAMPLES_PER_S,), np.float32)
    assert np.abs(speech).max() <= 1.0
    loudness = loudness_of(speech)
    assert np.quantile(loudness, 0.9) > 20 * np.quantile(loudness, 0.1)
    loud = np.argmax(loudness) * 400
    syllable = speech[loud - 800 : loud + 800].astype(float)
    echo = np.correlate(syllable, syllable, "full")[len(syllable) - 1 :]
    lags = np.arange(int(SAMPLES_PER_S / HIGHEST_HZ / 1.5), int(SAMPLES_PER_S / LOWEST_HZ * 1.5))
    assert echo[lags].max() > 0.5 * echo[0], "a voice repeats itself with its pitch"


def test_most_of_the_power_of_speech_lies_low():
    speech = speech_like(5.0, np.random.default_rng(1))
    power = np.abs(np.fft.rfft(speech)) ** 2
    hz = np.fft.rfftfreq(len(speech), 1 / SAMPLES_PER_S)
    assert power[hz < 1000].sum() > 0.7 * power.sum()
    assert power[hz < 50].sum() < 0.1 * power.sum()


def test_the_noise_of_the_room_falls_as_one_over_f():
    room = _room(40_001, np.random.default_rng(0))
    power = np.abs(np.fft.rfft(room)) ** 2
    hz = np.fft.rfftfreq(len(room), 1 / SAMPLES_PER_S)
    low, high = ((hz > left) & (hz < 2 * left) for left in (100, 3200))
    assert power[low].mean() / power[high].mean() == pytest.approx(32, rel=0.25)
    assert room.std() == pytest.approx(1.0, abs=1e-4)


def test_recordings_are_made_once_and_always_the_same(cache, monkeypatch):
    found = recordings(num_files=3, shortest_s=0.5, longest_s=1.5)
    seconds = [soundfile.info(path).duration for path in found]
    assert len({round(length, 3) for length in seconds}) == 3
    assert 0.5 <= min(seconds) <= max(seconds) <= 1.5
    assert {(soundfile.info(path).samplerate, soundfile.info(path).channels) for path in found} == {(16000, 1)}
    content = [path.read_bytes() for path in found]
    monkeypatch.setenv("CUPEL_CACHE", str(cache / "again"))
    assert [p.read_bytes() for p in recordings(num_files=3, shortest_s=0.5, longest_s=1.5)] == content


def test_flac_is_smaller_than_wav_as_with_speech_and_holds_the_same(cache):
    wav, flac = (
        find_recordings(audio_folder(num_files=2, shortest_s=1.0, longest_s=2.0, suffix=suffix))
        for suffix in (".wav", ".flac")
    )
    for plain, packed in zip(wav, flac, strict=True):
        assert np.array_equal(read_audio(plain), read_audio(packed))
        assert 0.3 < packed.stat().st_size / plain.stat().st_size < 0.8


def test_a_users_recordings_are_mixed_and_resampled(cache, monkeypatch):
    seconds = np.arange(44_100) / 44_100
    left, right = np.sin(2 * np.pi * 440 * seconds), 0.5 * np.sin(2 * np.pi * 440 * seconds)
    (cache / "own" / "speaker").mkdir(parents=True)
    soundfile.write(cache / "own" / "speaker" / "a.WAV", np.stack([left, right], axis=1), 44_100, format="WAV")
    (cache / "own" / "notes.txt").write_text("no sound")
    monkeypatch.setenv("CUPEL_AUDIO", str(cache / "own"))
    (path,) = recordings(num_files=100)
    samples = read_audio(path)
    assert (samples.shape, samples.dtype) == ((16_000,), np.float32)
    expected = 0.75 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    assert np.abs(samples - expected)[200:-200].max() < 0.01


def test_what_is_no_recording_is_refused_in_words(cache, monkeypatch):
    (cache / "own").mkdir()
    monkeypatch.setenv("CUPEL_AUDIO", str(cache / "own"))
    with pytest.raises(UsageError, match=r"no recordings; expected files that end in \.flac"):
        recordings(num_files=1)
    (cache / "own" / "a.wav").write_bytes(b"RIFF but not really")
    with pytest.raises(UsageError, match=r"a\.wav cannot be decoded: .*; replace or remove it"):
        read_audio(cache / "own" / "a.wav")
