"""What a job costs beside its own imports, set-up and steps.

    python benchmarks/job_cost.py [--launches 10]

Runs `cupel run` on a workload without work and reads, from the records, the wall time of each job from the
supervisor's start to its end, less what the worker spent from its first line of `main` to its result. Once with fresh
processes (no torch), once with the fork server (torch preloaded, as on a CPU), where the first job of a round also
waits for the server.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
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


def costs(folder: Path) -> list[tuple[float, float]]:
    """For each launch: seconds of the whole job, and those outside the worker's own work."""
    found = []
    for job in sorted(folder.glob("jobs/*")):
        if ".sane." in job.name:
            continue
        supervisor = [json.loads(line) for line in (job / "supervisor.jsonl").read_text().splitlines()]
        worker = [json.loads(line) for line in (job / "rank0" / "events.jsonl").read_text().splitlines()]
        elapsed = next(r["elapsed_s"] for r in supervisor if r["kind"] == "end")
        first = next(r["t"] for r in worker if r["kind"] == "phase")
        last = next(r["t"] for r in worker if r["kind"] == "result")
        found.append((elapsed, elapsed - (last - first)))
    return found


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--launches", type=int, default=10)
    args = parser.parse_args()
    print(
        "| worker | jobs | whole job s (median) | beside the worker's work s (median, max) "
        "| whole command s per launch |"
    )
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        for label, needs in (("fresh process, no torch", ()), ("forked, torch preloaded", ("torch",))):
            path = Path(name) / "nothing.py"
            path.write_text(WORKLOAD.format(needs=needs))
            out = Path(name) / label.split()[0]
            command = [
                sys.executable,
                "-m",
                "cupel",
                "run",
                str(path),
                "--size",
                "tiny",
                "--launches",
                str(args.launches),
                "--out",
                str(out),
                "--json",
            ]
            document = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
            rows = costs(Path(document["run"]))
            rest = [b for _, b in rows]
            print(
                f"| {label} | {len(rows)} | {statistics.median(a for a, _ in rows):.3f} "
                f"| {statistics.median(rest):.3f}, {max(rest):.3f} | {document['elapsed_s'] / len(rows):.3f} |"
            )


if __name__ == "__main__":
    main()
