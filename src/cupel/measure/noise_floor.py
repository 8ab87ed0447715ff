"""The noise floor: how much the same piece of work varies on this machine when nothing about it changes.

The null workload is a loop of integer additions in pure Python: no memory traffic, no threads, no library. What its
times differ by is made by the machine alone: other processes, interrupts, clocks, a hypervisor. A difference between
two workloads that is smaller than this cannot be seen in a measurement of the same length.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cupel.spec.units import format_duration, format_percent

TARGET_S = 1e-3
"""Time of one repetition."""
NUM_BLOCKS = 10
STUDENT_975_OF_9 = 2.262157
"""0.975 quantile of Student's t with `NUM_BLOCKS` - 1 degrees of freedom."""
MIN_FOR_P99 = 100
MIN_FOR_BLOCKS = 5 * NUM_BLOCKS


@dataclass(frozen=True)
class NoiseFloor:
    """How noisy the machine is.

    Args:
        num: repetitions that were timed.
        p50_s: median time of one.
        cv: standard deviation of the times over their mean.
        p99_over_p50: 99th percentile over the median; None with fewer than 100 repetitions.
        worst_over_p50: longest over the median.
        block_s: length of one of the 10 equal blocks that the repetitions are cut into.
        floor_frac: difference, as a share of the mean, that the means of two such blocks exceed by noise alone one
            time in 20: t(0.975, 9) sqrt(2) s, with s the standard deviation of the block means. None with fewer than
            50 repetitions.
        steal_frac: share of CPU time that the hypervisor gave to others meanwhile; None where it is not counted.
    """

    num: int
    p50_s: float
    cv: float
    p99_over_p50: float | None
    worst_over_p50: float
    block_s: float
    floor_frac: float | None
    steal_frac: float | None

    @property
    def text(self) -> str:
        """What it means, in a sentence."""
        if self.floor_frac is None:
            return f"{self.num} repetitions of the null workload are too few to say how noisy this machine is."
        return (
            f"Two stretches of {format_duration(self.block_s)} of the very same work differ by up to "
            f"{format_percent(self.floor_frac)} (19 times in 20): smaller differences than that cannot be seen in "
            "measurements of that length, and in longer ones only where the noise averages out."
        )


def noise_floor(
    seconds: float = 2.0,
    clock: Callable[[], int] = time.perf_counter_ns,
    *,
    spin: Callable[[int], object] | None = None,
    steal: Callable[[], tuple[float, float] | None] | None = None,
) -> NoiseFloor:
    """Time the null workload again and again.

    Args:
        seconds: how long, in seconds; at least 20 repetitions of about 1 ms are timed in any case.
        clock: a clock in nanoseconds.
        spin: does the given number of rounds of work; the loop of additions when None.
        steal: (stolen, all) CPU seconds of the machine so far; read from the system when None.

    Cost: `seconds`, and some milliseconds for finding the number of rounds that takes 1 ms.
    """
    work = spin or _spin
    read_steal = steal or _steal_times
    num_rounds = _calibrated(work, clock)
    before = read_steal()
    times_s = _timed(work, num_rounds, clock, seconds)
    return summarize(times_s, _steal_frac(before, read_steal()))


def summarize(times_s: Sequence[float], steal_frac: float | None = None) -> NoiseFloor:
    """The noise floor in times of equal work, in seconds and in the order in which they were taken (at least 2)."""
    p50_s, mean_s = statistics.median(times_s), statistics.fmean(times_s)
    num = len(times_s)
    p99_s = statistics.quantiles(times_s, n=100, method="inclusive")[98] if num >= MIN_FOR_P99 else None
    length = num // NUM_BLOCKS
    means_s = [statistics.fmean(times_s[k * length : (k + 1) * length]) for k in range(NUM_BLOCKS if length else 0)]
    has_blocks = num >= MIN_FOR_BLOCKS
    return NoiseFloor(
        num=num,
        p50_s=p50_s,
        cv=statistics.stdev(times_s) / mean_s,
        p99_over_p50=None if p99_s is None else p99_s / p50_s,
        worst_over_p50=max(times_s) / p50_s,
        block_s=length * mean_s,
        floor_frac=STUDENT_975_OF_9 * math.sqrt(2) * statistics.stdev(means_s) / mean_s if has_blocks else None,
        steal_frac=steal_frac,
    )


def _spin(num_rounds: int) -> int:
    total = 0
    for k in range(num_rounds):
        total += k & 7
    return total


def _calibrated(work: Callable[[int], object], clock: Callable[[], int]) -> int:
    """The number of rounds that takes about 1 ms, from the quickest of some tries: a disturbed try is too slow."""
    num_rounds = 1000
    while True:
        quickest_s = min(_once(work, num_rounds, clock) for _ in range(5))
        if quickest_s >= TARGET_S / 4:
            return max(1, round(num_rounds * TARGET_S / quickest_s))
        num_rounds *= 2


def _timed(work: Callable[[int], object], num_rounds: int, clock: Callable[[], int], seconds: float) -> list[float]:
    start_ns = clock()
    times_s: list[float] = []
    while len(times_s) < 20 or (clock() - start_ns) * 1e-9 < seconds:
        times_s.append(_once(work, num_rounds, clock))
    return times_s


def _once(work: Callable[[int], object], num_rounds: int, clock: Callable[[], int]) -> float:
    begin_ns = clock()
    work(num_rounds)
    return (clock() - begin_ns) * 1e-9


def _steal_times() -> tuple[float, float] | None:
    """(stolen, all) CPU seconds since the machine was started; None where the system does not count them."""
    import psutil

    times = psutil.cpu_times()._asdict()
    if "steal" not in times:
        return None
    return times["steal"], sum(v for k, v in times.items() if not k.startswith("guest"))


def _steal_frac(before: tuple[float, float] | None, after: tuple[float, float] | None) -> float | None:
    if before is None or after is None or after[1] <= before[1]:
        return None
    return max(0.0, after[0] - before[0]) / (after[1] - before[1])
