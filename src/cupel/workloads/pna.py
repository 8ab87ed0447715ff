"""A graph network (PNA) learning a property of molecules from their bonds.

Decisions:
- The authors' network for molecules, by hand (`cupel.tasks.models.pna`): `full` is their 4 layers of width 80, 326 081
  parameters. Milabench's of this name has 64 layers of width 64.
- Molecules of the sizes of PCQM4Mv2, drawn at random (`cupel.tasks.data.molecules`): nine categories an atom, 14.1
  atoms and 29 directed edges on average. Targets are standard normal, standing for that set's standardised gaps.
- The loss is the mean absolute error, that data set's measure; Adam, learning rate 1e-3, constant.
- Precision: layers under autocast at bf16 and fp16; aggregation over neighbours and the loss in fp32.
- `full`: batches of 4096 molecules as in Milabench; `batches` of them in rotation, on the device, as flat graphs.
- Counted: graphs of the batch.
- Memory at `full`: 58 000 atoms; twelve aggregates of width 80 are 0.22 GB a layer, kept about four times (arithmetic).
"""

from __future__ import annotations

import copy
import itertools
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (everyone's name for it)

from cupel.spec import Done, Seeds, Sizes, Slot, Step, Workload, WrongWorkError
from cupel.tasks.data.molecules import ATOM_VALUES, MEAN_LOG_DEGREE, draw_molecules
from cupel.tasks.learning import check_fall, check_gradients, check_output
from cupel.tasks.models.pna import Graphs, Pna, aggregate

CARD = Workload(
    measures="training throughput",
    unit="graphs",
    better="higher",
    source="Corso et al. 2020, Principal Neighbourhood Aggregation for Graph Nets",
    tags=("training", "graphs", "molecules"),
    needs=("torch",),
    settings={"precision": ("fp32", "tf32", "bf16", "fp16"), "compile": (False, True), "strategy": ("ddp", "fsdp")},
    optimizer="Adam, learning rate 1e-3",
    tiny={"width": 16, "depth": 2, "batch": 16, "batches": 2},
    small={"width": 80, "depth": 4, "batch": 64, "batches": 4},
    full={"width": 80, "depth": 4, "batch": 4096, "batches": 4},
    parameters=326_081,
    memory_gib={"tiny": 0.05, "small": 0.3, "full": 6.0},
)


class Batch(NamedTuple):
    """Graphs, and what to predict of each."""

    graphs: Graphs
    target_B: Tensor


def build_model(sizes: Sizes) -> Pna:
    """The network with random weights, on torch's default device."""
    return Pna(values=ATOM_VALUES, width=sizes.width, depth=sizes.depth, mean_log_degree=MEAN_LOG_DEGREE)


def build_batch(num: int, generator: torch.Generator) -> Batch:
    """Random molecules as flat graphs of their bonds."""
    molecules = draw_molecules(num, generator)
    graphs = Graphs(
        molecules.flat(molecules.category_MNF), molecules.edges(molecules.is_bond_MNN), molecules.owners(), num
    )
    return Batch(graphs, molecules.target_M)


def loss_of(model: Any, batch: Batch, slot: Slot) -> Tensor:
    """Mean absolute error in fp32."""
    with slot.autocast():
        prediction_B = model(batch.graphs)
    return F.l1_loss(prediction_B.float(), batch.target_B)


def build(sizes: Sizes, slot: Slot, *, rng: Seeds) -> tuple[Step, Any, list[Batch]]:
    """The step, the model that it trains, and the batches that it rotates over."""
    generator = slot.generator(rng.seed("data"))
    batches = [build_batch(sizes.batch, generator) for _ in range(sizes.batches)]
    model = slot.prepare(build_model(sizes), lambda parameters: torch.optim.Adam(parameters, lr=1e-3, fused=True))
    rotation = itertools.cycle(batches)

    def step() -> Done:
        loss = loss_of(model, next(rotation), slot)
        slot.step(loss)
        return Done(items=sizes.batch, loss=loss.detach())

    return step, model, batches


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """A model, graphs in rotation, and the step that trains on the next batch."""
    return build(sizes, slot, rng=rng)[0]


def check_aggregates(graphs: Graphs, rng: Seeds) -> None:
    """The aggregates at each node agree with its neighbours' numbers, taken node by node."""
    num_nodes, (from_E, to_E) = len(graphs.graph_V), graphs.edge_2E
    generator = torch.Generator(from_E.device).manual_seed(rng.seed("aggregates"))
    node_VH = torch.randn(num_nodes, 4, generator=generator, device=from_E.device)
    found_VG = aggregate(node_VH, graphs.edge_2E, mean_log_degree=MEAN_LOG_DEGREE)
    for node_idx in range(min(num_nodes, 20)):
        near_KH = node_VH[from_E[to_E == node_idx]]
        std_H = (near_KH.var(dim=0, correction=0) + 1e-5).sqrt()
        plain = torch.cat([near_KH.mean(0), near_KH.amax(0), near_KH.amin(0), std_H])
        scale = torch.tensor(len(near_KH) + 1.0).log().item() / MEAN_LOG_DEGREE
        error = float((found_VG[node_idx] - torch.cat([plain, plain * scale, plain / scale])).abs().max())
        if not error < 1e-3:
            raise WrongWorkError(
                f"pna: the aggregates of node {node_idx} are off by {error:.2g}, against its {len(near_KH)} neighbours."
            )


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """Aggregates are right, gradients reach all, and one batch can be learned."""
    fixed = copy.copy(sizes)
    fixed.batches = 1
    step, model, (batch,) = build(fixed, slot, rng=rng)
    check_aggregates(batch.graphs, rng)
    with slot.autocast():
        prediction_B = model(batch.graphs)
    check_output("pna", prediction_B, shape=(sizes.batch,), dtype=slot.dtype)
    # of squares: the signs that the absolute error passes back may cancel
    check_gradients("pna", model, F.mse_loss(prediction_B.float(), batch.target_B))
    check_fall("pna", [float(step().loss) for _ in range(16)])
