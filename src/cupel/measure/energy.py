"""Energy of a timed part, from a device's own counter where it has one, else from its power readings; and RAPL.

Only the timed part counts, not set-up; every device of a job counts, not the first alone (`total_j`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

Points: TypeAlias = Sequence[tuple[float, float]]
"""(time in seconds, value) pairs."""

MAX_GAP_S = 5.0
"""Between readings further apart than this the power is not known."""


def joules(
    t_s: Sequence[float],
    power_w: Sequence[float | None],
    *,
    counter_j: Sequence[float | None] | None = None,
    t0_s: float | None = None,
    t1_s: float | None = None,
) -> float | None:
    """Energy of the timed part, in joules.

    Args:
        t_s: times of the readings, in seconds, not falling.
        power_w: power at each time, in watt; None where it was not measurable.
        counter_j: the device's cumulative energy counter at each time, in joules; it is used where it has readings
            that never fall (a counter that starts anew is not believed).
        t0_s: start of the timed part; the first reading when None.
        t1_s: end of the timed part; the last reading when None.

    Returns:
        Joules between `t0_s` and `t1_s`. At the ends the counter and the power are interpolated between readings;
        beyond the first and last reading the nearest power holds. None where not measurable: fewer than 2 readings
        inside the timed part, a gap of more than 5 s, or an empty part.

    Example:
        >>> joules([0, 1, 2, 3], [100, 100, 100, 100], t0_s=0.5, t1_s=2.5)
        200.0
    """
    if counter_j is not None:
        counted = _known(t_s, counter_j)
        if all(a[1] <= b[1] for a, b in pairwise(counted)):
            part = _timed_part(counted, t0_s, t1_s)
            if part is not None:
                return _count_at(counted, part[1]) - _count_at(counted, part[0])
    powers = _known(t_s, power_w)
    part = _timed_part(powers, t0_s, t1_s)
    if part is None:
        return None
    inside = [(t, p) for t, p in powers if part[0] < t < part[1]]
    points = [(part[0], _power_at(powers, part[0])), *inside, (part[1], _power_at(powers, part[1]))]
    return math.fsum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(points))


def total_j(parts: Sequence[float | None]) -> float | None:
    """Energy of several devices together; None where any of them is not known, or there are none."""
    known = [p for p in parts if p is not None]
    return math.fsum(known) if known and len(known) == len(parts) else None


def _known(t_s: Sequence[float], values: Sequence[float | None]) -> list[tuple[float, float]]:
    """The (time, value) pairs that were measurable."""
    pairs = zip(t_s, values, strict=True)
    return [(float(t), float(v)) for t, v in pairs if v is not None and math.isfinite(v)]


def _timed_part(
    points: Sequence[tuple[float, float]], t0_s: float | None, t1_s: float | None
) -> tuple[float, float] | None:
    """The timed part, None where the readings do not carry a statement about it."""
    if not points:
        return None
    start = points[0][0] if t0_s is None else t0_s
    end = points[-1][0] if t1_s is None else t1_s
    inside = [t for t, _ in points if start <= t <= end]
    if len(inside) < 2 or end <= start:
        return None
    edges = [start, *inside, end]
    return (start, end) if max(b - a for a, b in pairwise(edges)) <= MAX_GAP_S else None


def _power_at(points: Points, at_s: float) -> float:
    """Power at a time: linear between readings, the nearest one beyond them."""
    if at_s <= points[0][0]:
        return points[0][1]
    for (t_a, p_a), (t_b, p_b) in pairwise(points):
        if t_a <= at_s <= t_b:
            return p_a if t_b == t_a else p_a + (p_b - p_a) * (at_s - t_a) / (t_b - t_a)
    return points[-1][1]


def _count_at(points: Points, at_s: float) -> float:
    """The counter at a time: linear between readings; beyond them it goes on at the slope of the nearest pair."""
    pairs = [(a, b) for a, b in pairwise(points) if b[0] > a[0]]
    if not pairs:
        return points[0][1]
    (t_a, c_a), (t_b, c_b) = next((pair for pair in pairs if at_s <= pair[1][0]), pairs[-1])
    return c_a + (c_b - c_a) * (at_s - t_a) / (t_b - t_a)


class Rapl:
    """Energy of the CPU packages since this object was made, from `/sys/class/powercap` where it may be read.

    The counters start anew after a few minutes at full power; `read_j` unfolds that when called more often.
    Most systems let only root read them; `read_j` is then None.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        zones = sorted((root / "sys/class/powercap").glob("*-rapl:*"))
        # `intel-rapl:0` is a package, `intel-rapl:0:1` a part of it; `intel-rapl-mmio` counts the packages again.
        packages = [z for z in zones if z.name.count(":") == 1 and z.name.startswith("intel-rapl:")]
        self._zones = [z for z in packages if _is_package(z)]
        self._last_uj = {z: _read_uj(z / "energy_uj") for z in self._zones}
        self._sum_uj = 0

    @property
    def has_packages(self) -> bool:
        """Whether the machine counts the energy of its CPU packages, readable or not."""
        return bool(self._zones)

    def read_j(self) -> float | None:
        """Joules of all packages since the start; None where any of them cannot be read."""
        if not self._zones:
            return None
        now = {z: _read_uj(z / "energy_uj") for z in self._zones}
        for zone, value in now.items():
            last = self._last_uj[zone]
            if value is None or last is None:
                return None
            wrap = _read_uj(zone / "max_energy_range_uj") or 0
            self._sum_uj += value - last if value >= last else value - last + wrap
            self._last_uj[zone] = value
        return self._sum_uj * 1e-6


def _is_package(zone: Path) -> bool:
    """Whether a zone is a CPU package: `psys` is the whole board and would count the packages twice."""
    try:
        return (zone / "name").read_text(encoding="ascii", errors="replace").strip().startswith("package")
    except OSError:
        return False


def _read_uj(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii", errors="replace"))
    except (OSError, ValueError):
        return None
