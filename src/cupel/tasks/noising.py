"""Gaussian noising of images as in diffusion models (DDPM), with the schedule of Stable Diffusion.

Shapes: N batch, C channels, H height, W width.

Source: Ho et al. 2020, Denoising Diffusion Probabilistic Models, equation 4; Rombach et al. 2022 (schedule).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from cupel.spec import WrongWorkError

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


def check_noising(what: str, mix: Callable[..., Tensor], draws_2NCHW: Tensor, *, kept: Tensor) -> None:
    """Noised images have variance 1, and correlate with the clean ones as the schedule, worked out apart, says.

    Args:
        what: whose noising it is.
        mix: `noised`, as the workload calls it.
        draws_2NCHW: standard normal images and noise, tens of thousands of numbers each.
        kept: of `kept_signal`, on the device of the draws.

    Raises:
        WrongWorkError: they do not.
    """
    clean, noise = draws_2NCHW
    share, root_first, root_last = 1.0, BETA_FIRST**0.5, BETA_LAST**0.5
    for timestep in range(NUM_TIMESTEPS):
        share *= 1.0 - (root_first + (root_last - root_first) * timestep / (NUM_TIMESTEPS - 1)) ** 2
        if timestep not in (0, 500, 999):
            continue
        mixed = mix(clean, noise, kept[timestep : timestep + 1])
        found = float(mixed.square().mean()), float((mixed * clean).mean())
        expected = 1.0, share**0.5
        if max(abs(a - b) for a, b in zip(found, expected, strict=True)) > 0.03:
            raise WrongWorkError(
                f"{what}: at timestep {timestep} noised images have the variance {found[0]:.3f} and the "
                f"correlation {found[1]:.3f} with the clean ones; expected 1.000 and {share**0.5:.3f}, within 0.03."
            )
