"""Whisper models of the `transformers` library, from a configuration with random weights, or from a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from cupel.spec import Sizes
from cupel.tasks.models.load_checkpoint import load_checkpoint

FRAMES_PER_POSITION = 2
"""Mel frames (of 10 ms) that one position of the encoder stands for."""
PROMPT_FROM_END = (1, 3, 4, 5)
"""Ids of a prompt where no checkpoint tells them, from the end of the vocabulary."""


def whisper(sizes: Sizes, *, checkpoint: Path | None = None) -> Any:
    """An encoder-decoder on torch's default device, in training mode, without dropout as published.

    The encoder's sinusoidal positions, which are not trained, are a buffer: an optimiser never sees them.

    Args:
        sizes: `layers` (of encoder and of decoder), `width`, `heads`, `feedforward`, `mels`, `vocab_size`, `positions`
            of the encoder (50 a second), and `context`, those of the decoder. The last two ids of the vocabulary are
            the end of a text and its start.
        checkpoint: folder of the weights; they are random where None.

    Returns:
        A `WhisperForConditionalGeneration`; its embedding and its output layer are tied.

    Raises:
        UnsupportedError: the checkpoint is not of these sizes, or damaged.

    Source:
        Radford et al. 2022, Robust Speech Recognition via Large-Scale Weak Supervision, table 1.
    """
    from transformers.models.whisper.configuration_whisper import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperForConditionalGeneration

    start, end = sizes.vocab_size - 1, sizes.vocab_size - 2
    config = WhisperConfig(
        vocab_size=sizes.vocab_size,
        num_mel_bins=sizes.mels,
        d_model=sizes.width,
        encoder_layers=sizes.layers,
        decoder_layers=sizes.layers,
        encoder_attention_heads=sizes.heads,
        decoder_attention_heads=sizes.heads,
        encoder_ffn_dim=sizes.feedforward,
        decoder_ffn_dim=sizes.feedforward,
        max_source_positions=sizes.positions,
        max_target_positions=sizes.context,
        decoder_start_token_id=start,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        attn_implementation="sdpa",
    )
    if checkpoint is None:
        model: Any = WhisperForConditionalGeneration(config)
    else:
        kind = WhisperForConditionalGeneration
        model = load_checkpoint(kind, config, folder=checkpoint, dtype=torch.float32)
    model.train()
    positions = model.model.encoder.embed_positions
    sinusoids = positions.weight.detach()
    del positions.weight
    positions.register_buffer("weight", sinusoids)
    return model


def prompt_ids(model: Any) -> list[int]:
    """The ids that a text begins with: its start, the language, the task, and that there are no time stamps.

    A checkpoint tells them in its generation configuration, of which English and writing down are taken.
    """
    told, vocab_size = model.generation_config, model.config.vocab_size
    if not getattr(told, "lang_to_id", None):
        return [vocab_size - place for place in PROMPT_FROM_END]
    language, task = told.lang_to_id["<|en|>"], told.task_to_id["transcribe"]
    return [told.decoder_start_token_id, language, task, told.no_timestamps_token_id]
