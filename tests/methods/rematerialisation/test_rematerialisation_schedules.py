"""Graphs, schedules and segments against naive transcriptions and numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("torch", reason="the package of these methods needs torch")

from cupel.methods.rematerialisation.graph import OpGraph
from cupel.methods.rematerialisation.schedule import Schedule, keep_all
from cupel.methods.rematerialisation.segments import (
    best_segments,
    even_cuts,
    greedy_cuts,
    leanest_segments,
    narrow_cuts,
    segment_schedule,
    segment_schedules,
    sqrt_schedule,
)
from cupel.spec.errors import UsageError


def chain(layers, size=1.0, cost=1.0):
    """Forward operations, a loss of size 0, backward operations that read what came in and what went out."""
    loss = layers
    needs = [[i - 1] if i else [] for i in range(layers)] + [[layers - 1]]
    needs += [sorted({j - 1, i, *([i - 1] if i else [])}) for i, j in zip(reversed(range(layers)), range(loss + 1, 99))]  # noqa: B905
    sizes = [size] * layers + [0.0] + [size] * (layers - 1) + [0.0]
    return OpGraph([cost] * layers + [0.0] + [2 * cost] * layers, sizes, needs, layers + 1)


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


def naive_held_bytes(graph, order):
    """Values held at each step: made before and read later without being made in between."""
    found = []
    for step, op in enumerate(order):
        held = set(graph.makes[op])
        for v in range(len(graph.sizes_bytes)):
            was_made = any(v in graph.makes[i] for i in order[:step])
            after = order[step:]
            reads = [s for s, i in enumerate(after) if v in graph.needs[i]]
            makes = [s for s, i in enumerate(after) if v in graph.makes[i]]
            if was_made and reads and (not makes or reads[0] < makes[0]):
                held.add(v)
        found.append(sum(graph.sizes_bytes[v] for v in held) + graph.workspace_bytes[op])
    return found


def test_a_schedule_holds_what_is_read_later_and_nothing_else():
    rng = np.random.default_rng(0)
    for _ in range(40):
        graph = random_graph(rng, 7)
        order = list(range(7))
        for _ in range(3):  # anything computed again, once what it reads is there
            order.insert(int(rng.integers(5, len(order) + 1)), int(rng.integers(0, 5)))
        schedule = Schedule(graph, order)
        assert schedule.held_bytes == pytest.approx(naive_held_bytes(graph, order))
        assert schedule.peak_bytes == pytest.approx(max(naive_held_bytes(graph, order)))
        assert schedule.cost == pytest.approx(sum(graph.costs[i] for i in order))
        assert schedule.num_recomputed == 3


def test_releases_are_what_makes_the_held_values():
    graph = random_graph(np.random.default_rng(4), 9)
    for schedule in segment_schedules(graph):
        held = set()
        for op, kept, released in zip(schedule.order, schedule.kept, schedule.released, strict=True):
            assert set(graph.needs[op]) <= held
            held |= set(graph.makes[op])
            assert set(released) <= held
            held -= set(released)
            assert held == kept
        assert held == set()


def test_keeping_all_of_a_chain_holds_every_layer_at_the_turn():
    graph = chain(5)
    schedule = keep_all(graph)
    assert schedule.order == tuple(range(11))
    assert schedule.peak_bytes == 6  # five activations, and one gradient
    assert schedule.extra_cost == 0.0
    assert graph.total_cost == 15
    assert graph.forward_cost == 5
    assert graph.floor_bytes == 4  # a layer's input, output, and the gradient of either


def test_sqrt_segments_of_a_chain_hold_two_times_the_root():
    graph = chain(16)
    schedule = sqrt_schedule(graph)
    assert schedule.peak_bytes <= 2 * math.sqrt(16) + 2
    assert keep_all(graph).peak_bytes == 17
    assert 0 < schedule.cost - graph.total_cost <= graph.forward_cost


def test_a_segment_is_computed_again_when_its_backward_pass_comes():
    graph = chain(6)
    schedule = segment_schedule(graph, [1, 3])
    # forward 0 to 5, the loss 6; the last segment (4, 5) is kept; then 2 (3 was kept), then 0 (1 was kept)
    assert schedule.order == (0, 1, 2, 3, 4, 5, 6, 7, 8, 2, 9, 10, 0, 11, 12)
    assert schedule.extra_cost == pytest.approx(2 / 18)


def test_where_values_cross_a_cut_they_are_kept_or_made_again():
    # 0 -> 1 -> 2 -> 3, and 3 reads 0 too: a residual connection over 1 and 2; 4 the loss; backward reads everything
    needs = [[], [0], [1], [0, 2], [3], [3, 4], [2, 5], [1, 6], [0, 7]]
    graph = OpGraph([1.0] * 9, [1.0] * 9, needs, num_forward=5)
    assert graph.crossing[1] == {0, 1}
    assert narrow_cuts(graph) == (0, 3)
    kept = segment_schedule(graph, [1])
    lean = segment_schedule(graph, [1], is_lean=True)
    assert kept.num_recomputed == 0
    assert lean.order.count(0) == 2  # it was not at the cut


def test_cuts_by_number_and_by_bytes():
    assert even_cuts(range(9), 3) == [2, 5]
    assert even_cuts([4, 7], 2) == [4]
    graph = OpGraph([1.0] * 6, [1, 5, 1, 1, 1, 9], [[]] + [[i] for i in range(5)], num_forward=6)
    assert greedy_cuts(graph, range(6), 4) == [1, 5]
    assert greedy_cuts(graph, range(6), 100) == []


def test_the_best_of_the_family_keeps_to_what_was_asked():
    rng = np.random.default_rng(3)
    graph = chain(9, size=2.0)
    graph = OpGraph(rng.exponential(size=19).tolist(), graph.sizes_bytes, graph.needs, graph.num_forward)
    family = list(segment_schedules(graph))
    lean = leanest_segments(graph)
    assert lean.peak_bytes == min(s.peak_bytes for s in family)
    assert best_segments(graph, budget_bytes=lean.peak_bytes).peak_bytes == lean.peak_bytes
    assert best_segments(graph).num_recomputed == 0
    assert best_segments(graph, budget_bytes=lean.peak_bytes - 0.5) is None
    assert leanest_segments(graph, most_cost=graph.total_cost).num_recomputed == 0


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"costs": [1.0, -1.0]}, "costs[1] is -1.0"),
        ({"sizes_bytes": [1.0, math.inf]}, "sizes_bytes[1] is inf"),
        ({"needs": [[], [1]]}, "Operation 1 needs value 1"),
        ({"needs": [[]]}, "needs has 1 entries"),
        ({"num_forward": 0}, "num_forward is 0; expected 1 to 2"),
        ({"makes": [[0], [0]]}, "sizes_bytes names 2 values; the operations make [0, 0]"),
    ],
)
def test_graphs_that_fit_together_in_no_way_are_refused(changed, words):
    asked = {"costs": [1.0, 1.0], "sizes_bytes": [1.0, 1.0], "needs": [[], [0]], "num_forward": 1, **changed}
    with pytest.raises(UsageError) as caught:
        OpGraph(**asked)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("order", "words"), [([0, 1], "never computes operation 2"), ([1, 0, 2], "reads value 0 before it is made")]
)
def test_sequences_that_compute_no_step_are_refused(order, words):
    with pytest.raises(UsageError) as caught:
        Schedule(OpGraph([1.0] * 3, [1.0] * 3, [[], [0], [1]], 2), order)
    assert words in str(caught.value)
