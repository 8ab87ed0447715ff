"""Models of the `transformers` library from a checkpoint on disk.

The model is the checkpoint's own, with its configuration; it must have the sizes that the entry has, which published
ones have at `full`. Every weight must be there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from cupel.spec import UnsupportedError

SIZES = frozenset(
    {
        "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
        "num_key_value_heads", "d_model", "encoder_layers", "decoder_layers", "encoder_attention_heads",
        "decoder_attention_heads", "encoder_ffn_dim", "decoder_ffn_dim", "num_mel_bins", "max_source_positions",
        "max_target_positions",
    }
)  # fmt: skip
"""Numbers of a configuration that must be those of the entry."""


def load_checkpoint(model_class: Any, config: Any, *, folder: Path, dtype: torch.dtype) -> Any:
    """A model with the weights of a checkpoint, on torch's default device.

    Args:
        model_class: its class in the `transformers` library.
        config: of the model that the entry has at this size.
        folder: of the checkpoint.
        dtype: of the parameters.

    Raises:
        UnsupportedError: the checkpoint is of another model or size, is damaged, or lacks weights.
    """
    from safetensors import SafetensorError

    try:
        check_sizes(config.to_dict(), json.loads((folder / "config.json").read_text(encoding="utf-8")), folder=folder)
        with torch.device("cpu"):  # from where it moves as a whole: on another device the library wants `accelerate`
            model, found = model_class.from_pretrained(
                folder,
                dtype=dtype,
                attn_implementation="sdpa",
                use_cache=bool(config.use_cache),
                local_files_only=True,
                output_loading_info=True,
            )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise UnsupportedError(f"The checkpoint {folder} cannot be loaded: {error}; fetch it once more.") from error
    lacking = sorted(found["missing_keys"])
    if lacking:
        raise UnsupportedError(
            f"The checkpoint {folder} lacks {len(lacking)} weights, {lacking[0]} first; fetch it once more."
        )
    return model.to(torch.get_default_device())


def check_sizes(wanted: Mapping[str, Any], found: Mapping[str, Any], *, folder: Path) -> None:
    """A checkpoint is of the model and of the sizes that are wanted.

    Raises:
        UnsupportedError: it is not; the message names what differs.
    """
    differing = list(_differing(wanted, found))
    if differing:
        raise UnsupportedError(
            f"weights=pretrained was asked of a model with {', '.join(f'{name} {one}' for name, one, _ in differing)}; "
            f"the checkpoint {folder} has {', '.join(f'{name} {other}' for name, _, other in differing)}. "
            f"Take --size full, or let CUPEL_WEIGHTS name a checkpoint of these sizes."
        )


def _differing(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Names of sizes that are told and differ, with both values."""
    for name in ("model_type", *sorted(SIZES)):
        if name in wanted and name in found and wanted[name] != found[name]:
            yield name, wanted[name], found[name]
