"""Networks of 3 x 3 convolutions without strides, for images of few pixels: one plain, one residual.

Decisions:
- Where the usual network has a stride of 2, a 2 x 2 maximum pooling stands before a convolution of stride 1, so that
  Winograd's algorithm can take its place (Fernandez-Marques et al. 2020).
- The residual network is ResNet-18 as that paper has it for CIFAR-10: 32 channels at first, then four stages of two
  basic blocks; at `width=1` of 64, 128, 256 and 512 channels.
- He initialisation of convolutions, from a generator that is given; nothing is drawn from torch's global one.

Shapes: N images, C channels, H height, W width, K classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

STEM = 32
STAGES = (64, 128, 256, 512)
BLOCKS = 2


def _conv(channels_in: int, channels_out: int, kernel_px: int = 3) -> list[nn.Module]:
    conv = nn.Conv2d(channels_in, channels_out, kernel_px, padding=kernel_px // 2, bias=False)
    return [conv, nn.BatchNorm2d(channels_out)]


class BasicBlock(nn.Module):
    """Two convolutions beside a shortcut, after a pooling where the stage begins with one."""

    def __init__(self, channels_in: int, channels_out: int, *, is_pooled: bool) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(2) if is_pooled else nn.Identity()
        residual = [*_conv(channels_in, channels_out), nn.ReLU(), *_conv(channels_out, channels_out)]
        self.residual = nn.Sequential(*residual)
        is_same = channels_in == channels_out
        self.shortcut = nn.Identity() if is_same else nn.Sequential(*_conv(channels_in, channels_out, 1))

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Add the residual to the shortcut."""
        x_NCHW = self.pool(x_NCHW)
        return torch.relu(self.residual(x_NCHW) + self.shortcut(x_NCHW))


def pooled_resnet(width: float, *, num_classes: int, generator: torch.Generator) -> nn.Sequential:
    """A residual network for images (N, 3, H, W); layer `0` is the first convolution.

    Args:
        width: multiplies the channels of the stages.
        num_classes: K.
        generator: of the initial weights.
    """
    with torch.device("meta"):
        layers = [*_conv(3, STEM), nn.ReLU()]
        channels = STEM
        for stage, full in enumerate(STAGES):
            for block in range(BLOCKS):
                inner = int(full * width)
                layers.append(BasicBlock(channels, inner, is_pooled=stage > 0 and block == 0))
                channels = inner
        layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes)]
        model = nn.Sequential(*layers)
    return drawn(model, generator)


def three_convolutions(width: int, *, side_px: int, num_classes: int, generator: torch.Generator) -> nn.Sequential:
    """Three convolutions and a linear layer for grey images (N, 1, H, W); layer `0` is the first convolution.

    Args:
        width: channels of the first convolution; the others have twice as many.
        side_px: H and W, even.
        num_classes: K.
        generator: of the initial weights.
    """
    with torch.device("meta"):
        layers = [*_conv(1, width), nn.ReLU(), *_conv(width, 2 * width), nn.ReLU(), nn.MaxPool2d(2)]
        layers += [*_conv(2 * width, 2 * width), nn.ReLU(), nn.Flatten()]
        model = nn.Sequential(*layers, nn.Linear(2 * width * (side_px // 2) ** 2, num_classes))
    return drawn(model, generator)


def drawn(model: nn.Sequential, generator: torch.Generator) -> nn.Sequential:
    """A model that was made on the device `meta`, on the CPU with its initial weights."""
    model = model.to_empty(device="cpu")
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
    return model
