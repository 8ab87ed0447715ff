"""BERT learning to fill in masked words.

Decisions:
- `full` is BERT-large (24 layers, width 1024, 16 heads, vocabulary 30 522) at batch 32 and 512 tokens. With the head
  for masked words (tied to the embedding) and without the pooler: 335 174 458 parameters; the paper rounds to 340 M.
- Post-norm encoder of the `transformers` library from a configuration with random weights; attention by torch's
  scaled dot product; dropout 0.1, as published.
- Words by Zipf's law; 15 % are to be predicted: of these 80 % shown as [MASK], 10 % as a random word, 10 % as they
  are. Masked once, at set-up; `batches` batches in rotation. No padding, hence no attention mask.
- `data=disk`: sequences cut from texts, the user's own (`CUPEL_TEXT`) or made ones, read and masked in every step.
- Logits at every position, as the library has it, though only 15 % of them count in the loss.
- AdamW, fused, learning rate 1e-4 without a schedule; the one objective (no next-sentence prediction).
- Parameters and optimiser state in fp32 at every precision; bf16 and fp16 are mixed precision by autocast.
- fp8 is bf16, but the linear layers of the encoder's layers multiply in eight bits (`cupel.tasks.fp8_linear`).
- Counted: sequences; `tokens` counts all tokens of them, masked or not.
- Memory at `full` in fp32: parameters, gradients and state 16 bytes x 335 M = 5 GiB; activations 68 bytes x 16 384
  tokens x 1024 x 24 layers = 26 GiB; logits 16 384 x 30 522 x 4 bytes, three times = 6 GiB.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import torch

from cupel.spec import Done, Seeds, Sizes, Slot, Step, Workload, WrongWorkError
from cupel.tasks.data.batch_stream import in_rotation
from cupel.tasks.data.masked_tokens import MaskedBatch, masked_batches
from cupel.tasks.learning import check_fall, check_gradients, check_output
from cupel.tasks.without_files import without_files

CARD = Workload(
    measures="training throughput",
    unit="sequences",
    also=("tokens",),
    better="higher",
    source="Devlin et al. 2018, BERT: Pre-training of Deep Bidirectional Transformers",
    tags=("training", "language", "transformer"),
    needs=("torch", "models"),
    settings={
        "precision": ("fp32", "tf32", "bf16", "fp16", "fp8"),
        "compile": (False, True),
        "data": ("synthetic", "disk"),
        "strategy": ("ddp", "fsdp"),
    },
    optimizer="AdamW, learning rate 1e-4, betas 0.9 and 0.999, weight decay 0.01",
    tiny={
        "layers": 2, "width": 64, "heads": 2, "feedforward": 128, "vocab_size": 512, "batch": 2, "sequence": 32,
        "dropout": 0.1, "batches": 2,
    },
    small={
        "layers": 3, "width": 256, "heads": 4, "feedforward": 1024, "vocab_size": 4096, "batch": 2, "sequence": 64,
        "dropout": 0.1, "batches": 8,
    },
    full={
        "layers": 24, "width": 1024, "heads": 16, "feedforward": 4096, "vocab_size": 30522, "batch": 32,
        "sequence": 512, "dropout": 0.1, "batches": 16,
    },
    parameters=335_174_458,
    memory_gib={"tiny": 0.1, "small": 0.5, "full": 40.0},
)  # fmt: skip


def build_model(sizes: Sizes) -> Any:
    """The model with random weights, on torch's default device."""
    from transformers.models.bert.configuration_bert import BertConfig
    from transformers.models.bert.modeling_bert import BertForMaskedLM

    config = BertConfig(
        vocab_size=sizes.vocab_size,
        hidden_size=sizes.width,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        intermediate_size=sizes.feedforward,
        max_position_embeddings=sizes.sequence,
        hidden_dropout_prob=sizes.dropout,
        attention_probs_dropout_prob=sizes.dropout,
        attn_implementation="sdpa",
    )
    return BertForMaskedLM(config).train()


def build_batches(sizes: Sizes, slot: Slot, *, rng: Seeds) -> Sequence[MaskedBatch]:
    """The batches that training rotates over, on the device."""
    return masked_batches(sizes, slot, rng, sequence=sizes.sequence)


def adamw(parameters: Any) -> torch.optim.Optimizer:
    """The optimiser that the card states; fused, so that it needs no further memory."""
    return torch.optim.AdamW(parameters, lr=1e-4, weight_decay=0.01, fused=True)


def build_step(sizes: Sizes, slot: Slot, *, rng: Seeds) -> tuple[Step, Any]:
    """The step that trains on the next batch, and the model that it trains."""
    with slot.device:
        bare = build_model(sizes)
    model = slot.prepare(bare, adamw)
    batches = in_rotation(build_batches(sizes, slot, rng=rng))
    num_tokens = sizes.batch * sizes.sequence

    def step() -> Done:
        ids_bt, labels_bt = next(batches)
        with slot.autocast():
            loss = model(input_ids=ids_bt, labels=labels_bt).loss
        slot.step(loss)
        return Done(items=sizes.batch, loss=loss.detach(), also={"tokens": num_tokens})

    return step, bare


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """A model, batches in rotation, and the step that trains on the next batch."""
    return build_step(sizes, slot, rng=rng)[0]


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """Logits have their shape, gradients reach all, an untrained model guesses, and one batch can be learned."""
    fixed, slot = copy.copy(sizes), without_files(slot)
    fixed.batches, fixed.dropout = 1, 0.0
    step, model = build_step(fixed, slot, rng=rng)
    batch = build_batches(fixed, slot, rng=rng)[0]
    with slot.autocast():
        output = model(input_ids=batch.ids_BT, labels=batch.labels_BT)
    check_output("bert", output.logits, shape=(*batch.ids_BT.shape, sizes.vocab_size), dtype=slot.dtype)
    guess, found = math.log(sizes.vocab_size), float(output.loss.detach())
    if not abs(found - guess) < 0.1 * guess:
        raise WrongWorkError(f"bert: the loss before training is {found:.3f}; expected ln(vocabulary) = {guess:.3f}.")
    check_gradients("bert", model, output.loss)
    check_fall("bert", [float(step().loss) for _ in range(20)])
