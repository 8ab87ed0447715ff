"""The network that DINOv2 trains: a vision transformer of the `transformers` library and a projection head by hand.

Shapes: N crops of one size, C channels, H height, W width, D width of the transformer, K prototypes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (everyone's name for it)

from cupel.spec import Sizes


class Head(nn.Module):
    """Three layers, then the cosine to each of `prototypes` directions.

    Weights start with a deviation of 1 / sqrt(inputs), which at the published widths is near the published 0.02.

    Args:
        sizes: `width` of what comes in, `head_width`, `bottleneck`, `prototypes`.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.first = nn.Linear(sizes.width, sizes.head_width)
        self.second = nn.Linear(sizes.head_width, sizes.head_width)
        self.third = nn.Linear(sizes.head_width, sizes.bottleneck)
        self.directions = nn.Parameter(torch.empty(sizes.prototypes, sizes.bottleneck))
        for layer in (self.first, self.second, self.third):
            nn.init.trunc_normal_(layer.weight, std=layer.in_features**-0.5)
            nn.init.zeros_(layer.bias)
        nn.init.trunc_normal_(self.directions, std=sizes.bottleneck**-0.5)

    def forward(self, x_ND: Tensor) -> Tensor:
        """Cosines (N, K)."""
        x_ND = F.gelu(self.second(F.gelu(self.first(x_ND))))
        return F.linear(F.normalize(self.third(x_ND), dim=-1), F.normalize(self.directions, dim=-1))


class Dino(nn.Module):
    """A vision transformer and its head.

    Args:
        sizes: those of `Head`; `layers`, `heads`, `patch_px`, `global_px` (the size that positions are made for),
            `drop_path` (probability that a sample skips a block), and `checkpoints`: whether activations within a
            layer are computed again in the backward pass.

    Source:
        Oquab et al. 2023, DINOv2: Learning Robust Visual Features without Supervision, appendix B.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        from transformers.models.dinov2.configuration_dinov2 import Dinov2Config
        from transformers.models.dinov2.modeling_dinov2 import Dinov2Model

        config = Dinov2Config(
            hidden_size=sizes.width,
            num_hidden_layers=sizes.layers,
            num_attention_heads=sizes.heads,
            image_size=sizes.global_px,
            patch_size=sizes.patch_px,
            use_swiglu_ffn=True,
            use_mask_token=False,
            drop_path_rate=sizes.drop_path,
            attn_implementation="sdpa",
        )
        self.body: Any = Dinov2Model(config)
        self.head = Head(sizes)
        if sizes.checkpoints:
            # Later releases of transformers 5 renamed the method, and the old name warns.
            getattr(self.body, "activation_checkpointing_enable", self.body.gradient_checkpointing_enable)()

    def forward(self, crops: Sequence[Tensor]) -> Tensor:
        """Cosines (N, K) of all crops in their order; each tensor (N, C, H, W) holds the crops of one size."""
        cosines_NK: Tensor = self.head(torch.cat([self.body(pixel_values=x_NCHW).pooler_output for x_NCHW in crops]))
        return cosines_NK
