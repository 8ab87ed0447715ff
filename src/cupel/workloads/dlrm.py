"""A recommendation model (DLRM) learning to predict clicks.

Decisions:
- By hand (`cupel.tasks.models.dlrm`): 13 dense features, 26 tables, sum pooling, dot interaction, cross-entropy.
- `full`: the tables of the Criteo Kaggle log, 33.8 M rows, with embeddings of 128 and the networks of MLPerf (bottom
  512-256-128, top 1024-1024-512-256-1), batch 32 768: 4 322 M parameters in tables, 2.4 M in networks. The tables of
  MLPerf (the Terabyte log, 204 M rows) do not fit one accelerator. Smaller sizes cut the tables to `max_rows`.
- Indices are random by a power law of exponent 1.05, scattered over the table as hashed ids are: real logs are skewed,
  and skew decides how well caches work. One index a table at `small` and `full`, as in that log; two at `tiny`.
- SGD, learning rate 0.1, as in the paper; embedding gradients are sparse, so a step reads and writes the rows it uses.
- Tables and optimiser in fp32 at every precision; bf16 and fp16 are mixed precision by autocast in the networks.
- `batches` batches in rotation, all on the device. Counted: samples. No `fsdp`: it cannot share out sparse gradients.
- Memory at `full`: tables 16.1 GiB, sparse gradients 0.4 GiB several times, activations about 1.5 GiB (arithmetic).
"""

from __future__ import annotations

import copy
import itertools
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from cupel.spec import Done, Seeds, Sizes, Slot, Step, Workload, WrongWorkError
from cupel.tasks.data.click_logs import NUM_DENSE, ClickBatch, click_batch, table_rows
from cupel.tasks.learning import check_fall, check_output
from cupel.tasks.models.dlrm import Dlrm

CARD = Workload(
    measures="training throughput",
    unit="samples",
    better="higher",
    source="Naumov et al. 2019, Deep Learning Recommendation Model for Personalization and Recommendation Systems",
    tags=("training", "recommendation", "embedding"),
    needs=("torch",),
    settings={"precision": ("fp32", "tf32", "bf16", "fp16"), "compile": (False, True), "strategy": ("ddp",)},
    optimizer="SGD, learning rate 0.1",
    tiny={"max_rows": 100, "width": 16, "hidden": 32, "batch": 64, "hots": 2, "exponent": 1.05, "batches": 2},
    small={"max_rows": 100000, "width": 32, "hidden": 256, "batch": 1024, "hots": 1, "exponent": 1.05, "batches": 8},
    full={
        "max_rows": 40000000,
        "width": 128,
        "hidden": 1024,
        "batch": 32768,
        "hots": 1,
        "exponent": 1.05,
        "batches": 16,
    },
    parameters=4_323_978_753,
    memory_gib={"tiny": 0.05, "small": 0.5, "full": 20.0},
)


def build_model(sizes: Sizes) -> Dlrm:
    """The model with random weights, on torch's default device."""
    hidden = sizes.hidden
    return Dlrm(
        rows=table_rows(sizes.max_rows),
        width=sizes.width,
        bottom=(NUM_DENSE, hidden // 2, hidden // 4),
        top=(hidden, hidden, hidden // 2, hidden // 4, 1),
    )


def build_batches(sizes: Sizes, slot: Slot, *, rng: Seeds) -> list[ClickBatch]:
    """The batches that training rotates over, on the device."""
    generator = slot.generator(rng.seed("data"))
    rows = table_rows(sizes.max_rows)
    shape = {"batch": sizes.batch, "hots": sizes.hots, "exponent": sizes.exponent}
    return [click_batch(rows=rows, generator=generator, **shape) for _ in range(sizes.batches)]


def sgd(parameters: Any) -> torch.optim.Optimizer:
    """The optimiser that the card states."""
    return torch.optim.SGD(parameters, lr=0.1)


def build(sizes: Sizes, slot: Slot, *, rng: Seeds) -> tuple[Step, Any, list[ClickBatch]]:
    """The step, the model that it trains, and the batches that it rotates over."""
    with slot.device:
        model = slot.prepare(build_model(sizes), sgd)
    batches = build_batches(sizes, slot, rng=rng)
    rotation = itertools.cycle(batches)

    def step() -> Done:
        batch = next(rotation)
        with slot.autocast():
            logits_b = model(batch.dense_BD, batch.indices_FBH)
        loss = binary_cross_entropy_with_logits(logits_b.float(), batch.clicked_B)
        slot.step(loss)
        return Done(items=sizes.batch, loss=loss.detach())

    return step, model, batches


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """A model, batches in rotation, and the step that trains on the next batch."""
    return build(sizes, slot, rng=rng)[0]


def pair_products(dense: Tensor, embeddings: Tensor) -> Tensor:
    """The interaction again, by a loop over samples and pairs in float64; shape (samples, width + pairs)."""
    samples = []
    for sample_idx in range(len(dense)):
        vectors = [dense[sample_idx].double(), *embeddings[sample_idx].double()]
        pairs = [sum(vectors[i] * vectors[j]) for i in range(len(vectors)) for j in range(i)]
        samples.append(torch.cat([vectors[0], torch.stack(pairs)]))
    return torch.stack(samples)


def check_interaction(model: Dlrm, slot: Slot, *, rng: Seeds) -> None:
    """The interaction agrees with the loop over pairs at the precision of the run."""
    generator = slot.generator(rng.seed("interaction"))
    vectors = torch.rand(2, 27, model.tables[0].embedding_dim, generator=generator, device=slot.device)
    with slot.autocast():
        found = model.interact(vectors[:, 0], vectors[:, 1:])
    expected = pair_products(vectors[:, 0], vectors[:, 1:])
    if found.shape != expected.shape:
        raise WrongWorkError(f"dlrm: interaction of shape {tuple(found.shape)}; expected {tuple(expected.shape)}.")
    error = float((found - expected).abs().max() / expected.abs().max())
    if not error < (1e-5 if slot.precision == "fp32" else 0.02):
        raise WrongWorkError(f"dlrm: the interaction is off by {error:.2g} of its maximum, against a loop over pairs.")


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """The interaction is right, a step changes the networks and the rows looked up, one batch can be learned."""
    fixed = copy.copy(sizes)
    fixed.batches = 1
    step, model, (batch,) = build(fixed, slot, rng=rng)
    check_interaction(model, slot, rng=rng)
    with slot.autocast(), torch.no_grad():
        logits_b = model(batch.dense_BD, batch.indices_FBH)
    check_output("dlrm", logits_b, shape=(sizes.batch,), dtype=slot.dtype)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    tables = [table.weight.detach().clone() for table in model.tables]
    losses = [float(step().loss)]
    for name, parameter in model.named_parameters():
        if torch.equal(parameter, before[name]):
            raise WrongWorkError(f"dlrm: a step left {name} as it was; expected every parameter to be trained.")
    for table_idx, (table, before_RE) in enumerate(zip(model.tables, tables, strict=True)):
        is_changed = (table.weight.detach() != before_RE).any(dim=1)
        is_looked_up = torch.zeros_like(is_changed).index_fill(0, batch.indices_FBH[table_idx].flatten(), value=True)
        if not torch.equal(is_changed, is_looked_up):
            raise WrongWorkError(
                f"dlrm: a step changed {int(is_changed.sum())} rows of table {table_idx}; "
                f"expected the {int(is_looked_up.sum())} that samples looked up, and no others."
            )
    check_fall("dlrm", losses + [float(step().loss) for _ in range(20)])
