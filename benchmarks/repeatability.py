"""Does `compare` keep its word? Runs of the same suite on the same machine, compared in pairs.

    python benchmarks/repeatability.py [--pairs 40] [--launches 7] [--rope 1%] [--keep DIR]

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
from collections.abc import Sequence
from pathlib import Path

from scipy.special import betaincinv

HERE = Path(__file__).parent
WORKS = ("count", "deflate", "sort", "json")


def suite_text(works: Sequence[str], slowed: str = "") -> str:
    """A suite of these kinds of work; the one that is named does 10 % more per item."""
    entries = [
        f"[[entries]]\nrun = '{HERE.resolve()}/spin.py'\nlabel = '{work}'\n"
        f"set = {{ work = '{work}', percent = {110 if work == slowed else 100} }}\n"
        for work in works
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


def measure(out: Path, pairs: int, launches: int, works: Sequence[str]) -> list[dict[str, str]]:
    """The runs of all pairs, named in `pairs.json` as they come, so that an interrupted series goes on."""
    out.mkdir(parents=True, exist_ok=True)
    index = out / "pairs.json"
    done: list[dict[str, str]] = json.loads(index.read_text()) if index.exists() else []
    plain, slowed = out / "plain.toml", out / "slowed.toml"
    plain.write_text(suite_text(works))
    for pair in range(len(done), pairs):
        victim = works[pair % len(works)]
        slowed.write_text(suite_text(works, victim))
        runs = [run(suite, out, launches, 3 * pair + k) for k, suite in enumerate((plain, plain, slowed))]
        done.append({"a": runs[0], "b": runs[1], "c": runs[2], "slowed": victim})
        index.write_text(json.dumps(done, indent=1))
        print(f"{pair + 1} of {pairs}", file=sys.stderr, flush=True)
    return done


def judge(pairs: list[dict[str, str]], rope: str) -> None:
    """Compare the runs of each pair and print what was found."""
    hits: Counter[str] = Counter()
    verdicts: Counter[str] = Counter()
    ratios: list[float] = []
    for number, pair in enumerate(pairs, 1):
        null, planted = compared(pair["a"], pair["b"], rope), compared(pair["a"], pair["c"], rope)
        verdicts.update(e["verdict"] for e in null["entries"])
        hits["false"] += any(e["verdict"] in ("faster", "slower") for e in null["entries"])
        hits["alone"] += any(e["verdict_alone"] in ("faster", "slower") for e in null["entries"])
        victim = next(e for e in planted["entries"] if e["label"] == pair["slowed"])
        hits["found"] += victim["verdict"] == "slower"
        ratios.append(victim["ratio"])
        rows = ", ".join(f"{e['label']} {e['verdict']} {e['ratio']:.4f}" for e in null["entries"])
        print(f"{number}: {rows}; {pair['slowed']} slowed: {victim['verdict']} {victim['ratio']:.4f}", file=sys.stderr)
    print("| what | count | rate | exact 95 % interval | wanted |")
    print("|---|---|---|---|---|")
    for key, label, wanted in (
        ("false", "pairs with a false faster or slower (Holm)", "5 % within binomial tolerance"),
        ("alone", "the same without Holm", "shown for comparison"),
        ("found", "slowed by 10 %, called slower", "at least 80 %"),
    ):
        low, high = interval(hits[key], len(pairs))
        rate = hits[key] / len(pairs)
        print(f"| {label} | {hits[key]} of {len(pairs)} | {rate:.1%} | {low:.1%} to {high:.1%} | {wanted} |")
    mean = math.exp(sum(map(math.log, ratios)) / len(pairs))
    print(f"\nVerdicts of equal runs: {dict(verdicts)}. Mean ratio of the slowed entry: {mean:.4f} (1/1.1 = 0.9091).")


def main() -> None:
    """Measure what is missing, then judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--launches", type=int, default=7)
    parser.add_argument("--entries", type=int, default=len(WORKS), help="how many of the four kinds of work")
    parser.add_argument("--rope", default="1%")
    parser.add_argument("--keep", type=Path, help="keep the runs there; what is there already is not measured again")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        pairs = measure(args.keep or Path(name), args.pairs, args.launches, WORKS[: args.entries])
        judge(pairs[: args.pairs], args.rope)


if __name__ == "__main__":
    main()
