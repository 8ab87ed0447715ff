"""The best schedule by the integer program: cheapest within a budget of bytes, or leanest within a cost.

Best means: of all schedules whose frontier advances in the order of the graph and that compute an operation at most
once per stage. The gap that the solver stopped at is part of the answer.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from scipy.optimize import LinearConstraint, OptimizeResult, milp

from cupel.methods.rematerialisation.graph import OpGraph
from cupel.methods.rematerialisation.program import Program, Recompute, Vector, Wanted, build_program
from cupel.methods.rematerialisation.schedule import Schedule
from cupel.spec.errors import UsageError

Status: TypeAlias = Literal["optimal", "feasible", "infeasible", "not found"]
ROUNDING = 1e-9
"""Share by which sums of bytes or costs may differ by the order in which they were added."""


@dataclass(frozen=True, kw_only=True)
class SolverOptions:
    """When the solver stops, and what it may compute again.

    Args:
        seconds: time limit; infinite for none. A schedule found under a time limit depends on the machine.
        gap: the solver is content with a value within this share of the best one possible.
        nodes: nodes of the search tree at most; None for no limit. Unlike time, the same on every machine.
        recompute: `anything`, as in the paper; or `forward`: forward operations alone, in the backward pass, which is
            solved for graphs of about twice as many operations in the same time.
    """

    seconds: float = 60.0
    gap: float = 1e-4
    nodes: int | None = None
    recompute: Recompute = "anything"


@dataclass(frozen=True)
class Solved:
    """What a solver found, and how good it is known to be.

    Attributes:
        schedule: the schedule; None where there is none, or none was found.
        status: `optimal` within the gap asked for; `feasible`: stopped by a limit; `infeasible`: proven that none
            exists; `not found`: stopped by a limit with nothing in hand.
        bound: no schedule of this form has a lower value, cost or bytes; NaN where unknown.
        gap: (value - bound) / value; NaN where unknown.
        seconds: time that it took.
    """

    schedule: Schedule | None
    status: Status
    bound: float = math.nan
    gap: float = math.nan
    seconds: float = math.nan


def cheapest_schedule(
    graph: OpGraph, budget_bytes: float, *, most_cost: float = math.inf, options: SolverOptions | None = None
) -> Solved:
    """The schedule of least cost that never holds more than a budget of bytes.

    Args:
        graph: what is scheduled; up to some 40 operations are solved in seconds to minutes.
        budget_bytes: bytes that may be held at most.
        most_cost: only schedules up to this cost; a known schedule's makes the search shorter.
        options: when to stop, and what may be computed again.

    Raises:
        UsageError: the budget is no number above 0.

    Cost:
        A mixed integer program with about n^2 whole variables and n (n + edges) others. Time can grow exponentially.

    Source: Jain et al. (MLSys 2020, arXiv 1910.02653), section 4.

    Example:
        >>> from cupel.methods.rematerialisation.graph import OpGraph
        >>> graph = OpGraph(  # three layers forward, the loss, three backward
        ...     costs=[1, 1, 1, 0, 2, 2, 2], sizes_bytes=[8, 8, 8, 0, 8, 8, 0], num_forward=4,
        ...     needs=[[], [0], [1], [2], [2, 3], [1, 4], [0, 5]],
        ... )
        >>> solved = cheapest_schedule(graph, budget_bytes=24)
        >>> solved.status, solved.schedule.peak_bytes, solved.schedule.extra_cost
        ('optimal', 24.0, 0.1111111111111111)
    """
    if not budget_bytes > 0:
        raise UsageError(f"budget_bytes is {budget_bytes}; expected a number above 0.")
    if graph.floor_bytes > budget_bytes:
        return Solved(None, "infeasible")
    options = options or SolverOptions()
    room = min(budget_bytes, 2 * math.fsum((*graph.sizes_bytes, *graph.workspace_bytes)) + 1.0)  # finite
    for shrink in (1.0, 1.0 - 1e-5):  # the solver's own tolerance may let it pass the budget by a millionth
        program = build_program(
            graph, Wanted(budget_bytes=room * shrink, most_cost=most_cost, recompute=options.recompute)
        )
        solved = _solve(program, program.cost, graph.total_cost or 1.0, options)
        if solved.schedule is None or solved.schedule.peak_bytes <= budget_bytes * (1 + ROUNDING):
            return solved
    return Solved(None, "not found", seconds=solved.seconds)


def leanest_schedule(
    graph: OpGraph, most_cost: float, *, within_bytes: float = math.inf, options: SolverOptions | None = None
) -> Solved:
    """The schedule that holds fewest bytes at its peak, at no more than a given cost.

    Args:
        graph: what is scheduled.
        most_cost: cost that it may have at most, such as `graph.total_cost + graph.forward_cost`: one forward pass
            more.
        within_bytes: only schedules up to this peak; a known schedule's makes the search shorter.
        options: when to stop, and what may be computed again.

    Raises:
        UsageError: the cost is below that of computing everything once.
    """
    if most_cost < graph.total_cost * (1 - ROUNDING):
        raise UsageError(
            f"A schedule of cost {most_cost:.6g} at most was asked; computing everything once costs "
            f"{graph.total_cost:.6g}. Give at least that."
        )
    options = options or SolverOptions()
    room = min(within_bytes, math.fsum((*graph.sizes_bytes, *graph.workspace_bytes)))
    if graph.floor_bytes > room:
        return Solved(None, "infeasible")
    program = build_program(
        graph, Wanted(budget_bytes=room or 1.0, most_cost=most_cost, recompute=options.recompute, is_leanest=True)
    )
    objective = np.zeros(len(program.lower))
    objective[program.index["peak",]] = 1.0
    return _solve(program, objective, room or 1.0, options)


def _solve(program: Program, objective: Vector, unit: float, options: SolverOptions) -> Solved:
    """Hand the program to HiGHS and read its answer; `unit` turns the objective into a cost or bytes."""
    asked: dict[str, Any] = {"mip_rel_gap": options.gap}
    if math.isfinite(options.seconds):
        asked["time_limit"] = options.seconds
    if options.nodes is not None:
        asked["node_limit"] = options.nodes
    start = time.perf_counter()
    solver: Any = milp
    found: OptimizeResult = solver(
        objective,
        integrality=np.array(program.whole),
        bounds=program.bounds,
        constraints=LinearConstraint(*program.rows),
        options=asked,
    )
    seconds = time.perf_counter() - start
    if found.x is None:
        return Solved(None, "infeasible" if found.status == 2 else "not found", seconds=seconds)
    schedule = Schedule(program.graph, program.order(found.x), "integer program")
    bound = float(found.mip_dual_bound) * unit
    value = float(found.fun) * unit
    gap = max(0.0, (value - bound) / value) if value > 0 else 0.0
    return Solved(schedule, "optimal" if found.status == 0 else "feasible", bound, gap, seconds)
