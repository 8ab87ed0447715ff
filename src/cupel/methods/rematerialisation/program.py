"""The integer program of rematerialisation, as sparse matrices.

Training is unrolled into stages; stage t computes operation t for the first time (the frontier advances by one), and
whatever else it needs again. Variables, for stages t, operations i <= t and values v of operations before t:

    R[t, i]        1: i is computed in stage t; R[t, t] = 1 is no variable
    S[t, v]        1: value v is held from stage t - 1 into stage t
    Free[t, v, k]  1: in stage t, v is let go right after operation k was computed, k reading v or making it
    U[t, k]        bytes held in stage t once k was passed

Rows, i making v: R[t, j] <= R[t, i] + S[t, v] where j reads v; S[t, v] <= R[t-1, i] + S[t-1, v]; U follows from what is
computed and let go; U <= budget. Free may be 1 only if R[t, k] = 1, S[t+1, v] = 0 and no later reader of v runs in the
stage.

Other than in the paper, an operation may make several values, and the conditions on Free are a row each instead of one
row with their number as a factor: the relaxation is tighter, and Free needs no integrality. Rows that force Free up are
left out, since letting go only helps. R and S that cannot matter (no path leads from i to an operation of stage t or
later) are 0 from the start. Rows that some best schedule keeps anyway are added: what is held is not computed, what is
held or computed has a reader in the stage or is handed on. They take about a quarter off the time.

With `recompute="forward"` only forward operations are computed again, and only once the backward pass has begun: a
quarter of the whole variables or less. On chains and residual graphs its best cost was that of the whole program in
every case that we solved both for; it is no theorem.

Source: Jain et al. (MLSys 2020, arXiv 1910.02653), sections 4.2 to 4.6 (equations 1 to 9).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds
from scipy.sparse import csr_array

from cupel.methods.rematerialisation.graph import OpGraph

Vector: TypeAlias = NDArray[np.float64]
Key: TypeAlias = tuple[str | int, ...]
Term: TypeAlias = tuple[int, float]
Recompute: TypeAlias = Literal["anything", "forward"]


@dataclass
class Program:
    """Variables and rows as they are collected; bytes are in units of `scale_bytes`, costs in shares of one step."""

    graph: OpGraph
    scale_bytes: float
    lower: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    whole: list[int] = field(default_factory=list)
    index: dict[Key, int] = field(default_factory=dict)
    _terms: list[list[Term]] = field(default_factory=list)
    _row_bounds: list[tuple[float, float]] = field(default_factory=list)

    def variable(self, key: Key, upper: float, *, is_whole: bool = False, lower: float = 0.0) -> None:
        """Add a variable."""
        self.index[key] = len(self.lower)
        self.lower.append(lower)
        self.upper.append(upper)
        self.whole.append(int(is_whole))

    def row(self, parts: Iterable[tuple[Key, float]], high: float, *, low: float = -np.inf) -> None:
        """Add low <= sum of factor x variable <= high; R[t, t] is 1, and what is no variable is 0."""
        terms: list[Term] = []
        for key, factor in parts:
            if key in self.index:
                terms.append((self.index[key], factor))
            elif key[0] == "R" and key[1] == key[2]:
                high, low = high - factor, low - factor
        if terms:
            self._terms.append(terms)
            self._row_bounds.append((low, high))

    @property
    def bounds(self) -> Bounds:
        """Lowest and highest value of each variable."""
        return Bounds(np.array(self.lower), np.array(self.upper))

    @property
    def rows(self) -> tuple[csr_array, Vector, Vector]:
        """All rows as one sparse matrix, with the lowest and the highest value of each."""
        lengths = [len(terms) for terms in self._terms]
        flat = [term for terms in self._terms for term in terms]
        place = (np.repeat(np.arange(len(lengths)), lengths), np.array([i for i, _ in flat]))
        matrix = csr_array((np.array([x for _, x in flat]), place), shape=(len(lengths), len(self.lower)))
        low, high = np.array(self._row_bounds).T
        return matrix, low, high

    @property
    def cost(self) -> Vector:
        """Cost of each variable: of R its operation's, and of a variable fixed at 1 that of computing all once."""
        total = self.graph.total_cost or 1.0
        cost = np.zeros(len(self.lower))
        for key, place in self.index.items():
            if key[0] == "R":
                cost[place] = self.graph.costs[int(key[2])] / total
        cost[self.index["once",]] = self.graph.total_cost / total
        return cost

    def order(self, values: Vector) -> tuple[int, ...]:
        """The sequence of operations that whole values of R say."""
        found: list[int] = []
        for t in range(self.graph.num_ops):
            again = (i for i in range(t) if ("R", t, i) in self.index and values[self.index["R", t, i]] > 0.5)
            found += [*again, t]
        return tuple(found)

    @cached_property
    def last_purpose(self) -> tuple[int, ...]:
        """For each operation the last one that reads what it makes, or what is made of that; itself where none does."""
        graph, last = self.graph, list(range(self.graph.num_ops))
        for i in reversed(range(graph.num_ops)):
            last[i] = max([i, *(last[j] for v in graph.makes[i] for j in graph.users[v])])
        return tuple(last)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a program is to keep to.

    Args:
        budget_bytes: bytes that may be held at most.
        most_cost: cost that the schedule may have at most; infinite for no limit.
        recompute: what may be computed again: `anything`, or `forward` operations in the backward pass alone.
        is_leanest: make the peak a variable, `peak`, that all U keep below, for a program that minimises it.
    """

    budget_bytes: float
    most_cost: float = math.inf
    recompute: Recompute = "anything"
    is_leanest: bool = False

    def allows(self, graph: OpGraph, stage: int, op: int) -> bool:
        """Whether an operation may be computed again in a stage."""
        return self.recompute == "anything" or op < graph.num_forward <= stage


def build_program(graph: OpGraph, wanted: Wanted) -> Program:
    """Collect the variables and rows of the program of a graph."""
    program = Program(graph, wanted.budget_bytes)
    program.variable(("once",), 1.0, lower=1.0)
    if wanted.is_leanest:
        program.variable(("peak",), 1.0, lower=graph.floor_bytes / wanted.budget_bytes)
    for t in range(graph.num_ops):
        useful = [i for i in range(t) if program.last_purpose[i] >= t]
        again = [i for i in useful if wanted.allows(graph, t, i)]
        for i in again:
            program.variable(("R", t, i), 1.0, is_whole=True)
        for v in (v for i in useful for v in graph.makes[i]):
            program.variable(("S", t, v), 1.0, is_whole=True)
        for k in [*again, t]:
            is_bound = k == t and not wanted.is_leanest
            program.variable(("U", t, k), 1.0 - is_bound * graph.workspace_bytes[k] / wanted.budget_bytes)
            for v in _let_go(graph, k):
                program.variable(("Free", t, v, k), 1.0)
    for t in range(graph.num_ops):
        _dependency_rows(program, t)
        _memory_rows(program, t)
    if np.isfinite(wanted.most_cost):
        total = graph.total_cost or 1.0
        spent = [(key, graph.costs[int(key[2])] / total) for key in program.index if key[0] == "R"]
        program.row(spent, (wanted.most_cost - graph.total_cost) / total)
    return program


def _let_go(graph: OpGraph, k: int) -> list[int]:
    """Values that can be let go right after operation k: what it reads and what it makes; those of some size."""
    return [v for v in sorted({*graph.needs[k], *graph.makes[k]}) if graph.sizes_bytes[v] > 0]


def _dependency_rows(program: Program, t: int) -> None:
    """What stage t computes has what it reads; what it is handed was there in the stage before."""
    graph = program.graph
    for j in range(t + 1):
        for v in set(graph.needs[j]):
            program.row([(("R", t, j), 1.0), (("R", t, graph.maker[v]), -1.0), (("S", t, v), -1.0)], 0.0)
    for i in range(t):
        again: Key = ("R", t, i)
        for v in graph.makes[i]:
            kept: Key = ("S", t, v)
            program.row([(kept, 1.0), (("R", t - 1, i), -1.0), (("S", t - 1, v), -1.0)], 0.0)
            program.row([(kept, 1.0), (again, 1.0)], 1.0)
            program.row([(kept, 1.0), *_purposes(graph, t, v)], 0.0)
        program.row([(again, 1.0), *(term for v in graph.makes[i] for term in _purposes(graph, t, v))], 0.0)


def _purposes(graph: OpGraph, t: int, v: int) -> list[tuple[Key, float]]:
    """Minus what a value is there for in stage t: readers in the stage, and the stage after."""
    return [(("S", t + 1, v), -1.0), *((("R", t, j), -1.0) for j in graph.users[v] if j <= t)]


def _memory_rows(program: Program, t: int) -> None:
    """Bytes held as stage t goes through its operations, and when a value may be let go."""
    graph = program.graph
    size = [x / program.scale_bytes for x in graph.sizes_bytes]
    passed = [k for k in range(t + 1) if ("U", t, k) in program.index]
    for place, k in enumerate(passed):
        made: list[tuple[Key, float]] = [(("U", t, k), -1.0), (("R", t, k), sum(size[v] for v in graph.makes[k]))]
        if place == 0:
            made += [(("S", t, v), size[v]) for i in range(t) for v in graph.makes[i]]
        else:
            before = passed[place - 1]
            made.append((("U", t, before), 1.0))
            made += [(("Free", t, v, before), -size[v]) for v in _let_go(graph, before)]
        program.row(made, 0.0, low=0.0)
        _room_row(program, t, k)
        for v in _let_go(graph, k):
            free: tuple[Key, float] = (("Free", t, v, k), 1.0)
            program.row([free, (("R", t, k), -1.0)], 0.0)
            for key in [("S", t + 1, v), *(("R", t, j) for j in graph.users[v] if k < j <= t)]:
                program.row([free, (key, 1.0)], 1.0)


def _room_row(program: Program, t: int, k: int) -> None:
    """U and the workspace of what runs keep below the budget, or below the peak where that is sought."""
    workspace = program.graph.workspace_bytes[k] / program.scale_bytes
    if ("peak",) in program.index:
        program.row([(("U", t, k), 1.0), (("R", t, k), workspace), (("peak",), -1.0)], 0.0)
    elif workspace > 0 and k < t:
        program.row([(("U", t, k), 1.0), (("R", t, k), workspace)], 1.0)
