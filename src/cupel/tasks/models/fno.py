"""A Fourier neural operator in two dimensions, written by hand.

Decisions:
- A layer: low Fourier modes times a learned matrix each, beside a 1 x 1 convolution, then GELU (not after the last);
  lifted from three channels (the coefficient and two coordinates) and projected by two linear layers, as published.
- The square is padded at two sides, since what it shows does not repeat. Modes of both signs along one axis and of the
  positive half along the other, as real fields need.
- Complex weights are kept as pairs of real numbers: optimisers, casts and counts of parameters then treat them as such.
- Fourier transforms and products of modes are in fp32 at every precision: half-precision transforms exist on few
  devices and for few sizes.

Shapes: N samples, C channels, H and W height and width, M modes along each axis.

Source: Li et al. 2020, Fourier Neural Operator for Parametric Partial Differential Equations, section 4 and A.3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (everyone's name for it)


class SpectralConvolution(nn.Module):
    """A convolution over the whole square, by its low Fourier modes."""

    def __init__(self, width: int, modes: int) -> None:
        super().__init__()
        self.modes = modes
        # one block for each sign of the mode along the height
        self.weight = nn.Parameter(torch.rand(2, width, width, modes, modes, 2) / width**2)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """The same shape, fp32."""
        spectrum = torch.fft.rfft2(x_NCHW.float())
        weight = torch.view_as_complex(self.weight)  # complex numbers are nothing that autocast would touch
        low = torch.stack([spectrum[:, :, : self.modes, : self.modes], spectrum[:, :, -self.modes :, : self.modes]])
        positive, negative = torch.einsum("snihw,siohw->snohw", low, weight)
        height, width = spectrum.shape[2:]
        between = spectrum.new_zeros(*positive.shape[:2], height - 2 * self.modes, self.modes)
        kept = F.pad(torch.cat([positive, between, negative], dim=2), (0, width - self.modes))
        return torch.fft.irfft2(kept, s=x_NCHW.shape[2:])


class FourierNeuralOperator(nn.Module):
    """Maps a coefficient on a square to the solution of an equation there.

    Args:
        width: channels.
        modes: Fourier modes that are kept along each axis; twice as many must fit the padded height.
        layers: number of layers.
        padding_px: nodes by which the square is extended.
    """

    def __init__(self, *, width: int, modes: int, layers: int, padding_px: int) -> None:
        super().__init__()
        self.padding_px = padding_px
        self.lift = nn.Linear(3, width)
        self.spectral = nn.ModuleList(SpectralConvolution(width, modes) for _ in range(layers))
        self.local = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in range(layers))
        self.project = nn.Sequential(nn.Linear(width, 128), nn.GELU(), nn.Linear(128, 1))

    def forward(self, a_NHW: Tensor) -> Tensor:
        """The solution, shape (N, H, W)."""
        height, width = a_NHW.shape[1:]
        down_H = torch.linspace(0, 1, height, device=a_NHW.device)
        across_W = torch.linspace(0, 1, width, device=a_NHW.device)
        grid_2HW = torch.stack([down_H[:, None].expand(-1, width), across_W.expand(height, -1)])
        seen_N3HW = torch.cat([a_NHW[:, None], grid_2HW.expand(len(a_NHW), -1, -1, -1)], dim=1)
        x_NCHW = self.lift(seen_N3HW.movedim(1, 3)).movedim(3, 1)
        x_NCHW = F.pad(x_NCHW, (0, self.padding_px, 0, self.padding_px))
        for idx, (spectral, local) in enumerate(zip(self.spectral, self.local, strict=True)):
            x_NCHW = spectral(x_NCHW).to(x_NCHW.dtype) + local(x_NCHW)
            x_NCHW = x_NCHW if idx == len(self.local) - 1 else F.gelu(x_NCHW)
        x_NHWC = x_NCHW[:, :, :height, :width].movedim(1, 3)
        return self.project(x_NHWC).squeeze(3)
