"""Clean tables of results in several shapes, with names and sizes drawn at random, for planting defects in them."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest

Table = dict[str, list]
METHODS = (
    "ppo",
    "sac",
    "TD3",
    "ours",
    "resnet18",
    "XGBoost",
    "RandomForest",
    "bohb",
    "SVM",
    "tabnet",
    "mean teacher",
    "A2C",
)
TASKS = ("adult", "higgs", "covertype", "Hopper", "Walker2d", "cifar10", "mnist-c", "bank", "lcb-31", "jahs", "speech")
METHOD_NAMES = ("method", "algorithm", "model", "agent", "optimizer", "approach")
TASK_NAMES = ("task", "dataset", "benchmark", "env", "problem", "game")


def sizes(rng, methods=(3, 6), tasks=(3, 8), runs=(5, 13)) -> tuple[list[str], list[str], list[int]]:
    """Methods, tasks, and seeds that begin anywhere."""
    m, t, r = (int(rng.integers(*span)) for span in (methods, tasks, runs))
    first = int(rng.choice([0, 1, 42, 1000]))
    names = [str(x) for x in rng.choice(METHODS, size=m, replace=False)]
    return names, [str(x) for x in rng.choice(TASKS, size=t, replace=False)], list(range(first, first + r))


def rows_of(method: str, task: str, parts: list, rng) -> tuple[Table, np.ndarray, np.ndarray, np.ndarray]:
    """A full design with its method and task effects: mean per row, method code, task code."""
    methods, tasks, *rest = parts
    rows = list(product(methods, tasks, *rest))
    table = {method: [row[0] for row in rows], task: [row[1] for row in rows]}
    m = np.array([methods.index(row[0]) for row in rows])
    t = np.array([tasks.index(row[1]) for row in rows])
    effect = rng.normal(size=len(methods))[m] + 2 * rng.normal(size=len(tasks))[t]
    effect = effect + 0.3 * rng.normal(size=(len(methods), len(tasks)))[m, t]
    return table, effect, m, t


def shuffled(table: Table, rng) -> Table:
    """The rows in another order, sometimes."""
    n = len(next(iter(table.values())))
    order = rng.permutation(n) if rng.random() < 0.5 else np.arange(n)
    return {name: [values[i] for i in order] for name, values in table.items()}


def rl_returns(rng) -> Table:
    """Returns of agents over seeds; a few runs that failed are rows."""
    methods, tasks, seeds = sizes(rng)
    table, effect, _, t = rows_of(
        str(rng.choice(METHOD_NAMES)), str(rng.choice(TASK_NAMES)), [methods, tasks, seeds], rng
    )
    n = effect.size
    scale = 10.0 ** rng.uniform(1, 3.5, size=len(tasks))[t]
    value = scale * (effect + 0.4 * rng.standard_t(4, size=n))
    table["seed"] = seeds * (n // len(seeds))
    table[str(rng.choice(["return", "episodic_return", "score", "eval_reward"]))] = value.round(3).tolist()
    if rng.random() < 0.4:
        failed = rng.random(n) < 0.02
        name = list(table)[-1]
        table[name] = [None if bad else x for bad, x in zip(failed, table[name], strict=True)]
        table["status"] = ["failed" if bad else "ok" for bad in failed]
    return table


def accuracies(rng) -> Table:
    """Accuracies over data sets: fractions or per cent, with what a careful author notes beside them."""
    methods, tasks, seeds = sizes(rng, methods=(2, 5))
    has_majority = rng.random() < 0.4
    names = [*methods, "majority"] if has_majority else methods
    table, effect, m, t = rows_of(
        str(rng.choice(METHOD_NAMES)), str(rng.choice(TASK_NAMES)), [names, tasks, seeds], rng
    )
    n = effect.size
    steps = np.arange(len(names)) * 0.03
    base = rng.uniform(0.65, 0.85, size=len(tasks))
    value = base[t] + steps[m] + 0.008 * rng.normal(size=n)
    share = rng.uniform(0.3, 0.6, size=len(tasks)).round(3)
    value = np.where(m == len(methods), share[t], value) if has_majority else value
    n_test = rng.integers(1000, 20000, size=len(tasks))
    hits = (value * n_test[t]).round()
    test = np.clip(hits / n_test[t], 0, 0.985)
    is_percent = rng.random() < 0.4
    value = 100 * test if is_percent else test
    table["seed"] = seeds * (n // len(seeds))
    if rng.random() < 0.5:
        table["val_accuracy"] = (value + rng.normal(size=n) * (0.5 if is_percent else 0.005)).tolist()
        table["best_epoch"] = rng.integers(5, 60, size=n).tolist()
        table["test_accuracy"] = value.tolist()
    else:
        table[str(rng.choice(["accuracy", "acc", "test_acc", "Accuracy"]))] = value.tolist()
    if rng.random() < 0.5:
        table["n_test"] = n_test[t].tolist()
    if rng.random() < 0.5:
        table["majority_rate"] = share[t].tolist()
    if rng.random() < 0.5:
        table["n_trials"] = np.where(m == len(methods), 1, 50).tolist()
    if rng.random() < 0.5:
        table["train_time_s"] = (60 * np.exp(rng.normal(size=n))).round(2).tolist()
    return table


def hpo_regret(rng) -> Table:
    """Regret of tuners over growing budgets."""
    methods, tasks, seeds = sizes(rng, tasks=(3, 6), runs=(5, 9))
    budgets = [1, 2, 4, 8, 16]
    names = [*methods, "RS"] if rng.random() < 0.5 else methods
    table, effect, _, _ = rows_of(
        "optimizer", str(rng.choice(["benchmark", "task"])), [names, tasks, seeds, budgets], rng
    )
    n = effect.size
    drops = rng.exponential(0.5, size=(n // len(budgets), len(budgets))).cumsum(axis=1)
    table["seed"] = np.tile(np.repeat(seeds, len(budgets)), n // (len(seeds) * len(budgets))).tolist()
    table["budget"] = budgets * (n // len(budgets))
    table[str(rng.choice(["regret", "simple_regret", "best_loss", "value"]))] = np.exp(
        0.3 * effect - drops.ravel()
    ).tolist()
    return table


def timing(rng) -> Table:
    """Seconds of programs over repeats, in ms now and then, with few digits."""
    methods, tasks, seeds = sizes(rng, methods=(2, 5))
    table, effect, _, t = rows_of("system", "workload", [methods, tasks, seeds], rng)
    seconds = np.exp(0.2 * effect + rng.uniform(-1, 4, size=len(tasks))[t] + 0.01 * rng.normal(size=effect.size))
    name, digits = (("latency_ms", 1), ("time_s", 4), ("throughput", 6))[rng.integers(3)]
    table["rep"] = list(range(len(seeds))) * (effect.size // len(seeds))
    table[name] = (1000 * seconds if digits == 1 else seconds).round(digits).tolist()
    return table


def summary_cells(rng) -> Table:
    """A table of a paper: a row per method and data set, mean and spread in one cell, runs beside it."""
    methods, tasks, seeds = sizes(rng)
    table, effect, m, _ = rows_of("Method", "Dataset", [methods, tasks], rng)
    mean = 70 + 2 * effect + m
    spread = rng.uniform(0.2, 1.5, size=effect.size)
    table["Accuracy (%)"] = [f"{a:.2f} ± {b:.2f}" for a, b in zip(mean, spread, strict=True)]
    table["n_seeds"] = [len(seeds)] * effect.size
    return table


def tests(rng) -> Table:
    """Comparisons with their differences, p-values and adjusted p-values."""
    methods, tasks, _ = sizes(rng)
    pairs = [(f"ours vs {m}", t) for m in methods for t in tasks]
    p = np.sort(rng.uniform(size=len(pairs)) ** 3)
    factor = np.arange(p.size, 0, -1)
    return {
        "comparison": [pair[0] for pair in pairs],
        "dataset": [pair[1] for pair in pairs],
        "difference": rng.normal(size=p.size).round(4).tolist(),
        "p_value": p.tolist(),
        "p_holm": np.minimum(1, np.maximum.accumulate(p * factor)).tolist(),
    }


def tuning(rng) -> Table:
    """All configurations of all methods, chosen by validation."""
    methods, tasks, seeds = sizes(rng, methods=(2, 4), tasks=(3, 5), runs=(5, 7))
    table, effect, _, _ = rows_of("model", "dataset", [methods, tasks, seeds, range(8)], rng)
    n = effect.size
    val = 0.75 + 0.02 * effect + 0.02 * rng.normal(size=n)
    table["seed"] = np.tile(np.repeat(seeds, 8), n // (len(seeds) * 8)).tolist()
    table["trial"] = list(range(8)) * (n // 8)
    table["val_acc"] = val.tolist()
    table["test_acc"] = (val - 0.01 + 0.01 * rng.normal(size=n)).tolist()
    best = val.reshape(-1, 8).argmax(axis=1)
    table["selected"] = (np.arange(8)[None, :] == best[:, None]).ravel().tolist()
    return table


def outer_folds(rng) -> Table:
    """Repeated cross-validation whose folds are drawn anew in each repeat."""
    methods, tasks, _ = sizes(rng)
    table, effect, _, _ = rows_of("classifier_name", "dataset", [methods, tasks, range(5), range(5)], rng)
    n = effect.size
    rep, fold = np.tile(np.repeat(np.arange(5), 5), n // 25), np.tile(np.arange(5), n // 5)
    table["method"] = table.pop("classifier_name")
    table["rep"] = rep.tolist()
    table["fold"] = [f"r{a}f{b}" for a, b in zip(rep, fold, strict=True)]
    table["balanced_accuracy"] = (0.8 + 0.02 * effect + 0.01 * rng.normal(size=n)).tolist()
    return table


SHAPES: dict[str, Callable[..., Table]] = {
    "RL returns": rl_returns, "accuracies": accuracies, "HPO regret": hpo_regret, "timing": timing,
    "mean ± std": summary_cells, "p-values": tests, "tuning": tuning, "folds": outer_folds,
}  # fmt: skip
BETTER = {"HPO regret": "lower", "timing": "lower"}


@pytest.fixture(scope="session")
def clean() -> Callable[[str, int], Table]:
    """A clean table of a shape; the same seed gives the same table."""

    def make(shape: str, seed: int) -> Table:
        rng = np.random.default_rng([sorted(SHAPES).index(shape), seed])
        return shuffled(SHAPES[shape](rng), rng)

    return make


@pytest.fixture(scope="session")
def shapes() -> dict[str, str]:
    """The shapes with the direction of their measure."""
    return {shape: BETTER.get(shape, "higher") for shape in SHAPES}
