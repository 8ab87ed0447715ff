"""Does `compare` keep its word? Runs of the same suite on the same machine, compared in pairs.

    python benchmarks/repeatability.py [--pairs 40] [--launches 5] [--rope 1%]

For each pair, three runs one after another: A, B (the same), and C (one entry slowed by 10 %, each in its turn: it
does 10 % more work per item). A against B should find no difference in 95 % of the pairs (Holm over the entries),
A against C should call the slowed entry slower in at least 80 %. Prints the rates with their exact binomial intervals.
The suite is cheap: four kinds of plain Python work.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from scipy.special import betaincinv

HERE = Path(__file__).parent
WORKS = ("count", "hash", "sort", "json")


def suite_text(slowed: str = "") -> str:
    """A suite of four entries; the one that is named does 10 % more work per item."""
    entries = [
        f"[[entries]]\nrun = '{HERE.resolve()}/spin.py'\nlabel = '{work}'\n"
        f"set = {{ work = '{work}', percent = {110 if work == slowed else 100} }}\n"
        for work in WORKS
    ]
    return "\n".join(["title = 'cheap'", "size = 'tiny'", *entries])


def run(suite: Path, out: Path, launches: int, seed: int) -> str:
    """One run; returns its folder."""
    command = [
        sys.executable,
        "-m",
        "cupel",
        "run",
        str(suite),
        "--launches",
        str(launches),
        "--seed",
        str(seed),
        "--out",
        str(out),
        "--json",
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise SystemExit(result.stderr[-2000:])
    return str(json.loads(result.stdout)["run"])


def compared(a: str, b: str, rope: str) -> dict:
    """The comparison of two runs."""
    command = [sys.executable, "-m", "cupel", "compare", a, b, "--rope", rope, "--json"]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=False).stdout)


def interval(hits: int, n: int) -> tuple[float, float]:
    """Clopper-Pearson, 95 %."""
    low = 0.0 if hits == 0 else float(betaincinv(hits, n - hits + 1, 0.025))
    high = 1.0 if hits == n else float(betaincinv(hits + 1, n - hits, 0.975))
    return low, high


def main() -> None:
    """Run the pairs and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--launches", type=int, default=5)
    parser.add_argument("--rope", default="1%")
    parser.add_argument("--keep", type=Path, help="keep the runs there")
    args = parser.parse_args()
    false_pairs = found = alone = 0
    verdicts: Counter[str] = Counter()
    ratios: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        out = args.keep or Path(name)
        plain, slowed = Path(name) / "plain.toml", Path(name) / "slowed.toml"
        plain.write_text(suite_text())
        for pair in range(args.pairs):
            victim = WORKS[pair % len(WORKS)]
            slowed.write_text(suite_text(victim))
            a, b, c = (run(suite, out, args.launches, 3 * pair + k) for k, suite in enumerate((plain, plain, slowed)))
            null, planted = compared(a, b, args.rope), compared(a, c, args.rope)
            differs = [e for e in null["entries"] if e["verdict"] in ("faster", "slower")]
            false_pairs += bool(differs)
            alone += any(e["verdict_alone"] in ("faster", "slower") for e in null["entries"])
            verdicts.update(e["verdict"] for e in null["entries"])
            spin = next(e for e in planted["entries"] if e["label"] == victim)
            found += spin["verdict"] == "slower"
            ratios.append(spin["ratio"])
            rows = ", ".join(f"{e['label']} {e['verdict']} {e['ratio']:.4f}" for e in null["entries"])
            print(
                f"{pair + 1}: {rows}; {victim} slowed: {spin['verdict']} {spin['ratio']:.4f}",
                file=sys.stderr,
                flush=True,
            )
    n = args.pairs
    print("| what | count | rate | exact 95 % interval | wanted |")
    print("|---|---|---|---|---|")
    for label, hits, wanted in (
        ("pairs with a false faster or slower (Holm)", false_pairs, "5 % within binomial tolerance"),
        ("the same without Holm", alone, "shown for comparison"),
        ("slowed by 10 %, called slower", found, "at least 80 %"),
    ):
        low, high = interval(hits, n)
        print(f"| {label} | {hits} of {n} | {hits / n:.1%} | {low:.1%} to {high:.1%} | {wanted} |")
    mean = math.exp(sum(map(math.log, ratios)) / n)
    print(f"\nVerdicts of equal runs: {dict(verdicts)}. Mean ratio of the slowed entry: {mean:.4f} (1/1.1 = 0.9091).")


if __name__ == "__main__":
    main()
