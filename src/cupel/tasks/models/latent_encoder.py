"""The encoder of Stable Diffusion's autoencoder, written by hand: pixels to latent images of an eighth of the sides.

Decisions:
- The same network, and the same names of parameters, as the encoder of `AutoencoderKL` of diffusers and its convolution
  to moments: a state dict of one loads into the other, and a test compares outputs. Written out for the time that
  importing diffusers' takes, as `cupel.tasks.models.unet` is.
- It is frozen while a diffusion model is trained, and gives the mean of a latent image; a sample of it adds noise of a
  thousandth or so to what is noised anyway. Random weights have no scale of their own: latents are brought to variance
  1, where trained ones have a published factor.

Shapes: N images, C channels, H height, W width, P = H * W places.

Source: Rombach et al. 2022, High-Resolution Image Synthesis with Latent Diffusion Models; the Stable Diffusion 2 card.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (everyone's name for it)

LEVELS = (1, 2, 4, 4)
"""Channels of each level, in multiples of the width; each but the last halves the sides."""
NUM_BLOCKS = 2
LATENT_CHANNELS = 4
DOWN = 2 ** (len(LEVELS) - 1)
"""Sides of a picture by those of its latent image."""
NUM_GROUPS = 32
"""Groups of every group norm."""


def norm(channels: int) -> nn.GroupNorm:
    """A group norm as all of this network are."""
    return nn.GroupNorm(NUM_GROUPS, channels, eps=1e-6)


class ResnetBlock(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = norm(channels_in), nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.norm2, self.conv2 = norm(channels_out), nn.Conv2d(channels_out, channels_out, 3, padding=1)
        self.conv_shortcut = nn.Identity() if channels_in == channels_out else nn.Conv2d(channels_in, channels_out, 1)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Shape (N, channels_out, H, W)."""
        h_NCHW = self.conv1(F.silu(self.norm1(x_NCHW)))
        shortcut: Tensor = self.conv_shortcut(x_NCHW)
        return shortcut + self.conv2(F.silu(self.norm2(h_NCHW)))


class Halving(nn.Module):
    """A convolution that halves the sides; a row and a column of zeros are added at the far ends."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Shape (N, C, H / 2, W / 2)."""
        halved: Tensor = self.conv(F.pad(x_NCHW, (0, 1, 0, 1)))
        return halved


class Attention(nn.Module):
    """Attention of every place to every place, with one head, beside a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.group_norm = norm(channels)
        self.to_q, self.to_k, self.to_v = (nn.Linear(channels, channels) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Shape (N, C, H, W)."""
        x_NPC = self.group_norm(x_NCHW).flatten(2).transpose(1, 2)
        parts = (part(x_NPC)[:, None] for part in (self.to_q, self.to_k, self.to_v))
        gathered_NPC = F.scaled_dot_product_attention(*parts)[:, 0]
        return x_NCHW + self.to_out[0](gathered_NPC).transpose(1, 2).reshape(x_NCHW.shape)


class Level(nn.Module):
    """Blocks at one size of the image, which is halved after them unless this is the last."""

    def __init__(self, channels_in: int, channels_out: int, *, is_last: bool) -> None:
        super().__init__()
        widths = [channels_in] + [channels_out] * (NUM_BLOCKS - 1)
        self.resnets = nn.ModuleList([ResnetBlock(width, channels_out) for width in widths])
        self.downsamplers = nn.ModuleList([] if is_last else [Halving(channels_out)])

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Shape (N, channels_out, H, W), or half the sides."""
        for part in (*self.resnets, *self.downsamplers):
            x_NCHW = part(x_NCHW)
        return x_NCHW


class Middle(nn.Module):
    """Two blocks with attention between them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attentions = nn.ModuleList([Attention(channels)])
        self.resnets = nn.ModuleList([ResnetBlock(channels, channels) for _ in range(2)])

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """The same shape."""
        x: Tensor = self.resnets[1](self.attentions[0](self.resnets[0](x_NCHW)))
        return x


class LatentEncoder(nn.Module):
    """Pixels to latent images.

    Args:
        width: channels at the full size of the image, a multiple of 32 (128 as published).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        widths = [width, *(width * level for level in LEVELS)]
        self.conv_in = nn.Conv2d(3, width, 3, padding=1)
        self.down_blocks = nn.ModuleList(
            [Level(*widths[idx : idx + 2], is_last=idx == len(LEVELS) - 1) for idx in range(len(LEVELS))]
        )
        self.mid_block = Middle(widths[-1])
        self.conv_norm_out = norm(widths[-1])
        self.conv_out = nn.Conv2d(widths[-1], 2 * LATENT_CHANNELS, 3, padding=1)
        self.quant_conv = nn.Conv2d(2 * LATENT_CHANNELS, 2 * LATENT_CHANNELS, 1)

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Means of latent images, (N, 4, H / 8, W / 8).

        Args:
            images_NCHW: pixels from -1 to 1, sides multiples of 8.
        """
        x_NCHW = self.conv_in(images_NCHW)
        for level in self.down_blocks:
            x_NCHW = level(x_NCHW)
        x_NCHW = self.conv_out(F.silu(self.conv_norm_out(self.mid_block(x_NCHW))))
        means_NCHW: Tensor = self.quant_conv(x_NCHW).chunk(2, dim=1)[0]
        return means_NCHW


@torch.no_grad()
def latents_of(encode: nn.Module, images_NCHW: Tensor) -> Tensor:
    """Latent images of a batch in fp32, of variance 1 over all of it."""
    means_NCHW: Tensor = encode(images_NCHW).float()
    return means_NCHW / means_NCHW.std()
