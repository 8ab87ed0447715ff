"""Log-mel spectrograms as Whisper reads them, computed on the device of the waveform.

Shapes: B utterances, S samples of each, F frequencies (201), M mel bins, T frames (100 a second).

Source: Radford et al. 2022, Robust Speech Recognition via Large-Scale Weak Supervision, section 2.2; Slaney 1998,
Auditory Toolbox (the mel scale: linear below 1 kHz, logarithmic above).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from cupel.tasks.data.waveforms import SAMPLES_PER_S

WINDOW = 400
"""Samples in a window: 25 ms."""
HOP = 160
"""Samples from one frame to the next: 10 ms."""
FLOOR = 1e-10
"""Power below which the logarithm is not taken."""
RANGE = 8.0
"""Powers of ten below the loudest point of an utterance that are kept."""
BREAK_HZ, BREAK_MEL = 1000.0, 15.0
"""Where the scale turns from linear to logarithmic."""
STEPS_PER_E = 27.0 / math.log(6.4)
"""Mels for each factor of e, above the break."""


def _hz(mel_M: Tensor) -> Tensor:
    """Frequencies at mels, by the scale of Slaney."""
    above_M = BREAK_HZ * ((mel_M - BREAK_MEL) / STEPS_PER_E).exp()
    return torch.where(mel_M < BREAK_MEL, mel_M * BREAK_HZ / BREAK_MEL, above_M)


def mel_filters(num_mels: int) -> Tensor:
    """Triangles of equal area, evenly spaced in mels from 0 to 8 kHz, on the host.

    Returns:
        float32 of shape (F, M); a power spectrum times this is a mel spectrum.
    """
    highest_hz = SAMPLES_PER_S / 2
    highest_mel = BREAK_MEL + STEPS_PER_E * math.log(highest_hz / BREAK_HZ)
    host = torch.device("cpu")
    corner_hz = _hz(torch.linspace(0.0, highest_mel, num_mels + 2, dtype=torch.float64, device=host))
    hz_F1 = torch.linspace(0.0, highest_hz, WINDOW // 2 + 1, dtype=torch.float64, device=host)[:, None]
    left_M, peak_M, right_M = corner_hz[:-2], corner_hz[1:-1], corner_hz[2:]
    rising_FM = (hz_F1 - left_M) / (peak_M - left_M)
    falling_FM = (right_M - hz_F1) / (right_M - peak_M)
    return (torch.minimum(rising_FM, falling_FM).clamp_min(0.0) * 2.0 / (right_M - left_M)).float()


def log_mel(waveform_BS: Tensor, filters_FM: Tensor) -> Tensor:
    """Log-mel spectrogram of each utterance, about within [-1, 1.5].

    Args:
        waveform_BS: float32 samples, 16 000 a second; S a multiple of 160.
        filters_FM: of `mel_filters`, on the same device.

    Returns:
        float32 of shape (B, M, T) with T = S / 160.
    """
    window = torch.hann_window(WINDOW, device=waveform_BS.device)
    spectrum_BFT = torch.stft(waveform_BS, WINDOW, HOP, window=window, return_complex=True)[..., :-1]
    power_BFT = spectrum_BFT.real.square() + spectrum_BFT.imag.square()
    log_BMT = (filters_FM.T @ power_BFT).clamp_min(FLOOR).log10()
    loudest_B11 = log_BMT.amax(dim=(1, 2), keepdim=True)
    return (torch.maximum(log_BMT, loudest_B11 - RANGE) + 4.0) / 4.0
