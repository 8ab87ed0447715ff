"""What a module behind a door offers, and what it is handed.

A workload's module has a `CARD`, `setup(sizes, slot, rng) -> Step` and `sane(sizes, slot, rng) -> None`. No base class,
no registration: mypy checks the modules against `WorkloadModule`, and a contract test runs them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from cupel.spec.card import Scalar, Workload
from cupel.spec.seeds import Seeds

Sizes: TypeAlias = Any
"""The numbers of one size as attributes (`sizes.batch`); `Any`, since each card has its own."""


@dataclass(frozen=True, slots=True)
class Done:
    """What one step did.

    Args:
        items: how many of the card's unit the step did; a host number, known without waiting for the device.
        loss: the loss as a detached scalar tensor that stays on its device, a float, or None.
        also: further counts, by the units in the card's `also`.
    """

    items: float
    loss: Any = None
    also: Mapping[str, float] | None = None


Step: TypeAlias = Callable[[], Done]


class Slot(Protocol):
    """What a job was given to work with. Everything that a run can set reaches a workload through here.

    Attributes:
        device: the device, as `torch.device` where the card needs torch, else the string `cpu`.
        dtype: the dtype for computing at the run's precision (`torch.float32` for fp32 and tf32, bf16 at fp8).
        precision: the run's precision setting (`fp32`, `tf32`, `bf16`, `fp16`, `fp8`, `int8`).
        settings: every setting of the entry's card with the value of this run.
        threads: intra-op threads of this worker.
        rank: this process among those that have data of their own, from 0.
        world: number of them that do one work together; ranks that all have the same data (`strategy=tp`) are one.
    """

    device: Any
    dtype: Any
    precision: str
    settings: Mapping[str, Scalar]
    threads: int
    rank: int
    world: int

    def autocast(self) -> AbstractContextManager[Any]:
        """The mixed-precision context of this run, that of bf16 at fp8; does nothing at fp32 and tf32."""

    def compile(self, function: Any) -> Any:
        """The function or module, compiled where the run's `compile` setting says so."""

    def laid_out(self, images: Any) -> Any:
        """Images (N, C, H, W) in the memory order of this run: channels last where the setting says so."""

    def sync(self) -> None:
        """Wait until the device has done all work that was handed to it."""

    def prepare(self, model: Any, optimizer_factory: Callable[[Any], Any]) -> Any:
        """Move a model to the device, wrap it for this run, and build its optimiser from its parameters.

        At fp8 the linear layers of its blocks are replaced first, in place; the parameters stay the same objects. A
        model that `strategy=tp` can cut has a method `parallel_plan` (`cupel.run.strategies` says of what form).

        Returns:
            The model to call; `step` then updates it.
        """

    def step(self, loss: Any, clip_norm: float | None = None) -> None:
        """Backward and update of the prepared model, loss scaling included; gradients are cleared afterwards."""

    def hold(self, model: Any) -> Any:
        """Move a model that is not trained (a teacher, a target) to the device, shared out as the trained one is.

        Parameters of the two that match are then cut alike, so that one can follow the other. It must be called itself,
        and not its parts.
        """

    def generator(self, seed: int) -> Any:
        """A `torch.Generator` on the device, seeded."""

    def note(self, text: str) -> None:
        """Say what a reader of the rate must know beside the card and the settings, such as whose data it is of.

        It is kept in the launch's result and shown in reports; runs whose notes differ are compared with a warning.
        The same text is kept once.
        """


class WorkloadModule(Protocol):
    """A module that is a workload."""

    CARD: Workload

    def setup(self, sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
        """Build model, data and optimiser, untimed; return the step to be timed."""

    def sane(self, sizes: Sizes, slot: Slot, rng: Seeds) -> None:
        """Raise `WrongWorkError` if the work is wrong; run once per entry and run, at tiny, in its own process."""
