"""Hand-written loops of the entries that hear: two that learn and one that writes down."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from cupel.tasks.data.log_mel import log_mel, mel_filters
from interleaved import Step
from plain_training import training

SAMPLES_PER_S = 16_000
SAMPLES_PER_POSITION = 320
"""Samples that one position of Whisper's encoder stands for."""


def whisper(entry: Any, sizes: Any) -> Step:
    """Spectrograms made in the loop, then the library's own forward pass and loss; gradients clipped."""
    waveform = torch.randn(sizes.batch, sizes.positions * SAMPLES_PER_POSITION)
    labels = torch.randint(sizes.vocab_size - 2, (sizes.batch, sizes.tokens))
    filters = mel_filters(sizes.mels)
    model = entry.build_model(sizes)

    def loss_of() -> Tensor:
        loss: Tensor = model(input_features=log_mel(waveform, filters), labels=labels).loss
        return loss

    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4)
    return training(model, optimizer, loss_of, items=waveform.numel() / SAMPLES_PER_S, clip_norm=1.0)


def wav2vec2(entry: Any, sizes: Any) -> Step:
    """The library's own forward pass, masks and loss."""
    waveform = torch.randn(sizes.batch, sizes.num_samples)
    letters = torch.randint(1, sizes.vocab_size, (sizes.batch, sizes.letters))
    model = entry.build_model(sizes)

    def loss_of() -> Tensor:
        loss: Tensor = model.net(input_values=waveform, labels=letters).loss
        return loss

    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    return training(model, optimizer, loss_of, items=waveform.numel() / SAMPLES_PER_S)


def whisper_transcribe(entry: Any, sizes: Any) -> Step:
    """The encoder once, then the likeliest token each time, with the library's own cache."""
    waveform = torch.randn(sizes.batch, sizes.positions * SAMPLES_PER_POSITION)
    filters = mel_filters(sizes.mels)
    model = entry.build_model(sizes)
    prompt = torch.randint(sizes.vocab_size, (sizes.batch, 4))

    @torch.no_grad()
    def step() -> float:
        heard = model.get_encoder()(log_mel(waveform, filters))
        text, fresh, cache = prompt, prompt, None
        for _ in range(sizes.new_tokens):
            out = model(encoder_outputs=heard, decoder_input_ids=fresh, past_key_values=cache, use_cache=True)
            fresh, cache = out.logits[:, -1:].argmax(dim=-1), out.past_key_values
            text = torch.cat([text, fresh], dim=1)
        return waveform.numel() / SAMPLES_PER_S

    return step


LOOPS: dict[str, Callable[[Any, Any], Step]] = {
    "whisper": whisper,
    "whisper_transcribe": whisper_transcribe,
    "wav2vec2": wav2vec2,
}
