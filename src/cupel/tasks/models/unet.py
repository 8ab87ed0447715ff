"""The denoising U-Net of Stable Diffusion 2, written by hand.

Decisions:
- The same network, and the same names of parameters, as `UNet2DConditionModel` of diffusers 0.42 in the configuration
  of Stable Diffusion 2 (865 910 724 parameters): a state dict of one loads into the other, and a test compares outputs
  and gradients. It is written out because importing diffusers' takes three to six seconds, longer than the measurement.
- Four levels of 1, 2, 4 and 4 times `width` channels; cross-attention in all but the lowest; linear projections; no
  dropout; heads of a fixed number of channels.
- Weights start as PyTorch starts them, as in diffusers.

Shapes: N batch, C channels, H height, W width, P = H * W places, T text tokens, D channels of a token, E channels of
the time embedding.

Source: Rombach et al. 2022, High-Resolution Image Synthesis with Latent Diffusion Models; the Stable Diffusion 2 card.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (everyone's name for it)

LEVELS = (1, 2, 4, 4)
"""Channels of each level, in multiples of the width; a smaller network has the first few."""
LATENT_CHANNELS = 4
"""Channels of the latent image."""
NUM_GROUPS = 32
"""Groups of every group norm."""
MakeAttention: TypeAlias = Callable[[int], nn.Module]


class ResnetBlock(nn.Module):
    """Two convolutions, with the time embedding added between them, beside a shortcut."""

    def __init__(self, channels_in: int, channels_out: int, time_dim: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(NUM_GROUPS, channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.time_emb_proj = nn.Linear(time_dim, channels_out)
        self.norm2 = nn.GroupNorm(NUM_GROUPS, channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1)
        self.conv_shortcut = nn.Identity() if channels_in == channels_out else nn.Conv2d(channels_in, channels_out, 1)

    def forward(self, x_NCHW: Tensor, time_NE: Tensor) -> Tensor:
        """The block's output, shape (N, channels_out, H, W)."""
        h_NCHW = self.conv1(F.silu(self.norm1(x_NCHW)))
        h_NCHW = h_NCHW + self.time_emb_proj(F.silu(time_NE))[:, :, None, None]
        h_NCHW = self.conv2(F.silu(self.norm2(h_NCHW)))
        return self.conv_shortcut(x_NCHW) + h_NCHW


class Attention(nn.Module):
    """Multi-head attention of places to places or to text tokens."""

    def __init__(self, channels: int, context_dim: int, head_dim: int) -> None:
        super().__init__()
        self.head_dim = head_dim
        self.to_q = nn.Linear(channels, channels, bias=False)
        self.to_k = nn.Linear(context_dim, channels, bias=False)
        self.to_v = nn.Linear(context_dim, channels, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])

    def forward(self, x_NPC: Tensor, context_NTD: Tensor) -> Tensor:
        """What each place gathers, shape (N, P, C)."""
        query, key, value = (
            part.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)
            for part in (self.to_q(x_NPC), self.to_k(context_NTD), self.to_v(context_NTD))
        )
        gathered = F.scaled_dot_product_attention(query, key, value)
        return self.to_out[0](gathered.transpose(1, 2).flatten(2))


class GatedGelu(nn.Module):
    """A linear map whose one half gates the other."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.proj = nn.Linear(channels, 2 * inner)

    def forward(self, x_NPC: Tensor) -> Tensor:
        """Shape (N, P, inner)."""
        value, gate = self.proj(x_NPC).chunk(2, dim=-1)
        return value * F.gelu(gate)


class FeedForward(nn.Module):
    """A gated two-layer perceptron, four times as wide inside."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.net = nn.Sequential(GatedGelu(channels, 4 * channels), nn.Identity(), nn.Linear(4 * channels, channels))

    def forward(self, x_NPC: Tensor) -> Tensor:
        """Shape (N, P, C)."""
        return self.net(x_NPC)


class TransformerBlock(nn.Module):
    """Self-attention, cross-attention to the text, feed-forward; each after its norm, beside a shortcut."""

    def __init__(self, channels: int, context_dim: int, head_dim: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        self.attn1 = Attention(channels, channels, head_dim)
        self.norm2 = nn.LayerNorm(channels)
        self.attn2 = Attention(channels, context_dim, head_dim)
        self.norm3 = nn.LayerNorm(channels)
        self.ff = FeedForward(channels)

    def forward(self, x_NPC: Tensor, context_NTD: Tensor) -> Tensor:
        """Shape (N, P, C)."""
        normed_NPC = self.norm1(x_NPC)
        x_NPC = x_NPC + self.attn1(normed_NPC, normed_NPC)
        x_NPC = x_NPC + self.attn2(self.norm2(x_NPC), context_NTD)
        return x_NPC + self.ff(self.norm3(x_NPC))


class SpatialTransformer(nn.Module):
    """A transformer block over the places of an image, beside a shortcut."""

    def __init__(self, channels: int, context_dim: int, head_dim: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(NUM_GROUPS, channels, eps=1e-6)
        self.proj_in = nn.Linear(channels, channels)
        self.transformer_blocks = nn.ModuleList([TransformerBlock(channels, context_dim, head_dim)])
        self.proj_out = nn.Linear(channels, channels)

    def forward(self, x_NCHW: Tensor, context_NTD: Tensor) -> Tensor:
        """Shape (N, C, H, W)."""
        h_NPC = self.proj_in(self.norm(x_NCHW).flatten(2).transpose(1, 2))
        for block in self.transformer_blocks:
            h_NPC = block(h_NPC, context_NTD)
        return x_NCHW + self.proj_out(h_NPC).transpose(1, 2).reshape(x_NCHW.shape)


class Resize(nn.Module):
    """Halve an image by a strided convolution, or double it before a convolution."""

    def __init__(self, channels: int, *, is_up: bool) -> None:
        super().__init__()
        self.is_up = is_up
        self.conv = nn.Conv2d(channels, channels, 3, stride=1 if is_up else 2, padding=1)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Shape (N, C, H * 2, W * 2) or (N, C, H / 2, W / 2)."""
        return self.conv(F.interpolate(x_NCHW, scale_factor=2.0, mode="nearest") if self.is_up else x_NCHW)


class Stage(nn.Module):
    """The residual blocks of one level, each with its attention where the level attends; ancestor of the three kinds.

    Args:
        channels_in: input channels of each residual block.
        channels_out: output channels of each.
        make_attention: makes a spatial transformer of the level, or None where it does not attend.
        time_dim: channels of the time embedding.
    """

    def __init__(
        self, channels_in: list[int], channels_out: int, make_attention: MakeAttention | None, time_dim: int
    ) -> None:
        super().__init__()
        self.resnets = nn.ModuleList([ResnetBlock(channels, channels_out, time_dim) for channels in channels_in])
        attentions = [] if make_attention is None else [make_attention(channels_out) for _ in channels_in]
        self.attentions = nn.ModuleList(attentions)

    def block(self, idx: int, x_NCHW: Tensor, time_NE: Tensor, context_NTD: Tensor) -> Tensor:
        """One residual block and its attention."""
        x_NCHW = self.resnets[idx](x_NCHW, time_NE)
        return self.attentions[idx](x_NCHW, context_NTD) if len(self.attentions) else x_NCHW


class DownStage(Stage):
    """A level on the way down; it remembers what it passes on, for the way up."""

    def add_resize(self, channels: int) -> None:
        """End the stage with a halving."""
        self.downsamplers = nn.ModuleList([Resize(channels, is_up=False)])

    def forward(self, x_NCHW: Tensor, time_NE: Tensor, context_NTD: Tensor) -> list[Tensor]:
        """The outputs of all its blocks; the last goes on down."""
        kept = []
        for idx in range(len(self.resnets)):
            x_NCHW = self.block(idx, x_NCHW, time_NE, context_NTD)
            kept.append(x_NCHW)
        if hasattr(self, "downsamplers"):
            kept.append(self.downsamplers[0](x_NCHW))
        return kept


class MiddleStage(Stage):
    """The lowest point: a residual block, attention, a residual block."""

    def __init__(self, channels: int, make_attention: MakeAttention, time_dim: int) -> None:
        super().__init__([channels, channels], channels, None, time_dim)
        self.attentions.append(make_attention(channels))

    def forward(self, x_NCHW: Tensor, time_NE: Tensor, context_NTD: Tensor) -> Tensor:
        """Shape (N, C, H, W)."""
        x_NCHW = self.attentions[0](self.resnets[0](x_NCHW, time_NE), context_NTD)
        return self.resnets[1](x_NCHW, time_NE)


class UpStage(Stage):
    """A level on the way up; each block also takes what the way down kept."""

    def add_resize(self, channels: int) -> None:
        """End the stage with a doubling."""
        self.upsamplers = nn.ModuleList([Resize(channels, is_up=True)])

    def forward(self, x_NCHW: Tensor, kept: list[Tensor], time_NE: Tensor, context_NTD: Tensor) -> Tensor:
        """Shape (N, channels_out, H, W), or doubled; `kept` holds one output of the way down for each block."""
        for idx in range(len(self.resnets)):
            x_NCHW = self.block(idx, torch.cat([x_NCHW, kept[-1 - idx]], dim=1), time_NE, context_NTD)
        return self.upsamplers[0](x_NCHW) if hasattr(self, "upsamplers") else x_NCHW


class TimeEmbedding(nn.Module):
    """Sinusoids of the timestep through a two-layer perceptron."""

    def __init__(self, width: int, time_dim: int) -> None:
        super().__init__()
        self.width = width
        self.linear_1 = nn.Linear(width, time_dim)
        self.linear_2 = nn.Linear(time_dim, time_dim)

    def forward(self, timestep_N: Tensor, dtype: torch.dtype) -> Tensor:
        """Shape (N, E)."""
        half = self.width // 2
        exponent = torch.arange(half, dtype=torch.float32, device=timestep_N.device) * (-math.log(10_000.0) / half)
        angle = timestep_N[:, None].float() * exponent.exp()[None, :]
        waves_NC = torch.cat([angle.cos(), angle.sin()], dim=-1).to(dtype)
        return self.linear_2(F.silu(self.linear_1(waves_NC)))


class UNet(nn.Module):
    """The noise in a latent image, predicted from the noised image, its timestep and a text.

    Args:
        width: channels of the first level, a multiple of 32 (320 in Stable Diffusion 2).
        head_dim: channels of an attention head (64).
        context_dim: channels of a text token (1024).
        num_blocks: residual blocks of a level on the way down, one fewer than on the way up (2).
        num_levels: levels, each at half the size of the one before (4).
    """

    def __init__(self, *, width: int, head_dim: int, context_dim: int, num_blocks: int, num_levels: int) -> None:
        super().__init__()
        time_dim = 4 * width
        channels = [width * multiple for multiple in LEVELS[:num_levels]]
        lowest = len(channels) - 1

        def make_attention(channels: int) -> nn.Module:
            return SpatialTransformer(channels, context_dim, head_dim)

        self.conv_in = nn.Conv2d(LATENT_CHANNELS, width, 3, padding=1)
        self.time_embedding = TimeEmbedding(width, time_dim)
        self.down_blocks = nn.ModuleList()
        kept = [width]
        for level, outer in enumerate(channels):
            ins = [kept[-1]] + [outer] * (num_blocks - 1)
            stage = DownStage(ins, outer, None if level == lowest else make_attention, time_dim)
            kept += [outer] * num_blocks
            if level < lowest:
                stage.add_resize(outer)
                kept.append(outer)
            self.down_blocks.append(stage)
        self.mid_block = MiddleStage(channels[-1], make_attention, time_dim)
        self.up_blocks = nn.ModuleList()
        below = channels[-1]
        for level in reversed(range(len(channels))):
            ins = [before + kept.pop() for before in [below] + [channels[level]] * num_blocks]
            stage = UpStage(ins, channels[level], None if level == lowest else make_attention, time_dim)
            if level > 0:
                stage.add_resize(channels[level])
            self.up_blocks.append(stage)
            below = channels[level]
        self.conv_norm_out = nn.GroupNorm(NUM_GROUPS, width)
        self.conv_out = nn.Conv2d(width, LATENT_CHANNELS, 3, padding=1)

    def forward(self, latent_NCHW: Tensor, timestep_N: Tensor, context_NTD: Tensor) -> Tensor:
        """The predicted noise, of the latent image's shape."""
        time_NE = self.time_embedding(timestep_N, latent_NCHW.dtype)
        x_NCHW = self.conv_in(latent_NCHW)
        kept = [x_NCHW]
        for stage in self.down_blocks:
            kept += stage(kept[-1], time_NE, context_NTD)
        x_NCHW = self.mid_block(kept[-1], time_NE, context_NTD)
        for stage in self.up_blocks:
            num_blocks = len(stage.resnets)
            x_NCHW = stage(x_NCHW, kept[-num_blocks:], time_NE, context_NTD)
            del kept[-num_blocks:]
        return self.conv_out(F.silu(self.conv_norm_out(x_NCHW)))
