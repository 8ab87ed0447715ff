"""How long a resample takes, and whether the intervals agree: Cupel beside rliable 1.2.0, in turn, in one process.

    python benchmarks/rliable_speed.py [--resamples 500] [--rounds 5]

rliable 1.2.0 works neither with arch 8 nor with pandas 3, so it needs an environment of its own:

    python -m venv rliable-venv
    rliable-venv/bin/pip install "rliable==1.2.0" "arch<8" "pandas<3" -e .
    OMP_NUM_THREADS=1 rliable-venv/bin/python benchmarks/rliable_speed.py

Processor time, the best of the rounds; 50 runs x 24 tasks a method. An end of an interval from 500 resamples is off by
about 6 % of the half width (one standard deviation), and Cupel's are 1 % longer at 50 runs (`cupel explain resample`).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from cupel.stats.aggregate import aggregate
from cupel.stats.interval import Interval
from cupel.stats.performance_profile import performance_profile
from cupel.stats.probability_of_improvement import probability_of_improvement
from cupel.stats.resample import Resample

NUM_RUNS, NUM_TASKS = 50, 24
TAU = np.linspace(0, 1, 21)
Ends = tuple[float, float]
Timed = tuple[float, Ends]
MISSING = (
    "rliable cannot be imported here ({}); its columns stay empty. Make an environment for it:\n"
    "    python -m venv rliable-venv\n"
    '    rliable-venv/bin/pip install "rliable==1.2.0" "arch<8" "pandas<3" -e .\n'
)
HEAD = (
    "| interval of | rliable, ms a resample | Cupel, ms a resample | times faster | rliable | Cupel | ends differ by, "
    "share of half width |\n|---|---|---|---|---|---|---|"
)


def scores() -> dict[str, np.ndarray]:
    """Two methods whose runs differ by less than the tasks do."""
    rng = np.random.default_rng(0)
    level = rng.uniform(0.2, 0.8, NUM_TASKS)
    return {
        name: level + gain + 0.15 * rng.normal(size=(NUM_RUNS, NUM_TASKS)) for name, gain in (("x", 0.03), ("y", 0))
    }


def theirs(data: dict[str, np.ndarray], num: int) -> dict[str, Callable[[], Ends]]:
    """The calls of rliable, as its README has them; none where it cannot be imported."""
    try:
        from rliable import library, metrics
    except (ImportError, AttributeError) as error:
        print(MISSING.format(error))
        return {}

    def ends(pool: Any, statistic: Callable[..., Any], place: int = 0) -> Ends:
        np.random.seed(0)  # noqa: NPY002 - rliable draws from the global generator, whatever it is handed
        found = library.get_interval_estimates(pool, statistic, reps=num)[1]
        low, high = np.asarray(next(iter(found.values())))[:, place]
        return float(low), float(high)

    one = {"x": data["x"]}
    two = {"x,y": (data["x"], data["y"])}
    return {
        "IQM": lambda: ends(one, lambda x: np.array([metrics.aggregate_iqm(x)])),
        "mean": lambda: ends(one, lambda x: np.array([metrics.aggregate_mean(x)])),
        "median": lambda: ends(one, lambda x: np.array([metrics.aggregate_median(x)])),
        "P(X > Y)": lambda: ends(two, lambda x, y: np.array([metrics.probability_of_improvement(x, y)])),
        "profile, 21 thresholds": lambda: ends(one, lambda x: library.score_distributions(x, TAU), 10),
    }


def ours(data: dict[str, np.ndarray], num: int) -> dict[str, Callable[[], Ends]]:
    """The same by Cupel."""
    plan = Resample(num=num)

    def ends(interval: Any) -> Ends:
        assert isinstance(interval, Interval)
        return interval.low, interval.high

    def profile() -> Ends:
        row = performance_profile(data["x"], TAU, resample=plan).rows[0]
        return float(row.low[10]), float(row.high[10])

    return {
        "IQM": lambda: ends(aggregate(data["x"], "iqm", resample=plan).interval),
        "mean": lambda: ends(aggregate(data["x"], "mean", resample=plan).interval),
        "median": lambda: ends(aggregate(data["x"], "median", resample=plan).interval),
        "P(X > Y)": lambda: ends(probability_of_improvement(data, ("x", "y"), resample=plan).interval),
        "profile, 21 thresholds": profile,
    }


def timed(call: Callable[[], Ends]) -> Timed:
    """Processor time of one call, and what it gave."""
    start = time.process_time()
    found = call()
    return time.process_time() - start, found


def best(rounds: list[Timed]) -> Timed:
    """The fastest round."""
    return min(rounds, key=lambda one: one[0])


def line(name: str, rival: Timed | None, own: Timed, num: int) -> str:
    """One row of the table."""
    span = "{:.4f} to {:.4f}".format(*own[1])
    if rival is None:
        return f"| {name} | | {own[0] / num * 1e3:.4f} | | | {span} | |"
    half = (rival[1][1] - rival[1][0]) / 2
    apart = max(abs(a - b) for a, b in zip(rival[1], own[1], strict=True)) / half
    theirs_ms, own_ms = rival[0] / num * 1e3, own[0] / num * 1e3
    their_span = "{:.4f} to {:.4f}".format(*rival[1])
    return (
        f"| {name} | {theirs_ms:.3f} | {own_ms:.4f} | {theirs_ms / own_ms:.0f} | {their_span} | {span} | {apart:.0%} |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--resamples", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    told = parser.parse_args()
    data = scores()
    rival, own = theirs(data, told.resamples), ours(data, told.resamples)
    for call in own.values():
        call()  # scipy is imported on demand
    print(f"{NUM_RUNS} runs x {NUM_TASKS} tasks, {told.resamples} resamples, best of {told.rounds} rounds\n\n{HEAD}")
    for name, call in own.items():
        beside: list[Timed] = []
        mine: list[Timed] = []
        for _ in range(told.rounds):
            beside += [timed(rival[name])] if name in rival else []
            mine.append(timed(call))
        print(line(name, best(beside) if beside else None, best(mine), told.resamples), flush=True)


if __name__ == "__main__":
    main()
