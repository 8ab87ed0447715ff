"""Whisper large-v3 writing down speech, greedily, with the keys and values of what it has read kept.

Decisions:
- `full` is large-v3 (32 + 32 layers, width 1280, 20 heads, 128 mel bins, vocabulary 51 866): 1 543 490 560 numbers, of
  which 1 920 000 are the encoder's fixed sinusoids. Milabench's batch of 64 utterances.
- The `transformers` library's model from a configuration with random weights, stored and run at the run's precision
  (so without autocast); attention by torch's scaled dot product. The loop is ours (`cupel.tasks.transcribing`): the
  library's reads a number back after every token.
- `weights=pretrained` has those of the card's checkpoint, from the user's disk (`cupel.tasks.checkpoint`).
- A step is a whole transcription of a batch: the log-mel spectrogram in fp32, the encoder, a prompt of 4 ids, and
  `new_tokens` tokens each (100 at `full`, about what 30 s of speech take). Texts end by their length alone, since a
  model with random weights does not end them; no beams, no temperatures to fall back to, no time stamps.
- Data: utterances that fill the window of 30 s. `data=synthetic`: made like a voice; `batches` batches on the device,
  in rotation. `data=disk`: parts of recordings in FLAC, or of the user's own where `CUPEL_AUDIO` names a folder of them
  (`cupel.tasks.data.recording_batches`), decoded by `workers` processes. Needs soundfile (`cupel[media]`).
- Counted: seconds of audio, none of it padding; `tokens` counts those written, without the prompt.
- The loss is the model's mean surprise at the tokens it writes, which shows that a run repeats.
- Memory at `full` in fp32 (arithmetic): weights 5.8 GiB; keys and values of the sound 64 x 1500 x 1280 numbers, twice
  in 32 layers = 29.3 GiB, of the text 2.0 GiB; one layer of the encoder 6 GiB. Half of it in bf16.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cupel.spec import Done, Seeds, Sizes, Slot, Step, Workload, WrongWorkError
from cupel.tasks.checkpoint import asked_checkpoint
from cupel.tasks.data.batch_stream import held_or_streamed, in_rotation
from cupel.tasks.data.log_mel import HOP, log_mel, mel_filters
from cupel.tasks.data.sound_source import sounds
from cupel.tasks.data.waveforms import SAMPLES_PER_S
from cupel.tasks.learning import check_output
from cupel.tasks.models.whisper import FRAMES_PER_POSITION, prompt_ids, whisper
from cupel.tasks.transcribing import Scribe, Transcript
from cupel.tasks.without_files import without_files

CARD = Workload(
    measures="transcription throughput",
    unit="audio seconds",
    also=("tokens",),
    better="higher",
    source="Radford et al. 2022, Robust Speech Recognition via Large-Scale Weak Supervision (large-v3 of 2023)",
    tags=("inference", "generation", "speech", "audio", "transformer"),
    needs=("torch", "models"),
    settings={
        "precision": ("fp32", "tf32", "bf16", "fp16"), "compile": (False, True), "data": ("synthetic", "disk"),
        "weights": ("random", "pretrained")},
    tiny={
        "layers": 1, "width": 64, "heads": 2, "feedforward": 128, "mels": 20, "vocab_size": 256, "positions": 25,
        "context": 16, "new_tokens": 5, "batch": 2, "batches": 2, "files": 8, "file_s": 0.5, "workers": 0,
    },
    small={
        "layers": 2, "width": 128, "heads": 4, "feedforward": 512, "mels": 128, "vocab_size": 4096, "positions": 150,
        "context": 64, "new_tokens": 16, "batch": 2, "batches": 4, "files": 32, "file_s": 4.0, "workers": 2,
    },
    full={
        "layers": 32, "width": 1280, "heads": 20, "feedforward": 5120, "mels": 128, "vocab_size": 51866,
        "positions": 1500, "context": 448, "new_tokens": 100, "batch": 64, "batches": 4, "files": 512, "file_s": 30.0,
        "workers": 4,
    },
    parameters=1_541_570_560,
    checkpoint="openai/whisper-large-v3",
    memory_gib={"tiny": 0.1, "small": 0.5, "full": 45.0},
    stepping_s={"full": 120.0},
)  # fmt: skip

TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 0.05, torch.float16: 0.01}
"""How far a logit may be from that of a pass over the whole text, as a share of the largest."""

Transcribe = Callable[..., Transcript]


def build_model(sizes: Sizes, *, checkpoint: Path | None = None) -> Any:
    """The model, with random weights where there is no checkpoint, on torch's default device."""
    return whisper(sizes, checkpoint=checkpoint).eval()


def build(sizes: Sizes, slot: Slot) -> tuple[Any, Transcribe]:
    """The model, and a function from waveforms to transcripts."""
    with slot.device:
        model = build_model(sizes, checkpoint=asked_checkpoint(slot, CARD)).to(slot.dtype)
    prompt = torch.tensor(prompt_ids(model), device=slot.device)
    prompt_BQ = prompt.expand(sizes.batch, -1)
    filters_FM = mel_filters(sizes.mels).to(slot.device)
    encode = slot.compile(model.model.encoder)
    scribe = Scribe(slot.compile(model), model.config, num_prompt=len(prompt), num_new=sizes.new_tokens)

    @torch.no_grad()
    def transcribe(waveform_BS: Tensor, *, keep_logits: bool = False) -> Transcript:
        mel_BMT = log_mel(waveform_BS, filters_FM).to(slot.dtype)
        sound = (encode(input_features=mel_BMT).last_hidden_state,)
        return scribe.write(sound, prompt_BQ, keep_logits=keep_logits)

    return model, transcribe


def build_batches(sizes: Sizes, slot: Slot, *, rng: Seeds) -> Sequence[Tensor]:
    """The waveforms (B, S) that steps go round, on the device."""
    generator, num_samples = slot.generator(rng.seed("data")), sizes.positions * FRAMES_PER_POSITION * HOP
    return held_or_streamed(sounds(sizes, slot, rng=rng, generator=generator, num_samples=num_samples), sizes, slot)


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """A model and batches in rotation; a step writes down the next batch."""
    batches = in_rotation(build_batches(sizes, slot, rng=rng))
    _, transcribe = build(sizes, slot)
    num_tokens = sizes.batch * sizes.new_tokens

    def step() -> Done:
        waveform_BS = next(batches)
        surprise = transcribe(waveform_BS).surprise
        return Done(waveform_BS.numel() / SAMPLES_PER_S, loss=surprise, also={"tokens": num_tokens})

    return step


@torch.no_grad()
def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """Each token is the likeliest by one pass over the whole text, a second run writes the same, sound is heard."""
    model, transcribe = build(sizes, without_files(slot))
    waveform_BS = build_batches(sizes, slot, rng=rng)[0]
    found = transcribe(waveform_BS, keep_logits=True)
    given_BL = found.ids_BL[:, :-1]
    may_see_LL = torch.ones(given_BL.shape[1], given_BL.shape[1], dtype=torch.bool, device=slot.device).tril()
    mel_BMT = log_mel(waveform_BS, mel_filters(sizes.mels).to(slot.device)).to(slot.dtype)
    whole_BLV = model(
        input_features=mel_BMT, decoder_input_ids=given_BL, decoder_attention_mask=may_see_LL[None, None]
    ).logits
    check_output("whisper_transcribe", whole_BLV, shape=(*given_BL.shape, sizes.vocab_size), dtype=slot.dtype)
    expected_BNV = whole_BLV[:, -sizes.new_tokens :].float()
    chosen_BN1 = found.ids_BL[:, -sizes.new_tokens :, None]
    short = (expected_BNV.amax(dim=-1, keepdim=True) - expected_BNV.gather(-1, chosen_BN1)).max()
    error = (found.logits_BNV - expected_BNV).abs().max()
    worst, allowed = float(torch.maximum(short, error)), TOLERANCE[slot.dtype] * float(expected_BNV.abs().max())
    if not worst <= allowed:
        raise WrongWorkError(
            f"whisper_transcribe: logits are up to {worst:.3g} from those of one pass; expected {allowed:.3g} at most."
        )
    again, silence = transcribe(waveform_BS), transcribe(torch.zeros_like(waveform_BS))
    if not torch.equal(again.ids_BL, found.ids_BL):
        raise WrongWorkError("whisper_transcribe: a second run wrote another text; expected the same.")
    if torch.equal(silence.surprise, found.surprise):
        raise WrongWorkError("whisper_transcribe: silence and speech read the same; expected the sound to count.")
