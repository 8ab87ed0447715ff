"""What the harness adds to a step, against the same loop without it, interleaved.

    python benchmarks/harness_overhead.py [--pairs 50]

Two loops over the same step, one bare with a single clock reading at each end, one through `run_steps` with records
written to a real file as a worker does. They take turns, so that drift of the machine falls on both. The step spins
for a fixed number of iterations (about 1 ms); an empty step shows the harness alone.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

from cupel.ledger.records import RecordWriter
from cupel.measure.clock import HostClock
from cupel.measure.stepping import Limits, StepRow, format_rows, run_steps
from cupel.spec.protocols import Done


def spinner(iterations: int) -> Callable[[], Done]:
    """A step that counts."""

    def step() -> Done:
        total = 0
        for number in range(iterations):
            total += number
        return Done(items=1.0)

    return step


def calibrated(seconds: float) -> int:
    """Iterations that take about that long."""
    step = spinner(100_000)
    best = min(_timed(step) for _ in range(7))
    return max(1, round(100_000 * seconds / best))


def _timed(step: Callable[[], Done]) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def bare(step: Callable[[], Done], seconds: float) -> list[float]:
    """Step times of the loop without the harness."""
    marks = [time.perf_counter_ns()]
    end = marks[0] + int(seconds * 1e9)
    while marks[-1] < end:
        step()
        marks.append(time.perf_counter_ns())
    return [(b - a) * 1e-9 for a, b in pairwise(marks)][1:]


def harnessed(step: Callable[[], Done], seconds: float, folder: Path) -> tuple[list[float], float]:
    """Recorded step times, and wall seconds per step, records and all."""
    writer = RecordWriter(folder / "events.jsonl")
    rows: list[StepRow] = []

    def write(batch: Sequence[StepRow]) -> None:
        writer.write_text(format_rows(batch))
        rows.extend(batch)

    start = time.perf_counter()
    run_steps(step, HostClock(), limits=Limits(seconds, 1), write=write)
    wall = time.perf_counter() - start
    writer.close()
    return [row.seconds / row.steps for row in rows[1:]], wall / sum(row.steps for row in rows)


def low(values: Sequence[float]) -> float:
    """The tenth percentile: what a step takes when nothing disturbs it."""
    return sorted(values)[len(values) // 10]


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=0.3)
    args = parser.parse_args()
    print("| step | bare, median µs | harness, median µs | difference µs: medians, p10 | harness / bare: p10, wall |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        for label, iterations in (("empty", 0), ("1 ms", calibrated(1e-3))):
            step = spinner(iterations)
            pairs = []
            for pair in range(args.pairs):
                order = (0, 1) if pair % 2 == 0 else (1, 0)
                took: dict[int, tuple[list[float], float]] = {}
                for which in order:
                    if which == 0:
                        times = bare(step, args.seconds)
                        took[0] = (times, statistics.mean(times))
                    else:
                        took[1] = harnessed(step, args.seconds, Path(name))
                pairs.append((took[0], took[1]))
            middle = [statistics.median(statistics.median(p[k][0]) for p in pairs) for k in (0, 1)]
            of_medians = statistics.median(statistics.median(b[0]) - statistics.median(a[0]) for a, b in pairs)
            of_lows = statistics.median(low(b[0]) - low(a[0]) for a, b in pairs)
            ratio = statistics.median(low(b[0]) / low(a[0]) for a, b in pairs)
            walls = statistics.median(b[1] / a[1] for a, b in pairs)
            print(
                f"| {label} | {middle[0] * 1e6:.2f} | {middle[1] * 1e6:.2f} "
                f"| {of_medians * 1e6:+.2f}, {of_lows * 1e6:+.2f} | {ratio:.4f}, {walls:.4f} |"
            )


if __name__ == "__main__":
    main()
