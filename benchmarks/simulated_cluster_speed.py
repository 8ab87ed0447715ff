"""How long 500 simulated workers take for 50,000 configurations, and how much of it is the searcher's own work.

python benchmarks/simulated_cluster_speed.py [--rounds 5] [--searcher asha] [--workers 500] [--trials 50000]

One process and one thread; each round first lets the searcher answer by itself, with no cluster, then runs the cluster.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import statistics
import time

from cupel.methods.find_searcher import find_searcher
from cupel.spec.search import Search
from cupel.tasks.cluster import Cluster
from cupel.tasks.surrogate_curves import SurrogateCurves

ETA = 4


def alone(name: str, search: Search) -> tuple[float, float, int]:
    """CPU and wall seconds of a searcher that is asked and told at once, with random losses; and its works."""
    searcher, rng = find_searcher(name, search), random.Random(0)
    gc.collect()
    cpu, wall, num = time.process_time(), time.perf_counter(), 0
    while (work := searcher.ask()) is not None:
        num += 1
        for milestone in work.milestones:
            if not searcher.tell(work.trial, milestone, rng.random()):
                break
    return time.process_time() - cpu, time.perf_counter() - wall, num


def simulated(name: str, search: Search, options: argparse.Namespace) -> tuple[float, float, int]:
    """CPU and wall seconds of the same searcher on a cluster; and its works."""
    searcher, curves = find_searcher(name, search), SurrogateCurves(0)
    cluster = Cluster(workers=options.workers, straggler_sd=options.straggler_sd)
    gc.collect()
    cpu, wall = time.process_time(), time.perf_counter()
    run = cluster.run(searcher, curves)
    return time.process_time() - cpu, time.perf_counter() - wall, run.num_works


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--searcher", default="asha")
    parser.add_argument("--workers", type=int, default=500)
    parser.add_argument("--trials", type=int, default=50_000)
    parser.add_argument("--straggler-sd", type=float, default=0.2)
    options = parser.parse_args()
    curves = SurrogateCurves(0)
    search = Search(curves.space, trials=options.trials, max_resource=curves.max_resource, eta=ETA)
    rounds = [
        (alone(options.searcher, search), simulated(options.searcher, search, options)) for _ in range(options.rounds)
    ]
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {options.workers} workers, {options.trials} trials")
    print("\n| | works | CPU s: median, min, max | wall s: median, min, max | CPU µs per work |\n|---|---|---|---|---|")
    for label, found in zip(
        (f"{options.searcher} alone", "with the cluster"), zip(*rounds, strict=True), strict=True
    ):  # fmt: skip
        cpu, wall, num = ([one[k] for one in found] for k in range(3))
        times = " | ".join(f"{statistics.median(t):.2f}, {min(t):.2f}, {max(t):.2f}" for t in (cpu, wall))
        print(f"| {label} | {num[0]} | {times} | {1e6 * statistics.median(cpu) / num[0]:.1f} |")


if __name__ == "__main__":
    main()
