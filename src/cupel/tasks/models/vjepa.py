"""The networks of V-JEPA 2: layers of the `transformers` library, from a configuration, with random weights.

Decisions: the way through the layers is ours. In training the encoder reads only the patches that are seen; the
library's reads all of them, and its predictor reads a number back from the device.

Shapes: N clips, T frames, C channels, H height, W width, P patches, D width of the encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (everyone's name for it)

from cupel.spec import Sizes
from cupel.tasks.data.video_masks import VideoMask

SLICE_FRAMES = 2
"""Frames that a patch lasts."""


def pick(x_NPD: Tensor, place_NQ: Tensor) -> Tensor:
    """The vectors at the places, (N, Q, D)."""
    return x_NPD.gather(1, place_NQ[..., None].expand(-1, -1, x_NPD.shape[-1]))


def targets_of(encoder: Any, clips_NTCHW: Tensor) -> Tensor:
    """What an encoder says of every patch of whole clips, (N, P, D), each vector of mean 0 and variance 1."""
    said_NPD: Tensor = encoder(pixel_values_videos=clips_NTCHW).last_hidden_state
    return F.layer_norm(said_NPD, said_NPD.shape[-1:])


class Vjepa(nn.Module):
    """An encoder of what is seen, and a predictor of what the encoder's average says of the rest.

    Args:
        sizes: `layers`, `width`, `heads`, `predictor_layers`, `predictor_width`, `predictor_heads`, `frames`,
            `side_px`, `patch_px`, and `checkpoints`: whether activations within a layer are computed again in the
            backward pass.

    Source:
        Assran et al. 2025, V-JEPA 2: Self-Supervised Video Models Enable Understanding, Prediction and Planning.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        from transformers.models.vjepa2.configuration_vjepa2 import VJEPA2Config
        from transformers.models.vjepa2.modeling_vjepa2 import VJEPA2Model

        config = VJEPA2Config(
            patch_size=sizes.patch_px,
            crop_size=sizes.side_px,
            frames_per_clip=sizes.frames,
            tubelet_size=SLICE_FRAMES,
            hidden_size=sizes.width,
            num_hidden_layers=sizes.layers,
            num_attention_heads=sizes.heads,
            pred_hidden_size=sizes.predictor_width,
            pred_num_hidden_layers=sizes.predictor_layers,
            pred_num_attention_heads=sizes.predictor_heads,
            attn_implementation="sdpa",
        )
        net: Any = VJEPA2Model(config)
        self.encoder, self.predictor = net.encoder, net.predictor
        if sizes.checkpoints:
            # Later releases of transformers 5 renamed the method, and the old name warns.
            getattr(net, "activation_checkpointing_enable", net.gradient_checkpointing_enable)()

    def encode(self, clips_NTCHW: Tensor, seen_NQ: Tensor) -> Tensor:
        """What the encoder says of the patches that are seen, having read no others; (N, Q, D)."""
        x_NQD = pick(self.encoder.embeddings(clips_NTCHW), seen_NQ)
        for layer in self.encoder.layer:
            x_NQD = layer(x_NQD, seen_NQ)[0]
        said_NQD: Tensor = self.encoder.layernorm(x_NQD)
        return said_NQD

    def predict(self, said_NQD: Tensor, mask: VideoMask, *, mask_idx: int) -> Tensor:
        """What the average encoder will have said of the hidden patches, (N, hidden, D)."""
        parts = self.predictor.embeddings
        seen = parts.predictor_embeddings(said_NQD)
        stand_in = parts.mask_tokens[mask_idx].to(seen.dtype).expand(*mask.hidden_NP.shape, -1)
        x, place_NP = torch.cat([seen, stand_in], dim=1), torch.cat([mask.seen_NP, mask.hidden_NP], dim=1)
        for layer in self.predictor.layer:
            x = layer(x, place_NP)[0]
        predicted: Tensor = self.predictor.proj(self.predictor.layernorm(x[:, mask.seen_NP.shape[1] :]))
        return predicted

    def forward(self, clips_NTCHW: Tensor, masks: Sequence[VideoMask]) -> list[Tensor]:
        """A prediction for each mask."""
        return [
            self.predict(self.encode(clips_NTCHW, mask.seen_NP), mask, mask_idx=idx) for idx, mask in enumerate(masks)
        ]
