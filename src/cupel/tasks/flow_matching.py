"""Making images of noise along a learned flow (rectified flow), with the noise levels of FLUX.

A flow goes from noise (level 1) to data (level 0); on a straight way, x = level x noise + (1 - level) x data, the
velocity is noise - data at every level.

Source: Esser et al. 2024, Scaling Rectified Flow Transformers for High-Resolution Image Synthesis, sections 2 and
5.3.2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

FEW_TOKENS, MANY_TOKENS = 256, 4096
"""Image tokens at which the shift is known, on a straight line between and beyond."""
SHIFT_FEW, SHIFT_MANY = 0.5, 1.15


def noise_levels(num_steps: int, *, num_tokens: int) -> list[float]:
    """Levels of noise from 1 down to 0, one more than steps, spent the more on high levels the larger the image.

    Args:
        num_steps: number of denoising steps.
        num_tokens: tokens of an image.
    """
    slope = (SHIFT_MANY - SHIFT_FEW) / (MANY_TOKENS - FEW_TOKENS)
    odds = math.exp(SHIFT_FEW + slope * (num_tokens - FEW_TOKENS))
    even = [1.0 - step / num_steps for step in range(num_steps)]
    return [odds * level / (odds * level + (1.0 - level)) for level in even] + [0.0]


def denoise(velocity: Callable[[Tensor, float], Tensor], noise: Tensor, levels: Sequence[float]) -> Tensor:
    """Follow the flow from noise to data by Euler's method, one call of `velocity` for each step.

    Args:
        velocity: from a point on the way and its level to the velocity there, of the same shape.
        noise: where to begin, in fp32.
        levels: of `noise_levels`.
    """
    x = noise
    for level, lower in pairwise(levels):
        x = x + (lower - level) * velocity(x, level).float()
    return x
