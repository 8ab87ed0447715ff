"""Energy of a long run of many processes, from readings that its supervisor takes now and then."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from cupel.measure.energy import joules, total_j
from cupel.measure.telemetry import Sampler

EVERY_S = 2.0


class EnergyMeter:
    """Reads the machine's power while something runs; the whole machine's devices, whoever uses them.

    Args:
        sampler: reads the machine.
        now_s: a clock.
    """

    def __init__(self, sampler: Sampler, now_s: Callable[[], float] = time.monotonic) -> None:
        self._sampler = sampler
        self._now_s = now_s
        self._next_s = now_s()
        self._times: list[float] = []
        self._samples: list[dict[str, Any]] = []

    def tick(self) -> None:
        """Take a reading, if the last one is two seconds old."""
        now_s = self._now_s()
        if now_s < self._next_s:
            return
        self._next_s = now_s + EVERY_S
        sample = self._sampler.sample()
        self._times.append(now_s)
        self._samples.append({"cpu_energy_j": sample["cpu_energy_j"], "devices": sample["devices"] or []})

    def energy_j(self) -> float | None:
        """Joules of all accelerators since the first reading, of the processors where there are none; None if unknown.

        Between readings further apart than five seconds nothing is known.
        """
        if len(self._samples) < 2:
            return None
        num = min(len(sample["devices"]) for sample in self._samples)
        if not num:
            counts = [sample["cpu_energy_j"] for sample in self._samples]
            return joules(self._times, [None] * len(counts), counter_j=counts)
        parts = []
        for k in range(num):
            devices = [sample["devices"][k] for sample in self._samples]
            powers, counts = ([device.get(key) for device in devices] for key in ("power_w", "energy_j"))
            parts.append(joules(self._times, powers, counter_j=counts))
        return total_j(parts)
