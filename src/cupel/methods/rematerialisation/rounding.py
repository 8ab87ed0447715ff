"""Schedules of large graphs: the integer program without its integers, and its solution rounded.

S*, the share of each result that the relaxed program would hold, is rounded; then R is the least that computes every
stage's operation and what the next stage is handed. Rounding may pass the budget, so the relaxed program is solved with
less of it, too, and the cheapest schedule that fits is taken. Beyond the paper, what room is left is used: steps that
compute something again are taken out, the dearest first, where holding the value instead still fits.

Source: Jain et al. (MLSys 2020, arXiv 1910.02653), section 5 (two-phase rounding, algorithm 2; epsilon for the budget).
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult, linprog

from cupel.methods.rematerialisation.graph import OpGraph
from cupel.methods.rematerialisation.program import Program, Recompute, Vector, Wanted, build_program
from cupel.methods.rematerialisation.schedule import Schedule
from cupel.methods.rematerialisation.solve import ROUNDING, Solved
from cupel.spec.errors import UsageError

BUDGETS = (1.0, 0.9, 0.8, 0.7)
"""Shares of the budget that the relaxed program is solved with: 1 - epsilon."""
THRESHOLDS = (0.5, 0.25, 0.75, 0.1, 0.9, 0.02)
"""Shares from which on a result counts as held; the paper's is 0.5."""


def rounded_schedule(
    graph: OpGraph, budget_bytes: float, *, seconds: float = 60.0, recompute: Recompute = "anything"
) -> Solved:
    """A cheap schedule within a budget, for graphs too large for the integer program.

    Args:
        graph: what is scheduled; some 100 operations take a minute.
        budget_bytes: bytes that may be held at most.
        seconds: time limit of each relaxed program.
        recompute: what may be computed again, see `SolverOptions`.

    Returns:
        The cheapest rounded schedule that fits (`feasible`), its gap against the bound of the relaxed program at the
        whole budget; `not found` where none fits; `infeasible` where the relaxed program already has no solution.

    Raises:
        UsageError: the budget is no number above 0.
    """
    if not budget_bytes > 0:
        raise UsageError(f"budget_bytes is {budget_bytes}; expected a number above 0.")
    start, bound, best = time.perf_counter(), math.nan, None
    for share in BUDGETS:
        if graph.floor_bytes > budget_bytes * share:
            break
        program = build_program(graph, Wanted(budget_bytes=budget_bytes * share, recompute=recompute))
        solver: Any = linprog
        found: OptimizeResult = solver(
            program.cost,
            bounds=np.array([program.lower, program.upper]).T,
            options={"time_limit": seconds},
            **_as_inequalities(program),
        )
        if found.x is None or found.status != 0:
            break
        if share == 1.0:
            bound = float(found.fun) * graph.total_cost
        best = _cheapest_rounding(program, found.x, budget_bytes, best)
    seconds = time.perf_counter() - start
    if best is None:
        is_proven = graph.floor_bytes > budget_bytes
        return Solved(None, "infeasible" if is_proven else "not found", bound, seconds=seconds)
    gap = max(0.0, 1.0 - bound / best.cost) if best.cost > 0 else 0.0
    return Solved(best, "feasible", bound, gap, seconds)


def _as_inequalities(program: Program) -> dict[str, Any]:
    """Rows as linprog wants them: A_ub x <= b_ub and A_eq x = b_eq."""
    matrix, low, high = program.rows
    same = low == high
    return {"A_ub": matrix[~same], "b_ub": high[~same], "A_eq": matrix[same], "b_eq": high[same]}


def _cheapest_rounding(program: Program, values: Vector, budget_bytes: float, best: Schedule | None) -> Schedule | None:
    """The cheapest of all roundings that fit, and of one known before."""
    shares = {key: values[place] for key, place in program.index.items() if key[0] == "S"}
    for threshold in THRESHOLDS:
        kept: list[set[int]] = [set() for _ in range(program.graph.num_ops + 1)]
        for (_, t, v), share in shares.items():
            if share >= threshold:
                kept[int(t)].add(int(v))
        found = hold_more(fill_in(program.graph, kept), budget_bytes)
        if found.peak_bytes <= budget_bytes * (1 + ROUNDING) and (best is None or found.cost < best.cost):
            best = found
    return best


def fill_in(graph: OpGraph, kept: Sequence[set[int]]) -> Schedule:
    """The least computation for values that are to be held: R from S.

    Args:
        graph: what is scheduled.
        kept: for each stage, the values that are to be handed to it by the stage before; one entry more than stages.
    """
    order: list[int] = []
    held: set[int] = set()
    for t in range(graph.num_ops):
        wanted = set(graph.to_compute(t, held))
        for v in kept[t + 1] - held:
            wanted.update(graph.to_compute(graph.maker[v], held))
        order += sorted(wanted)
        held = (held | {v for i in wanted for v in graph.makes[i]}) & kept[t + 1]
    return Schedule(graph, tuple(order), "rounded relaxation")


def hold_more(schedule: Schedule, budget_bytes: float) -> Schedule:
    """Take out repeated steps, the dearest first, as long as what is then held keeps within a budget."""
    graph, kept = schedule.graph, list(enumerate(schedule.order))
    if schedule.peak_bytes > budget_bytes:
        return schedule
    first = {i: step for step, i in reversed(kept)}
    again = [(step, i) for step, i in kept if step != first[i]]
    for place in sorted(again, key=lambda found: graph.costs[found[1]], reverse=True):
        shorter = [found for found in kept if found != place]
        if Schedule(graph, [i for _, i in shorter]).peak_bytes <= budget_bytes:
            kept = shorter
    return Schedule(graph, tuple(i for _, i in kept), schedule.found_by)
