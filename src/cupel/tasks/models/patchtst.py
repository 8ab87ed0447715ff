"""PatchTST of the `transformers` library, from a configuration, with random weights.

Decisions: attention by torch's scaled dot product, without the paper's sum of scores over layers. As in the paper the
last value is repeated for a stride, which the caller does: 64 patches of 512 steps, and not 63. Places of patches are
learned.
"""

from __future__ import annotations

from typing import Any

from cupel.spec import Sizes


def patchtst(sizes: Sizes) -> Any:
    """A model on torch's default device, ready to train.

    Args:
        sizes: `channels`, `look_back`, `horizon`, `patch`, `stride`, `layers`, `width`, `heads`, `hidden`, `dropout`.

    Returns:
        A `PatchTSTForPrediction` that reads `look_back` + `stride` steps.

    Source:
        Nie et al. 2022, A Time Series is Worth 64 Words, section 3.1 and appendix A.1.4.
    """
    from transformers.models.patchtst.configuration_patchtst import PatchTSTConfig
    from transformers.models.patchtst.modeling_patchtst import PatchTSTForPrediction

    config = PatchTSTConfig(
        num_input_channels=sizes.channels,
        context_length=sizes.look_back + sizes.stride,
        prediction_length=sizes.horizon,
        patch_length=sizes.patch,
        patch_stride=sizes.stride,
        num_hidden_layers=sizes.layers,
        d_model=sizes.width,
        num_attention_heads=sizes.heads,
        ffn_dim=sizes.hidden,
        ff_dropout=sizes.dropout,
        path_dropout=sizes.dropout,
        positional_dropout=sizes.dropout,
        norm_type="batchnorm",
        pre_norm=False,
        scaling="std",
        positional_encoding_type="random",
        pooling_type=None,
        attn_implementation="sdpa",
    )
    return PatchTSTForPrediction(config).train()
