"""The graph that is scheduled: operations in the order of training, with what each costs, makes and needs."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from cupel.spec.errors import UsageError


@dataclass(frozen=True, eq=False)
class OpGraph:
    """Operations of a training step, forward and backward, in an order in which each follows what it needs.

    An operation makes values; a value is held or let go as a whole. In the paper every operation makes one. Kernels
    with several outputs (batch normalisation: a large result that is needed once, and two small ones that are needed
    much later) would be held whole for the sake of a part, so that here an operation may make several.

    Paper to code: v_i the i-th operation, C_i `costs`, M_i `sizes_bytes`, DEPS[i] `needs`, USERS[i] `users`.

    Args:
        costs: cost of each operation, in one unit for all (seconds, operations); at least 0.
        sizes_bytes: bytes of each value; 0 for what is not counted, such as gradients of weights.
        needs: for each operation, the values that it reads, made before it.
        num_forward: how many operations, from the first, belong to the forward pass, the loss being the last of these.
        makes: for each operation, the values that it makes; where empty, value i is what operation i makes.
        workspace_bytes: bytes that each operation takes beside its values while it runs; none where empty.
        names: a name of each operation, for messages and figures; numbers where empty.

    Raises:
        UsageError: the parts do not fit together.
    """

    costs: Sequence[float]
    sizes_bytes: Sequence[float]
    needs: Sequence[Sequence[int]]
    num_forward: int
    makes: Sequence[Sequence[int]] = ()
    workspace_bytes: Sequence[float] = ()
    names: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Refuse what no schedule could be made for."""
        num = len(self.costs)
        defaults: dict[str, Sequence[object]] = {
            "makes": [(i,) for i in range(num)],
            "workspace_bytes": [0.0] * num,
            "names": [str(i) for i in range(num)],
        }
        for name, default in defaults.items():
            object.__setattr__(self, name, tuple(getattr(self, name) or default))
        for name in ("needs", *defaults):
            if len(getattr(self, name)) != num:
                raise UsageError(
                    f"A graph of {num} operations (by costs) was asked; {name} has {len(getattr(self, name))} "
                    "entries. Give one for each operation."
                )
        if not 1 <= self.num_forward <= num:
            raise UsageError(f"num_forward is {self.num_forward}; expected 1 to {num}, the number of operations.")
        for name in ("costs", "sizes_bytes", "workspace_bytes"):
            bad = [i for i, x in enumerate(getattr(self, name)) if not (math.isfinite(x) and x >= 0)]
            if bad:
                raise UsageError(f"{name}[{bad[0]}] is {getattr(self, name)[bad[0]]}; expected a number of at least 0.")
        self._check_values()

    def _check_values(self) -> None:
        made = sorted(v for values in self.makes for v in values)
        if made != list(range(len(self.sizes_bytes))):
            raise UsageError(
                f"sizes_bytes names {len(self.sizes_bytes)} values; the operations make {made}. Expected each value to "
                "be made by one operation."
            )
        for i, needed in enumerate(self.needs):
            bad = [v for v in needed if not (0 <= v < len(made) and self.maker[v] < i)]
            if bad:
                raise UsageError(
                    f"Operation {i} needs value {bad[0]}; expected values that operations before it make. Sort the "
                    "operations so that each follows what it needs."
                )

    @property
    def num_ops(self) -> int:
        """How many operations there are."""
        return len(self.costs)

    @cached_property
    def maker(self) -> tuple[int, ...]:
        """For each value, the operation that makes it."""
        found = {v: i for i, values in enumerate(self.makes) for v in values}
        return tuple(found[v] for v in sorted(found))

    @cached_property
    def users(self) -> tuple[tuple[int, ...], ...]:
        """For each value, the operations that read it, ascending."""
        found: list[list[int]] = [[] for _ in self.sizes_bytes]
        for j, needed in enumerate(self.needs):
            for v in set(needed):
                found[v].append(j)
        return tuple(map(tuple, found))

    @property
    def total_cost(self) -> float:
        """Cost of a step that computes everything once."""
        return math.fsum(self.costs)

    @property
    def forward_cost(self) -> float:
        """Cost of the forward pass."""
        return math.fsum(self.costs[: self.num_forward])

    @cached_property
    def crossing(self) -> tuple[frozenset[int], ...]:
        """For each forward operation, the values made up to it that a forward operation after it reads."""
        found, ahead = [], frozenset[int]()
        for i in reversed(range(self.num_forward)):
            found.append(ahead - frozenset(v for v in ahead if self.maker[v] > i))
            ahead |= frozenset(self.needs[i])
        return tuple(reversed(found))

    def bytes_of(self, values: Iterable[int]) -> float:
        """Bytes of some values together."""
        return math.fsum(self.sizes_bytes[v] for v in set(values))

    @cached_property
    def floor_bytes(self) -> float:
        """Bytes below which no schedule fits: the most that one operation holds with all that it reads."""
        both = zip(self.needs, self.makes, self.workspace_bytes, strict=True)
        return max(self.bytes_of((*needed, *made)) + workspace for needed, made, workspace in both)

    def to_compute(self, op: int, held: Collection[int]) -> list[int]:
        """The operation after all those that must be computed for it while some values are held; in order."""
        found, waiting = {op}, [op]
        while waiting:
            new = {self.maker[v] for v in self.needs[waiting.pop()] if v not in held} - found
            found |= new
            waiting += new
        return sorted(found)
