"""StarGAN's generator and discriminator, written by hand.

Decisions:
- Generator: 7 x 7 convolution, two that halve the size, six residual blocks, two transposed ones that double it, 7 x 7
  convolution and tanh; instance norm with scale and shift but after the last. Domains enter as constant channels.
- Discriminator: six convolutions of 4 x 4 px that halve the size and double the channels, with leaky ReLU (0.01) and no
  norm; then one score for each patch, and one logit for each domain over the whole image.
- With width 64, 5 domains and images of 128 px: 8 430 528 and 44 762 048 parameters, the published 53.2 M.

Shapes: N batch, C channels, H height, W width, D domains.

Source: Choi et al. 2018, StarGAN: Unified Generative Adversarial Networks for Multi-Domain Image-to-Image Translation,
tables 4 and 5.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import torch
from torch import Tensor, nn

LEAK = 0.01
"""Slope of the discriminator's ReLU below zero."""


class Verdict(NamedTuple):
    """What the discriminator says: scores (N, 1, H, W) of patches, higher for real, and domain logits (N, D)."""

    scores_N1HW: Tensor
    domains_ND: Tensor


def normed(conv: nn.Module, channels: int) -> nn.Sequential:
    """A convolution, then instance norm."""
    return nn.Sequential(conv, nn.InstanceNorm2d(channels, affine=True))


class Residual(nn.Module):
    """Two convolutions beside an identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = normed(nn.Conv2d(channels, channels, 3, padding=1, bias=False), channels)
        self.second = normed(nn.Conv2d(channels, channels, 3, padding=1, bias=False), channels)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Add the residual; there is no ReLU after the sum."""
        residual_NCHW: Tensor = self.second(torch.relu(self.first(x_NCHW)))
        return x_NCHW + residual_NCHW


class Generator(nn.Module):
    """Images in, the same in other domains out, from -1 to 1.

    Args:
        width: channels of the first convolution.
        num_blocks: residual blocks in the middle.
        num_domains: channels that say what is wanted.
    """

    def __init__(self, *, width: int, num_blocks: int, num_domains: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            normed(nn.Conv2d(3 + num_domains, width, 7, padding=3, bias=False), width),
            nn.ReLU(inplace=True),
        ]
        for channels in (width, 2 * width):
            down = nn.Conv2d(channels, 2 * channels, 4, stride=2, padding=1, bias=False)
            layers += [normed(down, 2 * channels), nn.ReLU(inplace=True)]
        layers += [Residual(4 * width) for _ in range(num_blocks)]
        for channels in (4 * width, 2 * width):
            up = nn.ConvTranspose2d(channels, channels // 2, 4, stride=2, padding=1, bias=False)
            layers += [normed(up, channels // 2), nn.ReLU(inplace=True)]
        layers += [nn.Conv2d(width, 3, 7, padding=3, bias=False), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, images_NCHW: Tensor, domains_ND: Tensor) -> Tensor:
        """Images (N, 3, H, W) in the domains that are wanted (N, D; 1 or 0)."""
        wanted_NDHW = domains_ND[:, :, None, None].expand(-1, -1, *images_NCHW.shape[2:])
        made_NCHW: Tensor = self.layers(torch.cat((images_NCHW, wanted_NDHW), dim=1))
        return made_NCHW


class Discriminator(nn.Module):
    """Images in, real or not and their domains out.

    Args:
        image_px: height and width of images.
        width: channels of the first convolution.
        depth: convolutions that halve the size; `image_px` is a multiple of 2 to this power.
        num_domains: logits.
    """

    def __init__(self, *, image_px: int, width: int, depth: int, num_domains: int) -> None:
        super().__init__()
        channels = [3, *(width * 2**layer_idx for layer_idx in range(depth))]
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(channels):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.LeakyReLU(LEAK)]
        self.layers = nn.Sequential(*layers)
        self.score = nn.Conv2d(channels[-1], 1, 3, padding=1, bias=False)
        self.domains = nn.Conv2d(channels[-1], num_domains, image_px // 2**depth, bias=False)

    def forward(self, images_NCHW: Tensor) -> Verdict:
        """Scores and domains of images (N, 3, H, W)."""
        x_NCHW = self.layers(images_NCHW)
        return Verdict(self.score(x_NCHW), self.domains(x_NCHW).flatten(1))
