"""Full fine-tuning of Llama 3.1 70B on documents of unequal length.

Decisions:
- `full` is the configuration of Llama 3.1 70B, 70 553 706 496 parameters, on 2 documents of up to 512 tokens, as long
  as the examples of Alpaca; every parameter is trained. `small` and `tiny` keep the shape: many queries for each key.
- The `transformers` library's model from a configuration with random weights; attention by torch's scaled dot product.
  `weights=pretrained` has those of the card's checkpoint, from the user's disk (`cupel.tasks.checkpoint`).
- Documents, padding, masks and counting are those of `llama`: real tokens only, padding excluded. So are those of
  `data=disk`: texts of the user's own (`CUPEL_TEXT`) or made ones.
- AdamW, fused, learning rate 2e-5 without a schedule, one update a batch, the recipe of torchtune. At bf16, parameters,
  gradients and both moments are stored in bf16 too, as that recipe does; fp16 is mixed precision over fp32 parameters.
- fp8 is bf16, but the linear layers of the decoder's layers multiply in eight bits (`cupel.tasks.fp8_linear`).
- Activations within a layer are computed again in the backward pass at `full` and `tiny`. Nothing is held in the host's
  memory.
- Memory at `full`: parameters, gradients and two moments, 4 x 70.55e9 numbers: 525.7 GiB in bf16, 1051.3 GiB in fp32;
  layer inputs 80 x 1024 tokens x 8192 numbers and three times the logits are 4 GiB more. No single accelerator has
  it: at `full` this entry is for many devices that share the parameters; one device runs `tiny` and `small`.
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
    tags=("training", "language", "transformer", "decoder", "fine-tuning"),
    needs=("torch", "models"),
    settings={
        "precision": ("fp32", "tf32", "bf16", "fp16", "fp8"),
        "compile": (False, True),
        "data": ("synthetic", "disk"),
        "weights": ("random", "pretrained"),
        "strategy": ("ddp", "fsdp", "tp"),
    },
    optimizer="AdamW, learning rate 2e-5 (tiny: 1e-3), betas 0.9 and 0.999, weight decay 0.01",
    tiny={
        "layers": 2, "width": 64, "heads": 8, "kv_heads": 2, "feedforward": 224, "vocab_size": 512, "batch": 2,
        "shortest": 8, "longest": 32, "padded_to": 32, "checkpoints": True, "learning_rate": 1e-3, "batches": 2,
    },
    small={
        "layers": 3, "width": 256, "heads": 8, "kv_heads": 2, "feedforward": 896, "vocab_size": 4096, "batch": 2,
        "shortest": 16, "longest": 48, "padded_to": 48, "checkpoints": False, "learning_rate": 2e-5, "batches": 8,
    },
    full={
        "layers": 80, "width": 8192, "heads": 64, "kv_heads": 8, "feedforward": 28672, "vocab_size": 128256, "batch": 2,
        "shortest": 128, "longest": 512, "padded_to": 512, "checkpoints": True, "learning_rate": 2e-5, "batches": 8,
    },
    parameters=70_553_706_496,
    checkpoint="meta-llama/Llama-3.1-70B",
    gated=True,
    memory_gib={"tiny": 0.1, "small": 0.5, "full": 1056.0},
)  # fmt: skip


def build_model(sizes: Sizes, dtype: torch.dtype = torch.float32, *, checkpoint: Path | None = None) -> Any:
    """The model, with random weights where there is no checkpoint, on torch's default device."""
    return llama(sizes, dtype=dtype, release="3.1", checkpoint=checkpoint)


def build_step(sizes: Sizes, slot: Slot, *, rng: Seeds) -> tuple[Step, Any]:
    """The step that trains on the next batch, and the model that it trains."""

    def adamw(parameters: Any) -> torch.optim.Optimizer:
        return torch.optim.AdamW(parameters, lr=sizes.learning_rate, weight_decay=0.01, fused=True)

    with slot.device:
        dtype = torch.bfloat16 if slot.precision in ("bf16", "fp8") else torch.float32
        model = build_model(sizes, dtype, checkpoint=asked_checkpoint(slot, CARD))
    trained = slot.prepare(model, adamw)
    batches = in_rotation(document_batches(sizes, slot, seed=rng.seed("data")))

    def step() -> Done:
        batch = next(batches)
        loss = next_token_loss(trained, batch, slot=slot)
        slot.step(loss)
        return Done(items=batch.num_tokens, loss=loss.detach())

    return step, model


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """A model, batches in rotation, and the step that trains on the next batch."""
    return build_step(sizes, slot, rng=rng)[0]


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """Logits have their shape, an untrained model guesses, gradients reach all, padding is not counted, it learns."""
    fixed, slot = copy.copy(sizes), without_files(slot)
    fixed.batches = 1
    step, model = build_step(fixed, slot, rng=rng)
    batch = document_batches(fixed, slot, seed=rng.seed("data"))[0]
    check_untrained("llm_full", model, batch, slot=slot)
    check_gradients("llm_full", model, next_token_loss(model, batch, slot=slot))
    done = [step() for _ in range(20)]
    check_counted("llm_full", done[0].items, batch)
    check_fall("llm_full", [float(one.loss) for one in done])
