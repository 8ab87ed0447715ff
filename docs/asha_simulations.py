"""Run the simulations that docs/asha_simulated.py reports, and write their results to docs/asha_simulated/*.csv.

Run by hand: python docs/asha_simulations.py [PART ...]; half an hour on one core for all. The page is then written by
python docs/asha_simulated.py. Everything is decided by the seeds below: a row can be computed again by itself.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from cupel.methods.find_searcher import find_searcher
from cupel.spec.search import Search
from cupel.spec.seeds import Seeds
from cupel.spec.space import Configuration
from cupel.study.compare_tuners import COLUMNS, compare_tuners
from cupel.study.tuning_problem import MANY_TRIALS, TuningProblem
from cupel.study.tuning_variance import TuningVariance, tuning_variance
from cupel.tasks.cluster import Cluster
from cupel.tasks.surrogate_curves import SurrogateCurves
from cupel.tasks.until_good import UntilGood, time_to_good

FOLDER = Path(__file__).with_name("asha_simulated")
ETA, FULL = 4, 64
STRAGGLER_SD = 0.2

TUNERS = {
    "ASHA": "asha",
    "stopping (percentile)": "asha_stopping:rule=percentile",
    "stopping (rank)": "asha_stopping:rule=rank",
    "SHA (new brackets)": "successive_halving:size=256",
    "SHA (waits)": "successive_halving:size=256,when_idle=wait",
    "Hyperband": "hyperband",
    "random": "random_search",
}
BATCH_BO = "TPE (all in full)"
PROBLEMS, PROBLEMS_OF_BO = 30, 10
LIMITS = {1: 400, 4: 150, 16: 60, 25: 40, 64: 25, 256: 12, 500: 8}
"""Workers to the time, in time(R), after which a search is given up."""
WORKERS_OF_BO = (25, 64, 500)
GOOD, VERY_GOOD, TOLERANCE = 1 / 500, 1 / 10_000, 0.006
"""The targets: the loss that one configuration in so many stays below, and 0.6 % more."""
DRAWN = 100_000
HARD_WORKERS, HARD_LIMIT = 500, 6

HALVINGS = {
    "ASHA": "asha",
    "SHA (new brackets)": "successive_halving:size=256",
    "SHA (waits)": "successive_halving:size=256,when_idle=wait",
}
SDS, DROPS, RETRIES = (0.1, 0.56, 1.33), (0.0, 0.005, 0.01), (0, 10_000)
APPENDIX_RUNS, APPENDIX_FULL, APPENDIX_END, APPENDIX_WORKERS = 20, 256, 2000, 25

VARIANCE_TUNERS, VARIANCE_BUDGETS = {"ASHA": "asha", "random": "random_search"}, (2, 4, 8, 16)
TUNINGS, TRAININGS, VARIANCE_WORKERS = 40, 5, 25

COMPARED = {name: TUNERS[name] for name in ("ASHA", "stopping (rank)", "SHA (new brackets)", "Hyperband", "random")}
COMPARED["BOHB"] = "bohb"
COMPARED_PROBLEMS, COMPARED_SEEDS, COMPARED_BUDGETS, COMPARED_WORKERS = 8, 8, (2, 4, 8), 25


def found_target(problem: int, share: float) -> float:
    """The mean loss that counts as good on a problem: found by drawing from it, a second of work."""
    return SurrogateCurves(problem, max_resource=FULL).good(share, num=DRAWN) * (1 + TOLERANCE)


@cache
def target_of(problem: int, share: float) -> float:
    """The same as it was recorded."""
    with (FOLDER / "targets.csv").open(encoding="utf-8", newline="") as file:
        return next(float(row[f"{share:g}"]) for row in csv.DictReader(file) if int(row["problem"]) == problem)


def time_to_target(tuner: str, workers: int, problem: int, *, share: float = GOOD, limit: float | None = None) -> float:
    """Time, in time(R), until the retrained incumbent is good; infinite where the limit came first."""
    curves = SurrogateCurves(problem, max_resource=FULL)
    search = Search(curves.space, MANY_TRIALS, Seeds(problem).seed("search"), FULL, eta=ETA)
    watched = UntilGood(find_searcher(tuner, search), curves, target_of(problem, share))
    cluster = Cluster(workers=workers, straggler_sd=STRAGGLER_SD, seed=problem)
    return time_to_good(watched, cluster, until=(limit or LIMITS[workers]) * FULL)[0] / FULL


def with_batch_bo() -> dict[str, str]:
    """The tuners, and Optuna's where it is installed."""
    return TUNERS | ({BATCH_BO: "tpe"} if find_spec("optuna") else {})


def targets() -> Iterator[tuple[object, ...]]:
    """What counts as good on each problem, in all digits."""
    yield ("problem", f"{GOOD:g}", f"{VERY_GOOD:g}")
    for problem in range(PROBLEMS):
        yield (problem, *(repr(found_target(problem, share)) for share in (GOOD, VERY_GOOD)))


def times_to_target() -> Iterator[tuple[object, ...]]:
    """Time to the target: method, workers, problem, time."""
    yield ("method", "workers", "problem", "time")
    for workers in LIMITS:
        for method, tuner in (with_batch_bo() if workers in WORKERS_OF_BO else TUNERS).items():
            for problem in range(PROBLEMS):
                yield (method, workers, problem, time_to_target(tuner, workers, problem))


def times_to_hard_target() -> Iterator[tuple[object, ...]]:
    """Time to the harder target with 500 workers: method, problem, time."""
    yield ("method", "problem", "time")
    for method, tuner in with_batch_bo().items():
        for problem in range(PROBLEMS_OF_BO if method == BATCH_BO else PROBLEMS):
            time = time_to_target(tuner, HARD_WORKERS, problem, share=VERY_GOOD, limit=HARD_LIMIT)
            yield (method, problem, time)


class EqualCosts:
    """The learning curves of a problem, each unit of resource taking one unit of time."""

    def __init__(self, problem: int) -> None:
        self._curves = SurrogateCurves(problem, max_resource=APPENDIX_FULL)
        self.space, self.loss = self._curves.space, self._curves.loss

    def cost(self, parameters: Configuration) -> float:
        """One, whatever the configuration."""
        del parameters
        return 1.0


def appendix_run(tuner: str, sd: float, drop: float, retries: int, run: int) -> tuple[int, float]:
    """Configurations that were trained in full by the end, and when the first was; one run."""
    curves = EqualCosts(run)
    search = Search(curves.space, MANY_TRIALS, Seeds(run).seed("search"), APPENDIX_FULL, eta=ETA)
    cluster = Cluster(APPENDIX_WORKERS, sd, drop, retries, seed=run)
    found = cluster.run(find_searcher(tuner, search), curves, until=APPENDIX_END)
    assert found.broken_laws() == []
    return found.num_trained(APPENDIX_FULL), found.first_trained(APPENDIX_FULL)


def appendix() -> Iterator[tuple[object, ...]]:
    """Stragglers and drops: method, sd, drop, retries, run, configurations in full, first of them."""
    yield ("method", "sd", "drop", "retries", "run", "in_full", "first")
    for sd in SDS:
        for drop in DROPS:
            for retries in RETRIES if drop else RETRIES[:1]:
                for method, tuner in HALVINGS.items():
                    for run in range(APPENDIX_RUNS):
                        yield (method, sd, drop, retries, run, *appendix_run(tuner, sd, drop, retries, run))


def problem_of(number: int) -> TuningProblem:
    """A problem of the family, for studies of tuning."""
    curves = SurrogateCurves(number, max_resource=FULL)
    return TuningProblem(curves.space, curves.loss, curves.cost, max_resource=FULL, eta=ETA)


def variance_of(tuner: str, *, repeats: tuple[int, int] = (TUNINGS, TRAININGS)) -> TuningVariance:
    """The whole search again and again on the first problem, and its choice trained again."""
    problem = problem_of(0)

    def tune(budget: float, seed: int) -> Configuration | None:
        found = problem.found(tuner, [FULL * budget], Cluster(VARIANCE_WORKERS, STRAGGLER_SD, seed=seed))[0]
        return None if found is None else found[0]

    def train(choice: Configuration, seed: int) -> float:
        return problem.retrained(choice, [seed])[0]

    return tuning_variance(tune, train, budgets=VARIANCE_BUDGETS, repeats=repeats)


def variance() -> Iterator[tuple[object, ...]]:
    """Tuning as a source of variance: method, budget in time(R), tuning, seed, value."""
    yield ("method", "budget", "hpo_run", "seed", "value")
    for method, tuner in VARIANCE_TUNERS.items():
        done = variance_of(tuner)
        for row, budget in enumerate(done.budgets):
            for (run, seed), value in np.ndenumerate(done.values[row]):
                yield (method, budget, run, seed, float(value))


def compared(tuners: dict[str, str], problems: int, seeds: int) -> Iterator[tuple[object, ...]]:
    """Tuners on problems: method, task, seed, budget in time(R), value, selected."""
    table = compare_tuners(
        tuners,
        {f"problem {k}": problem_of(k) for k in range(problems)},
        budgets=[FULL * budget for budget in COMPARED_BUDGETS],
        repeats=(seeds, 5),
        cluster=Cluster(COMPARED_WORKERS, STRAGGLER_SD),
    )
    for method, task, seed, budget, *values in table.rows:
        yield (method, task, seed, budget / FULL, *values)


def comparison() -> Iterator[tuple[object, ...]]:
    """The table of tuners."""
    yield COLUMNS
    yield from compared(COMPARED, COMPARED_PROBLEMS, COMPARED_SEEDS)


PARTS = {
    "targets": targets,
    "time_to_target": times_to_target,
    "hard_target": times_to_hard_target,
    "appendix": appendix,
    "variance": variance,
    "comparison": comparison,
}


def written(row: tuple[object, ...]) -> list[str]:
    """A row as it stands in the file."""
    return [f"{cell:.6g}" if isinstance(cell, float) else str(cell) for cell in row]


def main() -> None:
    """Run the parts named, or all."""
    FOLDER.mkdir(exist_ok=True)
    for name in sys.argv[1:] or PARTS:
        with (FOLDER / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(map(written, PARTS[name]()))
        print(f"{FOLDER / name}.csv")


if __name__ == "__main__":
    main()
