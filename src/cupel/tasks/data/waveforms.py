"""Sound that is made like a voice: harmonics of a pitch, in syllables, over a little noise.

Shapes: B utterances, S samples of each.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

SAMPLES_PER_S = 16000
"""Samples in a second, as every speech model here takes them."""
NUM_HARMONICS = 8
LOWEST_HZ, HIGHEST_HZ = 80.0, 250.0
"""Range of the pitch of human voices."""
SYLLABLES_PER_S = 4.0
NOISE = 0.01


def waveforms(*, batch: int, num_samples: int, generator: torch.Generator) -> Tensor:
    """Draw utterances without silence at their ends.

    Each has a pitch of its own, harmonics that fade as 1 / k, and a loudness that rises and falls four times a second.

    Args:
        batch: number of utterances.
        num_samples: samples of each, 16 000 a second.
        generator: the random generator; the result is on its device.

    Returns:
        float32 of shape (B, S), about within [-1, 1].
    """
    device = generator.device
    seconds_S = torch.arange(num_samples, device=device, dtype=torch.float32) / SAMPLES_PER_S
    draw_B3 = torch.rand((batch, 3), generator=generator, device=device)
    pitch_hz_B1 = LOWEST_HZ + (HIGHEST_HZ - LOWEST_HZ) * draw_B3[:, :1]
    angle_BS = 2 * math.pi * (pitch_hz_B1 * seconds_S + draw_B3[:, 1:2])
    voice_BS = torch.zeros_like(angle_BS)
    for harmonic in range(1, NUM_HARMONICS + 1):
        voice_BS += (harmonic * angle_BS).sin() / harmonic
    loudness_BS = (math.pi * (SYLLABLES_PER_S * seconds_S + draw_B3[:, 2:])).sin().square()
    noise_BS = torch.randn(voice_BS.shape, generator=generator, device=device)
    return voice_BS * loudness_BS / 2.0 + NOISE * noise_BS
