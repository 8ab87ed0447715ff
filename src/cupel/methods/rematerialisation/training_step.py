"""A training step of a user's model as a graph to be scheduled, and the means to run it under a schedule."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cupel.methods.rematerialisation.execute import Execution, Ran
from cupel.methods.rematerialisation.graph import OpGraph
from cupel.methods.rematerialisation.kernels import Kernels, read_kernels
from cupel.methods.rematerialisation.schedule import Schedule
from cupel.methods.rematerialisation.segments import leanest_segments
from cupel.methods.rematerialisation.trace import Inputs, Loss, placed, refuse_other_facts, trace_step
from cupel.methods.rematerialisation.units import counted_cost, make_units
from cupel.spec.errors import UsageError

EVERY_KERNEL = 10**9
"""As many units as there are."""


class TrainingStep:
    """A training step of a model: its graph, and running it under a schedule of that graph.

    The gradients are those of `loss.backward()`, to the last bit where torch's kernels are deterministic: the same
    kernels run on the same numbers. What is random draws as an ordinary step would, and draws the same when it is
    computed again. Running averages of batch normalisation move once.

    Args:
        model: any module that torch can write down (`trace_step`): residual, attention, recurrent; no chain is needed.
        loss: called as loss(model, *inputs); a tensor with one element.
        inputs: tensors of the shapes that the step will be run with; tensors without data (`FakeTensorMode`) will do.
        most_units: operations of the graph at most: neighbours are joined until there are no more. What is joined is
            computed as a whole, so that more units leave more to choose, and a solver more to do.

    Raises:
        UsageError: the step cannot be written down, or writes where computing again would do harm.

    Example:
        >>> import torch
        >>> from cupel.methods.rematerialisation import TrainingStep, cheapest_schedule
        >>> model = torch.nn.Sequential(*[m for _ in range(4) for m in (torch.nn.Linear(8, 8), torch.nn.Tanh())])
        >>> x = torch.ones(16, 8)
        >>> step = TrainingStep(model, lambda model, x: model(x).square().mean(), [x], most_units=18)
        >>> solved = cheapest_schedule(step.graph, budget_bytes=2560)  # autograd holds 3592 bytes
        >>> loss, gradients = step.run_under(solved.schedule, x)
        >>> model(x).square().mean().backward()
        >>> torch.equal(gradients["0.weight"], model[0].weight.grad), solved.status
        (True, 'optimal')
    """

    def __init__(self, model: nn.Module, loss: Loss, inputs: Inputs, *, most_units: int = EVERY_KERNEL) -> None:
        self._model = model
        self._trace = trace_step(model, loss, inputs)
        self._kernels = read_kernels(self._trace)
        self._costs = [counted_cost(kernel) for kernel in self._kernels.kernels]
        self.units = make_units(self._kernels, self._costs, most_units=most_units)

    @property
    def graph(self) -> OpGraph:
        """The graph of its units; sizes in bytes, costs in operations or, after `measured`, in seconds.

        The loss and the gradients are of size 0: they are there at the end under any schedule. Parameters, buffers and
        inputs are in no operation's reach. Scratch memory within a kernel is not known.
        """
        return self.units.graph

    @property
    def has_unknown_sizes(self) -> bool:
        """Whether a later kernel reads what is of no size without data: a workspace, whose bytes a run would show."""
        read = {s for kernel in self._kernels.kernels for s in kernel.reads}
        return any(self._kernels.num_bytes[s] == 0 for s in read if s in self._kernels.num_bytes)

    @property
    def model(self) -> nn.Module:
        """The model."""
        return self._model

    @property
    def results_bytes(self) -> int:
        """Bytes of the loss and the gradients, which the graph does not count."""
        return sum(self._kernels.num_bytes[s] for s in self.units.results)

    def in_units(self, most_units: int) -> TrainingStep:
        """The same step with its kernels joined into other units."""
        return self._like(self._kernels, self._costs, most_units)

    def measured(self, *inputs: Tensor, repeats: int = 3) -> TrainingStep:
        """The same step with costs in seconds, the least time of each kernel in some runs, and sizes as in `sized`.

        Runs under a schedule that holds little. Buffers and generators are left as they were.

        Args:
            *inputs: tensors with data, on the model's device.
            repeats: runs that are timed, after one that is not.
        """
        every = self.in_units(EVERY_KERNEL)
        seconds, num_bytes = every.measure(*inputs, repeats=repeats)
        costs: list[float] = []
        for unit, least in zip(every.units.units, seconds, strict=True):
            costs += [least, *([0.0] * (len(unit.kernels) - 1))]
        return self._like(self._kernels.sized(num_bytes), costs, self.graph.num_ops)

    def sized(self, *inputs: Tensor) -> TrainingStep:
        """The same step with sizes as one run finds them.

        Some kernels hold more than torch can say without data: recurrent layers keep a workspace. See `measured`.
        """
        _, num_bytes = self.in_units(EVERY_KERNEL).measure(*inputs, repeats=0)
        return self._like(self._kernels.sized(num_bytes), self._costs, self.graph.num_ops)

    def measure(self, *inputs: Tensor, repeats: int = 3) -> tuple[list[float], dict[int, int]]:
        """The least seconds of each operation of the graph in some runs, and bytes by storage; see `measured`."""
        schedule, best = leanest_segments(self.graph), [math.inf] * self.graph.num_ops

        def watch(unit: int, seconds: float) -> None:
            best[unit] = min(best[unit], seconds)

        devices = {x.device for x in inputs if x.device.type != "cpu"}
        with torch.random.fork_rng(devices=list(devices), device_type=next((d.type for d in devices), "cuda")):
            trial = self._execution(inputs, is_trial=True)
            trial.run(schedule)
            for _ in range(repeats):
                self._execution(inputs, is_trial=True).run(schedule, watch)
        return best, trial.num_bytes

    def run_under(self, schedule: Schedule, *inputs: Tensor) -> Ran:
        """Compute the loss and all gradients in the sequence of a schedule.

        Args:
            schedule: of this step's `graph`.
            *inputs: tensors of the shapes that the step was made for.

        Returns:
            Loss and gradients by name. No `.grad` is touched; running averages have moved.

        Raises:
            UsageError: the schedule is of another graph; a shape or a mode is not what the step was made for.
        """
        if schedule.graph is not self.graph:
            raise UsageError(
                "The schedule is of another graph than this step's; a schedule holds for the graph that it was made "
                "for. Make one from step.graph."
            )
        return self._execution(inputs).run(schedule)

    def _execution(self, inputs: Sequence[Tensor], *, is_trial: bool = False) -> Execution:
        refuse_other_facts(self._trace, self._model, inputs)
        tensors = placed(self._trace, self._model, inputs, is_trial=is_trial)
        return Execution(self._trace, self._kernels, self.units, placed=tensors, is_trial=is_trial)

    def _like(self, kernels: Kernels, costs: Sequence[float], most_units: int) -> TrainingStep:
        other = object.__new__(TrainingStep)
        other._model, other._trace, other._kernels, other._costs = self._model, self._trace, kernels, [*costs]
        other.units = make_units(kernels, costs, most_units=most_units)
        return other
