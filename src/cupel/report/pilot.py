"""What a pilot run says about how long a launch should be."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cupel.ledger.job_folder import JobFolder
from cupel.stats.plan_repeats import plan_repeats
from cupel.stats.throughput import throughput

BATCHES = 10


def best_stepping_s(launches: Sequence[JobFolder], seconds_per_launch: float) -> float | None:
    """Seconds of stepping per launch that get the narrowest interval for the time spent.

    The kept steps of each launch are cut into ten batches; the variance between batches against that between launches,
    and what a batch and a launch cost, give the best number of batches (`cupel explain plan_repeats`).

    Args:
        launches: the launches of one entry that ended well.
        seconds_per_launch: wall seconds of a launch, set-up included.

    Returns:
        Seconds; None with fewer than 2 launches, too few steps, or no variance between launches to go by.
    """
    pilot, batch_s = [], 0.0
    for folder in launches:
        steps = folder.steps()
        if len(steps.seconds) < 2 * BATCHES:
            return None
        start = throughput(steps.items, steps.seconds).start
        seconds, items = steps.seconds[start:], steps.items[start:]
        size = len(seconds) // BATCHES
        if size == 0:
            return None
        parts = [slice(k * size, (k + 1) * size) for k in range(BATCHES)]
        pilot.append([math.log(sum(seconds[p]) / sum(items[p])) for p in parts])
        batch_s += sum(seconds) / BATCHES / len(launches)
    if len(pilot) < 2:
        return None
    overhead_s = max(seconds_per_launch - BATCHES * batch_s, 0.1)
    best = plan_repeats(pilot, [overhead_s, batch_s]).unrounded[0]
    return None if best is None or not math.isfinite(best) else max(1.0, best) * batch_s
