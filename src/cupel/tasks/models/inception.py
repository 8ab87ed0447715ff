"""Inception-v3, written by hand.

Decisions:
- The network as its authors published it in code, which all libraries follow: three blocks at 35 px, four with
  convolutions of 1 x 7 and 7 x 1 at 17 px, two wide ones at 8 px. Width 32 has 27 161 264 parameters, of which the
  auxiliary classifier after the last block at 17 px has 3 326 696.
- Batch norm with epsilon 0.001 after each convolution. He initialisation of convolutions (fan out).
- `width` scales all channels, for small machines and tests. `aux_kernel_px` does the same for small images: what the
  auxiliary classifier's last convolution sees is 5 x 5 px for images of 299 px, and 1 px at 139 px and below.

Shapes: N batch, C channels, H height, W width, K classes.

Source: Szegedy et al. 2015, Rethinking the Inception Architecture for Computer Vision, table 1 and figures 5 to 7, 10.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

Layer: TypeAlias = tuple[int, tuple[int, int]] | tuple[int, tuple[int, int], int]
"""Output channels (at width 32), kernel height and width in px, and the stride where it is not 1."""
POINT, SQUARE, ROW, COLUMN = (1, 1), (3, 3), (1, 7), (7, 1)
FULL_WIDTH = 32


class Logits(NamedTuple):
    """What the network returns in training: logits (N, K) of the network and of its auxiliary classifier."""

    logits: Tensor
    aux_logits: Tensor


class Parallel(nn.Module):
    """Branches side by side, their channels one after the other."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """All branches see the same input."""
        return torch.cat([branch(x_NCHW) for branch in self.branches], dim=1)


class Blocks:
    """Builds the blocks at a width; channels are given as at width 32."""

    def __init__(self, width: int) -> None:
        self.width = width

    def scaled(self, channels: int) -> int:
        """Channels at this width; colours are no channels of the network."""
        return channels if channels == 3 else channels * self.width // FULL_WIDTH

    def conv(self, channels_in: int, layer: Layer, *, is_padded: bool = True) -> nn.Sequential:
        """A convolution with batch norm and ReLU; those with a stride have no padding."""
        channels_out, kernel_px = layer[0], layer[1]
        stride_px = layer[2] if len(layer) == 3 else 1
        padding_px = (kernel_px[0] // 2, kernel_px[1] // 2) if is_padded and stride_px == 1 else 0
        sizes = (self.scaled(channels_in), self.scaled(channels_out))
        conv = nn.Conv2d(*sizes, kernel_px, stride_px, padding=padding_px, bias=False)
        nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
        return nn.Sequential(conv, nn.BatchNorm2d(sizes[1], eps=0.001), nn.ReLU(inplace=True))

    def chain(self, channels_in: int, *layers: Layer) -> nn.Sequential:
        """Convolutions one after the other."""
        inputs = (channels_in, *(layer[0] for layer in layers))
        return nn.Sequential(*(self.conv(before, layer) for before, layer in zip(inputs, layers, strict=False)))

    def pooled(self, channels_in: int, channels_out: int) -> nn.Sequential:
        """An average over 3 x 3 px, then a convolution of 1 px."""
        return nn.Sequential(nn.AvgPool2d(3, stride=1, padding=1), self.conv(channels_in, (channels_out, POINT)))

    def at_35_px(self, channels_in: int, pooled: int) -> Parallel:
        """Figure 5, with the first 5 x 5 kept whole."""
        return Parallel(
            self.chain(channels_in, (64, POINT)),
            self.chain(channels_in, (48, POINT), (64, (5, 5))),
            self.chain(channels_in, (64, POINT), (96, SQUARE), (96, SQUARE)),
            self.pooled(channels_in, pooled),
        )

    def at_17_px(self, inner: int) -> Parallel:
        """Figure 6: convolutions of 7 x 7 px as rows and columns."""
        return Parallel(
            self.chain(768, (192, POINT)),
            self.chain(768, (inner, POINT), (inner, ROW), (192, COLUMN)),
            self.chain(768, (inner, POINT), (inner, COLUMN), (inner, ROW), (inner, COLUMN), (192, ROW)),
            self.pooled(768, 192),
        )

    def at_8_px(self, channels_in: int) -> Parallel:
        """Figure 7: rows and columns of 3 px side by side."""
        return Parallel(
            self.chain(channels_in, (320, POINT)),
            nn.Sequential(self.chain(channels_in, (384, POINT)), self.cross()),
            nn.Sequential(self.chain(channels_in, (448, POINT), (384, SQUARE)), self.cross()),
            self.pooled(channels_in, 192),
        )

    def cross(self) -> Parallel:
        """A row and a column of 3 px, of 384 channels each."""
        return Parallel(self.chain(384, (384, (1, 3))), self.chain(384, (384, (3, 1))))

    def to_17_px(self) -> Parallel:
        """Figure 10: fewer pixels and more channels without a bottleneck."""
        return Parallel(
            self.chain(288, (384, SQUARE, 2)),
            self.chain(288, (64, POINT), (96, SQUARE), (96, SQUARE, 2)),
            nn.MaxPool2d(3, stride=2),
        )

    def to_8_px(self) -> Parallel:
        """The same, with rows and columns of 7 px."""
        return Parallel(
            self.chain(768, (192, POINT), (320, SQUARE, 2)),
            self.chain(768, (192, POINT), (192, ROW), (192, COLUMN), (192, SQUARE, 2)),
            nn.MaxPool2d(3, stride=2),
        )


class InceptionV3(nn.Module):
    """Inception-v3 with its auxiliary classifier, for training.

    Args:
        width: channels of the first convolution (32 in the paper), even; all others in proportion.
        num_classes: number of outputs.
        aux_kernel_px: kernel of the auxiliary classifier's last convolution; 5 for images of 299 px.
        dropout: before the last layer.
    """

    def __init__(self, *, width: int, num_classes: int, aux_kernel_px: int, dropout: float) -> None:
        super().__init__()
        make = Blocks(width)
        self.stem = nn.Sequential(
            make.conv(3, (32, SQUARE, 2)),
            make.conv(32, (32, SQUARE), is_padded=False),
            make.conv(32, (64, SQUARE)),
            nn.MaxPool2d(3, stride=2),
            make.conv(64, (80, POINT)),
            make.conv(80, (192, SQUARE), is_padded=False),
            nn.MaxPool2d(3, stride=2),
        )
        self.early = nn.Sequential(
            *(make.at_35_px(*channels) for channels in ((192, 32), (256, 64), (288, 64))),
            make.to_17_px(),
            *(make.at_17_px(inner) for inner in (128, 160, 160, 192)),
        )
        self.late = nn.Sequential(make.to_8_px(), make.at_8_px(1280), make.at_8_px(2048))
        self.aux = nn.Sequential(
            nn.AvgPool2d(5, stride=3),
            make.conv(768, (128, POINT)),
            make.conv(128, (768, (aux_kernel_px, aux_kernel_px)), is_padded=False),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(make.scaled(768), num_classes),
        )
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(make.scaled(2048), num_classes))

    def forward(self, images_NCHW: Tensor) -> Logits:
        """Logits of the network and of the auxiliary classifier."""
        x_NCHW = self.early(self.stem(images_NCHW))
        return Logits(self.head(self.late(x_NCHW).mean(dim=(2, 3))), self.aux(x_NCHW))
