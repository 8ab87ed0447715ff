"""Where Milabench's own statistics and ours disagree, on real step rates of 8 A100 (Milabench, 2023, one run).

    python benchmarks/milabench_statistics.py [PATH TO rates_8xA100_2023.parquet]

Prints a markdown table, one row per benchmark. The rates are Milabench's; with a fixed batch the time of a step is one
over its rate. The instances are the 8 devices of one run: their interval says how devices differ, not how runs do.
"""

from __future__ import annotations

import os
import sys
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from cupel.stats.devices_differ import devices_differ
from cupel.stats.launch_interval import launch_interval
from cupel.stats.milabench_score import MilabenchEntry, milabench_score
from cupel.stats.throughput import Throughput, throughput

DATA = Path(os.environ.get("CUPEL_REFERENCE_DATA", Path(__file__).parents[1] / "../shared/data"))
DEFAULT = DATA / "milabench" / "rates_8xA100_2023.parquet"
WORTH_A_WORD = 0.01
HEAD = (
    "| benchmark | devices x steps | Milabench perf (sem) | items / time, mean of devices | difference "
    "| between devices, 95 % | within one device, 95 % | kinds | why |\n|---|---|---|---|---|---|---|---|---|"
)


def load(path: Path) -> dict[str, list[np.ndarray]]:
    """Benchmark to one array of step rates per instance."""
    table = pq.read_table(path).to_pydict()
    groups: dict[tuple[str, str], list[float]] = defaultdict(list)
    for name, device, rate in zip(table["benchmark"], table["instance"], table["rate"], strict=True):
        groups[name, device].append(rate)
    result: dict[str, list[np.ndarray]] = defaultdict(list)
    for (name, _), rates in groups.items():
        result[name].append(np.asarray(rates))
    return result


def reasons(series: list[np.ndarray], results: list[Throughput], theirs: MilabenchEntry) -> str:
    """Why the two disagree, in words, from the notes and the numbers."""
    words = []
    first = float(np.median([rates[0] / result.rate for rates, result in zip(series, results, strict=True)]))
    if abs(first - 1) > 0.1:
        words.append(f"step 0 at {first:.0%} of the rate stays in their mean")
    dropped = int(np.median([result.start for result in results]))
    if dropped > 1:
        words.append(f"{dropped} warm-up steps stay in their mean")
    kept = [rates[result.start :] for rates, result in zip(series, results, strict=True)]
    gap = float(np.median([len(r) / (1 / r).sum() / r.mean() - 1 for r in kept]))
    if abs(gap) > 0.005:
        words.append(f"a mean of rates hides slow steps ({gap:+.1%})")
    notes = Counter(note.code for result in results for note in result.warnings)
    words += [f"{code} ({count} of {len(results)})" for code, count in notes.most_common()]
    differ = devices_differ([result.rate for result in results])
    if differ is not None:
        words.append(differ.text.rstrip("."))
    rho = float(np.median([result.rho1 or 0.0 for result in results]))
    if abs(rho) > 0.5:
        words.append(f"steps depend on each other (lag 1: {rho:+.2f})")
    agreed = f"agree within {WORTH_A_WORD:.0%}"
    return "; ".join(words) or (agreed if theirs.perf else "")


def row(name: str, series: list[np.ndarray]) -> str:
    """One line of the table."""
    theirs = milabench_score({name: series}, {name: 1.0}).per_entry[name]
    results = [throughput(1.0, 1 / rates) for rates in series]
    between = launch_interval([result.rate for result in results])
    halves = [result.interval.half_width_frac for result in results if result.interval is not None]
    kinds = Counter(result.kind for result in results)
    cells = (
        name,
        f"{len(series)} x {series[0].size}",
        f"{theirs.perf:.5g} (±{1.96 * theirs.sem_frac:.2%})",
        f"{between.rate:.5g}",
        f"{between.rate / theirs.perf - 1:+.1%}",
        f"±{between.interval.half_width_frac:.2%}" if between.interval else "one device",
        f"±{np.median(halves):.2%} ({len(halves)} of {len(results)})" if halves else "refused",
        ", ".join(f"{kind} {count}" for kind, count in kinds.most_common()),
        reasons(series, results, theirs),
    )
    return f"| {' | '.join(cells)} |"


def main() -> int:
    """Print the table."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT
    if not path.is_file():
        print(f"No step rates at {path}. Name the file, or set CUPEL_REFERENCE_DATA.", file=sys.stderr)
        return 2
    print(HEAD)
    for name, series in sorted(load(path).items()):
        print(row(name, series))
    return 0


if __name__ == "__main__":
    sys.exit(main())
