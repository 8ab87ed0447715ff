"""Reformer learning to fill in masked tokens of long sequences.

Decisions:
- `full` is Milabench's: the library's default configuration (6 layers, local and hashed attention in turn, width 256,
  12 heads of 64, 320 ids), 5 975 872 parameters, 4096 tokens at positions of 64 x 64, chunks of 64, one round of 128
  buckets, a batch of 32. The network is written by hand (`cupel.tasks.models.reformer`).
- Layers are reversible: the backward pass computes activations again from the outputs, with the same buckets and the
  same dropout. PyTorch cannot compile such a pass, hence no setting for it.
- Tokens by Zipf's law, 15 % of them to be predicted, masked as in BERT, once, at set-up; `batches` batches in rotation;
  no padding. Logits at every position, though only 15 % of them count in the loss.
- `data=disk`: sequences cut from texts, the user's own (`CUPEL_TEXT`) or made ones, read and masked in every step; 216
  ids leave room for little more than the letters.
- Dropout 0.05 as the library has it, save on hashed attention; one on the sum of word and position.
- AdamW, fused, learning rate 1e-4 without a schedule (the paper: Adafactor).
- Parameters, optimiser state and the streams between layers in fp32 at every precision; bf16 and fp16 by autocast.
- Counted: sequences; `tokens` counts all tokens of them, masked or not.
- Memory at `full` in fp32: one attention at a time, 131 072 tokens x 768 numbers x 4 bytes, 30 of them with gradients
  = 11 GiB, and its scores 131 072 x 12 heads x 128 x 4 bytes, six times = 4.5 GiB; the streams 0.5 GiB.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (everyone's name for it)

from cupel.spec import Done, Seeds, Sizes, Slot, Step, Workload, WrongWorkError
from cupel.tasks.data.batch_stream import in_rotation
from cupel.tasks.data.masked_tokens import MaskedBatch, masked_batches
from cupel.tasks.learning import GRADIENT_SCALE, check_gradients, check_output
from cupel.tasks.models.reformer import Reformer
from cupel.tasks.models.reversible import run_plainly, run_reversibly
from cupel.tasks.without_files import without_files

CARD = Workload(
    measures="training throughput",
    unit="sequences",
    also=("tokens",),
    better="higher",
    source="Kitaev et al. 2020, Reformer: The Efficient Transformer",
    tags=("training", "language", "transformer", "long sequences"),
    needs=("torch",),
    settings={
        "precision": ("fp32", "tf32", "bf16", "fp16"), "data": ("synthetic", "disk"), "strategy": ("ddp", "fsdp"),
    },
    optimizer="AdamW, learning rate 1e-4 (tiny: 1e-3), betas 0.9 and 0.999, weight decay 0.01",
    tiny={
        "layers": 2, "width": 32, "heads": 2, "head_dim": 16, "feedforward": 64, "vocab_size": 160, "rows": 4,
        "columns": 8, "row_dim": 8, "chunk": 8, "hashes": 2, "buckets": 8, "batch": 2, "dropout": 0.05,
        "learning_rate": 1e-3, "batches": 2,
    },
    small={
        "layers": 4, "width": 128, "heads": 4, "head_dim": 32, "feedforward": 256, "vocab_size": 320, "rows": 16,
        "columns": 16, "row_dim": 32, "chunk": 32, "hashes": 1, "buckets": 16, "batch": 1, "dropout": 0.05,
        "learning_rate": 1e-4, "batches": 8,
    },
    full={
        "layers": 6, "width": 256, "heads": 12, "head_dim": 64, "feedforward": 512, "vocab_size": 320, "rows": 64,
        "columns": 64, "row_dim": 64, "chunk": 64, "hashes": 1, "buckets": 128, "batch": 32, "dropout": 0.05,
        "learning_rate": 1e-4, "batches": 16,
    },
    parameters=5_975_872,
    memory_gib={"tiny": 0.05, "small": 0.3, "full": 18.0},
)  # fmt: skip


def build_model(sizes: Sizes) -> Reformer:
    """The model with random weights, on torch's default device."""
    return Reformer(sizes).train()


def build_batches(sizes: Sizes, slot: Slot, *, rng: Seeds) -> Sequence[MaskedBatch]:
    """The batches that training rotates over, on the device."""
    return masked_batches(sizes, slot, rng, sequence=sizes.rows * sizes.columns)


def loss_of(model: Any, batch: MaskedBatch, *, slot: Slot) -> tuple[Tensor, Tensor]:
    """Mean cross-entropy of the tokens to be predicted, in fp32, and the logits."""
    with slot.autocast():
        logits_BTV = model(batch.ids_BT)
    return F.cross_entropy(logits_BTV.float().flatten(0, 1), batch.labels_BT.flatten()), logits_BTV


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """A model, batches in rotation, and the step that trains on the next batch."""

    def adamw(parameters: Any) -> torch.optim.Optimizer:
        return torch.optim.AdamW(parameters, lr=sizes.learning_rate, weight_decay=0.01, fused=True)

    with slot.device:
        model = slot.prepare(build_model(sizes), adamw)
    batches = in_rotation(build_batches(sizes, slot, rng=rng))

    def step() -> Done:
        batch = next(batches)
        loss, _ = loss_of(model, batch, slot=slot)
        slot.step(loss)
        return Done(items=sizes.batch, loss=loss.detach(), also={"tokens": batch.ids_BT.numel()})

    return step


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """Logits have their shape, an untrained model guesses, gradients reach all and are right, a batch is learned."""
    fixed, slot = copy.copy(sizes), without_files(slot)
    fixed.batches = 1
    with slot.device:
        model = build_model(fixed)
    batch = build_batches(fixed, slot, rng=rng)[0]
    loss, logits_BTV = loss_of(model, batch, slot=slot)
    check_output("reformer", logits_BTV, shape=(*batch.ids_BT.shape, sizes.vocab_size), dtype=slot.dtype)
    guess, found = math.log(sizes.vocab_size), float(loss.detach())
    if not abs(found - guess) < 0.1 * guess:
        raise WrongWorkError(f"reformer: the loss before training is {found:.3f}; expected ln(ids) = {guess:.3f}.")
    check_gradients("reformer", model, loss)
    check_reversal(model, batch, slot=slot)
    step = setup(fixed, slot, rng)
    losses = [float(step().loss) for _ in range(20)]
    if not losses[-1] < losses[0] - 0.3:  # buckets and dropout alone move it by hundredths
        raise WrongWorkError(
            f"reformer: the loss on one batch went from {losses[0]:.3f} to {losses[-1]:.3f}; expected a fall by 0.3."
        )


def check_reversal(model: Reformer, batch: MaskedBatch, *, slot: Slot) -> None:
    """Gradients through layers undone are those with every activation kept, dropout and buckets being the same."""
    grads = []
    for run in (run_plainly, run_reversibly):
        model.run = run
        torch.manual_seed(0)
        loss, _ = loss_of(model, batch, slot=slot)
        torch.autograd.backward(GRADIENT_SCALE * loss)
        grads.append([p.grad for p in model.parameters() if p.grad is not None])
        model.zero_grad(set_to_none=True)
    error = max(float((again - kept).norm() / kept.norm()) for kept, again in zip(*grads, strict=True))
    bound = 1e-2 if slot.precision == "fp32" else 0.1
    if not error < bound:
        raise WrongWorkError(f"reformer: gradients of reversed layers are off by {error:.2g}; expected below {bound}.")
