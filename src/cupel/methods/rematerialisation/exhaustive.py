"""The best schedule of a small graph by search through every state of memory, with no solver: to check one by.

A state is a stage, how far it has come, and which values are held. Computing costs; going on and letting go are free.
Dijkstra's search then finds the least cost of all schedules of the integer program's form, and nothing of its rows or
tolerances is in it.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from typing import TypeAlias

from cupel.methods.rematerialisation.graph import OpGraph
from cupel.spec.errors import UsageError

MOST_VALUES = 12
"""States grow by 2^values; beyond this the search takes minutes."""
State: TypeAlias = tuple[int, int, int]


def exhaustive_cost(graph: OpGraph, budget_bytes: float) -> float:
    """Least cost of a schedule within a budget of bytes; infinite where none exists.

    Raises:
        UsageError: the graph has more than 12 values.

    Cost: up to n^2 2^values / 2 states.
    """
    if len(graph.sizes_bytes) > MOST_VALUES:
        raise UsageError(
            f"An exhaustive search over {len(graph.sizes_bytes)} values was asked; {MOST_VALUES} is the most. Use "
            "cheapest_schedule."
        )
    start: State = (0, 0, 0)
    best = {start: 0.0}
    waiting = [(0.0, start)]
    while waiting:
        cost, state = heapq.heappop(waiting)
        if state[0] == graph.num_ops:
            return cost
        if cost > best[state]:
            continue
        for step, following in _moves(graph, budget_bytes, state):
            if cost + step < best.get(following, math.inf):
                best[following] = cost + step
                heapq.heappush(waiting, (cost + step, following))
    return math.inf


def _moves(graph: OpGraph, budget_bytes: float, state: State) -> Iterator[tuple[float, State]]:
    """What can be done in a state: let a value go, pass the next operation by, or compute it."""
    stage, at, held = state
    values = range(len(graph.sizes_bytes))
    for v in values:
        if held >> v & 1:
            yield 0.0, (stage, at, held & ~(1 << v))
    if at < stage:
        yield 0.0, (stage, at + 1, held)
    then = held | sum(1 << v for v in graph.makes[at])
    has_inputs = all(held >> v & 1 for v in graph.needs[at])
    used = graph.bytes_of(v for v in values if then >> v & 1) + graph.workspace_bytes[at]
    if has_inputs and used <= budget_bytes:
        yield graph.costs[at], (stage, at + 1, then) if at < stage else (stage + 1, 0, then)
