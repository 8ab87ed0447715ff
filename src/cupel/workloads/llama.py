"""A Llama decoder in training, on documents of unequal length.

Decisions:
- `full` is the configuration of Llama 3 8B (8 030 261 248 parameters), on 4 documents of up to 2048 tokens.
- The `transformers` library's model from a configuration with random weights; attention by torch's scaled dot product.
  `weights=pretrained` has those of the card's checkpoint, from the user's disk (`cupel.tasks.checkpoint`).
- Documents of lengths spread evenly from `shortest` to `longest`, in a new order in each batch, words by Zipf's law,
  padded on the right to `padded_to` tokens; no packing. The attention mask (causal, padding hidden) is made at set-up
  in the four-dimensional form: from the two-dimensional one the library would read a number back in every step.
- `data=disk`: documents of the user's own (`CUPEL_TEXT`) or made ones, read, turned into ids and padded in every step;
  those longer than `padded_to` are cut off.
- Counted: real tokens only, which is the sum of the document lengths, the first token of each document included and
  padding excluded. Time spent on padding thus lowers the rate. The loss is over the tokens that have a successor.
- AdamW, fused, learning rate 3e-4 without a schedule. At bf16, parameters, gradients and both moments are stored in
  bf16 too, as full fine-tuning on one device does; fp16 is mixed precision over fp32 parameters.
- fp8 is bf16, but the linear layers of the decoder's layers multiply in eight bits (`cupel.tasks.fp8_linear`); the
  embedding, attention and the output layer do not.
- `checkpoints`: activations within a layer are computed again in the backward pass (on at `full`).
- Memory at `full`: parameters, gradients and two moments, 4 x 8.03e9 numbers: 119.7 GiB in fp32, 59.8 GiB in bf16, all
  of it there only when the backward pass ends. Before that, gradients are still missing and activations are there:
  layer inputs 32 x 8192 x 4096 numbers (4 GiB, 2 in bf16), logits 8192 x 128 256 in fp32, three times (12 GiB).
  The former is the larger; with one layer's work 124 GiB in fp32 and 64 GiB in bf16. The card has the larger.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch

from cupel.spec import Done, Seeds, Sizes, Slot, Step, Workload
from cupel.tasks.checkpoint import asked_checkpoint
from cupel.tasks.data.batch_stream import in_rotation
from cupel.tasks.decoder_training import check_counted, check_untrained, document_batches, next_token_loss
from cupel.tasks.learning import check_fall, check_gradients
from cupel.tasks.models.llama import llama
from cupel.tasks.without_files import without_files

CARD = Workload(
    measures="training throughput",
    unit="tokens",
    better="higher",
    source="Grattafiori et al. 2024, The Llama 3 Herd of Models",
    tags=("training", "language", "transformer", "decoder"),
    needs=("torch", "models"),
    settings={
        "precision": ("fp32", "tf32", "bf16", "fp16", "fp8"),
        "compile": (False, True),
        "data": ("synthetic", "disk"),
        "weights": ("random", "pretrained"),
        "strategy": ("ddp", "fsdp", "tp"),
    },
    optimizer="AdamW, learning rate 3e-4, betas 0.9 and 0.95, weight decay 0.1",
    tiny={
        "layers": 2,
        "width": 64,
        "heads": 4,
        "kv_heads": 2,
        "feedforward": 128,
        "vocab_size": 512,
        "batch": 3,
        "shortest": 8,
        "longest": 32,
        "padded_to": 32,
        "checkpoints": True,
        "batches": 2,
    },
    small={
        "layers": 2,
        "width": 256,
        "heads": 8,
        "kv_heads": 2,
        "feedforward": 896,
        "vocab_size": 4096,
        "batch": 4,
        "shortest": 16,
        "longest": 48,
        "padded_to": 48,
        "checkpoints": False,
        "batches": 8,
    },
    full={
        "layers": 32,
        "width": 4096,
        "heads": 32,
        "kv_heads": 8,
        "feedforward": 14336,
        "vocab_size": 128256,
        "batch": 4,
        "shortest": 512,
        "longest": 2048,
        "padded_to": 2048,
        "checkpoints": True,
        "batches": 8,
    },
    parameters=8_030_261_248,
    checkpoint="meta-llama/Meta-Llama-3-8B",
    gated=True,
    memory_gib={"tiny": 0.1, "small": 0.5, "full": 124.0},
)


def build_model(sizes: Sizes, precision: str = "fp32", *, checkpoint: Path | None = None) -> Any:
    """The model on torch's default device, its parameters in bf16 at bf16 and fp8, and in fp32 else."""
    dtype = torch.bfloat16 if precision in ("bf16", "fp8") else torch.float32
    return llama(sizes, dtype=dtype, checkpoint=checkpoint)


def adamw(parameters: Any) -> torch.optim.Optimizer:
    """The optimiser that the card states; fused, so that it needs no further memory."""
    return torch.optim.AdamW(parameters, lr=3e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)


def build_step(sizes: Sizes, slot: Slot, *, rng: Seeds) -> tuple[Step, Any]:
    """The step that trains on the next batch, and the model that it trains."""
    with slot.device:
        bare = build_model(sizes, slot.precision, checkpoint=asked_checkpoint(slot, CARD))
    model = slot.prepare(bare, adamw)
    batches = in_rotation(document_batches(sizes, slot, seed=rng.seed("data")))

    def step() -> Done:
        batch = next(batches)
        loss = next_token_loss(model, batch, slot=slot)
        slot.step(loss)
        return Done(items=batch.num_tokens, loss=loss.detach())

    return step, bare


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """A model, batches in rotation, and the step that trains on the next batch."""
    return build_step(sizes, slot, rng=rng)[0]


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """Logits have their shape, gradients reach all, an untrained model guesses, padding is not seen or counted."""
    fixed, slot = copy.copy(sizes), without_files(slot)
    fixed.batches = 1
    step, model = build_step(fixed, slot, rng=rng)
    batch = document_batches(fixed, slot, seed=rng.seed("data"))[0]
    check_untrained("llama", model, batch, slot=slot)
    check_gradients("llama", model, next_token_loss(model, batch, slot=slot))
    done = [step() for _ in range(20)]
    check_counted("llama", done[0].items, batch)
    check_fall("llama", [float(one.loss) for one in done])
