"""What a tuner itself costs per trial: ours, and the engines that are installed, one after another in one run.

    python benchmarks/tuning_overhead.py [--trials 1000 10000] [--engines cupel cupel_study cupel_disk optuna ...]

A trial costs nothing here: its loss is one of its parameters. Six parameters of all kinds; random search, and ASHA (of
Optuna: its pruner; of syne-tune and Ray Tune: their scheduler) up to resource 81 with eta 3. Engines:
    cupel         ask and tell of a searcher
    cupel_study   the whole study in memory: decisions, records, incumbents
    cupel_disk    the same with every decision in a file: outlives the death of all processes, waits for no disk
    optuna        ask and tell in memory
    optuna_disk   the same in a journal file, which waits for the disk
    syne_tune     its scheduler, asked and told
    ray           Ray Tune's Tuner on trivial trainables, at most 50 trials, start-up left out
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cupel.ledger.tuning_log import TuningLog
from cupel.methods.find_searcher import find_searcher
from cupel.spec.read_space import read_space
from cupel.spec.search import Search
from cupel.spec.tuning import TuningRequest
from cupel.study.trial_functions import TrialFunctions
from cupel.study.tuning import MemoryLog, TuningStudy

SPACE = read_space(
    "lr=log(1e-5,1), wd=log(1e-6,0.1), drop=float(0,1), width=int(16,1024), act=cat(a,b,c), depth=int(1,8)"
)
RUNGS = (1, 3, 9, 27, 81)
MOST_RAY = 50
SEARCHERS = {"random": "random_search", "asha": "asha"}


def cupel(kind: str, trials: int) -> float:
    """Seconds to ask and tell."""
    searcher = find_searcher(SEARCHERS[kind], Search(SPACE, trials=trials, max_resource=81))
    start = time.perf_counter()
    while (work := searcher.ask()) is not None:
        searcher.tell(work.trial, work.target, float(work.parameters["drop"]))
    return time.perf_counter() - start


def cupel_study(kind: str, trials: int, log: Any = None) -> float:
    """Seconds of a whole study."""
    request = TuningRequest(
        script="",
        space=SPACE.as_dict(),
        searcher=SEARCHERS[kind],
        trials=trials,
        max_resource=81,
        reevaluations=0,
    )
    searcher = find_searcher(request.searcher, request.search)
    trainer = TrialFunctions(lambda parameters: parameters["drop"])
    study = TuningStudy(request, searcher, trainer, MemoryLog() if log is None else log)
    start = time.perf_counter()
    for _ in study.run():
        pass
    return time.perf_counter() - start


def cupel_disk(kind: str, trials: int) -> float:
    """Seconds of a whole study whose decisions are in a file."""
    with tempfile.TemporaryDirectory() as folder:
        return cupel_study(kind, trials, TuningLog(Path(folder)))


def optuna(kind: str, trials: int, storage: Any = None) -> float:
    """Seconds to ask and tell Optuna."""
    library = importlib.import_module("optuna")
    library.logging.set_verbosity(library.logging.ERROR)
    pruner = library.pruners.NopPruner()
    if kind == "asha":
        pruner = library.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3)
    study = library.create_study(storage=storage, sampler=library.samplers.RandomSampler(seed=0), pruner=pruner)
    start = time.perf_counter()
    for _ in range(trials):
        trial = study.ask()
        loss = trial.suggest_float("drop", 0, 1)
        trial.suggest_float("lr", 1e-5, 1, log=True)
        trial.suggest_float("wd", 1e-6, 0.1, log=True)
        trial.suggest_int("width", 16, 1024)
        trial.suggest_categorical("act", ["a", "b", "c"])
        trial.suggest_int("depth", 1, 8)
        is_pruned = False
        for step in RUNGS if kind == "asha" else ():
            trial.report(loss, step)
            is_pruned = trial.should_prune()
            if is_pruned:
                break
        state = library.trial.TrialState
        study.tell(trial, None if is_pruned else loss, state=state.PRUNED if is_pruned else state.COMPLETE)
    return time.perf_counter() - start


def optuna_disk(kind: str, trials: int) -> float:
    """Seconds to ask and tell Optuna with a journal file."""
    library = importlib.import_module("optuna.storages")
    journal = importlib.import_module("optuna.storages.journal")
    with tempfile.TemporaryDirectory() as folder:
        storage = library.JournalStorage(journal.JournalFileBackend(os.path.join(folder, "journal")))  # noqa: PTH118
        return optuna(kind, trials, storage)


def syne_tune(kind: str, trials: int) -> float:
    """Seconds to ask and tell a scheduler of syne-tune."""
    spaces = importlib.import_module("syne_tune.config_space")
    baselines = importlib.import_module("syne_tune.optimizer.baselines")
    backend = importlib.import_module("syne_tune.backend.trial_status")
    space = {
        "lr": spaces.loguniform(1e-5, 1),
        "wd": spaces.loguniform(1e-6, 0.1),
        "drop": spaces.uniform(0, 1),
        "width": spaces.randint(16, 1024),
        "act": spaces.choice(["a", "b", "c"]),
        "depth": spaces.randint(1, 8),
    }
    if kind == "asha":
        scheduler = baselines.ASHA(space, metric="loss", time_attr="step", max_t=81, random_seed=0)
    else:
        scheduler = baselines.RandomSearch(space, metrics=["loss"], random_seed=0)
    start = time.perf_counter()
    for number in range(trials):
        suggestion = scheduler.suggest()
        trial = backend.Trial(number, suggestion.config, time.time())  # type: ignore[call-arg]
        scheduler.on_trial_add(trial)
        for step in RUNGS if kind == "asha" else (81,):
            result = {"loss": suggestion.config["drop"], "step": step}
            decision = scheduler.on_trial_result(trial, result)
            if decision != "CONTINUE":
                break
        else:
            scheduler.on_trial_complete(trial, result)
    return time.perf_counter() - start


def ray(kind: str, trials: int) -> float:
    """Seconds of a run of Ray Tune; what starting it costs is left out by a run of one trial before."""
    library = importlib.import_module("ray")
    tune = importlib.import_module("ray.tune")
    schedulers = importlib.import_module("ray.tune.schedulers")
    if not library.is_initialized():
        library.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)

    def train(config: Any) -> None:
        for step in RUNGS if kind == "asha" else (1,):
            tune.report({"loss": config["drop"], "step": step})

    def run(num: int) -> float:
        scheduler = schedulers.ASHAScheduler(time_attr="step", max_t=81, reduction_factor=3) if kind == "asha" else None
        options = tune.TuneConfig(metric="loss", mode="min", num_samples=num, scheduler=scheduler)
        tuner = tune.Tuner(
            train,
            param_space={"drop": tune.uniform(0, 1), "lr": tune.loguniform(1e-5, 1)},
            tune_config=options,
            run_config=tune.RunConfig(verbose=0, storage_path=tempfile.mkdtemp()),
        )
        start = time.perf_counter()
        tuner.fit()
        return time.perf_counter() - start

    run(1)
    return run(trials)


ENGINES: dict[str, Callable[[str, int], float]] = {
    "cupel": cupel,
    "cupel_study": cupel_study,
    "cupel_disk": cupel_disk,
    "optuna": optuna,
    "optuna_disk": optuna_disk,
    "syne_tune": syne_tune,
    "ray": ray,
}


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--engines", nargs="+", default=list(ENGINES), choices=list(ENGINES))
    args = parser.parse_args()
    print("| engine | searcher | trials | ms per trial |\n|---|---|---|---|")
    for trials in args.trials:
        for name in args.engines:
            for kind in SEARCHERS:
                num = min(trials, MOST_RAY) if name == "ray" else trials
                try:
                    text = f"{ENGINES[name](kind, num) / num * 1e3:.3g}"
                except ImportError as error:
                    text = f"not installed ({error.name})"
                print(f"| {name} | {kind} | {num} | {text} |", flush=True)


if __name__ == "__main__":
    main()
