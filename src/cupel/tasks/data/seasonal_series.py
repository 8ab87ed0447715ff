"""Time series with seasons, slow drift and noise, many side by side, and windows of them.

Shapes: L time steps in all, C channels (series), B windows, T time steps of a window.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

PERIODS = (144.0, 1008.0)
"""A day and a week, in steps of ten minutes, as in the Weather data set."""
PERSISTENCE = 0.97
"""Share of the drift that is left after a step."""


def seasonal_series(length: int, channels: int, generator: torch.Generator) -> Tensor:
    """Draw series, each standardised over its length, shape (L, C), on the generator's device.

    A channel has a sine of each period with an amplitude and a phase of its own, a drift (an autoregression of first
    order) and noise.
    """
    device = generator.device
    time_L1 = torch.arange(length, device=device)[:, None]
    series_LC = 0.2 * torch.randn(length, channels, generator=generator, device=device)
    for period in PERIODS:
        amplitude_C, phase_C = torch.rand(2, channels, generator=generator, device=device)
        series_LC += amplitude_C * torch.sin(2 * math.pi * (time_L1 / period + phase_C))
    series_LC += drift(torch.randn(length, channels, generator=generator, device=device))
    return (series_LC - series_LC.mean(dim=0)) / series_LC.std(dim=0)


def drift(shocks_LC: Tensor) -> Tensor:
    """The autoregression that these shocks drive, shape (L, C), of variance 1 in the long run; in log2 L passes."""
    drift_LC, reach = shocks_LC * (1 - PERSISTENCE**2) ** 0.5, 1
    while reach < len(shocks_LC):
        earlier_LC = torch.nn.functional.pad(drift_LC[:-reach], (0, 0, reach, 0))
        drift_LC, reach = drift_LC + PERSISTENCE**reach * earlier_LC, 2 * reach
    return drift_LC


def random_windows(series_LC: Tensor, *, num_windows: int, window: int, generator: torch.Generator) -> Tensor:
    """Windows from random places, shape (B, T, C); waits for nothing."""
    starts = len(series_LC) - window + 1
    start_B1 = torch.randint(starts, (num_windows, 1), generator=generator, device=series_LC.device)
    return series_LC[start_B1 + torch.arange(window, device=series_LC.device)]
