"""Series of a document made fit to draw: pairs that are known, and fewer of them, with nothing extreme lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cupel.report.words import Document, finite

STEP_POINTS, MOST_STEP_POINTS, LEAST_STEP_POINTS = 11_000, 300, 30
TELEMETRY_POINTS, MOST_TELEMETRY_POINTS, LEAST_TELEMETRY_POINTS = 20_000, 120, 8


@dataclass(frozen=True)
class Budget:
    """How many points a launch's series may have in a page, so that a large run still makes a small file.

    Args:
        step_points: of the step times of one launch.
        telemetry_points: of one line of telemetry.
    """

    step_points: int
    telemetry_points: int

    @classmethod
    def of(cls, document: Document) -> Budget:
        """Share the page's points among the launches of a run."""
        launches = [launch for entry in document.get("entries") or () for launch in entry.get("launches") or ()]
        lines = sum(_num_lines(launch.get("telemetry") or {}) for launch in launches)
        return cls(
            max(LEAST_STEP_POINTS, min(MOST_STEP_POINTS, STEP_POINTS // max(1, len(launches)))),
            max(LEAST_TELEMETRY_POINTS, min(MOST_TELEMETRY_POINTS, TELEMETRY_POINTS // max(1, lines))),
        )


def _num_lines(telemetry: Document) -> int:
    return 2 + 5 * len(telemetry.get("devices") or ())


@dataclass(frozen=True)
class Bins:
    """Step times in bins of steps.

    Args:
        t_s: time of each bin, seconds.
        low_s: shortest step in it, seconds.
        high_s: longest step in it, seconds.
        mid_s: its middle, seconds.
    """

    t_s: list[float]
    low_s: list[float]
    high_s: list[float]
    mid_s: list[float]


def step_bins(launch: Document, most: int) -> Bins | None:
    """The step times of a launch in at most `most` bins, extremes kept; None where there are none."""
    series = launch.get("series") or {}
    columns = [series.get(key) or () for key in ("t_s", "low_s", "high_s", "mid_s")]
    rows = [row for row in zip(*columns, strict=False) if all(finite(value) is not None for value in row)]
    if not rows:
        return None
    groups = list(_groups(rows, most))
    return Bins(
        t_s=[float(g[0][0]) for g in groups],
        low_s=[float(min(row[1] for row in g)) for g in groups],
        high_s=[float(max(row[2] for row in g)) for g in groups],
        mid_s=[float(sorted(row[3] for row in g)[len(g) // 2]) for g in groups],
    )


def warm_up_end_s(launch: Document) -> float | None:
    """When the kept steps begin, on the time axis of the series, to within a bin; None where there is no start."""
    exact = finite(launch.get("start_s"))
    if exact is not None:
        return exact
    start, num_steps = finite(launch.get("start")), finite(launch.get("num_steps"))
    times = [t for t in (finite(t) for t in (launch.get("series") or {}).get("t_s") or ()) if t is not None]
    if start is None or not num_steps or not times:
        return None
    place = min(int(start * len(times) / num_steps), len(times) - 1)
    return times[max(0, place - 1)] if start > 0 else 0.0


def telemetry_line(t_s: Sequence[Any], values: Sequence[Any] | None, most: int) -> list[tuple[float, float]]:
    """Known pairs of time and value, at most `most`; of each group that is thinned out, the mean time and value."""
    pairs = [(finite(t), finite(v)) for t, v in zip(t_s, values or (), strict=False)]
    known = [(t, v) for t, v in pairs if t is not None and v is not None]
    groups = _groups(known, most)
    return [(sum(t for t, _ in g) / len(g), sum(v for _, v in g) / len(g)) for g in groups]


def device_lists(telemetry: Mapping[str, Any], key: str) -> list[tuple[str, Sequence[Any] | None]]:
    """Name and values of a quantity for each device of a launch."""
    return [(str(d.get("name") or "device"), d.get(key)) for d in telemetry.get("devices") or ()]


def _groups(rows: Sequence[Any], most: int) -> Iterator[Sequence[Any]]:
    """Consecutive rows in at most `most` groups of equal size, give or take one."""
    num = min(len(rows), most)
    for k in range(num):
        yield rows[k * len(rows) // num : (k + 1) * len(rows) // num]
