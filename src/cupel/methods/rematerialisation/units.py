"""Kernels of a step put together into units, the operations that are scheduled.

A unit is a run of kernels in a row, computed as a whole. What it leaves behind are values: storages that the same units
read are one. Kernels that write into what another made are in its unit. Where there are more units than a solver can
take, neighbours are joined: first those whose joining raises least what must be held at once, and puts least at stake
that could have been let go alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch.fx.node import map_arg

from cupel.measure.flop import counting_mode
from cupel.methods.rematerialisation.graph import OpGraph
from cupel.methods.rematerialisation.kernels import Kernel, Kernels, used_tensors

FLOP_PER_BYTE = 10.0
"""Floating-point operations in the time that one byte is moved: a rule of thumb for CPUs and accelerators."""


@dataclass(frozen=True, eq=False)
class Unit:
    """A run of kernels.

    Attributes:
        kernels: in the order in which they run.
        reads: storages of other units that it reads.
        leaves: storages that it makes and that a later unit reads; results of the step are not among them.
        drops: after each kernel, storages made within the unit that nothing reads any more.
        again: kernels that make what it leaves; the others (weights' gradients, counters) need not run a second time.
        cost: of running it.
        size_bytes: bytes of `leaves`.
        workspace_bytes: bytes held beside these at the worst moment within.
    """

    kernels: tuple[Kernel, ...]
    reads: frozenset[int]
    leaves: frozenset[int]
    drops: tuple[frozenset[int], ...]
    again: frozenset[Kernel]
    cost: float
    size_bytes: int
    workspace_bytes: int


@dataclass(frozen=True, eq=False)
class Units:
    """All units of a step, and the graph that they are scheduled by.

    Attributes:
        units: in order.
        graph: an operation per unit.
        values: the storages of each value of the graph.
        results: storages of the loss and the gradients: held to the end, outside of the budget.
    """

    units: tuple[Unit, ...]
    graph: OpGraph
    values: tuple[frozenset[int], ...]
    results: frozenset[int]


def counted_cost(kernel: Kernel) -> float:
    """Cost of a kernel by its shapes: operations of its products, and bytes of its tensors times a rule of thumb."""
    counter = counting_mode()
    with counter:
        kernel.node.target(*_values(kernel.node.args), **_values(kernel.node.kwargs))  # type: ignore[operator]
    moved = sum(x.numel() * x.element_size() for x in used_tensors(kernel.node))
    return float(counter.total) + FLOP_PER_BYTE * moved


def _values(arguments: Any) -> Any:
    """Arguments of a kernel, as tensors without data."""
    return map_arg(arguments, lambda node: node.meta["val"])


def _makers(run: Sequence[Kernel], leaves: frozenset[int]) -> frozenset[Kernel]:
    """The kernels of a run that something is made by, directly or not, that is left behind."""
    wanted, found = set(leaves), set()
    for kernel in reversed(run):
        if wanted & {*kernel.makes.values(), *kernel.writes}:
            found.add(kernel)
            wanted |= kernel.reads
    return frozenset(found)


class _Joining:
    """Runs of kernels, and what a run would read, leave and hold."""

    def __init__(self, kernels: Kernels, costs: Sequence[float]) -> None:
        self.kernels = kernels
        self.costs = costs
        self.last_reader = {s: i for i, kernel in enumerate(kernels.kernels) for s in kernel.reads}
        self.results = frozenset(s for s in kernels.outputs if s is not None)
        self.num_forward = kernels.num_forward
        self._found: dict[tuple[int, int], Unit] = {}

    def unit(self, start: int, end: int) -> Unit:
        """The unit of the kernels from `start` up to and without `end`."""
        if (start, end) not in self._found:
            self._found[start, end] = self._unit(start, end)
        return self._found[start, end]

    def _unit(self, start: int, end: int) -> Unit:
        run, bytes_of = self.kernels.kernels[start:end], self.kernels.num_bytes
        made = {s for kernel in run for s in kernel.makes.values()} - self.results
        leaves = frozenset(s for s in made if self.last_reader.get(s, -1) >= end)
        drops, held, peak = [], 0, 0
        for i, kernel in enumerate(run, start):
            held += sum(bytes_of[s] for s in set(kernel.makes.values()) - self.results)
            peak = max(peak, held + kernel.copied_bytes)
            gone = frozenset(s for s in made - leaves if max(self.last_reader.get(s, -1), self.kernels.maker[s]) == i)
            held -= sum(bytes_of[s] for s in gone)
            drops.append(gone)
        size = sum(bytes_of[s] for s in leaves)
        outside = frozenset(s for kernel in run for s in kernel.reads if not start <= self.kernels.maker[s] < end)
        cost, again = sum(self.costs[start:end]), _makers(run, leaves)
        return Unit(run, outside, leaves, tuple(drops), again, cost, size, max(0, peak - size))

    def bound_together(self) -> list[int]:
        """Where runs start: a new one wherever no kernel writes back over the place."""
        stays = [False] * len(self.kernels.kernels)
        for i, kernel in enumerate(self.kernels.kernels):
            for s in kernel.writes & set(self.kernels.maker):
                stays[self.kernels.maker[s] + 1 : i + 1] = [True] * (i - self.kernels.maker[s])
        return [i for i, is_bound in enumerate(stays) if not is_bound]

    def harm(self, left: Unit, right: Unit, both: Unit) -> tuple[float, float]:
        """Bytes that joining two units costs: more held at once, and less that can be let go alone; then their cost."""
        working = [self.working_bytes(unit) for unit in (left, right, both)]
        at_stake = min(sum(self.kernels.num_bytes[s] for s in left.leaves & both.leaves), right.size_bytes)
        return working[2] - max(working[:2]) + at_stake, both.cost

    def working_bytes(self, unit: Unit) -> int:
        """Bytes that a unit holds at its worst moment, with all that it reads."""
        read = sum(self.kernels.num_bytes[s] for s in unit.reads - self.results)
        return read + unit.size_bytes + unit.workspace_bytes


def make_units(kernels: Kernels, costs: Sequence[float], *, most_units: int) -> Units:
    """Join kernels into units and describe them as a graph.

    Args:
        kernels: of a step.
        costs: cost of each kernel.
        most_units: units at most. Fewer may be needed where kernels are bound together.
    """
    joining = _Joining(kernels, costs)
    starts = sorted({*joining.bound_together(), *_boundary(joining)})
    ends = [*starts[1:], len(kernels.kernels)]
    runs = [joining.unit(start, end) for start, end in zip(starts, ends, strict=True)]
    edges = list(zip(starts, ends, strict=True))
    while len(runs) > most_units:
        tried = []
        for place in range(len(runs) - 1):
            (start, middle), (_, end) = edges[place], edges[place + 1]
            if middle != joining.num_forward:
                both = joining.unit(start, end)
                tried.append((joining.harm(runs[place], runs[place + 1], both), place, both))
        if not tried:
            break
        _, place, both = min(tried, key=lambda found: found[:2])
        edges[place : place + 2] = [(edges[place][0], edges[place + 1][1])]
        runs[place : place + 2] = [both]
    num_forward = sum(end <= joining.num_forward for _, end in edges)
    return _as_graph(runs, kernels, num_forward=max(1, num_forward), results=joining.results)


def _boundary(joining: _Joining) -> set[int]:
    """Where the backward pass starts, unless that lies within kernels that are bound together."""
    place = joining.num_forward
    return {place} & set(joining.bound_together())


def _as_graph(units: Sequence[Unit], kernels: Kernels, *, num_forward: int, results: frozenset[int]) -> Units:
    """An operation per unit, a value per group of storages that the same units read."""
    readers: dict[int, set[int]] = {}
    for i, unit in enumerate(units):
        for s in unit.reads:
            readers.setdefault(s, set()).add(i)
    values: list[frozenset[int]] = []
    makes: list[list[int]] = []
    for unit in units:
        groups: dict[frozenset[int], set[int]] = {}
        for s in sorted(unit.leaves, key=kernels.maker.__getitem__):
            groups.setdefault(frozenset(readers[s]), set()).add(s)
        makes.append(list(range(len(values), len(values) + len(groups))))
        values += map(frozenset, groups.values())
    home = {s: v for v, group in enumerate(values) for s in group}
    graph = OpGraph(
        costs=[unit.cost for unit in units],
        sizes_bytes=[sum(kernels.num_bytes[s] for s in group) for group in values],
        needs=[sorted({home[s] for s in unit.reads if s in home}) for unit in units],
        num_forward=num_forward,
        makes=makes,
        workspace_bytes=[unit.workspace_bytes for unit in units],
        names=[" ".join(dict.fromkeys(k.name.removeprefix("aten.") for k in unit.kernels)) for unit in units],
    )
    return Units(tuple(units), graph, tuple(values), results)
