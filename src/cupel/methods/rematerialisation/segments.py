"""Checkpointing by segments: the forward pass is cut, values at the cuts are kept, the rest is computed again.

The family that a solver is measured against, made as strong as it is known: cuts after every ~sqrt(n) operations and
after every other number of them, cuts by bytes, at any operation or only where a single operation's values cross; and
either the values of one operation or all that cross are kept at a cut. They are schedules of the same kind as the
solver's, on any graph.

Source: Chen, Xu, Zhang, Guestrin: Training Deep Nets with Sublinear Memory Cost (arXiv 1604.06174), section 3 and
algorithm 3 (greedy by bytes); Jain et al. (MLSys 2020, arXiv 1910.02653), section 6.2, for cuts at articulation points
and along the topological order of graphs that are no chains.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from cupel.methods.rematerialisation.graph import OpGraph
from cupel.methods.rematerialisation.schedule import Schedule, keep_all

GREEDY_STEPS = 24
"""Sizes of a segment in bytes that are tried."""
MOST_SEGMENTS = 48
"""Numbers of segments that are tried: 2 to this one, as far as there are operations."""


def narrow_cuts(graph: OpGraph) -> tuple[int, ...]:
    """Forward operations after which nothing is read but what they made: articulation points of the graph."""
    return tuple(cut for cut in range(graph.num_forward - 1) if {graph.maker[v] for v in graph.crossing[cut]} == {cut})


def segment_schedule(graph: OpGraph, cuts: Iterable[int], *, is_lean: bool = False, name: str = "segments") -> Schedule:
    """Keep what crosses the cuts through the forward pass; compute each segment again when its backward pass comes.

    The last segment is kept whole, since its backward pass comes at once. A value that a later segment reads and that
    was not kept is made again from what was.

    Args:
        graph: what is scheduled.
        cuts: forward operations that end a segment.
        is_lean: keep only the values of the operation at the cut, and not all that cross it.
        name: of the schedule.
    """
    ends = sorted({cut for cut in cuts if 0 <= cut < graph.num_forward - 1})
    segment = [sum(cut < i for cut in ends) for i in range(graph.num_forward)]
    kept = {v for cut in ends for v in (graph.makes[cut] if is_lean else graph.crossing[cut])}
    order, current = list(range(graph.num_forward)), len(ends)
    forward = {v for i in order for v in graph.makes[i]}
    held = kept | {v for i in order if segment[i] == current for v in graph.makes[i]}
    for j in range(graph.num_forward, graph.num_ops):
        missing = [segment[graph.maker[v]] for v in graph.needs[j] if v not in held]
        if missing and min(missing) < current:  # the backward pass has come to a segment before
            current = min(missing)
            held -= forward - kept
        again = graph.to_compute(j, held)
        order += again
        held.update(v for i in again for v in graph.makes[i])
    return Schedule(graph, tuple(order), name)


def sqrt_schedule(graph: OpGraph, *, is_lean: bool = False) -> Schedule:
    """Cuts after every ~sqrt(n) forward operations."""
    cuts = even_cuts(range(graph.num_forward), round(math.sqrt(graph.num_forward)))
    return segment_schedule(graph, cuts, is_lean=is_lean, name="sqrt(n)")


def even_cuts(ends: Sequence[int], num: int) -> list[int]:
    """Cuts, among possible ones, into `num` segments of about equally many."""
    return [ends[round(len(ends) * k / num) - 1] for k in range(1, num) if round(len(ends) * k / num) >= 1]


def greedy_cuts(graph: OpGraph, ends: Sequence[int], most_bytes: float) -> list[int]:
    """Cuts at the first of `ends` after which more than `most_bytes` were made since the last cut."""
    found, since, last = [], 0.0, -1
    for end in ends:
        since += graph.bytes_of(v for i in range(last + 1, end + 1) for v in graph.makes[i])
        last = end
        if since > most_bytes:
            found.append(end)
            since = 0.0
    return found


def segment_schedules(graph: OpGraph) -> Iterator[Schedule]:
    """The whole family: numbers of segments up to 48 and sizes in bytes of a grid, in each way to cut and to keep.

    Cost: some hundred schedules, each about as long to make as a pass over the edges per operation.
    """
    yield keep_all(graph)
    total = graph.bytes_of(v for i in range(graph.num_forward) for v in graph.makes[i])
    sizes = [total * 0.75**k for k in range(1, GREEDY_STEPS + 1)]
    seen: set[tuple[tuple[int, ...], bool]] = set()
    for ends in (range(graph.num_forward), narrow_cuts(graph)):
        even = [("segments", even_cuts(ends, num)) for num in range(2, min(len(ends), MOST_SEGMENTS) + 1)]
        greedy = [("greedy segments", greedy_cuts(graph, ends, size)) for size in sizes]
        for (name, cuts), is_lean in ((found, lean) for found in (*even, *greedy) for lean in (False, True)):
            key = (tuple(sorted(set(cuts))), is_lean)
            if key not in seen:
                seen.add(key)
                yield segment_schedule(graph, cuts, is_lean=is_lean, name=name)


def best_segments(graph: OpGraph, *, budget_bytes: float = math.inf, most_cost: float = math.inf) -> Schedule | None:
    """The cheapest of the family that keeps within both; None where none does."""
    fitting = [s for s in segment_schedules(graph) if s.peak_bytes <= budget_bytes and s.cost <= most_cost]
    return min(fitting, key=lambda s: (s.cost, s.peak_bytes), default=None)


def leanest_segments(graph: OpGraph, *, most_cost: float = math.inf) -> Schedule:
    """The one of the family that holds fewest bytes at its peak, at a cost of at most `most_cost`."""
    fitting = [s for s in segment_schedules(graph) if s.cost <= most_cost]
    return min(fitting or [keep_all(graph)], key=lambda s: (s.peak_bytes, s.cost))
