"""DimeNet++ learning a property of molecules from the places of their atoms.

Decisions:
- DimeNet++, by hand (`cupel.tasks.models.dimenet`); `full` is the published configuration, 1 885 830 parameters (the
  authors' 1.9 M). Milabench's dimenet is the first DimeNet, whose published size is 2.1 M, there of half the width: the
  rates of the two are not comparable.
- Molecules of the sizes of PCQM4Mv2, drawn at random in space (`cupel.tasks.data.molecules`); heavy atoms only. Within
  the published cutoff of 5 A there are about 170 directed edges and 1 800 angles a molecule. Edges and angles are found
  at set-up, distances, angles and their bases in the step. Targets are standard normal.
- The loss is the mean absolute error; Adam with the largest second moment (AMSGrad), learning rate 1e-3, as published,
  without its warm-up, decay and averaged weights.
- Precision: layers under autocast at bf16 and fp16; geometry, bases, sums over neighbours and the loss in fp32.
- `full`: batches of 16 molecules as in Milabench, 8 of them in rotation on the device. So small a batch measures the
  launching of kernels more than their work.
- Counted: graphs of the batch.
- Memory at `full`: 28 000 angles of 64 and 2 500 edges of 128 numbers, several times a block: below 1 GiB.
"""

from __future__ import annotations

import copy
import itertools
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (everyone's name for it)

from cupel.spec import Done, Seeds, Sizes, Slot, Step, Workload, WrongWorkError
from cupel.tasks.data.molecules import draw_molecules, triplets
from cupel.tasks.learning import check_fall, check_gradients, check_output
from cupel.tasks.models.dimenet import DimeNet, Geometry, Widths

CARD = Workload(
    measures="training throughput",
    unit="graphs",
    better="higher",
    source="Gasteiger et al. 2020, Fast and Uncertainty-Aware Directional Message Passing for Non-Equilibrium "
    "Molecules",
    tags=("training", "graphs", "molecules"),
    needs=("torch",),
    settings={"precision": ("fp32", "tf32", "bf16", "fp16"), "compile": (False, True), "strategy": ("ddp", "fsdp")},
    optimizer="Adam with AMSGrad, learning rate 1e-3",
    tiny={"hidden": 16, "angular": 8, "output": 16, "blocks": 1, "cutoff_a": 3.0, "batch": 4, "batches": 2},
    small={"hidden": 64, "angular": 32, "output": 128, "blocks": 2, "cutoff_a": 5.0, "batch": 4, "batches": 4},
    full={"hidden": 128, "angular": 64, "output": 256, "blocks": 4, "cutoff_a": 5.0, "batch": 16, "batches": 8},
    parameters=1_885_830,
    memory_gib={"tiny": 0.05, "small": 0.3, "full": 1.0},
)


class Batch(NamedTuple):
    """Molecules, and what to predict of each."""

    geometry: Geometry
    target_B: Tensor


def build_model(sizes: Sizes) -> DimeNet:
    """The network with random weights, on torch's default device."""
    widths = Widths(sizes.hidden, sizes.angular, sizes.output)
    return DimeNet(widths=widths, num_blocks=sizes.blocks, cutoff_a=sizes.cutoff_a)


def build_batch(sizes: Sizes, generator: torch.Generator) -> Batch:
    """Random molecules with their edges and angles."""
    molecules = draw_molecules(sizes.batch, generator)
    is_close_MNN = molecules.is_close(sizes.cutoff_a)
    geometry = Geometry(
        element_V=molecules.flat(molecules.category_MNF[:, :, 0]),
        position_V3=molecules.flat(molecules.position_MN3),
        edge_2E=molecules.edges(is_close_MNN),
        triplet_2T=triplets(is_close_MNN),
        molecule_V=molecules.owners(),
        num_molecules=sizes.batch,
    )
    return Batch(geometry, molecules.target_M)


def loss_of(model: Any, batch: Batch, slot: Slot) -> Tensor:
    """Mean absolute error in fp32."""
    with slot.autocast():
        prediction_B = model(batch.geometry)
    return F.l1_loss(prediction_B, batch.target_B)


def build(sizes: Sizes, slot: Slot, *, rng: Seeds) -> tuple[Step, Any, list[Batch]]:
    """The step, the model that it trains, and the batches that it rotates over."""

    def adam(parameters: Any) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters, lr=1e-3, amsgrad=True, fused=True)

    generator = slot.generator(rng.seed("data"))
    batches = [build_batch(sizes, generator) for _ in range(sizes.batches)]
    model = slot.prepare(build_model(sizes), adam)
    rotation = itertools.cycle(batches)

    def step() -> Done:
        loss = loss_of(model, next(rotation), slot)
        slot.step(loss)
        return Done(items=sizes.batch, loss=loss.detach())

    return step, model, batches


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """A model, molecules in rotation, and the step that trains on the next batch."""
    return build(sizes, slot, rng=rng)[0]


@torch.no_grad()
def check_turned(model: Any, geometry: Geometry) -> None:
    """Molecules that were turned and moved get the same predictions, and bent ones do not; in full precision."""
    place_V3 = geometry.position_V3
    turn_33 = torch.linalg.qr(torch.arange(9.0).view(3, 3).sin())[0].to(place_V3.device)
    bend_3 = torch.tensor([1.0, 1.0, 1.2], device=place_V3.device)
    plain_B, turned_B, bent_B = (
        model(geometry._replace(position_V3=changed_V3))
        for changed_V3 in (place_V3, place_V3 @ turn_33 + 1.0, place_V3 * bend_3)
    )
    change, bend = float((turned_B - plain_B).abs().max()), float((bent_B - plain_B).abs().max())
    if not change < 0.1 * bend:
        raise WrongWorkError(
            f"dimenet: turning and moving molecules changes predictions by {change:.2g}, bending them by {bend:.2g}; "
            "expected no change by the former and one by the latter."
        )


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """Predictions follow the shape of a molecule and not its pose, gradients reach all, one batch can be learned."""
    fixed = copy.copy(sizes)
    fixed.batches = 1
    step, model, (batch,) = build(fixed, slot, rng=rng)
    with slot.autocast():
        prediction_B = model(batch.geometry)
    check_output("dimenet", prediction_B, shape=(sizes.batch,), dtype=torch.float32)
    check_turned(model, batch.geometry)
    check_gradients("dimenet", model, loss_of(model, batch, slot))
    check_fall("dimenet", [float(step().loss) for _ in range(16)])
