"""Which steps of a launch count: warm-up and steady state.

Rules
    1. Step 0 never counts: it holds compilation, allocation, first loads.
    2. The logarithms of the other step times are cut where their mean or
       variance changes (PELT, penalty 15 x log n). Single wild steps
       (beyond p5 - 3 x IQR or p95 + 3 x IQR of a window of 200 steps, IQR
       being p95 - p5) do not decide where to cut; they stay in the data.
    3. The level of the launch is that of the segment with the most steps
       in the last half. Two segments are equivalent when their means differ
       by at most 1 % (or by the variance of log time, if that is more).
    4. The steady part runs from the first segment at that level to the end,
       with everything in between: stalls inside it are part of what the
       machine does and are never cut out. Of its first three steps, those
       up to the last one that took over 1.5 times as long as every later
       step are warm-up too.
    5. Outcome:
         flat             everything after step 0 is steady
         warmup           what came before was slower
         slowdown         what came before was faster (heat, throttling)
         no steady state  the last segment is at another level, longer than
                          any excursion from which the launch came back; or
                          the steady level holds for under half of the last
                          half
         too few steps    fewer than 10 steps: nothing is searched for

Source: Barrett, Bolz-Tereick, Killick, Mount & Tratt (2017), "Virtual
Machine Warmup Blows Hot and Cold", OOPSLA; Killick et al. (2012); rule R1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.checked import Floats, numbers, positive
from cupel.stats.pelt import MIN_SIZE, pelt

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Kind = Literal["flat", "warmup", "slowdown", "no steady state", "too few steps"]
FEWEST_STEPS = 10
MOST_BLOCKS = 2000
WINDOW = 200
SHORT_WARMUP = 3


@dataclass(frozen=True)
class SteadyState:
    """Where the steady part of a launch lies.

    Attributes:
        kind: what the launch did.
        start: index of the first step that counts.
        stop: one past the last step that counts (the number of steps).
        changepoints: indices of steps at which the level or the spread of step time changes.
        num_kept: `stop - start`.
    """

    kind: Kind
    start: int
    stop: int
    changepoints: tuple[int, ...]
    num_kept: int


@dataclass(frozen=True)
class _Segment:
    start: int
    stop: int
    mean: float
    variance: float


def steady_state(seconds: ArrayLike, *, penalty: float | None = None, tolerance: float = 0.01) -> SteadyState:
    """Find the steady part of a launch.

    Args:
        seconds: (n,) time of each step, step 0 first, s; time per item when steps differ in items.
        penalty: of PELT per changepoint; None for 15 log n.
        tolerance: relative difference up to which two levels are the same.

    Returns:
        Kind and range. Without a steady part (`no steady state`, `too few steps`) the range is all but step 0
        (all of it when there is only one step).

    Raises:
        UsageError: when a time is not a finite number above zero, or an option is out of range.

    Cost: 40 ms for 2000 steps or more (longer series are averaged in at most 2000 blocks first).

    Source: Barrett et al. (2017).
    """
    x = np.log(positive("seconds", seconds))
    numbers(penalty=1.0 if penalty is None else penalty, tolerance=tolerance)
    if (penalty is not None and not 0 < penalty < math.inf) or not 0 <= tolerance < math.inf:
        raise UsageError(f"penalty = {penalty}, tolerance = {tolerance}; expected numbers above 0, or None and 0.01.")
    n = x.size
    first = min(1, max(n - 1, 0))
    if n < FEWEST_STEPS:
        return SteadyState("too few steps", first, n, (), n - first)
    body = x[first:]
    wild = _wild(body)
    tame = body.copy()
    tame[wild] = np.median(body[~wild])
    block = math.ceil(body.size / MOST_BLOCKS)
    means = np.add.reduceat(tame, np.arange(0, tame.size, block)) / _block_sizes(tame.size, block)
    cuts = tuple(point * block for point in pelt(means, 15 * math.log(means.size) if penalty is None else penalty))
    edges = (0, *cuts, body.size)
    segments = [_Segment(a, b, float(tame[a:b].mean()), float(tame[a:b].var())) for a, b in pairwise(edges)]
    kind, start = _classify(segments, tolerance)
    if kind in {"flat", "warmup"}:
        lead = _short_warmup(body[start:])
        kind, start = ("warmup", start + lead) if lead else (kind, start)
    if kind == "no steady state":
        start = 0
    changepoints = tuple(first + cut for cut in cuts)
    return SteadyState(kind, first + start, n, changepoints, n - first - start)


def _block_sizes(n: int, block: int) -> Floats:
    sizes = np.full(math.ceil(n / block), float(block))
    sizes[-1] = n - block * (sizes.size - 1)
    return sizes


def _wild(x: Floats) -> np.ndarray:
    """Mask of single wild points, by Tukey's fences in windows of 200 (the last window reaches back)."""
    mask = np.zeros(x.size, dtype=bool)
    for start in range(0, x.size, WINDOW):
        window = x[max(0, min(start, x.size - WINDOW)) : start + WINDOW]
        low, high = np.percentile(window, [5, 95])
        reach = 3 * (high - low)
        part = x[start : start + WINDOW]
        mask[start : start + WINDOW] = (part < low - reach) | (part > high + reach)
    return mask


def _short_warmup(x: Floats) -> int:
    """Number of steps at the start that are warm-up too short to be a segment.

    The last of the first three steps that took over 1.5 times as long as every later step, and all before it. In a
    steady series the longest step is among the first three in 3 of n launches only.
    """
    for index in range(min(SHORT_WARMUP, x.size - 1) - 1, -1, -1):
        if x[index] > x[index + 1 :].max() + math.log(1.5):
            return index + 1
    return 0


def _classify(segments: list[_Segment], tolerance: float) -> tuple[Kind, int]:
    """Return the kind and the start of the steady part."""
    end = segments[-1].stop
    half = end // 2
    level = max(segments, key=lambda s: s.stop - max(s.start, half))

    def same(s: _Segment) -> bool:
        return abs(s.mean - level.mean) <= max(tolerance, s.variance, level.variance)

    at_level = [s for s in segments if same(s)]
    held = sum(s.stop - max(s.start, half) for s in at_level if s.stop > half)
    tail = end - at_level[-1].stop
    away = max((b.start - a.stop for a, b in pairwise(at_level)), default=0)
    start = at_level[0].start
    if tail > away or held < (end - half) / 2:
        return "no steady state", start
    before = [s for s in segments if s.stop <= start]
    if not before:
        return "flat", start
    faster = sum(s.stop - s.start for s in before if s.mean < level.mean)
    return ("slowdown" if faster >= max(MIN_SIZE, start / 2) else "warmup"), start
