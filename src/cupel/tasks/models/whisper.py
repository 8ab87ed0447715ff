"""Whisper models of the `transformers` library, from a configuration, with random weights."""

from __future__ import annotations

from typing import Any

from cupel.spec import Sizes

FRAMES_PER_POSITION = 2
"""Mel frames (of 10 ms) that one position of the encoder stands for."""


def whisper(sizes: Sizes) -> Any:
    """An encoder-decoder on torch's default device, in training mode, without dropout as published.

    The encoder's sinusoidal positions, which are not trained, are a buffer: an optimiser never sees them.

    Args:
        sizes: `layers` (of encoder and of decoder), `width`, `heads`, `feedforward`, `mels`, `vocab_size`, `positions`
            of the encoder (50 a second), and `context`, those of the decoder. The last two ids of the vocabulary are
            the end of a text and its start.

    Returns:
        A `WhisperForConditionalGeneration`; its embedding and its output layer are tied.

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
    model = WhisperForConditionalGeneration(config).train()
    positions = model.model.encoder.embed_positions
    sinusoids = positions.weight.detach()
    del positions.weight
    positions.register_buffer("weight", sinusoids)
    return model
