"""Mamba, a language model of selective state spaces, in training.

Decisions:
- `full` is the authors' mamba-130m: 24 layers of width 768, inner width 1536, state 16, convolutions over 4 tokens,
  vocabulary 50 280, embedding and output tied: 129 135 360 parameters; 8 sequences of 2048 tokens, the paper's length.
- Written by hand (`cupel.tasks.models.mamba`), with a scan over chunks that run side by side, in torch's own operators
  (`cupel.tasks.linear_scan`): about 2 sqrt(T) dependent passes. The authors' CUDA kernel is not used, so the rate is
  that of plain torch; the `transformers` library without that kernel loops over all tokens.
- States of the scan in fp32 at every precision, worked out again in the backward pass, as in the paper (section 3.3.2).
- Words by Zipf's law, `batches` batches in rotation, without padding; the loss is over all tokens, in fp32.
- `data=disk`: sequences cut from texts, the user's own (`CUPEL_TEXT`) or made ones, read in every step.
- AdamW, fused, learning rate 6e-4 without a schedule, betas 0.9 and 0.95, weight decay 0.1 (on all parameters; the
  paper spares biases, A and D), gradients clipped to a norm of 1.
- Parameters in fp32 at every precision; bf16 and fp16 are mixed precision by autocast.
- Counted: tokens, batch x sequence.
- Memory at `full` in fp32: parameters and state 16 bytes x 129 M = 2 GiB; 16 384 tokens x 16 400 numbers x 24 layers =
  24 GiB; logits 16 384 x 50 280, three times = 9 GiB; states of one layer 1.5 GiB, seven times in its backward pass.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from cupel.spec import Done, Seeds, Sizes, Slot, Step, Workload, WrongWorkError
from cupel.tasks.data.batch_stream import in_rotation
from cupel.tasks.data.token_stream import Window, window_batches
from cupel.tasks.learning import check_fall, check_gradients, check_output
from cupel.tasks.models.mamba import Mamba
from cupel.tasks.without_files import without_files

CARD = Workload(
    measures="training throughput",
    unit="tokens",
    better="higher",
    source="Gu & Dao 2023, Mamba: Linear-Time Sequence Modeling with Selective State Spaces",
    tags=("training", "language", "state space", "decoder"),
    needs=("torch",),
    settings={
        "precision": ("fp32", "tf32", "bf16", "fp16"),
        "compile": (False, True),
        "data": ("synthetic", "disk"),
        "strategy": ("ddp", "fsdp"),
    },
    optimizer="AdamW, learning rate 6e-4, betas 0.9 and 0.95, weight decay 0.1, gradient norm clipped to 1",
    tiny={"layers": 2, "width": 32, "state": 4, "vocab_size": 256, "batch": 2, "sequence": 16, "batches": 2},
    small={"layers": 3, "width": 96, "state": 8, "vocab_size": 2048, "batch": 2, "sequence": 64, "batches": 4},
    full={"layers": 24, "width": 768, "state": 16, "vocab_size": 50280, "batch": 8, "sequence": 2048, "batches": 8},
    parameters=129_135_360,
    memory_gib={"tiny": 0.05, "small": 0.4, "full": 48.0},
)


def build_model(sizes: Sizes) -> Mamba:
    """The model with random weights, on torch's default device."""
    return Mamba(**{key: getattr(sizes, key) for key in ("vocab_size", "width", "layers", "state")})


def build_batches(sizes: Sizes, slot: Slot, *, rng: Seeds) -> Sequence[Window]:
    """The batches that training rotates over, on the device."""
    return window_batches(sizes, slot, rng)


def adamw(parameters: Any) -> torch.optim.Optimizer:
    """The optimiser that the card states; fused, so that it needs no further memory."""
    return torch.optim.AdamW(parameters, lr=6e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)


def logits_of(model: Any, ids_BT: Tensor, slot: Slot) -> Tensor:
    """The model's output at the run's precision."""
    with slot.autocast():
        logits_BTV: Tensor = model(ids_BT)
    return logits_BTV


def loss_of(logits_BTV: Tensor, batch: Window) -> Tensor:
    """Cross-entropy of the words that follow, in fp32, mean over all tokens."""
    return cross_entropy(logits_BTV.flatten(0, 1).float(), batch.next_BT.flatten())


def build(sizes: Sizes, slot: Slot, *, rng: Seeds) -> tuple[Step, Any, Sequence[Window]]:
    """The step, the model that it trains, and the batches that it rotates over."""
    with slot.device:
        model = slot.prepare(build_model(sizes), adamw)
    batches = build_batches(sizes, slot, rng=rng)
    rotation = in_rotation(batches)
    num_tokens = sizes.batch * sizes.sequence

    def step() -> Done:
        batch = next(rotation)
        loss = loss_of(logits_of(model, batch.ids_BT, slot), batch)
        slot.step(loss, clip_norm=1.0)
        return Done(items=num_tokens, loss=loss.detach())

    return step, model, batches


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """A model, batches in rotation, and the step that trains on the next batch."""
    return build(sizes, slot, rng=rng)[0]


def check_sight(model: Any, batch: Window, slot: Slot) -> None:
    """A changed first word changes what is said at the last one, and a changed last word nothing before it."""
    words = [batch.ids_BT.clone() for _ in range(3)]
    words[1][:, 0] = (words[1][:, 0] + 1) % 100
    words[2][:, -1] = (words[2][:, -1] + 1) % 100
    with torch.no_grad():
        plain, first, last = (logits_of(model, ids_BT, slot).float() for ids_BT in words)
    if not bool((first[:, -1] != plain[:, -1]).any()):
        raise WrongWorkError("mamba: the last token does not depend on the first; expected a state that is carried.")
    if not torch.allclose(last[:, :-1], plain[:, :-1], rtol=1e-3, atol=1e-4):
        raise WrongWorkError("mamba: a token depends on a later one; expected a model that sees only what was.")


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """Logits have their shape, an untrained one guesses, tokens see what was, gradients reach all, it learns."""
    fixed, slot = copy.copy(sizes), without_files(slot)
    fixed.batches = 1
    step, model, (batch,) = build(fixed, slot, rng=rng)
    logits_BTV = logits_of(model, batch.ids_BT, slot)
    check_output("mamba", logits_BTV, shape=(*batch.ids_BT.shape, sizes.vocab_size), dtype=slot.dtype)
    loss = loss_of(logits_BTV, batch)
    guess, found = math.log(sizes.vocab_size), float(loss.detach())
    if not abs(found - guess) < 0.1 * guess:
        raise WrongWorkError(f"mamba: the loss before training is {found:.3f}; expected ln(vocabulary) = {guess:.3f}.")
    check_sight(model, batch, slot)
    check_gradients("mamba", model, loss)
    check_fall("mamba", [float(step().loss) for _ in range(20)])
