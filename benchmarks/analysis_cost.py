"""What `cupel analyze` costs on the PriorBand table, and what importing the statistics costs beside scipy.stats.

python benchmarks/analysis_cost.py [--times 7] [--data ../shared/data]

Whole processes, interleaved, one thread; the reference data are looked for in --data or CUPEL_REFERENCE_DATA.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

IMPORTS = ("cupel.stats", "scipy.stats")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def cost(words: list[str]) -> tuple[float, float]:
    """CPU and wall seconds of one process."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [sys.executable, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, env=ENVIRONMENT
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, time.perf_counter() - start


def analyses(table: Path, folder: str) -> dict[str, list[str]]:
    """Name to command: the answer alone, and all that it can put out."""
    base = ["-m", "cupel", "analyze", str(table), "--metric", "normalized_regret", "--better", "lower"]
    everything = [
        "--checks",
        "--feature",
        "prior",
        "--figures",
        folder,
        "--format",
        "html",
        "--out",
        f"{folder}/page.html",
    ]
    return {
        "one budget (3,600 rows), text": [*base, "--where", "used_fidelity=10"],
        "all budgets (86,400 rows), text": base,
        "all budgets, checks, feature, page, 14 figures": [*base, *everything],
    }


def main() -> None:
    """Measure and print Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=7)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("CUPEL_REFERENCE_DATA", "../shared/data")))
    args = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    with tempfile.TemporaryDirectory() as folder:
        commands = {f"import {name}": ["-c", f"import {name}"] for name in IMPORTS}
        commands |= analyses(args.data / "priorband" / "priorband_data.parquet", folder)
        costs: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(args.times):
            for name, words in commands.items():
                costs[name].append(cost(words))
    ratios = [a[0] / b[0] for a, b in zip(costs["import cupel.stats"], costs["import scipy.stats"], strict=True)]
    print("| what | CPU s (median) | wall s (median) | wall s (max) |")
    print("|---|---|---|---|")
    for name, values in costs.items():
        cpu, wall = zip(*values, strict=True)
        print(f"| {name} | {statistics.median(cpu):.2f} | {statistics.median(wall):.2f} | {max(wall):.2f} |")
    print(f"\nimport cupel.stats over import scipy.stats, CPU, pair by pair: median {statistics.median(ratios):.2f}, "
          f"{min(ratios):.2f} to {max(ratios):.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
