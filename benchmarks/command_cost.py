"""CPU seconds of the light commands, and whether they loaded torch.

python benchmarks/command_cost.py [--times 15]
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys

COMMANDS = (
    ["--help"],
    ["list"],
    ["list", "--json"],
    ["show", "resnet50"],
    ["explain", "score"],
    ["where", "throughput"],
)


def cpu_seconds(arguments: list[str]) -> float:
    """User and system time of one command, children included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "cupel", *arguments], stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def loads(arguments: list[str], module: str) -> bool:
    """Whether a command imports a module."""
    code = f"import sys; from cupel.cli import main; main({arguments!r}); sys.exit({module!r} in sys.modules)"
    return bool(subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False).returncode)


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=15)
    args = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    print("| command | CPU s (median) | CPU s (max) | loads torch | loads numpy |")
    print("|---|---|---|---|---|")
    times: dict[str, list[float]] = {}
    for _ in range(args.times):
        for command in COMMANDS:
            times.setdefault(" ".join(command), []).append(cpu_seconds(list(command)))
    for command in COMMANDS:
        values = times[" ".join(command)]
        heavy = " | ".join("yes" if loads(list(command), module) else "no" for module in ("torch", "numpy"))
        print(f"| cupel {' '.join(command)} | {statistics.median(values):.3f} | {max(values):.3f} | {heavy} |")


if __name__ == "__main__":
    main()
