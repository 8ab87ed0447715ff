"""wav2vec 2.0 for recognising speech, of the `transformers` library, from a configuration, with random weights.

Decisions: the layers are the library's; the way through them is ours, since the library masks by indexing with booleans
and checks labels, both of which wait for the device.

Shapes: B utterances, S samples of each, T frames (50 a second), D width, V letters.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from cupel.spec import Sizes

KERNELS = (10, 3, 3, 3, 3, 2, 2)
STRIDES = (5, 2, 2, 2, 2, 2, 2)
"""Of the seven convolutions that make frames of samples."""


def num_frames(num_samples: int) -> int:
    """How many frames the convolutions make of a waveform."""
    for kernel, stride in zip(KERNELS, STRIDES, strict=True):
        num_samples = (num_samples - kernel) // stride + 1
    return num_samples


class SpeechRecogniser(nn.Module):
    """Convolutions over the waveform, a transformer over the frames, and letters for each frame.

    Args:
        sizes: `channels` of the convolutions, `layers`, `width`, `heads`, `feedforward`, `vocab_size` (0 is CTC's
            blank), and `dropout`, the same everywhere.

    Source:
        Baevski et al. 2020, wav2vec 2.0: A Framework for Self-Supervised Learning of Speech Representations.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        from transformers.models.wav2vec2.configuration_wav2vec2 import Wav2Vec2Config
        from transformers.models.wav2vec2.modeling_wav2vec2 import Wav2Vec2ForCTC

        config = Wav2Vec2Config(
            vocab_size=sizes.vocab_size,
            hidden_size=sizes.width,
            num_hidden_layers=sizes.layers,
            num_attention_heads=sizes.heads,
            intermediate_size=sizes.feedforward,
            conv_dim=(sizes.channels,) * len(KERNELS),
            conv_kernel=KERNELS,
            conv_stride=STRIDES,
            hidden_dropout=sizes.dropout,
            attention_dropout=sizes.dropout,
            activation_dropout=sizes.dropout,
            feat_proj_dropout=sizes.dropout,
            final_dropout=sizes.dropout,
            layerdrop=0.0,
            attn_implementation="sdpa",
        )
        self.net: Any = Wav2Vec2ForCTC(config)

    def forward(self, waveform_BS: Tensor, is_hidden_BT: Tensor) -> Tensor:
        """Logits (B, T, V); hidden frames are replaced by a learned vector before the transformer."""
        body = self.net.wav2vec2
        frames_BTD, _ = body.feature_projection(body.feature_extractor(waveform_BS).transpose(1, 2))
        stand_in_D = body.masked_spec_embed.to(frames_BTD.dtype)
        seen_BTD = torch.where(is_hidden_BT[..., None], stand_in_D, frames_BTD)
        logits_BTV: Tensor = self.net.lm_head(self.net.dropout(body.encoder(seen_BTD).last_hidden_state))
        return logits_BTV
