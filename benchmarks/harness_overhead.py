"""What the harness adds to a step, against the same loop without it, interleaved.

    python benchmarks/harness_overhead.py [--pairs 40]

Two loops over the same step, one bare with a single clock reading at each end, one through `run_steps` with records
written to a real file as a worker does. They take turns, so that drift of the machine falls on both. The step spins
for a fixed number of iterations (about 1 ms); an empty step shows the harness alone.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from cupel.ledger.records import RecordWriter
from cupel.measure.clock import HostClock
from cupel.measure.stepping import Limits, format_rows, run_steps
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


def harnessed(step: Callable[[], Done], seconds: float, folder: Path) -> tuple[list[float], list[float]]:
    """Recorded step times, and wall time per step, records and all."""
    writer = RecordWriter(folder / "events.jsonl")
    rows: list[float] = []

    def write(batch: list) -> None:
        writer.write_text(format_rows(batch))
        rows.extend(row.seconds for row in batch)

    start = time.perf_counter()
    run_steps(step, HostClock(), limits=Limits(seconds, 1), write=write)
    wall = time.perf_counter() - start
    writer.close()
    return rows[1:], [wall / len(rows)]


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=0.5)
    args = parser.parse_args()
    print(
        "| step | bare median µs | harness median µs | difference of medians, µs (median over pairs, p5 to p95) "
        "| wall per step / bare mean |"
    )
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        for label, iterations in (("empty", 0), ("1 ms", calibrated(1e-3))):
            step = spinner(iterations)
            a, b, extra, walls = [], [], [], []
            for pair in range(args.pairs):
                first_bare = pair % 2 == 0
                if first_bare:
                    x = bare(step, args.seconds)
                y, wall = harnessed(step, args.seconds, Path(name))
                if not first_bare:
                    x = bare(step, args.seconds)
                a.append(statistics.median(x))
                b.append(statistics.median(y))
                extra.append(b[-1] - a[-1])
                walls.append(wall[0] / statistics.mean(x))
            extra.sort()
            low, high = extra[len(extra) // 20], extra[-1 - len(extra) // 20]
            print(
                f"| {label} | {statistics.median(a) * 1e6:.2f} | {statistics.median(b) * 1e6:.2f} "
                f"| {statistics.median(extra) * 1e6:.2f} ({low * 1e6:.2f} to {high * 1e6:.2f}) "
                f"| {statistics.median(walls):.4f} |"
            )


if __name__ == "__main__":
    main()
