"""The rate of a launch that is over, as the supervisor and the study see it."""

from __future__ import annotations

import math

from cupel.ledger.job_folder import JobFolder
from cupel.stats.throughput import throughput


def launch_rate(folder: JobFolder) -> float | None:
    """Items per second of a launch by `cupel explain throughput`; None for a check, or where nothing was done."""
    steps = folder.steps()
    if folder.job.kind != "launch" or not math.fsum(steps.items) > 0 or not math.fsum(steps.seconds) > 0:
        return None
    rate = throughput(steps.items, steps.seconds).rate
    return rate if math.isfinite(rate) and rate > 0 else None
