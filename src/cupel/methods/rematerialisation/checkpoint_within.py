"""Train a model within a budget of bytes for activations, at the least cost of computing things again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cupel.methods.rematerialisation.graph import OpGraph
from cupel.methods.rematerialisation.rounding import rounded_schedule
from cupel.methods.rematerialisation.schedule import Schedule, keep_all
from cupel.methods.rematerialisation.segments import best_segments, leanest_segments
from cupel.methods.rematerialisation.solve import Solved, SolverOptions, cheapest_schedule
from cupel.methods.rematerialisation.trace import Inputs, Loss
from cupel.methods.rematerialisation.training_step import EVERY_KERNEL, TrainingStep
from cupel.spec.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor, nn

UNITS_SOLVED = 60
"""Units that the integer program is asked for, with forward operations alone computed again: seconds to minutes."""
UNITS_ROUNDED = 120
"""Units that the relaxed program is asked for."""
DEFAULT = SolverOptions(gap=1e-3, recompute="forward")
"""How the integer program is solved where nothing else is said."""


@dataclass(frozen=True, eq=False)
class Found:
    """A schedule of a step in some units, and how it was found.

    Attributes:
        step: the step in the units that the schedule is of.
        schedule: the cheapest that was found.
        tried: a line for each way that was tried, with its extra cost and its gap.
    """

    step: TrainingStep
    schedule: Schedule
    tried: tuple[str, ...]


class CheckpointedStep:
    """A training step that holds no more than a budget. Made by `checkpoint_within`.

    Attributes:
        schedule: the sequence of operations; `schedule.peak_bytes`, `schedule.extra_cost` (share of the work that is
            done again).
        tried: a line for each way to find one.
    """

    def __init__(self, model: nn.Module, found: Found) -> None:
        self._model, self._step = model, found.step
        self.schedule, self.tried = found.schedule, found.tried

    def backward(self, *inputs: Tensor) -> Tensor:
        """Compute the loss, and add the gradients to every parameter's `.grad`, as `loss.backward()` does.

        Returns:
            The loss, detached.
        """
        loss, gradients = self._step.run_under(self.schedule, *inputs)
        for name, parameter in self._model.named_parameters():
            gradient = gradients.get(name)
            if gradient is not None:
                parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)
        return loss


def checkpoint_within(
    model: nn.Module, loss: Loss, *, inputs: Inputs, budget_bytes: float, options: SolverOptions | None = None
) -> CheckpointedStep:
    """Plan a training step whose activations never take more than a budget of bytes, as cheap as can be found.

    Counted are the tensors that the step makes: activations, their gradients, masks. Not counted are parameters,
    buffers, inputs, the loss and the parameters' gradients, which are there under any plan, and scratch memory within a
    kernel. Costs are counted operations and moved bytes, so that the plan is the same on each machine but for the
    solver's time limit; for measured ones use `checkpoint_step(TrainingStep(...).measured(...), ...)`.

    Args:
        model: any module; see `TrainingStep` for what it may hold.
        loss: called as loss(model, *inputs); a tensor with one element.
        inputs: a batch: tensors of the shapes that all batches will have.
        budget_bytes: bytes at most.
        options: of the solver; 60 seconds, a gap of 0.1 %, and only forward operations computed again where None.

    Returns:
        The step: call `backward(*inputs)` in place of `loss(model, *inputs).backward()`.

    Raises:
        UsageError: nothing fits; the least that was found is named. Or the step cannot be planned (`TrainingStep`).

    Cost:
        Planning: at most about twice the time limit. A step: the kernels of the plan, called from Python one by one.

    Source: Jain et al.: Checkmate (MLSys 2020, arXiv 1910.02653).

    Example:
        >>> import torch
        >>> from cupel.methods.rematerialisation import checkpoint_within
        >>> model = torch.nn.Sequential(*[m for _ in range(2) for m in (torch.nn.Linear(8, 8), torch.nn.Tanh())])
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> x, y = torch.ones(32, 8), torch.zeros(32, 8)
        >>> mse = lambda model, x, y: (model(x) - y).square().mean()
        >>> step = checkpoint_within(model, mse, inputs=[x, y], budget_bytes=4200)  # autograd: 5.1 kB
        >>> loss = step.backward(x, y)
        >>> optimizer.step()
        >>> step.schedule.peak_bytes <= 4200, 0 < step.schedule.extra_cost < 0.3
        (True, True)
    """
    step = TrainingStep(model, loss, inputs)
    return checkpoint_step(step.sized(*inputs) if step.has_unknown_sizes else step, budget_bytes, options=options)


def checkpoint_step(
    step: TrainingStep, budget_bytes: float, *, options: SolverOptions | None = None
) -> CheckpointedStep:
    """`checkpoint_within` for a step made before, such as one with measured costs."""
    if not budget_bytes > 0:
        raise UsageError(f"budget_bytes is {budget_bytes}; expected a number above 0.")
    found = find_schedule(step, budget_bytes, options=options)
    if found is None:
        graph = step.in_units(EVERY_KERNEL).graph
        raise UsageError(
            f"A training step within {budget_bytes:,.0f} bytes of activations was asked; none was found. Keeping all "
            f"takes {keep_all(graph).peak_bytes:,.0f}, the leanest segments take "
            f"{leanest_segments(graph).peak_bytes:,.0f}, and one kernel alone with what it reads "
            f"{graph.floor_bytes:,.0f}. Give more, or a smaller batch."
        )
    return CheckpointedStep(step.model, found)


def find_schedule(
    step: TrainingStep, budget_bytes: float, *, most_cost: float = math.inf, options: SolverOptions | None = None
) -> Found | None:
    """The cheapest schedule of a step that any way finds: segments, the rounded relaxation, the integer program.

    Segments are tried on single kernels; the programs on units that they can take. The integer program is told the
    best cost so far, so that its proof that nothing is cheaper holds for its units alone.

    Args:
        step: with as many units as it has kernels.
        budget_bytes: bytes at most.
        most_cost: cost at most, in the unit of the step's graph.
        options: of the integer program; the relaxed one has half of the time.

    Returns:
        What was found; None where nothing was.
    """
    options = options or DEFAULT
    step = step.in_units(EVERY_KERNEL)
    tried: list[str] = []
    best: tuple[TrainingStep, Schedule] | None = None
    simple = best_segments(step.graph, budget_bytes=budget_bytes, most_cost=most_cost)
    if simple is not None:
        best = (step, simple)
        tried.append(f"{simple.found_by}, {step.graph.num_ops} kernels: extra cost {simple.extra_cost:.4f}")
    if best is not None and best[1].num_recomputed == 0:
        return Found(*best, tuple(tried))
    for name, num_units, solve in (
        ("rounded relaxation", UNITS_ROUNDED, _relaxed),
        ("integer program", UNITS_SOLVED, _exact),
    ):
        units = step.in_units(num_units)
        cap = min(most_cost, best[1].cost if best else math.inf)
        solved = solve(units.graph, budget_bytes, cap, options)
        extra = f"extra cost {solved.schedule.extra_cost:.4f}, gap {solved.gap:.4f}" if solved.schedule else "none"
        tried.append(f"{name}, {units.graph.num_ops} units, {solved.seconds:.1f} s: {solved.status}, {extra}")
        if solved.schedule and solved.schedule.cost <= cap:
            best = (units, solved.schedule)
    return Found(*best, tuple(tried)) if best else None


def _relaxed(graph: OpGraph, budget_bytes: float, most_cost: float, options: SolverOptions) -> Solved:
    del most_cost  # a rounded schedule is judged when it is there
    return rounded_schedule(graph, budget_bytes, seconds=options.seconds / 8, recompute=options.recompute)


def _exact(graph: OpGraph, budget_bytes: float, most_cost: float, options: SolverOptions) -> Solved:
    return cheapest_schedule(graph, budget_bytes, most_cost=most_cost, options=options)
