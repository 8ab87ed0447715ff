"""Gaussian noising of images as in diffusion models (DDPM), with the schedule of Stable Diffusion.

Shapes: N batch, C channels, H height, W width.

Source: Ho et al. 2020, Denoising Diffusion Probabilistic Models, equation 4; Rombach et al. 2022 (schedule).
"""

from __future__ import annotations

import torch
from torch import Tensor

NUM_TIMESTEPS = 1000
BETA_FIRST, BETA_LAST = 0.00085, 0.012
"""Variance that the first and the last timestep add."""


def kept_signal() -> Tensor:
    """For each timestep the share of an image's variance that is left (alpha bar), shape (1000,), float32.

    The square roots of beta are linear in the timestep.
    """
    betas = torch.linspace(BETA_FIRST**0.5, BETA_LAST**0.5, NUM_TIMESTEPS, dtype=torch.float64).square()
    return (1.0 - betas).cumprod(0).float()


def noised(image_NCHW: Tensor, noise_NCHW: Tensor, kept_N: Tensor) -> Tensor:
    """Images of which the share `kept_N` of the variance is left and the rest is noise, shape (N, C, H, W)."""
    kept_N111 = kept_N.view(-1, 1, 1, 1)
    return kept_N111.sqrt() * image_NCHW + (1.0 - kept_N111).sqrt() * noise_NCHW
