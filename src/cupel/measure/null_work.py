"""The null workload as a sentinel: a fixed piece of work, timed before each launch, that no entry has a part in.

If it runs faster in one run than in another on the same machine, then the machine was in another state (clock, heat,
neighbours), and a difference of that size says nothing about an entry. It is a hash over a fixed text: compiled code
that depends little on the interpreter's memory layout, so that it repeats to about half a percent.
"""

from __future__ import annotations

import hashlib
import statistics
import time
from collections.abc import Callable

TEXT = bytes(range(256)) * 256
BATCH = 4
SECONDS = 0.03


def null_seconds(seconds: float = SECONDS, clock: Callable[[], int] = time.perf_counter_ns) -> float:
    """Seconds that one unit of null work takes now: the median over the batches that fit into the time.

    Args:
        seconds: time to spend, in s; at least one batch is done.
        clock: a monotonic clock in ns.
    """
    end = clock() + int(seconds * 1e9)
    took = []
    before = clock()
    while True:
        for _ in range(BATCH):
            hashlib.sha256(TEXT).digest()
        now = clock()
        took.append(now - before)
        before = now
        if now >= end:
            return statistics.median(took) * 1e-9 / BATCH
