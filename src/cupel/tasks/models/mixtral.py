"""Mixtral decoders of the `transformers` library, from a configuration, with random weights.

Decisions:
- Experts by the library's grouped products: tokens are sorted by expert and the sizes of the groups stay on the device,
  no token is dropped. The library's loop over experts, its default, would wait for the device in every layer. (At bf16;
  at fp32 and fp16 torch's own grouped product may read the sizes back on NVIDIA devices.)
- Built in its final dtype, so that no copy in fp32 is needed; rotary frequencies stay in fp32.

Shapes: N tokens, W width.

Source: Jiang et al. 2024, Mixtral of Experts, table 1 and section 2.1.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (everyone's name for it)

from cupel.spec import Sizes

CONTEXT = 32768
"""Positions of Mixtral 8x7B, whatever the length of the text."""
EXPERTS_PER_TOKEN = 2


def mixtral(sizes: Sizes, *, dtype: torch.dtype) -> Any:
    """A decoder on torch's default device, ready to generate.

    Args:
        sizes: `layers`, `width`, `heads`, `kv_heads`, `feedforward`, `experts`, `vocab_size`.
        dtype: of the parameters.

    Returns:
        A `MixtralForCausalLM`; its embedding and its output layer are not tied.
    """
    from transformers.models.auto.modeling_auto import AutoModelForCausalLM
    from transformers.models.mixtral.configuration_mixtral import MixtralConfig

    config = MixtralConfig(
        vocab_size=sizes.vocab_size,
        hidden_size=sizes.width,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        num_key_value_heads=sizes.kv_heads,
        intermediate_size=sizes.feedforward,
        num_local_experts=sizes.experts,
        num_experts_per_tok=EXPERTS_PER_TOKEN,
        max_position_embeddings=CONTEXT,
        rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6},
        attn_implementation="sdpa",
        experts_implementation="grouped_mm",
    )
    return AutoModelForCausalLM.from_config(config, dtype=dtype).eval()


def one_by_one(block: Any, x_NW: Tensor) -> Tensor:
    """What a layer's experts say, by a loop over tokens in fp32: slow, waits for the device, for checks."""
    router_EW = block.gate.weight.float()
    said = []
    for token_W in x_NW.float():
        probs_E = torch.softmax(router_EW @ token_W, dim=0)
        best, chosen = probs_E.topk(EXPERTS_PER_TOKEN)
        out_W = torch.zeros_like(token_W)
        for weight, expert in zip(best / best.sum(), chosen.tolist(), strict=True):
            gate, up = (block.experts.gate_up_proj[expert].float() @ token_W).chunk(2)
            out_W += weight * (block.experts.down_proj[expert].float() @ (F.silu(gate) * up))
        said.append(out_W)
    return torch.stack(said)
