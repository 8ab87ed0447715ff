"""Tables that look like a pitfall and are none: no rule may call them worse than advice."""

from itertools import product

import numpy as np
import pytest

from cupel.stats.lint import LintReport, lint

Table = dict[str, list]
TASKS = ("adult", "higgs", "cifar10", "bank")
SEEDS = tuple(range(6))


def design(methods=("ours", "resnet18", "SVM"), tasks=TASKS, seeds=SEEDS, **more) -> Table:
    """A full design with accuracies (fractions of 5,000 examples), and whatever else is given."""
    rows = list(product(methods, tasks, seeds))
    rng = np.random.default_rng(5)
    level = np.array([0.7 + 0.04 * methods.index(m) + 0.03 * tasks.index(t) for m, t, _ in rows])
    value = (level + 0.008 * rng.normal(size=len(rows))).round(4).clip(0, 0.98)
    table = {"method": [r[0] for r in rows], "task": [r[1] for r in rows], "seed": [r[2] for r in rows]}
    return {**table, "accuracy": value.tolist(), **{k: [v(r) for r in rows] for k, v in more.items()}}


def edited(table: Table, name: str, value) -> Table:
    rows = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
    return {**table, name: [value(row) for row in rows]}


def renamed(table: Table, **names: str) -> Table:
    return {names.get(name, name): values for name, values in table.items()}


def worse_than_advice(report: LintReport) -> list[str]:
    return [f"{f.name}: {f.found}" for f in report.findings if f.severity != "advice"]


def split_by_part() -> Table:
    table = design()
    parts = [edited(table, "split", lambda _, p=p: p) for p in ("train", "val", "test")]
    shift = {"train": 0.05, "val": 0.01, "test": 0.0}
    joined = {name: [x for part in parts for x in part[name]] for name in parts[0]}
    return edited(joined, "accuracy", lambda row: row["accuracy"] + shift[row["split"]])


def long_metrics() -> Table:
    table = renamed(design(), accuracy="value")
    first, second = edited(table, "metric", lambda _: "accuracy"), edited(table, "metric", lambda _: "f1")
    second = edited(second, "value", lambda row: row["value"] ** 2)
    return {name: [*first[name], *second[name]] for name in first}


def curves() -> Table:
    table = design()
    epochs = [edited(table, "epoch", lambda _, e=e: e) for e in range(1, 5)]
    rows = {name: [x for part in epochs for x in part[name]] for name in epochs[0]}
    return edited(rows, "accuracy", lambda row: row["accuracy"] * (1 - 0.5 ** row["epoch"]))


def grid_of_rates() -> Table:
    table = design()
    rates = [edited(table, "lr", lambda _, lr=lr: lr) for lr in (0.1, 0.01, 0.001)]
    rows = {name: [x for part in rates for x in part[name]] for name in rates[0]}
    return edited(rows, "accuracy", lambda row: row["accuracy"] - 0.003 * abs(np.log10(row["lr"]) + 2))


def sparse_systems() -> Table:
    """Many systems, each on a few workloads, each run under a seed of its own, as in MLPerf."""
    rng = np.random.default_rng(3)
    rows = [
        (f"system {s}", f"bench {b}", int(rng.integers(1e9)), float(np.exp(rng.normal() + b)))
        for s in range(25)
        for b in rng.choice(5, size=2, replace=False)
        for _ in range(5 if b % 2 else 10)
    ]
    return {
        name: [row[k] for row in rows] for k, name in enumerate(("system", "benchmark", "seed", "time_to_train_min"))
    }


NEGATIVES = {
    "a deterministic method": edited(
        design(), "accuracy", lambda r: 0.81234 if r["method"] == "SVM" else r["accuracy"]
    ),
    "trial numbers the repeats": renamed(design(), seed="trial", accuracy="test_acc"),
    "a run that diverged to chance": edited(
        design(), "accuracy",
        lambda r: 1.0 if (r["task"], r["seed"], r["method"]) == ("bank", 3, "ours") else 100 * r["accuracy"],
    ),
    "a method that fails on a task of many classes": edited(
        design(), "accuracy",
        lambda r: 0.8 + 0.1 * r["seed"] if (r["method"], r["task"]) == ("SVM", "bank") else 100 * r["accuracy"],
    ),
    "one saturated task of four": renamed(
        edited(design(), "accuracy", lambda r: 500.0 if r["task"] == "adult" else 300 * r["accuracy"]),
        accuracy="return",
    ),
    "the best by validation beside the test": {
        **renamed(design(), accuracy="test_acc"), "best_val_acc": design()["accuracy"],
    },
    "where the data sets are from": design(source=lambda r: "original paper" if r[1] == "bank" else "UCI"),
    "cost of a search that is a result": design(search_time_gpu_h=lambda r: 40.0 if r[0] == "ours" else 1.0),
    "train, validation and test rows": split_by_part(),
    "several metrics below each other": long_metrics(),
    "learning curves": curves(),
    "a grid of learning rates": grid_of_rates(),
    "methods whose names have words of yardsticks": design(methods=("random forest", "mean teacher", "zero-shot CLIP")),
    "mean absolute error": renamed(design(), accuracy="mean_absolute_error"),
    "sparse systems with their own seeds": sparse_systems(),
    "failures as rows": edited(
        design(status=lambda r: "failed" if r[2] == 0 and r[0] == "ours" else "ok"), "accuracy",
        lambda r: None if r["status"] == "failed" else r["accuracy"],
    ),
    "a split of its own for each seed": design(split=lambda r: f"oob-{r[2]}"),
    "different seeds, by design": edited(design(), "seed", lambda r: r["seed"] + 100 * len(r["method"])),
    "several sources varied, each with its seed": {
        **renamed(design(), seed="init_seed"), "split_seed": [7 * s + 1 for s in design()["seed"]],
    },
    "a large test set": design(n_test=lambda _: 5000),
    "balanced classes": design(majority_rate=lambda _: 0.55),
    "unbalanced classes with a balanced measure": {
        **design(majority_rate=lambda _: 0.9), "balanced_accuracy": (np.array(design()["accuracy"]) - 0.1).tolist(),
    },
    "a yardstick without tuning": edited(
        design(methods=("ours", "SVM", "majority"), n_trials=lambda r: 0 if r[0] == "majority" else 30), "accuracy",
        lambda r: 0.5 if r["method"] == "majority" else r["accuracy"],
    ),
    "hours of training that differ": design(train_time_h=lambda r: 1.0 + 9.0 * (r[0] == "ours") + 0.01 * r[2]),
    "all in per cent, with signs": edited(design(), "accuracy", lambda r: f"{100 * r['accuracy']:.1f}%"),
    "a column cv that names the protocol": design(cv=lambda _: "holdout"),
    "regret with an incumbent": renamed(
        {**design(), "budget": [1] * 72, "best_loss": [1 - x for x in design()["accuracy"]]}, accuracy="incumbent"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NEGATIVES)
@pytest.mark.parametrize("better", ["higher", None])
def test_what_only_looks_like_a_pitfall_is_not_called_one(name: str, better: str | None) -> None:
    report = lint(NEGATIVES[name], better=better)
    assert worse_than_advice(report) == []
    assert len(report.checked) >= 10


def test_peak_memory_is_no_best_of_several() -> None:
    table = renamed(design(), accuracy="peak_memory_mib")
    assert worse_than_advice(lint(table, metric="peak_memory_mib")) == []


def test_a_citation_beside_each_method_says_nothing_of_its_numbers() -> None:
    table = edited(design(), "reference", lambda r: "" if r["method"] == "ours" else "He et al., arXiv 1512.03385")
    assert worse_than_advice(lint(table)) == []


def test_tests_that_name_their_correction_are_corrected() -> None:
    table = {"comparison": ["a vs b", "a vs c"], "difference": [0.1, 0.2], "p_value": [0.04, 0.03],
             "note": ["Holm", "Holm"]}  # fmt: skip
    assert worse_than_advice(lint(table)) == []
