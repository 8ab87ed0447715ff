"""What the recorded simulations say, read for docs/asha_simulated.py: times to a target, ratios, counts, spreads.

Every interval is at 95 %: a bootstrap over problems for medians of problems, over runs for means of runs.
"""

from __future__ import annotations

import csv

import numpy as np
from asha_simulations import FOLDER, HARD_LIMIT, HARD_WORKERS, LIMITS

from cupel.stats.aggregate import aggregate
from cupel.stats.interval import Interval
from cupel.stats.resample import Resample
from cupel.stats.tuning_spread import TuningSpread, tuning_spread

ASHA, SHA, WAITS = "ASHA", "SHA (new brackets)", "SHA (waits)"
TASKS = Resample("tasks", num=4000)
RUNS = Resample("runs", num=4000)
Rows = list[dict[str, str]]
Setting = tuple[float, float, int]
Estimate = tuple[float, Interval]


def table(name: str) -> Rows:
    """The rows of a part."""
    with (FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


class Times:
    """Times to a target: of each method, at each number of workers, (problems,) in time(R); infinite where not reached.

    Args:
        rows: method, workers, problem, time.
        limits: workers to the time at which searches were given up.
    """

    def __init__(self, rows: Rows, limits: dict[int, float]) -> None:
        self.limits = limits
        self.of: dict[tuple[str, int], np.ndarray] = {}
        for row in rows:
            key = (row["method"], int(row["workers"]))
            self.of[key] = np.append(self.of.get(key, np.empty(0)), float(row["time"]))
        self.methods = list(dict.fromkeys(method for method, _ in self.of))
        self.workers = list(dict.fromkeys(workers for _, workers in self.of))

    @property
    def num_problems(self) -> int:
        """Problems that ASHA was run on."""
        return len(self.of[ASHA, self.workers[0]])

    def capped(self, method: str, workers: int) -> np.ndarray:
        """(problems,) with the limit in place of what was not reached."""
        return np.minimum(self.of[method, workers], self.limits[workers])

    def median(self, method: str, workers: int) -> str:
        """The median over problems with its interval, in words."""
        limit, (value, interval) = self.limits[workers], over_problems(self.capped(method, workers))
        estimate, low, high = (f"{x:.3g}" if x < limit else f">{limit}" for x in (value, interval.low, interval.high))
        return estimate if estimate.startswith(">") else f"{estimate} [{low}, {high}]"

    def ratio(self, method: str, workers: int, over: str = ASHA) -> Estimate:
        """Median over the problems of both of time(method) / time(over)."""
        times = [self.capped(name, workers) for name in (method, over)]
        shared = min(map(len, times))
        return _ratio(times[0][:shared] / times[1][:shared])

    def speed_up(self, method: str, workers: int) -> Estimate:
        """Median over problems of time with one worker / time with more."""
        return _ratio(self.capped(method, 1) / self.capped(method, workers))

    def over_ideal(self, method: str, workers: int) -> Estimate:
        """Median over problems of time / max(time with one worker / workers, 1 time(R))."""
        ideal = np.maximum(self.capped(method, 1) / workers, 1.0)
        return _ratio(self.capped(method, workers) / ideal)


def _ratio(values: np.ndarray) -> Estimate:
    estimate, interval = over_problems(np.log(values))
    return float(np.exp(estimate)), Interval(float(np.exp(interval.low)), float(np.exp(interval.high)), 0.95, "")


def over_problems(values: np.ndarray) -> Estimate:
    """Median over problems, and an interval for problems like these."""
    row = aggregate(values[None, :], "median", resample=TASKS).rows[0]
    return row.estimate, row.interval or _point(row.estimate)


def over_runs(values: np.ndarray) -> Estimate:
    """Mean over runs, and an interval."""
    row = aggregate(values[:, None], "mean", resample=RUNS).rows[0]
    return row.estimate, row.interval or _point(row.estimate)


def _point(value: float) -> Interval:
    """Where all values are the same, resamples say nothing of how far the estimate may be off."""
    return Interval(value, value, 0.95, "all values are the same")


def easy_times() -> Times:
    """Time to the target that one configuration in 500 meets."""
    return Times(table("time_to_target"), dict(LIMITS))


def hard_times() -> Times:
    """Time to the target that one configuration in 10,000 meets, 500 workers."""
    return Times([row | {"workers": str(HARD_WORKERS)} for row in table("hard_target")], {HARD_WORKERS: HARD_LIMIT})


class Appendix:
    """The runs with stragglers and dropped jobs.

    Attributes:
        methods: what was run.
        settings: (sd, probability of a drop, retries) of each setting.
    """

    def __init__(self) -> None:
        self._rows = [
            (row["method"], (float(row["sd"]), float(row["drop"]), int(row["retries"])), row)
            for row in table("appendix")
        ]
        self.methods = list(dict.fromkeys(method for method, _, _ in self._rows))
        self.settings = list(dict.fromkeys(setting for _, setting, _ in self._rows))

    def in_full(self, method: str, setting: Setting) -> np.ndarray:
        """(runs,) configurations that were trained in full."""
        return self._column(method, setting, "in_full")

    def first(self, method: str, setting: Setting) -> np.ndarray:
        """(runs,) when the first of them was; infinite for none."""
        return self._column(method, setting, "first")

    def most_retries(self, sd: float, drop: float) -> Setting:
        """The setting in which a dropped job is done again."""
        return max(setting for setting in self.settings if setting[:2] == (sd, drop))

    def _column(self, method: str, setting: Setting, column: str) -> np.ndarray:
        return np.array([float(row[column]) for name, where, row in self._rows if (name, where) == (method, setting)])


def spreads() -> dict[str, list[tuple[float, TuningSpread]]]:
    """Of each tuner and budget: what tunings and seeds add to the variance."""
    values: dict[str, dict[float, dict[str, list[float]]]] = {}
    for row in table("variance"):
        runs = values.setdefault(row["method"], {}).setdefault(float(row["budget"]), {})
        runs.setdefault(row["hpo_run"], []).append(float(row["value"]))
    return {
        method: [(b, tuning_spread(method, [np.array(v) for v in runs.values()])) for b, runs in budgets.items()]
        for method, budgets in values.items()
    }
