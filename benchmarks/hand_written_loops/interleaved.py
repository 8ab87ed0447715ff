"""Two pieces of work timed against each other in one process, a slice of each in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeAlias

Step: TypeAlias = Callable[[], float]
"""Does one unit of work and returns how many items it was."""
SLICE_S = 0.1
"""Least time for which one side works before the other may: short beside the machine's drift, long beside a step."""


def rates(steps: Sequence[Step], seconds: float) -> list[float]:
    """Items per second of each, worked on for `seconds` at least and equally long; who has worked least goes next."""
    spent_s, items = [0.0] * len(steps), [0.0] * len(steps)
    while min(spent_s) < max(seconds, max(spent_s) - SLICE_S):
        idx = spent_s.index(min(spent_s))
        start = time.perf_counter()
        while (elapsed := time.perf_counter() - start) < SLICE_S:
            items[idx] += steps[idx]()
        spent_s[idx] += elapsed
    return [count / spent for count, spent in zip(items, spent_s, strict=True)]
