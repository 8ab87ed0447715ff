"""Training of a bi-encoder for dense retrieval, with the other passages of the batch as negatives.

Decisions:
- `full` is two BERT-base encoders (12 layers, width 768, 12 heads, vocabulary 30 522, no pooler), 217 783 296
  parameters, one for queries and one for passages (`cupel.tasks.models.bi_encoder`), and the paper's batch of 128
  queries with 256 passages: each query's own and one more that is hard; dropout 0.1.
- Queries of 8 to 32 tokens and passages of 100 to 256, lengths spread evenly, in a new order in each batch, words by
  Zipf's law, the first token [CLS]; padded on the right, padding hidden from attention. Which passage is hard is not
  told by random words: it is a passage more.
- `data=disk`: a query is the beginning of a document and its passage what follows (`cupel.tasks.data.retrieval_pairs`);
  texts of the user's own (`CUPEL_TEXT`) or made ones, read and padded in every step.
- Loss: cross-entropy over the dot products of a query with all passages of the batch, in fp32.
- AdamW, fused, learning rate 1e-5 without a schedule, weight decay 0; the paper's Adam.
- Precision: autocast; parameters and optimiser state in fp32.
- Counted: queries; `tokens` counts the real tokens of queries and passages, padding excluded.
- Memory at `full` in fp32: parameters, gradients and state 16 bytes x 218 M = 3.2 GiB; activations 68 bytes x (65 536
  + 4096) tokens x 768 x 12 layers = 41 GiB.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cupel.spec import Done, Seeds, Sizes, Slot, Step, Workload, WrongWorkError
from cupel.tasks.data.batch_stream import in_rotation
from cupel.tasks.data.retrieval_pairs import Pairs, Texts, pair_batches
from cupel.tasks.learning import check_fall, check_gradients, check_output
from cupel.tasks.models.bi_encoder import BiEncoder, in_batch_loss
from cupel.tasks.without_files import without_files

CARD = Workload(
    measures="training throughput",
    unit="queries",
    also=("tokens",),
    better="higher",
    source="Karpukhin et al. 2020, Dense Passage Retrieval for Open-Domain Question Answering",
    tags=("training", "language", "transformer", "retrieval", "contrastive"),
    needs=("torch", "models"),
    settings={
        "precision": ("fp32", "tf32", "bf16", "fp16"), "compile": (False, True), "data": ("synthetic", "disk"),
        "strategy": ("ddp", "fsdp"),
    },
    optimizer="AdamW, learning rate 1e-5 (tiny: 3e-4), betas 0.9 and 0.999, no weight decay",
    tiny={
        "layers": 2, "width": 64, "heads": 2, "feedforward": 128, "vocab_size": 512, "positions": 32, "dropout": 0.1,
        "batch": 4, "query_shortest": 4, "query_longest": 8, "passage_shortest": 12, "passage_longest": 32,
        "learning_rate": 3e-4, "batches": 2,
    },
    small={
        "layers": 2, "width": 192, "heads": 3, "feedforward": 768, "vocab_size": 4096, "positions": 64, "dropout": 0.1,
        "batch": 4, "query_shortest": 4, "query_longest": 8, "passage_shortest": 12, "passage_longest": 24,
        "learning_rate": 1e-5, "batches": 8,
    },
    full={
        "layers": 12, "width": 768, "heads": 12, "feedforward": 3072, "vocab_size": 30522, "positions": 512,
        "dropout": 0.1, "batch": 128, "query_shortest": 8, "query_longest": 32, "passage_shortest": 100,
        "passage_longest": 256, "learning_rate": 1e-5, "batches": 4,
    },
    parameters=217_783_296,
    memory_gib={"tiny": 0.1, "small": 0.5, "full": 48.0},
)  # fmt: skip


def build_model(sizes: Sizes) -> BiEncoder:
    """The two encoders with random weights, on torch's default device."""
    return BiEncoder(sizes).train()


def build_batches(sizes: Sizes, slot: Slot, *, rng: Seeds) -> Sequence[Pairs]:
    """The batches that training rotates over, on the device."""
    return pair_batches(sizes, slot, rng)


def build_step(sizes: Sizes, slot: Slot, *, rng: Seeds) -> tuple[Step, BiEncoder, Sequence[Pairs]]:
    """The step that trains on the next batch, the model that it trains, and the batches."""

    def adamw(parameters: Any) -> torch.optim.Optimizer:
        return torch.optim.AdamW(parameters, lr=sizes.learning_rate, weight_decay=0.0, fused=True)

    with slot.device:
        model = build_model(sizes)
    prepared = slot.prepare(model, adamw)
    batches = build_batches(sizes, slot, rng=rng)
    rotation = in_rotation(batches)

    def step() -> Done:
        pairs = next(rotation)
        loss = in_batch_loss(scores_of(prepared, pairs, slot=slot))
        slot.step(loss)
        return Done(items=sizes.batch, loss=loss.detach(), also={"tokens": pairs.num_tokens})

    return step, model, batches


def scores_of(model: Any, pairs: Pairs, *, slot: Slot) -> Tensor:
    """Similarities (B, 2 B) at the run's precision."""
    with slot.autocast():
        scores: Tensor = model(pairs.queries, pairs.passages)
    return scores


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """Two encoders, batches in rotation, and the step that trains on the next batch."""
    return build_step(sizes, slot, rng=rng)[0]


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """Scores and loss are right, padding is neither seen nor counted, gradients reach all, one batch can be learned."""
    fixed, slot = copy.copy(sizes), without_files(slot)
    fixed.batches, fixed.dropout = 1, 0.0
    step, model, (pairs,) = build_step(fixed, slot, rng=rng)
    scores_BN = scores_of(model, pairs, slot=slot)
    check_output("dense_retrieval", scores_BN, shape=(sizes.batch, 2 * sizes.batch), dtype=slot.dtype)
    random_BN = torch.randn(scores_BN.shape, generator=slot.generator(rng.seed("check")), device=slot.device)
    expected, found = float((random_BN.logsumexp(1) - random_BN.diagonal()).mean()), float(in_batch_loss(random_BN))
    if not abs(found - expected) < 1e-3 * expected:
        raise WrongWorkError(f"dense_retrieval: the loss is {found:.4f}; expected {expected:.4f} of these scores.")
    check_gradients("dense_retrieval", model, in_batch_loss(scores_BN))
    is_real_NT = pairs.passages.may_see_B1TT[:, 0, 0]
    other = pairs._replace(passages=Texts(pairs.passages.ids_BT.where(is_real_NT, 7), is_real_NT))
    if not torch.equal(scores_of(model, other, slot=slot), scores_BN):
        raise WrongWorkError("dense_retrieval: other ids in the padding gave other scores; expected the same.")
    done = [step() for _ in range(20)]
    num_real = int(is_real_NT.sum() + pairs.queries.may_see_B1TT[:, 0, 0].sum())
    num_counted = (done[0].also or {})["tokens"]
    if num_counted != num_real:
        raise WrongWorkError(f"dense_retrieval: {num_counted} tokens counted; expected {num_real}, padding excluded.")
    check_fall("dense_retrieval", [float(one.loss) for one in done])
