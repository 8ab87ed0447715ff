"""An E(n)-equivariant graph network (EGNN) in training, on molecules like those of QM9.

Decisions:
- `full` is the paper's network for QM9: 7 layers of width 128, messages gated, batch 96 molecules; with the moves of
  atoms kept: 861 704 parameters. (The paper drops them for QM9, whose targets do not turn with the molecule; here the
  equivariant half is what is to be measured.)
- Written by hand (`cupel.tasks.models.egnn`): gathers by edge, sums by `index_add_`. Every atom is joined to all others
  of its molecule; edges are made at set-up. On a GPU the order of these sums, hence the last digits, may vary.
- Task: atoms are displaced by noise of 0.1 angstrom, drawn in the step; the network predicts a property of the molecule
  (absolute error) and the way back (squared error in units of the noise), summed.
- Data: generated molecules (`cupel.tasks.data.qm9_molecules`), 3 to 29 atoms, 18 on average; `batches` in rotation.
- Adam, learning rate 5e-4, weight decay 1e-16, as published, without its schedule.
- Parameters in fp32 at every precision; bf16 and fp16 are mixed precision by autocast; places and sums in fp32.
- Counted: graphs; `edges` counts directed edges.
- Memory at `full`: 30 208 edges x 128 x 4 bytes = 15 MiB, about 14 of them a layer kept: 1.5 GiB.
"""

from __future__ import annotations

import copy
import itertools
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (everyone's name for it)

from cupel.spec import Done, Seeds, Sizes, Slot, Step, Workload, WrongWorkError
from cupel.tasks.data.qm9_molecules import NUM_FEATURES, MoleculeBatch, molecule_batch
from cupel.tasks.learning import check_fall, check_gradients, check_output
from cupel.tasks.models.egnn import Egnn

CARD = Workload(
    measures="training throughput",
    unit="graphs",
    also=("edges",),
    better="higher",
    source="Satorras et al. 2021, E(n) Equivariant Graph Neural Networks",
    tags=("training", "graph", "molecules", "equivariant"),
    needs=("torch",),
    settings={"precision": ("fp32", "tf32", "bf16", "fp16"), "compile": (False, True), "strategy": ("ddp", "fsdp")},
    optimizer="Adam, learning rate 5e-4, betas 0.9 and 0.999, weight decay 1e-16",
    # an odd number of molecules at tiny: signs of their errors, the gradient of the last bias, never cancel
    tiny={"layers": 2, "hidden": 16, "batch": 5, "batches": 2},
    small={"layers": 4, "hidden": 48, "batch": 6, "batches": 4},
    full={"layers": 7, "hidden": 128, "batch": 96, "batches": 16},
    parameters=861_704,
    memory_gib={"tiny": 0.05, "small": 0.3, "full": 3.0},
)
NOISE_ANGSTROM = 0.1
"""Standard deviation of the displacement of an atom along each axis."""


class Parts:
    """Model, batches, and the source of noise."""

    def __init__(self, sizes: Sizes, slot: Slot, rng: Seeds) -> None:
        self.slot = slot
        generator = slot.generator(rng.seed("data"))
        self.batches = [molecule_batch(sizes.batch, generator) for _ in range(sizes.batches)]
        self.generator = slot.generator(rng.seed("noise"))
        with slot.device:
            self.model = slot.prepare(build_model(sizes), adam)

    def noise(self, batch: MoleculeBatch) -> Tensor:
        """A displacement for each atom, in angstrom."""
        shape = batch.positions_N3.shape
        return NOISE_ANGSTROM * torch.randn(shape, generator=self.generator, device=self.slot.device)

    def predict(self, batch: MoleculeBatch, x_N3: Tensor) -> tuple[Tensor, Tensor]:
        """Property and moves at the run's precision."""
        with self.slot.autocast():
            property_G, moves_N3 = self.model(batch, x_N3)
        return property_G, moves_N3

    def loss(self, batch: MoleculeBatch, noise_N3: Tensor) -> Tensor:
        """Error of the property and of the way back, in fp32."""
        property_G, moves_N3 = self.predict(batch, batch.positions_N3 + noise_N3)
        return F.l1_loss(property_G.float(), batch.property_G) + F.mse_loss(
            moves_N3 / NOISE_ANGSTROM, -noise_N3 / NOISE_ANGSTROM
        )


def build_model(sizes: Sizes) -> Egnn:
    """The model with random weights, on torch's default device."""
    return Egnn(num_features=NUM_FEATURES, hidden=sizes.hidden, layers=sizes.layers)


def adam(parameters: Any) -> torch.optim.Optimizer:
    """The optimiser that the card states."""
    return torch.optim.Adam(parameters, lr=5e-4, weight_decay=1e-16, fused=True)


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """A model and molecules; a step displaces the atoms of the next batch and updates."""
    parts = Parts(sizes, slot, rng)
    batches = itertools.cycle(parts.batches)

    def step() -> Done:
        batch = next(batches)
        loss = parts.loss(batch, parts.noise(batch))
        slot.step(loss)
        return Done(items=sizes.batch, loss=loss.detach(), also={"edges": len(batch.source_E)})

    return step


def check_equivariance(parts: Parts, *, rng: Seeds) -> None:
    """Molecules that are turned, mirrored and shifted keep their property, and their atoms move the turned way."""
    batch, slot = parts.batches[0], parts.slot
    generator = slot.generator(rng.seed("rotation"))
    turn_33 = torch.linalg.qr(torch.randn(3, 3, generator=generator, device=slot.device))[0]
    shift_3 = torch.randn(3, generator=generator, device=slot.device)
    with torch.no_grad():
        property_G, moves_N3 = parts.predict(batch, batch.positions_N3)
        turned_G, turned_N3 = parts.predict(batch, batch.positions_N3 @ turn_33 + shift_3)
    tolerance = 0.01 if slot.precision == "fp32" else 0.2
    for what, found, expected in (("property", turned_G, property_G), ("move", turned_N3, moves_N3 @ turn_33)):
        error = float((found.float() - expected.float()).abs().max() / expected.float().abs().max())
        if not error < tolerance:
            raise WrongWorkError(
                f"egnn: in molecules that are turned and shifted, a {what} is off by {error:.2g} of the largest; "
                "expected the property to stay and the moves to turn with the molecule."
            )


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """Outputs have their shape, gradients reach all, one batch can be learned, and moves turn with their molecule."""
    fixed = copy.copy(sizes)
    fixed.batches = 1
    parts = Parts(fixed, slot, rng)
    (batch,) = parts.batches
    noise_N3 = parts.noise(batch)
    check_output("egnn", parts.predict(batch, batch.positions_N3)[0], shape=(sizes.batch,), dtype=slot.dtype)
    check_gradients("egnn", parts.model, parts.loss(batch, noise_N3))
    losses = []
    for _ in range(20):
        loss = parts.loss(batch, noise_N3)
        slot.step(loss)
        losses.append(float(loss.detach()))
    check_fall("egnn", losses)
    check_equivariance(parts, rng=rng)
