"""What a job costs beside its own imports, set-up and steps.

    python benchmarks/job_cost.py [--launches 10]

Runs `cupel run` on four workloads that do nothing and reads, from the records, the wall time from the end of one job to
the end of the next, less what the worker spent between its first record and its result. What is left is the harness:
folder, process, records, the reading of the rate, the clean-up. Once with fresh processes (the start of Python and the
worker's own imports are in it), once with the fork server; a round's first job also waits for the server, that is for
`import torch`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

WORKLOAD = """
from cupel.spec import Done, Workload

CARD = Workload(
    measures="nothing", unit="calls", better="higher", source="benchmarks/job_cost.py", needs={needs},
    tiny={{"n": 1}}, small={{"n": 1}}, full={{"n": 1}}, stepping_s={{"tiny": 0.05}},
)


def setup(sizes, slot, rng):
    import time

    def step():
        time.sleep(0.001)
        return Done(items=1)

    return step


def sane(sizes, slot, rng):
    pass
"""


def read(path: Path) -> list[dict]:
    """Records of a file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def costs(folder: Path) -> tuple[list[float], list[float]]:
    """Seconds from a job's start to the next one's, less the worker's own work; rounds' first jobs apart."""
    jobs = []
    for job in folder.glob("jobs/*"):
        if ".sane." not in job.name:
            records = read(job / "supervisor.jsonl") + read(job / "rank0" / "events.jsonl")
            times = {r["kind"]: r["t"] for r in reversed(records) if "t" in r}
            jobs.append((times["end"], times["result"] - times["phase"], json.loads((job / "job.json").read_text())))
    jobs.sort(key=lambda row: row[0])
    first, later = [], []
    for (before, _, one), (after, work_s, two) in pairwise(jobs):
        cost = after - before - work_s
        (later if one["launch"] == two["launch"] else first).append(cost)
    return first, later


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--launches", type=int, default=10)
    args = parser.parse_args()
    print("| worker | jobs | beside the worker's work, s: median, max | the same for a round's first job: median |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        for label, needs in (("fresh process, no torch", ()), ("forked, torch preloaded", ("torch",))):
            paths = [Path(name) / f"nothing_{letter}.py" for letter in "abcd"]
            for path in paths:
                path.write_text(WORKLOAD.format(needs=needs))
            options = ["--size", "tiny", "--launches", str(args.launches), "--out", f"{name}/{len(needs)}", "--json"]
            command = [sys.executable, "-m", "cupel", "run", *map(str, paths), *options]
            document = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
            first, later = costs(Path(document["run"]))
            jobs = len(first) + len(later)
            middle = statistics.median(later)
            print(f"| {label} | {jobs} | {middle:.3f}, {max(later):.3f} | {statistics.median(first):.3f} |")


if __name__ == "__main__":
    main()
