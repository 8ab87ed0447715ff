"""The largest batch of a model's training step that fits within a budget of bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from torch._subclasses.fake_tensor import FakeTensorMode

from cupel.methods.rematerialisation.checkpoint_within import DEFAULT, Found, find_schedule
from cupel.methods.rematerialisation.segments import leanest_segments
from cupel.methods.rematerialisation.solve import SolverOptions
from cupel.methods.rematerialisation.trace import Inputs, Loss
from cupel.methods.rematerialisation.training_step import TrainingStep
from cupel.spec.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

PRECISION = 0.02
"""The search ends when what fits and what does not are this share apart; batches up to 50 are found exactly."""


@dataclass(frozen=True)
class LargestBatch:
    """What fits.

    Attributes:
        batch: the largest batch for which a schedule was found, to 2 %.
        input_bytes: bytes of its inputs.
        peak_bytes: bytes of what its schedule holds at its peak beside these.
        extra_cost: share of the work that its schedule does again.
        segments_batch: the largest batch for which a schedule by segments fits: what is had without a solver.
        bound: no larger batch fits under any schedule, since one kernel alone would not.
    """

    batch: int
    input_bytes: int
    peak_bytes: float
    extra_cost: float
    segments_batch: int
    bound: int


def bisect_largest(fits: Callable[[int], bool], low: int, high: int, *, precision: float = 0.0) -> int:
    """The largest number from `low` to `high` that fits, taking it that all below one that fits do; `low` is not asked.

    With a precision, one that fits and is at most that share below the largest.

    Example:
        >>> bisect_largest(lambda batch: batch**2 <= 50, 0, 100)
        7
    """
    while high - low > precision * low:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def largest_batch(
    model: nn.Module,
    loss: Loss,
    *,
    inputs_of: Callable[[int], Inputs],
    budget_bytes: float,
    options: SolverOptions | None = None,
) -> LargestBatch:
    """Find the largest batch whose training step fits, with no more work than one forward pass done again.

    Nothing is run: batches are traced without data, so that the budget may be of a machine that is not at hand.

    Args:
        model: any module; see `TrainingStep`.
        loss: called as loss(model, *inputs).
        inputs_of: makes inputs for a batch of a given number. It is called where tensors have no data: `torch.randn`
            and slices of a tensor of your own both work.
        budget_bytes: bytes that inputs and what the step holds (`TrainingStep.graph`) may take together.
        options: of the solver for each batch that is tried; see `checkpoint_within`.

    Raises:
        UsageError: not even a batch of 1 fits.

    Cost:
        Some 20 traces and, between what segments reach and what one kernel alone allows, a solve for each halving.

    Example:
        >>> import torch
        >>> model = torch.nn.Sequential(*[m for _ in range(2) for m in (torch.nn.Linear(8, 8), torch.nn.Tanh())])
        >>> def loss(model, x):
        ...     return model(x).square().mean()
        >>> found = largest_batch(model, loss, inputs_of=lambda n: [torch.randn(n, 8)], budget_bytes=10_000)
        >>> found.peak_bytes + found.input_bytes <= 10_000, found.segments_batch <= found.batch <= found.bound
        (True, True)
    """
    search = _Search(model, loss, inputs_of, budget_bytes, options or DEFAULT)
    bound = search.largest(search.floor_bytes)
    if not bound:
        raise UsageError(
            f"The largest batch within {budget_bytes:,.0f} bytes was asked; a batch of 1 takes "
            f"{search.floor_bytes(1):,.0f} for one kernel and its inputs alone. Give more."
        )
    by_segments = search.largest(search.segments_bytes)
    batch = bisect_largest(lambda n: search.found(n, is_any=True) is not None, by_segments, bound, precision=PRECISION)
    found = (search.found(batch) or search.found(batch, is_any=True)) if batch else None
    if found is None:
        raise UsageError(
            f"The largest batch within {budget_bytes:,.0f} bytes was asked; for a batch of 1 no schedule was found "
            "that does at most one forward pass again. Give more bytes, or the solver more time."
        )
    return LargestBatch(
        batch, search.step(batch)[1], found.schedule.peak_bytes, found.schedule.extra_cost, by_segments, bound
    )


@dataclass
class _Search:
    """Whether batches fit, by three measures of rising price."""

    model: nn.Module
    loss: Loss
    inputs_of: Callable[[int], Inputs]
    budget_bytes: float
    options: SolverOptions
    _steps: dict[int, tuple[TrainingStep, int]] = field(default_factory=dict)

    def step(self, batch: int) -> tuple[TrainingStep, int]:
        """The step of a batch, and the bytes of its inputs."""
        if batch not in self._steps:
            self._steps[batch] = self._trace(batch)
        return self._steps[batch]

    def _trace(self, batch: int) -> tuple[TrainingStep, int]:
        with FakeTensorMode(allow_non_fake_inputs=True):
            inputs = self.inputs_of(batch)
        step = TrainingStep(self.model, self.loss, inputs)
        if step.has_unknown_sizes:
            raise UsageError(
                "The largest batch was asked of a model with kernels whose memory torch does not know without data "
                "(recurrent layers keep a workspace). Try batches one by one: TrainingStep(...).sized(*inputs)."
            )
        return step, sum(x.numel() * x.element_size() for x in inputs)

    def largest(self, bytes_of: Callable[[int], float]) -> int:
        """The largest batch that fits by a measure of bytes: guessed as if they rose evenly, then searched for."""

        def fits(batch: int) -> bool:
            return bytes_of(batch) <= self.budget_bytes

        few, more = bytes_of(1), bytes_of(9)
        if few > self.budget_bytes:
            return 0
        low = high = 1 + int((self.budget_bytes - few) / max(1.0, (more - few) / 8))
        width = 1
        while not fits(low):
            low, high, width = max(1, low - width), low - 1, 2 * width
        while fits(high + 1):
            low, high, width = high + 1, high + width, 2 * width
        return bisect_largest(fits, low, high)

    def floor_bytes(self, batch: int) -> float:
        """What the largest kernel alone takes, with the inputs."""
        step, taken = self.step(batch)
        return step.graph.floor_bytes + taken

    def segments_bytes(self, batch: int) -> float:
        """What the leanest segments take that do one forward pass again at most, with the inputs."""
        step, taken = self.step(batch)
        most = step.graph.total_cost + step.graph.forward_cost
        return leanest_segments(step.graph, most_cost=most).peak_bytes + taken

    def found(self, batch: int, *, is_any: bool = False) -> Found | None:
        """The schedule of a batch, where one is found: the cheapest, or the first."""
        step, taken = self.step(batch)
        most = step.graph.total_cost + step.graph.forward_cost
        options = replace(self.options, gap=1.0) if is_any else self.options
        return find_schedule(step, self.budget_bytes - taken, most_cost=most, options=options)
