"""Whisper learning to write down speech.

Decisions:
- `full` is Whisper small (12 + 12 layers, width 768, 12 heads, 80 mel bins, vocabulary 51 865): 241 734 912 numbers,
  of which 1 152 000 are the encoder's fixed sinusoids. Milabench's batch of 64 utterances.
- The `transformers` library's model from a configuration with random weights; attention by torch's scaled dot product;
  no dropout and no masking of the spectrogram, as published.
- Data: utterances that fill the window of 30 s (`positions` / 50 seconds), 16 000 samples a second, and transcripts of
  `tokens` words by Zipf's law without padding.
- `data=synthetic`: made like a voice; `batches` batches on the device, in rotation. `data=disk`: parts of recordings in
  FLAC, or of the user's own where `CUPEL_AUDIO` names a folder of them (`cupel.tasks.data.recording_batches`), decoded
  by `workers` processes. Needs soundfile (`cupel[media]`), and at `full` 1.8 GiB of the host's shared memory.
- The log-mel spectrogram is made from the waveform in each step, on the device, in fp32 (`cupel.tasks.data.log_mel`).
- AdamW, fused, learning rate 5e-4, betas 0.9 and 0.98, epsilon 1e-6, weight decay 0.1, gradients clipped to a norm of
  1, as published but for the schedule, which is constant.
- Parameters and optimiser state in fp32 at every precision; bf16 and fp16 are mixed precision by autocast.
- Counted: seconds of audio, none of it padding; `utterances` besides.
- Memory at `full` in fp32 (arithmetic): parameters, gradients and state 16 bytes x 241 M = 3.6 GiB; the encoder 15
  numbers x 768 x 96 000 positions x 12 layers x 4 bytes = 49 GiB; keys and values of the cross-attention 7 GiB,
  decoder 8 GiB; logits 8192 x 51 865 x 4 bytes, three times = 5 GiB; spectrograms 1 GiB.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cupel.spec import Done, Seeds, Sizes, Slot, Step, Workload, WrongWorkError
from cupel.tasks.data.batch_stream import in_rotation
from cupel.tasks.data.log_mel import HOP, log_mel, mel_filters
from cupel.tasks.data.utterances import Transcribed, transcribed_batches
from cupel.tasks.data.waveforms import SAMPLES_PER_S
from cupel.tasks.learning import check_fall, check_gradients, check_output
from cupel.tasks.models.whisper import FRAMES_PER_POSITION, whisper

CARD = Workload(
    measures="training throughput",
    unit="audio seconds",
    also=("utterances",),
    better="higher",
    source="Radford et al. 2022, Robust Speech Recognition via Large-Scale Weak Supervision",
    tags=("training", "speech", "audio", "transformer"),
    needs=("torch", "models"),
    settings={
        "precision": ("fp32", "tf32", "bf16", "fp16"), "compile": (False, True), "data": ("synthetic", "disk"),
        "strategy": ("ddp", "fsdp")},
    optimizer="AdamW, learning rate 5e-4, betas 0.9 and 0.98, weight decay 0.1, gradient norm clipped to 1",
    tiny={
        "layers": 1, "width": 64, "heads": 2, "feedforward": 128, "mels": 20, "vocab_size": 256, "positions": 25,
        "context": 16, "tokens": 8, "batch": 2, "batches": 2, "files": 8, "file_s": 0.5, "workers": 0,
    },
    small={
        "layers": 2, "width": 128, "heads": 4, "feedforward": 512, "mels": 80, "vocab_size": 4096, "positions": 150,
        "context": 64, "tokens": 32, "batch": 2, "batches": 4, "files": 32, "file_s": 4.0, "workers": 2,
    },
    full={
        "layers": 12, "width": 768, "heads": 12, "feedforward": 3072, "mels": 80, "vocab_size": 51865,
        "positions": 1500, "context": 448, "tokens": 128, "batch": 64, "batches": 4, "files": 512, "file_s": 30.0,
        "workers": 8,
    },
    parameters=240_582_912,
    memory_gib={"tiny": 0.1, "small": 0.5, "full": 75.0},
)  # fmt: skip


def build_model(sizes: Sizes) -> Any:
    """The model with random weights, on torch's default device."""
    return whisper(sizes)


def samples_of(sizes: Sizes) -> int:
    """Samples that fill the window."""
    return int(sizes.positions * FRAMES_PER_POSITION * HOP)


def adamw(parameters: Any) -> torch.optim.Optimizer:
    """The optimiser that the card states; fused, so that it needs no further memory."""
    return torch.optim.AdamW(parameters, lr=5e-4, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.1, fused=True)


def outputs_of(model: Any, batch: Transcribed, *, filters_FM: Tensor, slot: Slot) -> Any:
    """Logits and loss of a batch, from its waveforms on.

    The mask is handed over, since the library, left to make it, would read a number back in every step.
    """
    mel_BMT, may_see_11LL = log_mel(batch.waveform_BS, filters_FM), batch.may_see_11LL
    with slot.autocast():
        return model(
            input_features=mel_BMT, labels=batch.labels_BL, decoder_attention_mask=may_see_11LL, use_cache=False
        )


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """A model, batches in rotation, and the step that trains on the next batch."""
    return step_on(transcribed_batches(sizes, slot, rng=rng, num_samples=samples_of(sizes)), sizes, slot)


def step_on(batches: Sequence[Transcribed], sizes: Sizes, slot: Slot) -> Step:
    """A model, and the step that trains it on the next of the batches."""
    with slot.device:
        model = slot.prepare(build_model(sizes), adamw)
    filters_FM, rotation = mel_filters(sizes.mels).to(slot.device), in_rotation(batches)

    def step() -> Done:
        batch = next(rotation)
        loss = outputs_of(model, batch, filters_FM=filters_FM, slot=slot).loss
        slot.step(loss, clip_norm=1.0)
        return Done(
            items=batch.waveform_BS.numel() / SAMPLES_PER_S, loss=loss.detach(), also={"utterances": sizes.batch}
        )

    return step


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """Logits have their shape, gradients reach all, an untrained model guesses, and one batch can be learned."""
    with slot.device:
        model = build_model(sizes)
    batch = transcribed_batches(sizes, slot, rng=rng, num_samples=samples_of(sizes))[0]
    output = outputs_of(model, batch, filters_FM=mel_filters(sizes.mels).to(slot.device), slot=slot)
    check_output("whisper", output.logits, shape=(*batch.labels_BL.shape, sizes.vocab_size), dtype=slot.dtype)
    guess, found = math.log(sizes.vocab_size), float(output.loss.detach())
    if not abs(found - guess) < 0.1 * guess:
        raise WrongWorkError(f"whisper: the loss before training is {found:.3f}; expected {guess:.3f}.")
    check_gradients("whisper", model, output.loss)
    step = step_on([batch], sizes, slot)
    check_fall("whisper", [float(step().loss) for _ in range(20)])
