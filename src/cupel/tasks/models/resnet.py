"""Residual networks with bottleneck blocks (ResNet-50 and its kin), written by hand.

Decisions:
- Version 1.5: the stride of a block sits in its 3 x 3 convolution, as in every library that is measured today; the
  paper has it in the first 1 x 1 convolution. Depth 50 has the 25 557 032 parameters of the usual libraries.
- Weights: He initialisation of convolutions (fan out), batch norms start as the identity.
- Depth 14 and 26 keep the shape of the network with fewer blocks, for small machines and tests.

Shapes: N batch, C channels, H height, W width, K classes.

Source: He et al. 2015, Deep Residual Learning for Image Recognition, table 1.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

BLOCKS = {14: (1, 1, 1, 1), 26: (2, 2, 2, 2), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
"""Blocks of each of the four stages, by number of weighted layers."""
EXPANSION = 4
"""Output channels of a bottleneck for each of its inner channels."""


def conv_norm(channels_in: int, channels_out: int, kernel_px: int, stride_px: int = 1) -> nn.Sequential:
    """A convolution that keeps the size (but for its stride), then batch norm."""
    conv = nn.Conv2d(channels_in, channels_out, kernel_px, stride_px, padding=kernel_px // 2, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(conv, nn.BatchNorm2d(channels_out))


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 and 1 x 1 convolutions beside a shortcut."""

    def __init__(self, channels_in: int, inner: int, stride_px: int) -> None:
        super().__init__()
        outer = inner * EXPANSION
        self.reduce = conv_norm(channels_in, inner, 1)
        self.spatial = conv_norm(inner, inner, 3, stride_px)
        self.expand = conv_norm(inner, outer, 1)
        is_same_shape = stride_px == 1 and channels_in == outer
        self.shortcut = nn.Identity() if is_same_shape else conv_norm(channels_in, outer, 1, stride_px)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Add the residual to the shortcut."""
        residual_NCHW = torch.relu(self.reduce(x_NCHW))
        residual_NCHW = torch.relu(self.spatial(residual_NCHW))
        return torch.relu(self.expand(residual_NCHW) + self.shortcut(x_NCHW))


class ResNet(nn.Module):
    """A residual network for classification.

    Args:
        depth: number of weighted layers, one of `BLOCKS`.
        width: inner channels of the first stage (64 in the paper); they double in each stage.
        num_classes: number of outputs.
    """

    def __init__(self, *, depth: int, width: int, num_classes: int) -> None:
        super().__init__()
        self.stem = conv_norm(3, width, 7, 2)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        blocks: list[nn.Module] = []
        channels = width
        for stage_idx, num_blocks in enumerate(BLOCKS[depth]):
            inner = width * 2**stage_idx
            for block_idx in range(num_blocks):
                stride_px = 2 if stage_idx > 0 and block_idx == 0 else 1
                blocks.append(Bottleneck(channels, inner, stride_px))
                channels = inner * EXPANSION
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(channels, num_classes)

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Logits, shape (N, K)."""
        x_NCHW = self.pool(torch.relu(self.stem(images_NCHW)))
        return self.head(self.blocks(x_NCHW).mean(dim=(2, 3)))
