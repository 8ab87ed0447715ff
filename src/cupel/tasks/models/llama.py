"""Llama decoders of the `transformers` library, from a configuration with random weights, or from a checkpoint."""

from __future__ import annotations

import copy
import functools
from pathlib import Path
from typing import Any

import torch

from cupel.spec import Sizes, UnsupportedError
from cupel.tasks.models.load_checkpoint import load_checkpoint

RELEASES: dict[str, dict[str, Any]] = {
    "2": {"max_position_embeddings": 4096, "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}},
    "3": {"max_position_embeddings": 8192, "rope_parameters": {"rope_type": "default", "rope_theta": 500000.0}},
    "3.1": {
        "max_position_embeddings": 131072,
        "rope_parameters": {
            "rope_type": "llama3",
            "rope_theta": 500000.0,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192,
        },
    },
}
"""Positions and their rotary frequencies, by release, whatever the length of the documents."""


def llama(
    sizes: Sizes, *, dtype: torch.dtype = torch.float32, release: str = "3", checkpoint: Path | None = None
) -> Any:
    """A decoder on torch's default device, ready to train.

    Args:
        sizes: `layers`, `width`, `heads`, `kv_heads`, `feedforward`, `vocab_size`, and `checkpoints`: whether
            activations within a layer are computed again in the backward pass.
        dtype: of the parameters; rotary frequencies stay in fp32.
        release: of Llama: 2, 3 or 3.1.
        checkpoint: folder of the weights; they are random where None.

    Returns:
        A `LlamaForCausalLM`; its embedding and its output layer are not tied. It has a `parallel_plan`.

    Raises:
        UnsupportedError: the checkpoint is not of these sizes, or damaged.

    Source:
        Touvron et al. 2023, Llama 2; Grattafiori et al. 2024, The Llama 3 Herd of Models, table 3.
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
        rms_norm_eps=1e-5,
        attn_implementation="sdpa",
        use_cache=False,
        **copy.deepcopy(RELEASES[release]),  # the configuration writes into what it is given
    )
    if checkpoint is None:
        model = LlamaForCausalLM(config)
    else:
        model = load_checkpoint(LlamaForCausalLM, config, folder=checkpoint, dtype=dtype)
    model.train()
    if sizes.checkpoints:
        # Later releases of transformers 5 renamed the method, and the old name warns.
        getattr(model, "activation_checkpointing_enable", model.gradient_checkpointing_enable)()
    for parameter in model.parameters():  # not model.to(dtype), which would round the rotary frequencies as well
        parameter.data = parameter.data.to(dtype)
    model.parallel_plan = functools.partial(parallel_plan, config)
    return model


def parallel_plan(config: Any, num_ranks: int) -> dict[str, str]:
    """How tensor parallelism cuts a decoder: heads, inner features, words.

    Args:
        config: of the decoder.
        num_ranks: that share it.

    Returns:
        For patterns of names of layers, a cut of `cupel.run.strategies`. Norms stay whole.

    Raises:
        UnsupportedError: one of the four numbers does not go into so many equal parts.

    Source:
        Shoeybi et al. 2019, Megatron-LM, section 3.
    """
    numbers = {
        "heads": config.num_attention_heads,
        "key and value heads": config.num_key_value_heads,
        "inner features": config.intermediate_size,
        "words": config.vocab_size,
    }
    for what, number in numbers.items():
        if number % num_ranks:
            raise UnsupportedError(
                f"strategy=tp was asked over {num_ranks} ranks; {number} {what} do not go into so many equal parts. "
                "Take ddp or fsdp, or another size."
            )
    columns = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "mlp.gate_proj", "mlp.up_proj")
    rows = ("self_attn.o_proj", "mlp.down_proj")
    return {
        "model.embed_tokens": "rowwise",
        **{f"model.layers.*.{name}": "colwise" for name in columns},
        **{f"model.layers.*.{name}": "rowwise" for name in rows},
        "lm_head": "colwise_gathered",
    }
