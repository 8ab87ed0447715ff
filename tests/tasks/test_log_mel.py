"""The log-mel spectrogram is that of Whisper."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the spectrogram is made by torch")

from cupel.tasks.data.log_mel import log_mel, mel_filters


@pytest.mark.filterwarnings("ignore")  # what transformers and what it imports warn of is theirs
@pytest.mark.parametrize("num_mels", [80, 128])
def test_it_is_that_of_the_library_for_each_utterance(num_mels):
    pytest.importorskip("transformers", reason="compared with transformers, which is not installed")
    from transformers.models.whisper.feature_extraction_whisper import WhisperFeatureExtractor

    sound = torch.randn(2, 16000, generator=torch.Generator().manual_seed(0)) * torch.tensor([[0.1], [0.01]])
    extractor = WhisperFeatureExtractor(feature_size=num_mels, chunk_length=1)
    expected = extractor(list(sound.numpy()), sampling_rate=16000, return_tensors="np").input_features
    found = log_mel(sound, mel_filters(num_mels))
    assert found.shape == (2, num_mels, 100)
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-4)


def test_filters_are_triangles_of_one_area():
    filters = mel_filters(80)
    assert filters.shape == (201, 80)
    assert float(filters.min()) == 0.0
    # sums over a grid of 40 Hz come near the area where a triangle is much wider than that
    assert (filters.sum(dim=0)[60:] * 40.0).tolist() == pytest.approx([1.0] * 20, rel=0.05)


@pytest.mark.parametrize("tone_hz", [440.0, 3000.0])
def test_a_tone_is_loudest_in_the_bin_around_its_frequency(tone_hz):
    sound = torch.sin(2 * math.pi * tone_hz * torch.arange(16000) / 16000)[None]
    spectrum = log_mel(sound, mel_filters(80))[0]
    loudest = int(spectrum[:, 50].argmax())
    top_mel = 15 + 27 * math.log(8) / math.log(6.4)
    tone_mel = tone_hz * 15 / 1000 if tone_hz < 1000 else 15 + 27 * math.log(tone_hz / 1000) / math.log(6.4)
    assert abs(loudest - (tone_mel / top_mel * 81 - 1)) < 1


def test_what_is_far_below_the_loudest_is_raised():
    sound = torch.cat([torch.zeros(1, 8000), torch.randn(1, 8000, generator=torch.Generator().manual_seed(0))], dim=1)
    spectrum = log_mel(sound, mel_filters(80))
    assert float(spectrum.max() - spectrum.min()) == pytest.approx(2.0)  # eight powers of ten, over four
