"""A schedule: the sequence in which operations are computed, some of them more than once, and what it costs and holds.

When each operation is computed says everything else: a value is let go as soon as nothing reads it any more before it
is made again. Paper to code: R_ti = 1 puts operation i into the sequence of stage t; S and Free follow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from cupel.methods.rematerialisation.graph import OpGraph
from cupel.spec.errors import UsageError


@dataclass(frozen=True, eq=False)
class Schedule:
    """Operations in the sequence in which they are computed.

    Args:
        graph: the graph they are of.
        order: index of the operation at each step; every operation at least once.
        found_by: what made it, in a word or two.

    Raises:
        UsageError: an operation is left out, or reads a value that was not made before.
    """

    graph: OpGraph
    order: Sequence[int]
    found_by: str = "given"
    _kept: tuple[frozenset[int], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Follow the sequence backwards: what is held after each step is what a later one reads."""
        absent = set(range(self.graph.num_ops)) - set(self.order)
        if absent:
            raise UsageError(f"The schedule never computes operation {min(absent)}; every operation must run once.")
        kept, held = [], frozenset[int]()
        for i in reversed(self.order):
            kept.append(held)
            held = (held - frozenset(self.graph.makes[i])) | frozenset(self.graph.needs[i])
        if held:
            raise UsageError(f"The schedule reads value {min(held)} before it is made; compute its operation earlier.")
        object.__setattr__(self, "_kept", tuple(reversed(kept)))

    @property
    def kept(self) -> tuple[frozenset[int], ...]:
        """After each step, the values that are held."""
        return self._kept

    @cached_property
    def _at(self) -> tuple[frozenset[int], ...]:
        """At each step while it computes, the values that are held or being made."""
        before = (frozenset[int](), *self._kept)
        return tuple(before[step].union(self.graph.makes[i]) for step, i in enumerate(self.order))

    @cached_property
    def released(self) -> tuple[tuple[int, ...], ...]:
        """After each step, the values that are let go, its own among them where nothing reads them."""
        return tuple(tuple(sorted(at - kept)) for at, kept in zip(self._at, self._kept, strict=True))

    @cached_property
    def held_bytes(self) -> tuple[float, ...]:
        """At each step, bytes held while it computes: what it reads, what waits, what it makes and its workspace."""
        extra = (self.graph.workspace_bytes[i] for i in self.order)
        return tuple(self.graph.bytes_of(at) + more for at, more in zip(self._at, extra, strict=True))

    @property
    def peak_bytes(self) -> float:
        """The most bytes held at any step."""
        return max(self.held_bytes)

    @cached_property
    def cost(self) -> float:
        """Cost of all steps."""
        return math.fsum(self.graph.costs[i] for i in self.order)

    @property
    def extra_cost(self) -> float:
        """Cost of what is computed again, as a share of a step that computes everything once."""
        total = self.graph.total_cost
        return (self.cost - total) / total if total > 0 else 0.0

    @property
    def num_recomputed(self) -> int:
        """Steps that compute an operation again."""
        return len(self.order) - self.graph.num_ops


def keep_all(graph: OpGraph) -> Schedule:
    """Everything computed once and kept until its last use: what autograd does."""
    return Schedule(graph, tuple(range(graph.num_ops)), "keep all")
