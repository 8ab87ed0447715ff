"""The integer program against searches that share nothing with it, and against the paper's formulas."""

from __future__ import annotations

import heapq
import itertools
import math

import numpy as np
import pytest

pytest.importorskip("torch", reason="the package of these methods needs torch")

from cupel.methods.rematerialisation.exhaustive import exhaustive_cost
from cupel.methods.rematerialisation.graph import OpGraph
from cupel.methods.rematerialisation.rounding import fill_in, hold_more, rounded_schedule
from cupel.methods.rematerialisation.schedule import Schedule, keep_all
from cupel.methods.rematerialisation.segments import leanest_segments, segment_schedules
from cupel.methods.rematerialisation.solve import SolverOptions, cheapest_schedule, leanest_schedule
from cupel.spec.errors import UsageError

EXACT = SolverOptions(gap=0.0)
FORWARD = SolverOptions(gap=0.0, recompute="forward")


def random_graph(rng, num_ops, most_values=2):
    """Any graph: operations that make none, one or several values and read any before."""
    makes, needs, num = [], [], 0
    for i in range(num_ops):
        needs.append(sorted({int(v) for v in rng.integers(0, num, size=rng.integers(1, 4))}) if num else [])
        more = int(rng.integers(0 if i > 1 else 1, most_values + 1))
        makes.append(list(range(num, num + more)))
        num += more
    return OpGraph(
        costs=rng.exponential(size=num_ops).tolist(),
        sizes_bytes=rng.integers(0, 6, size=num).tolist(),
        needs=needs,
        makes=makes,
        num_forward=max(1, num_ops // 2),
        workspace_bytes=rng.integers(0, 3, size=num_ops).tolist(),
    )


def training_graph(rng, layers, skips=0):
    """A random network and its backward pass: cost and size of every operation its own."""
    inputs = [[i - 1] if i else [] for i in range(layers)]
    for _ in range(skips):
        first = int(rng.integers(0, layers - 2))
        last = int(rng.integers(first + 2, layers))
        inputs[last] = sorted({first, *inputs[last]})
    size, cost = rng.integers(1, 9, size=layers), rng.exponential(size=layers)
    back = {i: 2 * layers - i for i in range(layers)}
    needs = [*inputs, [layers - 1]]
    for i in reversed(range(layers)):
        above = [back[j] for j in range(layers) if i in inputs[j]] or [layers]
        needs.append(sorted({*above, *inputs[i], i}))
    sizes = [*size, 0, *(size[i - 1] if i else 0 for i in reversed(range(layers)))]
    costs = [*cost, 0.0, *(2 * cost[i] for i in reversed(range(layers)))]
    return OpGraph([float(c) for c in costs], [float(s) for s in sizes], needs, layers + 1)


def budgets(graph, rng):
    """From below what is possible to what holds everything."""
    low, high = max(1, int(graph.floor_bytes) - 1), int(keep_all(graph).peak_bytes)
    return float(rng.integers(low, max(low, high) + 1))


def cheapest_of_all_matrices(graph, budget):
    """Every R there is: for each stage, every subset of the operations before it; S and Free follow from R."""
    n = graph.num_ops
    best = math.inf
    subsets = [
        list(itertools.chain.from_iterable(itertools.combinations(range(t), k) for k in range(t + 1))) for t in range(n)
    ]
    for rows in itertools.product(*subsets):
        order = [i for t, again in enumerate(rows) for i in (*again, t)]
        cost = sum(graph.costs[i] for i in order)
        if cost >= best:
            continue
        try:
            schedule = Schedule(graph, order)
        except UsageError:
            continue
        if schedule.peak_bytes <= budget:
            best = cost
    return best


def test_the_search_through_memory_states_finds_what_trying_every_matrix_finds():
    rng = np.random.default_rng(1)
    finite = 0
    for _ in range(25):
        graph = random_graph(rng, 4)
        budget = budgets(graph, rng)
        expected = cheapest_of_all_matrices(graph, budget)
        assert exhaustive_cost(graph, budget) == pytest.approx(expected, rel=1e-12)
        finite += expected < math.inf
    assert 5 <= finite <= 20  # both kinds were tried


@pytest.mark.parametrize("seed", range(3))
def test_the_integer_program_is_optimal(seed):
    rng = np.random.default_rng(seed)
    kinds = {"infeasible": 0, "computed again": 0}
    for _ in range(12):
        graph = random_graph(rng, 6) if rng.random() < 0.5 else training_graph(rng, 3, skips=1)
        lean = leanest_segments(graph).peak_bytes
        budget = budgets(graph, rng) if rng.random() < 0.5 else max(1.0, lean - rng.integers(0, 2))
        expected, solved = exhaustive_cost(graph, budget), cheapest_schedule(graph, budget, options=EXACT)
        if solved.schedule is None:
            assert expected == math.inf
            assert solved.status == "infeasible"
            kinds["infeasible"] += 1
            continue
        assert solved.status == "optimal"
        assert solved.schedule.cost == pytest.approx(expected, rel=1e-9)
        assert solved.schedule.peak_bytes <= budget
        assert solved.bound <= expected * (1 + 1e-6)
        kinds["computed again"] += solved.schedule.num_recomputed > 0
    assert min(kinds.values()) >= 1


def test_no_schedule_by_segments_is_cheaper_and_no_order_at_all_is_dearer():
    rng = np.random.default_rng(7)
    for _ in range(6):
        graph = training_graph(rng, 3, skips=1)
        budget = leanest_segments(graph).peak_bytes
        found = cheapest_schedule(graph, budget, options=EXACT).schedule.cost
        within = [s.cost for s in segment_schedules(graph) if s.peak_bytes <= budget]
        assert found <= min(within) + 1e-9
        assert cheapest_of_any_order(graph, budget) <= found + 1e-9


def cheapest_of_any_order(graph, budget):
    """Dijkstra with no stages: anything may be computed whenever what it reads is held, as often as one likes."""
    start, everything = (0, 0), (1 << graph.num_ops) - 1
    best, waiting = {start: 0.0}, [(0.0, start)]
    while waiting:
        cost, (done, held) = heapq.heappop(waiting)
        if done == everything:
            return cost
        if cost > best[done, held]:
            continue
        moves = [(0.0, (done, held & ~(1 << v))) for v in range(len(graph.sizes_bytes)) if held >> v & 1]
        for i in range(graph.num_ops):
            then = held | sum(1 << v for v in graph.makes[i])
            used = sum(s for v, s in enumerate(graph.sizes_bytes) if then >> v & 1) + graph.workspace_bytes[i]
            if all(held >> v & 1 for v in graph.needs[i]) and used <= budget:
                moves.append((graph.costs[i], (done | 1 << i, then)))
        for step, state in moves:
            if cost + step < best.get(state, math.inf):
                best[state] = cost + step
                heapq.heappush(waiting, (cost + step, state))
    return math.inf


def memory_as_the_paper_writes_it(graph, schedule):
    """U by its recursion, Free by its product, of one value per operation; R and S read off the schedule."""
    n = graph.num_ops
    r, s, step = np.zeros((n, n), bool), np.zeros((n + 1, n), bool), 0
    for t in range(n):
        if step:
            s[t, list(schedule.kept[step - 1])] = True
        while True:
            r[t, schedule.order[step]] = True
            step += 1
            if schedule.order[step - 1] == t and t not in schedule.order[: step - 1]:
                break
    u = np.zeros((n, n))
    for t in range(n):
        held = sum(graph.sizes_bytes[i] * s[t, i] for i in range(n))
        for k in range(t + 1):
            held += graph.sizes_bytes[k] * r[t, k]
            u[t, k] = held
            for i in {*graph.needs[k], k}:
                later = [r[t, j] for j in graph.users[i] if k < j <= t]
                free = r[t, k] * (1 - s[t + 1, i]) * math.prod(1 - x for x in later)
                held -= graph.sizes_bytes[i] * free
    return u


def test_memory_is_what_the_papers_recursion_says():
    rng = np.random.default_rng(5)
    for _ in range(8):
        graph = training_graph(rng, 4, skips=1)
        budget = leanest_segments(graph).peak_bytes
        schedule = cheapest_schedule(graph, budget, options=EXACT).schedule
        assert memory_as_the_paper_writes_it(graph, schedule).max() == pytest.approx(schedule.peak_bytes)


def test_with_room_for_all_nothing_is_computed_again():
    graph = training_graph(np.random.default_rng(2), 5)
    for budget in (keep_all(graph).peak_bytes, 1e9, math.inf):
        schedule = cheapest_schedule(graph, budget, options=EXACT).schedule
        assert schedule.order == tuple(range(graph.num_ops))


def test_the_leanest_and_the_cheapest_are_two_views_of_one_frontier():
    rng = np.random.default_rng(9)
    for _ in range(5):
        graph = training_graph(rng, 3, skips=1)
        most = graph.total_cost + graph.forward_cost
        lean = leanest_schedule(graph, most, options=EXACT)
        assert lean.schedule.cost <= most * (1 + 1e-9)
        assert lean.schedule.peak_bytes == pytest.approx(lean.bound)
        assert exhaustive_cost(graph, lean.schedule.peak_bytes) <= most * (1 + 1e-9)
        assert exhaustive_cost(graph, lean.schedule.peak_bytes - 1.0) > most  # sizes are whole numbers


def test_computing_only_forward_operations_again_is_a_restriction_that_costs_little():
    rng = np.random.default_rng(11)
    for _ in range(6):
        graph = training_graph(rng, 4, skips=1)
        budget = leanest_segments(graph).peak_bytes
        whole, part = (cheapest_schedule(graph, budget, options=how).schedule for how in (EXACT, FORWARD))
        assert part.peak_bytes <= budget
        assert whole.cost <= part.cost + 1e-9
        again = [i for step, i in enumerate(part.order) if i in part.order[:step]]
        assert all(i < graph.num_forward for i in again)


def test_units_of_cost_and_size_change_nothing():
    graph = training_graph(np.random.default_rng(3), 4, skips=1)
    budget = leanest_segments(graph).peak_bytes
    large = OpGraph([c * 1e-6 for c in graph.costs], [s * 2**30 for s in graph.sizes_bytes], graph.needs, 5)
    ours = cheapest_schedule(graph, budget, options=EXACT)
    theirs = cheapest_schedule(large, budget * 2**30, options=EXACT)
    assert ours.schedule.extra_cost == pytest.approx(theirs.schedule.extra_cost)
    assert theirs.schedule.peak_bytes <= budget * 2**30


def test_rounding_keeps_to_the_budget_and_is_near_its_bound():
    rng = np.random.default_rng(4)
    found = 0
    for _ in range(5):
        graph = training_graph(rng, 5, skips=1)
        budget = 0.5 * (leanest_segments(graph).peak_bytes + keep_all(graph).peak_bytes)
        rounded, best = rounded_schedule(graph, budget), cheapest_schedule(graph, budget, options=EXACT)
        assert rounded.bound <= best.schedule.cost * (1 + 1e-9)
        if rounded.schedule is not None:
            found += 1
            assert rounded.schedule.peak_bytes <= budget
            assert best.schedule.cost * (1 - 1e-9) <= rounded.schedule.cost <= 1.2 * best.schedule.cost
            assert rounded.gap == pytest.approx(1 - rounded.bound / rounded.schedule.cost)
    assert found >= 3


def test_what_is_handed_on_decides_what_is_computed():
    graph = OpGraph([1.0] * 4, [1.0] * 4, [[], [0], [1], [0, 2]], num_forward=2)
    none: list[set[int]] = [set() for _ in range(5)]
    assert fill_in(graph, none).order == (0, 0, 1, 0, 1, 2, 0, 1, 2, 3)
    assert fill_in(graph, [set(), {0}, {0, 1}, {0, 2}, set()]).order == (0, 1, 2, 3)


def test_what_room_is_left_is_used_to_hold_more():
    graph = OpGraph([1.0, 5.0, 1.0, 1.0], [1.0] * 4, [[], [0], [1], [0, 1, 2]], num_forward=2)
    wasteful = Schedule(graph, [0, 0, 1, 0, 1, 2, 0, 1, 3])
    assert wasteful.peak_bytes == 4
    assert hold_more(wasteful, 4).order == (0, 1, 2, 3)
    assert hold_more(wasteful, 3.5) is wasteful  # it does not fit itself


def test_what_stopped_the_solver_is_said():
    graph = training_graph(np.random.default_rng(0), 7, skips=2)
    budget = leanest_segments(graph).peak_bytes
    stopped = cheapest_schedule(graph, budget, options=SolverOptions(seconds=1e-3))
    assert stopped.status in ("not found", "feasible")
    rough = cheapest_schedule(graph, budget, options=SolverOptions(gap=0.5))
    assert rough.status == "optimal"  # within the gap asked for
    assert 0 <= rough.gap <= 0.5
    assert rough.bound <= rough.schedule.cost
    below = cheapest_schedule(graph, graph.floor_bytes - 0.5)
    assert (below.schedule, below.status) == (None, "infeasible")


def test_what_cannot_be_asked_is_refused():
    graph = training_graph(np.random.default_rng(0), 6)
    for solve in (cheapest_schedule, rounded_schedule):
        with pytest.raises(UsageError, match="budget_bytes is 0"):
            solve(graph, 0)
    with pytest.raises(UsageError, match="computing everything once costs"):
        leanest_schedule(graph, graph.total_cost / 2)
    with pytest.raises(UsageError, match="13 values was asked; 12 is the most"):
        exhaustive_cost(graph, 10.0)
