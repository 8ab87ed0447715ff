"""T5 learning to fill in spans of text.

Decisions:
- `full` is T5-base (12 encoder and 12 decoder layers, width 768, 12 heads, 32 128 rows of the embedding, which the
  output layer shares): 222 903 552 parameters, Milabench's batch of 16, the paper's 512 tokens to read and 114 to write
  (Milabench: 1024 random ones of both). Model of the `transformers` library from a configuration with random weights.
- Attention by torch's scaled dot product with the learned relative positions as its mask; dropout 0.1, as published.
- Words by Zipf's law, 15 % of them cut out in spans of 3 on average; cut once, at set-up; `batches` batches in
  rotation. Every sequence has the same length, hence no padding and no masks but the decoder's causal one.
- `data=disk`: sequences cut from texts, the user's own (`CUPEL_TEXT`) or made ones, read and cut in every step.
- AdamW, fused, learning rate 1e-4 without a schedule: the paper's Adafactor, as PyTorch has it, reads the norm of each
  parameter back from the device in every step.
- Parameters and optimiser state in fp32 at every precision; bf16 and fp16 are mixed precision by autocast.
- Counted: sequences; `tokens` counts those read and those written, sentinels and ends included.
- Memory at `full` in fp32: parameters, gradients and state 16 bytes x 223 M = 3.3 GiB; activations 90 bytes x (8192
  + 1824) tokens x 768 x 12 layers = 8 GiB, scores of attention 12 heads x 512 x 512 x 16 x 12 layers x 3 x 4 bytes
  = 7 GiB; logits 1824 x 32 128 x 4 bytes, three times = 0.7 GiB.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch

from cupel.spec import Done, Seeds, Sizes, Slot, Step, Workload, WrongWorkError
from cupel.tasks.data.batch_stream import in_rotation
from cupel.tasks.data.span_corruption import SpanBatch, span_batches
from cupel.tasks.learning import check_fall, check_gradients, check_output
from cupel.tasks.without_files import without_files

SPARE_ROWS = 28
"""Rows of the embedding beyond the last id, which fill it up to a multiple of 128."""
CARD = Workload(
    measures="training throughput",
    unit="sequences",
    also=("tokens",),
    better="higher",
    source="Raffel et al. 2020, Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer",
    tags=("training", "language", "transformer", "encoder-decoder"),
    needs=("torch", "models"),
    settings={
        "precision": ("fp32", "tf32", "bf16", "fp16"), "compile": (False, True), "data": ("synthetic", "disk"),
        "strategy": ("ddp", "fsdp"),
    },
    optimizer="AdamW, learning rate 1e-4 (tiny: 1e-3), betas 0.9 and 0.999, weight decay 0.01",
    tiny={
        "layers": 2, "width": 64, "heads": 2, "head_dim": 32, "feedforward": 128, "vocab_size": 512, "batch": 2,
        "sequence": 32, "dropout": 0.1, "learning_rate": 1e-3, "batches": 2,
    },
    small={
        "layers": 2, "width": 192, "heads": 3, "head_dim": 64, "feedforward": 768, "vocab_size": 4096, "batch": 2,
        "sequence": 64, "dropout": 0.1, "learning_rate": 1e-4, "batches": 8,
    },
    full={
        "layers": 12, "width": 768, "heads": 12, "head_dim": 64, "feedforward": 3072, "vocab_size": 32128, "batch": 16,
        "sequence": 568, "dropout": 0.1, "learning_rate": 1e-4, "batches": 16,
    },
    parameters=222_903_552,
    memory_gib={"tiny": 0.1, "small": 0.5, "full": 20.0},
)  # fmt: skip


def build_model(sizes: Sizes) -> Any:
    """The model with random weights, on torch's default device."""
    from transformers.models.t5.configuration_t5 import T5Config
    from transformers.models.t5.modeling_t5 import T5ForConditionalGeneration

    config = T5Config(
        vocab_size=sizes.vocab_size,
        d_model=sizes.width,
        d_kv=sizes.head_dim,
        d_ff=sizes.feedforward,
        num_layers=sizes.layers,
        num_heads=sizes.heads,
        dropout_rate=sizes.dropout,
        decoder_start_token_id=0,
        use_cache=False,
        attn_implementation="sdpa",
    )
    return T5ForConditionalGeneration(config).train()


def build_batches(sizes: Sizes, slot: Slot, *, rng: Seeds) -> Sequence[SpanBatch]:
    """The batches that training rotates over, on the device."""
    return span_batches(sizes, slot, rng, vocab_size=sizes.vocab_size - SPARE_ROWS)


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """A model, batches in rotation, and the step that trains on the next batch."""

    def adamw(parameters: Any) -> torch.optim.Optimizer:
        return torch.optim.AdamW(parameters, lr=sizes.learning_rate, weight_decay=0.01, fused=True)

    with slot.device:
        model = slot.prepare(build_model(sizes), adamw)
    batches = in_rotation(build_batches(sizes, slot, rng=rng))

    def step() -> Done:
        batch = next(batches)
        with slot.autocast():
            loss = model(input_ids=batch.ids_BI, labels=batch.labels_BO).loss
        slot.step(loss)
        num_tokens = batch.ids_BI.numel() + batch.labels_BO.numel()
        return Done(items=len(batch.ids_BI), loss=loss.detach(), also={"tokens": num_tokens})

    return step


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """Logits have their shape, gradients reach all, later words are hidden, and one batch can be learned."""
    fixed, slot = copy.copy(sizes), without_files(slot)
    fixed.batches, fixed.dropout = 1, 0.0
    with slot.device:
        model = build_model(fixed)
    batch = build_batches(fixed, slot, rng=rng)[0]
    with slot.autocast():
        output = model(input_ids=batch.ids_BI, labels=batch.labels_BO)
    check_output("t5", output.logits, shape=(*batch.labels_BO.shape, sizes.vocab_size), dtype=slot.dtype)
    check_hidden(model, batch, slot=slot)
    check_gradients("t5", model, output.loss)
    step = setup(fixed, slot, rng)
    check_fall("t5", [float(step().loss) for _ in range(20)])


@torch.no_grad()
def check_hidden(model: Any, batch: SpanBatch, *, slot: Slot) -> None:
    """Another last word to be written changes none of the logits before it, other words to be read change them all."""

    def logits_of(ids_BI: torch.Tensor, labels_BO: torch.Tensor) -> torch.Tensor:
        with slot.autocast():
            logits_BOV: torch.Tensor = model(input_ids=ids_BI, labels=labels_BO).logits[:, :-1]
        return logits_BOV

    other_BO = batch.labels_BO.clone()
    other_BO[:, -2] = other_BO[:, -2] % 7 + 10  # a word that the decoder is shown at its last position only
    before_BOV = logits_of(batch.ids_BI, batch.labels_BO)
    cases = {"written": (batch.ids_BI, other_BO), "read": (batch.ids_BI.flip(0), batch.labels_BO)}
    for name, case in cases.items():
        has_moved_BO = (logits_of(*case) - before_BOV).abs().amax(dim=2) > 0.03 * before_BOV.abs().max()
        num_expected = has_moved_BO.numel() if name == "read" else 0
        if int(has_moved_BO.sum()) != num_expected:
            raise WrongWorkError(
                f"t5: with other words to be {name}, {int(has_moved_BO.sum())} positions before the last have other "
                f"logits; expected {num_expected} of {has_moved_BO.numel()}."
            )
