"""wav2vec 2.0 learning to spell what it hears, by connectionist temporal classification (CTC).

Decisions:
- `full` is the base model (7 convolutions of 512 channels, 12 layers, width 768, 12 heads as the checkpoints
  have and not 8 as the paper says, vocabulary of 32 letters): 94 396 320 parameters.
- The layers of the `transformers` library from a configuration with random weights. The paper freezes the convolutions
  while it fine-tunes; here they learn as well, since nothing was learned before.
- Data: 12 utterances, 16 s each at `full` (3.1 M samples; the paper has 3.2 M a device), of mean 0 and variance 1, with
  `letters` random letters each; nothing is padded.
- `data=synthetic`: made like a voice; `batches` batches on the device, in rotation. `data=disk`: parts of recordings in
  FLAC, as long as LibriSpeech's, or of the user's own where `CUPEL_AUDIO` names a folder of them
  (`cupel.tasks.data.recording_batches`), decoded by `workers` processes. Needs soundfile (`cupel[media]`).
- Frames are hidden in spans of 10 that begin with probability 0.05, drawn anew in each step on the device; channels
  are not. Dropout 0.1; whole layers are not dropped (LayerDrop makes the host decide in every step).
- Adam, fused, learning rate 1e-4 (tiny: 1e-3), betas 0.9 and 0.98, constant.
- Precision: autocast at bf16 and fp16; parameters, optimiser state and the loss in fp32.
- Counted: seconds of audio; `utterances` besides.
- Memory at `full` in fp32 (arithmetic): parameters, gradients and state 1.4 GiB; the first convolution 12 x 512 x 51
  199 numbers, four times (convolution, norm, activation, gradient) = 4.7 GiB, the others as much together; 12 layers
  of 18 x 768 numbers for 9588 frames = 5.9 GiB.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (everyone's name for it)

from cupel.spec import Done, Seeds, Sizes, Slot, Step, Workload
from cupel.tasks.data.batch_stream import in_rotation
from cupel.tasks.data.masked_spans import masked_spans
from cupel.tasks.data.utterances import SpelledSounds, spelled_batches
from cupel.tasks.data.waveforms import SAMPLES_PER_S
from cupel.tasks.learning import check_fall, check_gradients, check_output
from cupel.tasks.models.wav2vec2 import SpeechRecogniser, num_frames

CARD = Workload(
    measures="training throughput",
    unit="audio seconds",
    also=("utterances",),
    better="higher",
    source="Baevski et al. 2020, wav2vec 2.0: A Framework for Self-Supervised Learning of Speech Representations",
    tags=("training", "speech", "audio", "transformer", "convolution"),
    needs=("torch", "models"),
    settings={
        "precision": ("fp32", "tf32", "bf16", "fp16"), "compile": (False, True), "data": ("synthetic", "disk"),
        "strategy": ("ddp", "fsdp")},
    optimizer="Adam, learning rate 1e-4 (tiny: 1e-3), betas 0.9 and 0.98",
    tiny={
        "channels": 16, "layers": 1, "width": 32, "heads": 2, "feedforward": 64, "vocab_size": 32, "num_samples": 6400,
        "letters": 4, "start_frac": 0.1, "dropout": 0.1, "batch": 2, "batches": 2, "learning_rate": 0.001,
        "files": 8, "file_s": 0.5, "workers": 0,
    },
    small={
        "channels": 64, "layers": 2, "width": 192, "heads": 4, "feedforward": 768, "vocab_size": 32,
        "num_samples": 32000, "letters": 24, "start_frac": 0.05, "dropout": 0.1, "batch": 2, "batches": 4,
        "learning_rate": 0.0001, "files": 32, "file_s": 4.0, "workers": 2,
    },
    full={
        "channels": 512, "layers": 12, "width": 768, "heads": 12, "feedforward": 3072, "vocab_size": 32,
        "num_samples": 256000, "letters": 224, "start_frac": 0.05, "dropout": 0.1, "batch": 12, "batches": 4,
        "learning_rate": 0.0001, "files": 512, "file_s": 12.0, "workers": 4,
    },
    parameters=94_396_320,
    memory_gib={"tiny": 0.1, "small": 0.5, "full": 20.0},
)  # fmt: skip

SPAN = 10
"""Frames of a hidden span."""
BLANK = 0


def build_model(sizes: Sizes) -> SpeechRecogniser:
    """The model with random weights, on torch's default device."""
    return SpeechRecogniser(sizes).train()


def logits_of(model: Any, batch: SpelledSounds, *, sizes: Sizes, generator: torch.Generator, slot: Slot) -> Tensor:
    """Logits (B, T, V) at the run's precision, after a new draw of hidden spans."""
    shape = (sizes.batch, num_frames(sizes.num_samples))
    is_hidden_BT = masked_spans(shape=shape, start_frac=sizes.start_frac, span=SPAN, generator=generator)
    with slot.autocast():
        logits_BTV: Tensor = model(batch.waveform_BS, is_hidden_BT)
    return logits_BTV


def ctc(logits_BTV: Tensor, letters_BL: Tensor) -> Tensor:
    """Mean over utterances of -ln p(letters) for each letter, in fp32; lengths stay on the host."""
    num_utterances, num_letters = letters_BL.shape
    num_frames_B = torch.full((num_utterances,), logits_BTV.shape[1], device="cpu")
    num_letters_B = torch.full((num_utterances,), num_letters, device="cpu")
    log_p_TBV = logits_BTV.float().log_softmax(-1).transpose(0, 1)
    return F.ctc_loss(log_p_TBV, letters_BL, num_frames_B, num_letters_B, blank=BLANK)


def adam(parameters: Any, lr: float) -> torch.optim.Optimizer:
    """The optimiser that the card states; fused, so that it needs no further memory."""
    return torch.optim.Adam(parameters, lr=lr, betas=(0.9, 0.98), fused=True)


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """A model, batches in rotation, and the step that trains on the next batch."""
    generator = slot.generator(rng.seed("data"))
    batches = spelled_batches(sizes, slot, rng=rng, generator=generator)
    return step_on(batches, sizes, slot, generator=generator)


def step_on(batches: Sequence[SpelledSounds], sizes: Sizes, slot: Slot, *, generator: torch.Generator) -> Step:
    """A model, and the step that trains it on the next of the batches."""
    with slot.device:
        model = slot.prepare(build_model(sizes), lambda parameters: adam(parameters, sizes.learning_rate))
    rotation, audio_s = in_rotation(batches), sizes.batch * sizes.num_samples / SAMPLES_PER_S

    def step() -> Done:
        batch = next(rotation)
        loss = ctc(logits_of(model, batch, sizes=sizes, generator=generator, slot=slot), batch.letters_BL)
        slot.step(loss)
        return Done(items=audio_s, loss=loss.detach(), also={"utterances": sizes.batch})

    return step


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """Logits have their shape, gradients reach all, and one batch can be learned."""
    fixed, generator = copy.copy(sizes), slot.generator(rng.seed("data"))
    fixed.batches, fixed.dropout = 1, 0.0
    with slot.device:
        model = build_model(fixed)
    batch = spelled_batches(fixed, slot, rng=rng, generator=generator)[0]
    logits_BTV = logits_of(model, batch, sizes=fixed, generator=generator, slot=slot)
    shape = (sizes.batch, num_frames(sizes.num_samples), sizes.vocab_size)
    check_output("wav2vec2", logits_BTV, shape=shape, dtype=slot.dtype)
    check_gradients("wav2vec2", model, ctc(logits_BTV, batch.letters_BL))
    fixed.start_frac = 0.0
    step = step_on([batch], fixed, slot, generator=generator)
    check_fall("wav2vec2", [float(step().loss) for _ in range(20)])
