"""A Fourier neural operator in training, on flow through porous squares (Darcy).

Decisions:
- `full` is the paper's network in two dimensions: 4 layers, width 32, 12 modes along each axis, padding 9, on a grid
  of 85 x 85 in batches of 20: 2 368 001 real parameters (of which 2 359 296 are 1 179 648 complex ones).
- The network is written by hand (`cupel.tasks.models.fno`), transforms by `torch.fft`.
- Data: permeabilities drawn as in the paper, and pressures that really solve their equation
  (`cupel.tasks.data.darcy_flow`), on the training grid itself; solved at set-up, `batches` batches in rotation.
  Permeabilities are shown as +-1, pressures in units of their root mean square.
- Loss: the relative error in the L2 norm, mean over samples, in fp32.
- Adam, learning rate 1e-3, weight decay 1e-4, without the paper's halving every 100 epochs.
- Precision: linear layers and 1 x 1 convolutions under autocast at bf16 and fp16; Fourier transforms and products of
  modes always in fp32. The setting thus changes little of the time, and that is a property of the method.
- Counted: samples.
- Memory at `full`: an activation of 20 x 32 x 94 x 94 numbers is 22 MiB, about 12 kept a layer: 1.0 GiB in fp32.
"""

from __future__ import annotations

import copy
import itertools
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cupel.spec import Done, Seeds, Sizes, Slot, Step, Workload, WrongWorkError
from cupel.tasks.data.darcy_flow import HIGH, LOW, apply_operator, permeabilities, pressures
from cupel.tasks.learning import check_fall, check_gradients, check_output
from cupel.tasks.models.fno import FourierNeuralOperator

CARD = Workload(
    measures="training throughput",
    unit="samples",
    better="higher",
    source="Li et al. 2020, Fourier Neural Operator for Parametric Partial Differential Equations",
    tags=("training", "science", "fourier"),
    needs=("torch",),
    settings={"precision": ("fp32", "tf32", "bf16", "fp16"), "compile": (False, True), "strategy": ("ddp", "fsdp")},
    optimizer="Adam, learning rate 1e-3, betas 0.9 and 0.999, weight decay 1e-4",
    tiny={"side_px": 17, "padding_px": 3, "modes": 4, "width": 8, "layers": 2, "batch": 2, "batches": 2},
    small={"side_px": 33, "padding_px": 5, "modes": 8, "width": 16, "layers": 4, "batch": 4, "batches": 2},
    full={"side_px": 85, "padding_px": 9, "modes": 12, "width": 32, "layers": 4, "batch": 20, "batches": 16},
    parameters=2_368_001,
    memory_gib={"tiny": 0.05, "small": 0.3, "full": 2.0},
)


class Batch(NamedTuple):
    """Permeabilities as +-1 and scaled pressures, both (N, S, S) float32."""

    shown_NSS: Tensor
    u_NSS: Tensor


def build_model(sizes: Sizes) -> FourierNeuralOperator:
    """The model with random weights, on torch's default device."""
    return FourierNeuralOperator(**{key: getattr(sizes, key) for key in ("width", "modes", "layers", "padding_px")})


def build_batches(sizes: Sizes, slot: Slot, *, rng: Seeds) -> list[Batch]:
    """The batches that training rotates over, on the device.

    Raises:
        WrongWorkError: the pressures do not solve their equation.
    """
    a_NSS = permeabilities(sizes.batch * sizes.batches, sizes.side_px, slot.generator(rng.seed("data")))
    u_NSS = pressures(a_NSS)
    residual = float((apply_operator(a_NSS, u_NSS)[:, 1:-1, 1:-1] - 1).abs().max())
    if not residual < 1e-3:
        raise WrongWorkError(f"fno: the pressures leave a residual of {residual:.2g} in their equation; expected 0.")
    shown_NSS = (2 * a_NSS - (HIGH + LOW)) / (HIGH - LOW)
    u_NSS = u_NSS / u_NSS.square().mean().sqrt()
    parts = (part.float().split(sizes.batch) for part in (shown_NSS, u_NSS))
    return [Batch(*both) for both in zip(*parts, strict=True)]


def adam(parameters: Any) -> torch.optim.Optimizer:
    """The optimiser that the card states."""
    return torch.optim.Adam(parameters, lr=1e-3, weight_decay=1e-4, fused=True)


def loss_of(model: Any, batch: Batch, slot: Slot) -> Tensor:
    """Mean over samples of the error's norm relative to that of the pressure."""
    with slot.autocast():
        found_NSS = model(batch.shown_NSS)
    error_N = (found_NSS.float() - batch.u_NSS).flatten(1).norm(dim=1)
    return (error_N / batch.u_NSS.flatten(1).norm(dim=1)).mean()


def build(sizes: Sizes, slot: Slot, *, rng: Seeds) -> tuple[Step, Any, list[Batch]]:
    """The step, the model that it trains, and the batches that it rotates over."""
    batches = build_batches(sizes, slot, rng=rng)
    with slot.device:
        model = slot.prepare(build_model(sizes), adam)
    rotation = itertools.cycle(batches)

    def step() -> Done:
        loss = loss_of(model, next(rotation), slot)
        slot.step(loss)
        return Done(items=sizes.batch, loss=loss.detach())

    return step, model, batches


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """A model, solved equations, and the step that trains on the next batch."""
    return build(sizes, slot, rng=rng)[0]


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """Pressures solve their equation and are positive, gradients reach all, the error falls by a fifth."""
    fixed = copy.copy(sizes)
    fixed.batches = 1
    step, model, (batch,) = build(fixed, slot, rng=rng)
    if not bool((batch.u_NSS[:, 1:-1, 1:-1] > 0).all()):
        raise WrongWorkError("fno: a pressure inside the square is not positive; expected all to be, by its equation.")
    with slot.autocast():
        found_NSS = model(batch.shown_NSS)
    check_output("fno", found_NSS, shape=batch.u_NSS.shape, dtype=slot.dtype)
    check_gradients("fno", model, loss_of(model, batch, slot))
    losses = [float(step().loss) for _ in range(40)]
    check_fall("fno", losses)
    if not losses[-1] < 0.8 * losses[0]:
        raise WrongWorkError(
            f"fno: 40 updates on the same squares took the relative error from {losses[0]:.3f} to {losses[-1]:.3f}; "
            "expected a fall by a fifth or more."
        )
