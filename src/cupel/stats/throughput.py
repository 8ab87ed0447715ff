"""The throughput of one launch, and how sure it is.

Formula
    throughput = items done / time taken, both summed over the steps that
    count. Never a mean of rates: a mean of rates hides stalls. A step
    without items takes its time: it is taken together with the next one.

Which steps count
    Those of the steady part (`cupel explain steady_state`): all but step 0
    and the warm-up. When no steady part is found, all but step 0, and the
    result says so.

The within-launch interval
    10 batches of consecutive steps (5 when 30 to 59 steps count), Student's
    t over the logarithms of their rates. When the steps may be correlated
    it is widened to what the upper end of the lag-1 correlation allows.
    It is refused, with the reason in words, when
      - there are fewer than 10 steps                too few steps
      - fewer than 30 steps count                        few steps
      - there is no steady state, or a slowdown
      - the steps are worth fewer than 10 independent ones, by Geyer's
        sequence or at the upper end of the lag-1 correlation
                                              effective n too small
      - a time, an item count or a loss is not finite; the rate drifts,
        ramps up, or is beyond what the device can do
    It speaks of this launch only. The interval that is shown for an entry
    is the one between launches, which is usually several times wider.

Also reported
    Effective number of steps, lag-1 correlation, p50, p95 and p99 of step
    time (linear interpolation) with order-statistic intervals, and what
    looks wrong: drift, ramps, spikes, stalls, impossible rates, a steady
    state that begins after half of the launch.

Source: rules R1, R6 and R8 of Cupel's statistics; Law & Carson (1979)
for batch means; Geyer (1992) for the effective number; coverage and
refusal rates are measured in tests/statistical and docs/statistics.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cupel.stats.autocorrelation import effective_size, pessimistic_size
from cupel.stats.batch_means import FEWEST_EFFECTIVE, FEWEST_KEPT, batch_interval
from cupel.stats.checked import Floats, fraction
from cupel.stats.interval import Interval
from cupel.stats.note import Note
from cupel.stats.order_statistic import quantile_interval
from cupel.stats.steady_state import FEWEST_STEPS, Kind, SteadyState, steady_state
from cupel.stats.suspicious import matched, suspicious

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

UNTRUSTED_CODES = frozenset({"not finite", "ramp", "drift", "impossible rate"})
UNSTABLE_CODES = frozenset(
    {"unstable", "no steady state", "slowdown", "too few steps", "drift", "ramp", "not finite", "impossible rate"}
)


@dataclass(frozen=True)
class Throughput:
    """What one launch did.

    Attributes:
        rate: items per second over the steps that count; NaN when the sums are not finite.
        interval: within-launch interval of the rate, or None; `warnings` says why.
        num_steps: steps of the launch.
        num_kept: steps that count.
        start: index of the first step that counts.
        kind: what the launch did, see `steady_state`.
        ess: how many independent steps the kept ones are worth, 1 to `num_kept`; None when unknown.
        rho1: lag-1 autocorrelation of log time per item; None when unknown.
        p50_s: median step time, s.
        p95_s: 95th percentile of step time, s.
        p99_s: 99th percentile of step time, s.
        p50_interval: order-statistic interval, or None when too few steps.
        p95_interval: the same.
        p99_interval: the same.
        changepoints: indices of steps where the level or the spread of step time changes.
        warnings: what a reader must know.
    """

    rate: float
    interval: Interval | None
    num_steps: int
    num_kept: int
    start: int
    kind: Kind
    ess: float | None
    rho1: float | None
    p50_s: float
    p95_s: float
    p99_s: float
    p50_interval: Interval | None
    p95_interval: Interval | None
    p99_interval: Interval | None
    changepoints: tuple[int, ...]
    warnings: tuple[Note, ...]

    @property
    def is_unstable(self) -> bool:
        """Whether the rate is not one number: no steady part, a slowdown, a drift, a ramp, or broken values."""
        return any(note.code in UNSTABLE_CODES for note in self.warnings)


def throughput(
    items: ArrayLike,
    seconds: ArrayLike,
    *,
    level: float = 0.95,
    peak_rate: float | None = None,
    losses: ArrayLike | None = None,
) -> Throughput:
    """Measure the throughput of one launch.

    Args:
        items: (n,) items done in each step, or one number for all.
        seconds: (n,) time of each step, step 0 first, s; ranks are summed in `items`, the slowest rank's time here.
        level: of the intervals.
        peak_rate: the most items per second that the device can do.
        losses: (n,) loss after each step, where there is one.

    Returns:
        Rate, interval or the reason for none, percentiles and warnings. Broken values give a NaN rate and a warning.

    Raises:
        UsageError: when the shapes do not fit or there is no step.

    Cost: 50 ms for 20,000 steps.
    """
    work, time = matched(items, seconds)
    fraction("level", level)
    clean = bool(np.all(np.isfinite(work) & np.isfinite(time) & (work >= 0) & (time >= 0)) and (work * time > 0).any())
    whole_work, whole_s, first = _whole_steps(work, time) if clean else (work, time, np.arange(time.size))
    found = steady_state(whole_s / whole_work) if clean else _unsearched(time.size)
    state = _in_steps(found, first, time.size)
    notes = suspicious(work, time, losses=losses, peak_rate=peak_rate, start=state.start)
    kept_items, kept_s = work[state.start : state.stop], time[state.start : state.stop]
    part = slice(found.start, found.stop)
    logs: Floats = np.log(whole_s[part] / whole_work[part]) if clean else np.empty(0)
    rho1, size = pessimistic_size(logs) if clean else (None, 1.0)
    trusted = not any(note.code in UNTRUSTED_CODES for note in notes)
    refusals = _refusals(state, logs, size) if clean else []
    refuse = refusals or not clean or not trusted
    interval = None if refuse else batch_interval(whole_work[part], whole_s[part], size, level)
    total_items, total_s = float(kept_items.sum()), float(kept_s.sum())
    p50, p95, p99 = np.percentile(kept_s, [50, 95, 99]).tolist()
    return Throughput(
        rate=total_items / total_s if math.isfinite(total_items) and 0 < total_s < math.inf else math.nan,
        interval=interval,
        num_steps=time.size,
        num_kept=state.num_kept,
        start=state.start,
        kind=state.kind,
        ess=effective_size(logs) if clean else None,
        rho1=rho1,
        p50_s=p50,
        p95_s=p95,
        p99_s=p99,
        p50_interval=quantile_interval(kept_s, 0.50, level=level),
        p95_interval=quantile_interval(kept_s, 0.95, level=level),
        p99_interval=quantile_interval(kept_s, 0.99, level=level),
        changepoints=state.changepoints,
        warnings=(*refusals, *_late(state), *notes),
    )


def _unsearched(n: int) -> SteadyState:
    first = min(1, n - 1)
    return SteadyState("no steady state", first, n, (), n - first)


def _whole_steps(work: Floats, time: Floats) -> tuple[Floats, Floats, NDArray[np.intp]]:
    """Items and seconds with steps of no items or no time taken together with the next, and where each begins."""
    ends = np.flatnonzero((work > 0) & (time > 0))
    first = np.concatenate([[0], ends[:-1] + 1]).astype(np.intp)
    return np.add.reduceat(work, first), np.add.reduceat(time, first), first


def _in_steps(state: SteadyState, first: NDArray[np.intp], n: int) -> SteadyState:
    """The state of whole steps, told in the launch's own steps."""
    start = int(first[state.start])
    return SteadyState(state.kind, start, n, tuple(int(first[c]) for c in state.changepoints), n - start)


def _late(state: SteadyState) -> list[Note]:
    """What to know when most of a launch was warm-up."""
    if state.kind != "warmup" or 2 * state.start <= state.stop:
        return []
    text = f"The first {state.start} of {state.stop} steps were cut as warm-up: longer launches would show more."
    return [Note("late steady state", text)]


def _refusals(state: SteadyState, logs: Floats, size: float) -> list[Note]:
    """Why there is no within-launch interval; empty when there is one."""
    kept, notes = min(state.num_kept, logs.size), []
    if state.kind == "no steady state":
        where = f" (the level changes at step {state.changepoints[-1]} of {state.stop})" if state.changepoints else ""
        text = f"No steady state{where}: the rate is over all {kept} steps but the first, and has no interval."
        notes.append(Note("no steady state", text))
    if state.kind == "slowdown":
        text = f"The launch got slower: the rate is over the {kept} steps from step {state.start} on, without interval."
        notes.append(Note("slowdown", text))
    if state.kind == "too few steps":
        text = f"The launch has {state.stop} steps; below {FEWEST_STEPS} nobody can tell warm-up from work."
        notes.append(Note("too few steps", text))
    elif kept < FEWEST_KEPT:
        text = f"{kept} of {state.stop} steps count; a within-launch interval needs {FEWEST_KEPT}."
        notes.append(Note("few steps", text))
    elif not notes and size < FEWEST_EFFECTIVE:
        ess = effective_size(logs)
        text = (
            f"Steps depend on each other: {kept} are worth about {ess:.0f} independent ones, perhaps only {size:.0f}; "
            f"a within-launch interval needs {FEWEST_EFFECTIVE:.0f}."
        )
        notes.append(Note("effective n too small", text))
    return notes
