"""How often claims are called wrongly or missed, what it takes, and what the engine costs per trial.

    python benchmarks/claim_engine.py [--repetitions 200] [--forked]

Null claims (A and B have the same law), planted effects, pairs used against a fixed number at equal error, and the wall
time of a trial through forked servers beside that of a bare fork. Figures: docs/performance.md.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

import cupel
from cupel.ledger.claim_log import CellRecords, ClaimLog
from cupel.run.claim_plan import ClaimPlan, ClaimRequest, make_claim_plan
from cupel.run.stop import Stop
from cupel.run.trial_pool import TrialPool
from cupel.spec.catalog import Catalog
from cupel.spec.statement import Statement
from cupel.stats.judge import judge_pairs
from cupel.stats.judge_claim import judge_claim
from cupel.stats.pairs_for_effect import pairs_for_effect
from cupel.study.claims import BackEnds, ClaimsStudy

CLAIM = """
import random
from cupel.spec.claim import Claim
from cupel.spec.outcome import Outcome

CARD = Claim(
    says="A beats B", source="a benchmark", varies=("init",), arms={"method": "a", "baseline": "b"},
    statements=({"name": "s", "kind": "quality", "says": "A beats B", "metric": "v", "better": "higher"},),
    tiny={"n": 1}, small={"n": 1}, full={"n": 1}, most_pairs={"tiny": 30},
)

def task(sizes, slot, rng):
    return random.Random(rng.seed("init", "task")).gauss(0, 1)

def method(task, slot, rng, hp):
    return Outcome({"v": task + random.Random(rng.seed("init", "a")).gauss(0, 0.5)})

def baseline(task, slot, rng, hp):
    return Outcome({"v": task + random.Random(rng.seed("init", "b")).gauss(0, 0.5)})
"""


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--forked", action="store_true", help="null claims through forked trials, too")
    args = parser.parse_args()
    nulls(args.repetitions)
    planted(args.repetitions)
    with tempfile.TemporaryDirectory() as folder:
        overhead(Path(folder))
        if args.forked:
            forked_nulls(Path(folder), args.repetitions)


def nulls(repetitions: int) -> None:
    """Null claims with looks after every pair."""
    for most in (30, 200):
        found = Counter(
            cupel.compare_methods(_arm("a"), _arm("b"), _task, most=most, seed=seed).verdict
            for seed in range(repetitions)
        )
        wrong = found["supported"] + found["contradicted"]
        print(f"null claims, at most {most} pairs: {wrong} wrong verdicts of {repetitions} ({dict(found)})")


def planted(repetitions: int) -> None:
    """Planted effects in spreads of the differences: share found, mean pairs, and the fixed number for 90 % power."""
    said = Statement(name="s", kind="quality", says="x", metric="v", better="higher")
    for effect in (0.5, 0.75, 1.0, 1.5, 2.0):
        fixed = pairs_for_effect(effect, 1.0)
        runs = [
            cupel.compare_methods(_normal(effect), _normal(0.0), None, most=200, seed=seed)
            for seed in range(repetitions)
        ]
        share = np.mean([run.verdict == "supported" for run in runs])
        pairs = np.mean([len(run.a) for run in runs])
        by_fixed = np.mean([_found_fixed(said, effect, fixed, seed) for seed in range(repetitions)])
        print(
            f"planted effect of {effect} spreads: found {share:.2f} with {pairs:.1f} pairs on average; "
            f"fixed n = {fixed}: found {by_fixed:.2f}"
        )


def _found_fixed(said: Statement, effect: float, n: int, seed: int) -> bool:
    x = np.random.default_rng(seed).normal(effect, 1.0, n)
    return judge_pairs(said, (x.tolist(), [0.0] * n), is_sequential=False).verdict == "supported"


def _task(rng: cupel.spec.Seeds) -> float:
    return random.Random(rng.seed("split")).gauss(0, 1)


def _arm(name: str) -> Callable[[float, cupel.spec.Seeds], float]:
    def method(task: float, rng: cupel.spec.Seeds) -> float:
        return task + random.Random(rng.seed(name)).gauss(0, 0.5)

    return method


def _normal(effect: float) -> Callable[[None, cupel.spec.Seeds], float]:
    def method(task: None, rng: cupel.spec.Seeds) -> float:
        del task
        return effect + random.Random(rng.seed("x", str(effect))).gauss(0, 0.5**0.5)

    return method


def overhead(folder: Path) -> None:
    """Wall time of a trial that does nothing, beside a bare fork of a process of the same size."""
    plan = _plan(folder, 0)
    cell = plan.cells[0]
    for needs in ((), ("torch",)):
        with TrialPool(folder, Stop(), workers=1, needs=needs) as pool:
            list(pool.run([cell.trial("method", 0, hp={})]))
            records, log = CellRecords(), ClaimLog(folder)
            started = time.perf_counter()
            for ended in pool.run(cell.trial("method", k, hp={}) for k in range(200)):
                records.take(ended)
                log.trial(ended)
            per_trial = (time.perf_counter() - started) / 200
            log.close()
        bare = _bare_fork_s(needs)
        print(
            f"per trial, servers with {', '.join(needs) or 'nothing'} loaded: {1e3 * per_trial:.1f} ms; "
            f"a bare fork, exit and wait {1e3 * bare:.1f} ms; the engine adds {1e3 * (per_trial - bare):.1f} ms"
        )


def _bare_fork_s(needs: Sequence[str]) -> float:
    """Median seconds of fork, exit and wait in a process that has the same loaded."""
    loads = "import torch, torch._dynamo; " if needs else ""
    code = (
        f"import cupel.run.trial_worker, os, time; {loads}\n"
        "times = []\n"
        "for _ in range(100):\n"
        "    t = time.perf_counter(); pid = os.fork()\n"
        "    if pid == 0: os._exit(0)\n"
        "    os.waitpid(pid, 0); times.append(time.perf_counter() - t)\n"
        "print(sorted(times)[50])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


def _plan(folder: Path, seed: int) -> ClaimPlan:
    path = folder / "null_vs_null.py"
    path.write_text(CLAIM, encoding="utf-8")
    return make_claim_plan(ClaimRequest(names=(str(path),), size="tiny", seed=seed), Catalog([]))


def forked_nulls(folder: Path, repetitions: int) -> None:
    """Null claims through the whole engine: forked trials, records, looks."""
    found: Counter[str] = Counter()
    seconds = []
    with TrialPool(folder, Stop(), workers=os.cpu_count() or 1, needs=()) as pool:
        for seed in range(repetitions):
            plan = _plan(folder, seed)
            cell, records, log = plan.cells[0], CellRecords(), ClaimLog(folder)
            started = time.perf_counter()
            for _ in ClaimsStudy(plan, {cell.key: records}, log, Stop()).run(BackEnds(pool, _NoLaunches())):
                pass
            seconds.append(time.perf_counter() - started)
            found[judge_claim(cell.card, records, size="tiny")["s"].verdict] += 1
            log.close()
    wrong = found["supported"] + found["contradicted"]
    print(
        f"null claims through forks, at most 30 pairs: {wrong} wrong of {repetitions} ({dict(found)}); "
        f"{statistics.median(seconds):.2f} s each"
    )


class _NoLaunches:
    def run(self, jobs: Iterator[object]) -> Iterator[object]:
        del jobs
        return iter(())


if __name__ == "__main__":
    main()
