"""How soon tuners reach a target on a real small task: ours and Optuna's, same trials, repeated, with a verdict.

    OMP_NUM_THREADS=1 python benchmarks/tuning_time_to_target.py [--repeats 20] [--trials 300]

The task: a network of one hidden layer learns two noisy spirals (torch, 600 points, half of them to validate on), up to
27 epochs of minibatches; five hyperparameters. The target is the loss in full that one in 50 random configurations has
(of 300, tuned by nobody). A run ends when a configuration that was trained in full is at or below it, or with its
trials. Cost is in epochs trained, which no other load of the machine changes, and in seconds, of one worker. A run that
does not get there counts in the comparison with twice what it spent; how many did is in the table.

Verdicts: ratios of epochs by paired seeds, geometric mean with Student's interval over logarithms, Holm over the rows.
"""

from __future__ import annotations

import argparse
import importlib
import math
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from cupel.methods.find_searcher import find_searcher
from cupel.spec.read_space import read_space
from cupel.spec.search import Search
from cupel.spec.seeds import Seeds
from cupel.spec.space import Configuration
from cupel.stats.holm import holm
from cupel.stats.mean_interval import mean_interval
from cupel.stats.student import t_p_value

EPOCHS, POINTS = 27, 600
SPACE = read_space(
    "lr=log(1e-3,3), momentum=float(0,0.99), width=logint(4,128), decay=log(1e-7,0.1), batch=cat(16,32,64)"
)
OURS = ("asha", "asha_stopping", "bohb", "tpe", "random_search")


def spirals(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Points (n, 2) and classes (n,) of two noisy spirals."""
    generator = torch.Generator().manual_seed(seed)
    turn = torch.rand(POINTS, generator=generator).sqrt() * 3 * math.pi
    label = torch.arange(POINTS) % 2
    angle = turn + math.pi * label
    x = torch.stack([turn * angle.cos(), turn * angle.sin()], dim=1) / 5
    return x + 0.12 * torch.randn(POINTS, 2, generator=generator), label


X, Y = spirals(0)


def epochs(parameters: Configuration, seed: int) -> Iterator[float]:
    """Validation losses after each epoch of a training."""
    generator = torch.Generator().manual_seed(seed)
    width = int(parameters["width"])
    weights = [torch.randn(2, width, generator=generator), torch.zeros(width)]
    weights += [torch.randn(width, 2, generator=generator) / math.sqrt(width), torch.zeros(2)]
    for weight in weights:
        weight.requires_grad_()
    optimizer = torch.optim.SGD(
        weights,
        lr=float(parameters["lr"]),
        momentum=float(parameters["momentum"]),
        weight_decay=float(parameters["decay"]),
    )

    def loss_on(rows: torch.Tensor) -> torch.Tensor:
        hidden = torch.tanh(X[rows] @ weights[0] + weights[1])
        return torch.nn.functional.cross_entropy(hidden @ weights[2] + weights[3], Y[rows])

    train, valid = torch.arange(0, POINTS // 2), torch.arange(POINTS // 2, POINTS)
    while True:
        for rows in train[torch.randperm(len(train), generator=generator)].split(int(parameters["batch"])):
            optimizer.zero_grad()
            loss_on(rows).backward()
            optimizer.step()
        with torch.no_grad():
            loss = float(loss_on(valid))
        yield loss if math.isfinite(loss) else math.inf


@dataclass
class Spent:
    """What a run has spent so far, and when it reached the target."""

    target: float
    start_s: float = field(default_factory=time.perf_counter)
    num_epochs: int = 0
    reached: tuple[int, float] | None = None

    def take(self, epoch: int, loss: float) -> None:
        """Count an epoch."""
        self.num_epochs += 1
        if epoch == EPOCHS and loss <= self.target and self.reached is None:
            self.reached = (self.num_epochs, time.perf_counter() - self.start_s)

    @property
    def result(self) -> tuple[float, float, bool]:
        """Epochs, seconds, and whether the target was reached."""
        if self.reached is not None:
            return (*self.reached, True)
        return self.num_epochs, time.perf_counter() - self.start_s, False


def ours(name: str, trials: int, seed: int, target: float) -> tuple[float, float, bool]:
    """A search by one of our searchers, trainings kept so that they can be gone on with."""
    searcher = find_searcher(name, Search(SPACE, trials=trials, seed=seed, max_resource=EPOCHS))
    trainings: dict[int, Iterator[float]] = {}
    spent = Spent(target)
    while spent.reached is None and (work := searcher.ask()) is not None:
        training = trainings.setdefault(work.trial, epochs(work.parameters, Seeds(seed).seed(work.trial) % 2**31))
        epoch, loss = int(work.start), math.inf
        for milestone in work.milestones:
            while epoch < milestone:
                epoch, loss = epoch + 1, next(training)
                spent.take(epoch, loss)
            if not searcher.tell(work.trial, milestone, loss):
                break
    return spent.result


def optuna(sampler: str, trials: int, seed: int, target: float) -> tuple[float, float, bool]:
    """A search by Optuna with its pruner of successive halving; `tpe` or `random`."""
    library: Any = importlib.import_module("optuna")
    library.logging.set_verbosity(library.logging.ERROR)
    kind = library.samplers.TPESampler if sampler == "tpe" else library.samplers.RandomSampler
    pruner = library.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3)
    study = library.create_study(sampler=kind(seed=seed), pruner=pruner)
    spent = Spent(target)
    for number in range(trials):
        if spent.reached is not None:
            break
        trial = study.ask()
        parameters: Configuration = {
            "lr": trial.suggest_float("lr", 1e-3, 3, log=True),
            "momentum": trial.suggest_float("momentum", 0, 0.99),
            "width": trial.suggest_int("width", 4, 128, log=True),
            "decay": trial.suggest_float("decay", 1e-7, 0.1, log=True),
            "batch": trial.suggest_categorical("batch", [16, 32, 64]),
        }
        training = epochs(parameters, Seeds(seed).seed(number) % 2**31)
        is_pruned, loss = False, math.inf
        for epoch in range(1, EPOCHS + 1):
            loss = next(training)
            spent.take(epoch, loss)
            trial.report(loss, epoch)
            is_pruned = epoch < EPOCHS and trial.should_prune()
            if is_pruned:
                break
        states = library.trial.TrialState
        study.tell(trial, None if is_pruned else loss, state=states.PRUNED if is_pruned else states.COMPLETE)
    return spent.result


def runner(name: str) -> Callable[[int, int, float], tuple[float, float, bool]]:
    """The engine of a row of the table."""
    if name.startswith("optuna"):
        return lambda trials, seed, target: optuna(name.partition(" ")[2].partition("+")[0], trials, seed, target)
    return lambda trials, seed, target: ours(name, trials, seed, target)


def target_loss() -> float:
    """The loss in full that one in 50 random configurations reaches."""
    rng = random.Random(12345)
    losses = []
    for k in range(300):
        training = epochs(SPACE.draw(rng), k)
        losses.append([next(training) for _ in range(EPOCHS)][-1])
    return float(np.quantile(losses, 0.02))


def main() -> None:
    """Measure, and print a table and verdicts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--trials", type=int, default=300)
    args = parser.parse_args()
    torch.set_num_threads(1)
    target = target_loss()
    names = [*OURS, "optuna tpe+pruner", "optuna random+pruner"]
    results: dict[str, list[tuple[float, float, bool]]] = {name: [] for name in names}
    for seed in range(args.repeats):
        for name in names:
            results[name].append(runner(name)(args.trials, seed, target))
    print(f"target {target:.4f}; {args.repeats} repeats of at most {args.trials} trials\n")
    print("| tuner | reached | median epochs | median s |\n|---|---|---|---|")
    for name, found in results.items():
        middle = [float(np.median([row[k] for row in found])) for k in (0, 1)]
        print(f"| {name} | {sum(row[2] for row in found)}/{len(found)} | {middle[0]:.0f} | {middle[1]:.2f} |")
    _compare(results)


def _compare(results: dict[str, list[tuple[float, float, bool]]]) -> None:
    """Print the ratios of epochs against Optuna's two."""
    rows = []
    for rival in ("optuna tpe+pruner", "optuna random+pruner"):
        for name in OURS:
            pairs = zip(results[name], results[rival], strict=True)
            logs = [math.log(_counted(a) / _counted(b)) for a, b in pairs]
            found = mean_interval(logs)
            assert found is not None
            se = (found.sd or 0.0) / math.sqrt(found.n)
            rows.append((name, rival, found, t_p_value(found.mean, se, found.n - 1)))
    adjusted = holm([row[3] for row in rows])
    print("\n| tuner | against | epochs, ratio | 95 % | p (Holm) | verdict |\n|---|---|---|---|---|---|")
    for (name, rival, found, _), p in zip(rows, adjusted, strict=True):
        ends = (
            "-"
            if found.interval is None
            else f"{math.exp(found.interval.low):.2f} to {math.exp(found.interval.high):.2f}"
        )
        verdict = "undecided" if p >= 0.05 else "sooner" if found.mean < 0 else "later"
        print(f"| {name} | {rival} | {math.exp(found.mean):.2f} | {ends} | {p:.3g} | {verdict} |")


def _counted(row: tuple[float, float, bool]) -> float:
    return row[0] if row[2] else 2 * row[0]


if __name__ == "__main__":
    main()
