"""A Switch Transformer (Switch-base with 8 experts) learning to fill in spans of text.

Decisions:
- `full` is Switch-base-8 as published by its authors: T5-base (12 encoder and 12 decoder layers, width 768, 12 heads,
  3072 units, ReLU, tied embedding of 32 128 rows) with 8 experts in place of the feed-forward part of every other
  layer: 619 339 008 parameters, of which a token uses 223 M. 32 sequences of 512 tokens to read and 114 to write.
- T5 of the `transformers` library from a configuration with random weights; attention by torch's scaled dot product.
  Experts by hand (`cupel.tasks.models.switch_experts`), since the library's loop over them waits for the device;
  capacity factor 1.25 over the whole batch, tokens beyond it are dropped, as published.
- Words by Zipf's law, 15 % cut out in spans of 3 on average (`cupel.tasks.data.span_corruption`); no padding.
- `data=disk`: sequences cut from texts, the user's own (`CUPEL_TEXT`) or made ones, read and cut in every step.
- Loss: cross-entropy plus 0.01 x the load-balancing losses. AdamW, fused, rate 1e-4 (torch's Adafactor would wait).
- Parameters in fp32 at every precision; bf16 and fp16 are mixed precision by autocast, the router always in fp32.
- Counted: tokens, those read and those written. Memory at `full` in fp32: parameters, gradients and state 16 bytes x
  619 M = 9 GiB; activations of T5-base at this batch about 35 GiB (attention scores among them); logits 3648 x 32 128 x
  4 bytes, three times = 1.3 GiB.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cupel.spec import Done, Seeds, Sizes, Slot, Step, Workload, WrongWorkError
from cupel.tasks.data.batch_stream import in_rotation
from cupel.tasks.data.span_corruption import SpanBatch, span_batches
from cupel.tasks.learning import check_fall, check_gradients, check_output
from cupel.tasks.models.switch_experts import SwitchFeedForward, one_by_one, sparse_layers
from cupel.tasks.without_files import without_files

BALANCE_WEIGHT, CAPACITY_FACTOR = 0.01, 1.25
SPARE_ROWS = 28
"""Rows of the embedding beyond the last id, which fill it up to a multiple of 128."""
CARD = Workload(
    measures="training throughput",
    unit="tokens",
    better="higher",
    source="Fedus et al. 2021, Switch Transformers: Scaling to Trillion Parameter Models",
    tags=("training", "language", "transformer", "mixture of experts", "encoder-decoder"),
    needs=("torch", "models"),
    settings={
        "precision": ("fp32", "tf32", "bf16", "fp16"), "compile": (False, True), "data": ("synthetic", "disk"),
        "strategy": ("ddp", "fsdp"),
    },
    optimizer="AdamW, learning rate 1e-4 (tiny: 1e-3), betas 0.9 and 0.999, weight decay 0.01",
    tiny={
        "layers": 2, "width": 32, "heads": 2, "head_dim": 16, "feedforward": 64, "experts": 4, "vocab_size": 512,
        "batch": 2, "sequence": 32, "dropout": 0.1, "learning_rate": 1e-3, "batches": 2,
    },
    small={
        "layers": 2, "width": 128, "heads": 2, "head_dim": 64, "feedforward": 512, "experts": 8, "vocab_size": 2048,
        "batch": 2, "sequence": 64, "dropout": 0.1, "learning_rate": 1e-4, "batches": 8,
    },
    full={
        "layers": 12, "width": 768, "heads": 12, "head_dim": 64, "feedforward": 3072, "experts": 8, "vocab_size": 32128,
        "batch": 32, "sequence": 568, "dropout": 0.1, "learning_rate": 1e-4, "batches": 16,
    },
    parameters=619_339_008,
    memory_gib={"tiny": 0.1, "small": 0.5, "full": 48.0},
)  # fmt: skip


def build_model(sizes: Sizes) -> Any:
    """T5 with experts in every other layer, random weights, on torch's default device."""
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
    model = T5ForConditionalGeneration(config)
    shape = {"width": sizes.width, "hidden": sizes.feedforward, "num_experts": sizes.experts}
    for stack in (model.encoder, model.decoder):
        for block in stack.block[1::2]:
            block.layer[-1].DenseReluDense = SwitchFeedForward(
                **shape, capacity_factor=CAPACITY_FACTOR, dropout=sizes.dropout
            )
    return model.train()


def build_batches(sizes: Sizes, slot: Slot, *, rng: Seeds) -> Sequence[SpanBatch]:
    """The batches that training rotates over, on the device."""
    return span_batches(sizes, slot, rng, vocab_size=sizes.vocab_size - SPARE_ROWS)


def forward(model: Any, batch: SpanBatch, slot: Slot) -> tuple[Tensor, Tensor]:
    """Logits, and cross-entropy with the balance of every sparse layer."""
    with slot.autocast():
        output = model(input_ids=batch.ids_BI, labels=batch.labels_BO)
    balance = torch.stack([layer.balance for layer in sparse_layers(model)]).sum()
    return output.logits, output.loss + BALANCE_WEIGHT * balance


def build(sizes: Sizes, slot: Slot, *, rng: Seeds) -> tuple[Step, Any, Sequence[SpanBatch]]:
    """The step, the model that it trains, and the batches that it rotates over."""

    def adamw(parameters: Any) -> torch.optim.Optimizer:
        return torch.optim.AdamW(parameters, lr=sizes.learning_rate, weight_decay=0.01, fused=True)

    with slot.device:
        model = slot.prepare(build_model(sizes), adamw)
    batches = build_batches(sizes, slot, rng=rng)
    rotation = in_rotation(batches)

    def step() -> Done:
        batch = next(rotation)
        _, loss = forward(model, batch, slot)
        slot.step(loss)
        return Done(items=batch.ids_BI.numel() + batch.labels_BO.numel(), loss=loss.detach())

    return step, model, batches


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """A model, batches in rotation, and the step that trains on the next batch."""
    return build(sizes, slot, rng=rng)[0]


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """Logits have their shape, gradients reach all, tokens go to their experts, one batch can be learned."""
    fixed, slot = copy.copy(sizes), without_files(slot)
    fixed.batches, fixed.dropout = 1, 0.0
    step, model, (batch,) = build(fixed, slot, rng=rng)
    for layer in sparse_layers(model):
        layer.jitter = 0.0
    logits_BOV, loss = forward(model, batch, slot)
    check_output("switch_transformer", logits_BOV, shape=(*batch.labels_BO.shape, sizes.vocab_size), dtype=slot.dtype)
    check_gradients("switch_transformer", model, loss)
    x_BTW = torch.randn(2, 32, sizes.width, generator=slot.generator(rng.seed("routing")), device=slot.device)
    with torch.no_grad(), slot.autocast():
        found_NW = layer(x_BTW).flatten(0, 1).float()
    expected_NW = one_by_one(layer, x_BTW.flatten(0, 1)).detach()
    error = float((found_NW - expected_NW).abs().max() / expected_NW.abs().max())
    if not error < (1e-4 if slot.precision == "fp32" else 0.05):
        raise WrongWorkError(f"switch_transformer: experts are off by {error:.2g}, against tokens sent one by one.")
    check_fall("switch_transformer", [float(step().loss) for _ in range(20)])
