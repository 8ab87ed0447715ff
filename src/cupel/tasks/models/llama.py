"""Llama decoders of the `transformers` library, from a configuration, with random weights."""

from __future__ import annotations

from typing import Any

import torch

from cupel.spec import Sizes

CONTEXT = 8192
"""Positions of Llama 3, whatever the length of the documents."""


def llama(sizes: Sizes, *, dtype: torch.dtype = torch.float32) -> Any:
    """A decoder on torch's default device, ready to train.

    Args:
        sizes: `layers`, `width`, `heads`, `kv_heads`, `feedforward`, `vocab_size`, and `checkpoints`: whether
            activations within a layer are computed again in the backward pass.
        dtype: of the parameters; rotary frequencies stay in fp32.

    Returns:
        A `LlamaForCausalLM`; its embedding and its output layer are not tied.

    Source:
        Grattafiori et al. 2024, The Llama 3 Herd of Models, table 3.
    """
    from transformers.models.llama.configuration_llama import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=sizes.vocab_size,
        hidden_size=sizes.width,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        num_key_value_heads=sizes.kv_heads,
        intermediate_size=sizes.feedforward,
        max_position_embeddings=CONTEXT,
        rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 500000.0},
        attn_implementation="sdpa",
        use_cache=False,
    )
    model = LlamaForCausalLM(config).train()
    if sizes.checkpoints:
        # Later releases of transformers 5 renamed the method, and the old name warns.
        getattr(model, "activation_checkpointing_enable", model.gradient_checkpointing_enable)()
    for parameter in model.parameters():  # not model.to(dtype), which would round the rotary frequencies as well
        parameter.data = parameter.data.to(dtype)
    return model
