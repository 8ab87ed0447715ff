"""Fine-tuning of Llama 3.1 through low-rank adapters, on documents of unequal length.

Decisions:
- `full` is Llama 3.1 8B, 8 030 261 248 frozen parameters, with adapters of rank 8 and alpha 16 beside the query and
  value projections: 3 407 872 trained ones; no dropout. Milabench's recipe and its batch of 8, documents of up to 512
  tokens, as long as the examples of Alpaca.
- The setting `model=70b` makes the network that many times larger, at each size, that 8B becomes 70B: layers x 5/2;
  width, heads and feed-forward x 2; the key and value heads and the vocabulary stay. The recipe for 70B has adapters
  beside the keys too, of twice the rank and alpha: 44 564 480 trained parameters beside 70 553 706 496 frozen ones.
- The `transformers` library's model from a configuration with random weights (`cupel.tasks.models.llama`), adapters by
  hand (`cupel.tasks.models.lora`); attention by torch's scaled dot product.
- `weights=pretrained` freezes those of the card's checkpoint (`model=70b`: of Llama-3.1-70B), from the user's disk.
- Documents, padding, masks and counting are those of `llama`: real tokens only, padding excluded. So are those of
  `data=disk`: texts of the user's own (`CUPEL_TEXT`) or made ones.
- AdamW, fused, learning rate 3e-4 without a schedule, one update a batch.
- Frozen parameters are stored at the run's precision (bf16 at bf16), adapters and their moments in fp32.
- fp8 is bf16, but the frozen linear layers multiply in eight bits (`cupel.tasks.fp8_linear`); adapters are too narrow.
- Activations within a layer are computed again in the backward pass at `full`.
- Memory at `full`: frozen parameters 29.9 GiB in fp32, 15.0 in bf16; layer inputs 32 x 4096 tokens x 4096 numbers,
  2 GiB, and one layer's work, 2 GiB; logits 4096 x 128 256 in fp32, three times, 6 GiB. 70B in bf16: 131.4 GiB frozen,
  and 13 GiB of the rest.
"""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from cupel.spec import Done, Seeds, Sizes, Slot, Step, Workload, WrongWorkError
from cupel.tasks.checkpoint import asked_checkpoint
from cupel.tasks.data.batch_stream import in_rotation
from cupel.tasks.decoder_training import check_counted, check_untrained, document_batches, next_token_loss
from cupel.tasks.learning import check_fall, check_gradients
from cupel.tasks.models.llama import llama
from cupel.tasks.models.lora import adapters_of, add_adapters
from cupel.tasks.without_files import without_files

CHECKPOINT_70B = "meta-llama/Llama-3.1-70B"
"""What is frozen at `model=70b`; the card names that of 8b."""
CARD = Workload(
    measures="training throughput",
    unit="tokens",
    better="higher",
    source="Hu et al. 2021, LoRA: Low-Rank Adaptation of Large Language Models",
    tags=("training", "language", "transformer", "decoder", "fine-tuning"),
    needs=("torch", "models"),
    settings={
        "precision": ("fp32", "tf32", "bf16", "fp16", "fp8"),
        "compile": (False, True),
        "data": ("synthetic", "disk"),
        "weights": ("random", "pretrained"),
        "model": ("8b", "70b"),
        "strategy": ("ddp", "fsdp", "tp"),
    },
    optimizer="AdamW on the adapters, learning rate 3e-4 (tiny: 1e-2), betas 0.9 and 0.999, weight decay 0.01",
    tiny={
        "layers": 2, "width": 64, "heads": 4, "kv_heads": 2, "feedforward": 128, "vocab_size": 512, "rank": 8,
        "alpha": 16, "batch": 3, "shortest": 8, "longest": 32, "padded_to": 32, "checkpoints": True,
        "learning_rate": 1e-2, "batches": 2,
    },
    small={
        "layers": 2, "width": 192, "heads": 6, "kv_heads": 2, "feedforward": 672, "vocab_size": 4096, "rank": 8,
        "alpha": 16, "batch": 4, "shortest": 16, "longest": 48, "padded_to": 48, "checkpoints": False,
        "learning_rate": 3e-4, "batches": 8,
    },
    full={
        "layers": 32, "width": 4096, "heads": 32, "kv_heads": 8, "feedforward": 14336, "vocab_size": 128256, "rank": 8,
        "alpha": 16, "batch": 8, "shortest": 64, "longest": 512, "padded_to": 512, "checkpoints": True,
        "learning_rate": 3e-4, "batches": 8,
    },
    parameters=8_033_669_120,
    checkpoint="meta-llama/Llama-3.1-8B",
    gated=True,
    memory_gib={"tiny": 0.1, "small": 0.5, "full": 40.0},
)  # fmt: skip


def enlarged(sizes: Sizes) -> Sizes:
    """The numbers as many times larger as Llama 3.1 70B is than 8B."""
    twice = {name: 2 * getattr(sizes, name) for name in ("width", "heads", "feedforward", "rank", "alpha")}
    return SimpleNamespace(**{**vars(sizes), **twice, "layers": sizes.layers * 5 // 2})


def build_model(
    sizes: Sizes, dtype: torch.dtype = torch.float32, *, model: str = "8b", checkpoint: Path | None = None
) -> Any:
    """The frozen model, random where there is no checkpoint, and its adapters, on torch's default device."""
    shape = enlarged(sizes) if model == "70b" else sizes
    network = llama(shape, dtype=dtype, release="3.1", checkpoint=checkpoint)
    targets = ("q_proj", "k_proj", "v_proj") if model == "70b" else ("q_proj", "v_proj")
    add_adapters(network, targets, rank=shape.rank, alpha=shape.alpha)
    return network


def build_step(sizes: Sizes, slot: Slot, *, rng: Seeds) -> tuple[Step, Any]:
    """The step that trains on the next batch, and the model whose adapters it trains."""

    def adamw(parameters: Any) -> torch.optim.Optimizer:
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        return torch.optim.AdamW(trained, lr=sizes.learning_rate, weight_decay=0.01, fused=True)

    size = str(slot.settings.get("model", "8b"))
    checkpoint = asked_checkpoint(slot, CARD, published=CHECKPOINT_70B if size == "70b" else "")
    with slot.device:
        model = build_model(sizes, slot.dtype, model=size, checkpoint=checkpoint)
    prepared = slot.prepare(model, adamw)
    batches = in_rotation(document_batches(sizes, slot, seed=rng.seed("data")))

    def step() -> Done:
        batch = next(batches)
        loss = next_token_loss(prepared, batch, slot=slot)
        slot.step(loss)
        return Done(items=batch.num_tokens, loss=loss.detach())

    return step, model


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """A frozen model with adapters, batches in rotation, and the step that trains on the next batch."""
    return build_step(sizes, slot, rng=rng)[0]


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """Training starts from the frozen model, reaches every adapter, leaves the rest alone, and lowers the loss."""
    fixed, slot = copy.copy(sizes), without_files(slot)
    fixed.batches = 1
    step, model = build_step(fixed, slot, rng=rng)
    batch = document_batches(fixed, slot, seed=rng.seed("data"))[0]
    check_untrained("llm_lora", model, batch, slot=slot)
    frozen = {name: p.detach().clone() for name, p in model.named_parameters() if ".adapter." not in name}
    done = [step()]  # until this update the zeros in `up` keep the gradient from `down`
    check_gradients("llm_lora", adapters_of(model), next_token_loss(model, batch, slot=slot))
    done += [step() for _ in range(19)]
    moved = [name for name, p in model.named_parameters() if name in frozen and not torch.equal(p, frozen[name])]
    if moved:
        raise WrongWorkError(f"llm_lora: training moved {len(moved)} frozen parameters, {moved[0]} first.")
    check_counted("llm_lora", done[0].items, batch)
    check_fall("llm_lora", [float(one.loss) for one in done])
