"""Planted defects are found by their rule; clean tables raise nothing. `pytest -s` prints the table of both."""

# ruff: noqa: ARG005 - every plant takes the table and a generator

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from cupel.stats.lint import lint, pitfalls

Table = dict[str, list]
Make = Callable[[str, int], Table]
CLEAN_PER_SHAPE = 25
PLANTED_PER_DEFECT = 6
MEASURES = (
    "return",
    "episodic_return",
    "score",
    "eval_reward",
    "accuracy",
    "acc",
    "test_acc",
    "Accuracy",
    "test_accuracy",
)
SEEN = ("error", "warning")


def methods_of(table: Table) -> str:
    return next(n for n in ("method", "algorithm", "model", "agent", "optimizer", "approach", "Method") if n in table)


def tasks_of(table: Table) -> str:
    return next(n for n in ("task", "dataset", "benchmark", "env", "problem", "game", "Dataset") if n in table)


def value_of(table: Table) -> str:
    return next(n for n in MEASURES if n in table)


def kept(table: Table, keep: Callable[[dict], bool]) -> Table:
    rows = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
    chosen = [row for row in rows if keep(row)]
    return {name: [row[name] for row in chosen] for name in table}


def changed(table: Table, name: str, value: Callable[[dict], object]) -> Table:
    rows = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
    return {**table, name: [value(row) for row in rows]}


def without(table: Table, *names: str) -> Table:
    return {name: values for name, values in table.items() if name not in names}


def renamed(table: Table, old: str, new: str) -> Table:
    return {new if name == old else name: values for name, values in table.items()}


def a_method(table: Table, rng) -> str:
    return str(rng.choice(sorted(set(table[methods_of(table)]) - {"majority"})))


def two_seeds(table: Table, rng) -> Table:
    few = sorted(set(table["seed"]))[: int(rng.integers(1, 4))]
    return kept(table, lambda row: row["seed"] in few)


def single_task(table: Table, rng) -> Table:
    task = tasks_of(table)
    return kept(table, lambda row: row[task] == table[task][0])


def largest_of_runs(table: Table, rng) -> Table:
    method, task, value = methods_of(table), tasks_of(table), value_of(table)
    rows = kept(table, lambda row: row[value] is not None)
    cells: dict = {}
    for m, t, v in zip(rows[method], rows[task], rows[value], strict=True):
        cells.setdefault((m, t), []).append(v)
    wide = {method: [c[0] for c in cells], task: [c[1] for c in cells], "result": [max(v[:5]) for v in cells.values()]}
    return wide | {
        f"run_{k}": [v[min(k, len(v) - 1)] - k * 1e-9 * (k >= len(v)) for v in cells.values()] for k in range(5)
    }


def moment_by_test(table: Table, rng) -> Table:
    out = renamed(without(table, "val_accuracy", "best_epoch", "n_test"), value_of(table), "test_acc")
    return {**out, "early_stop_epoch": rng.integers(1, 90, size=len(out["seed"])).tolist()}


def chosen_by_test(table: Table, rng) -> Table:
    best: dict = {}
    keys = list(zip(table["model"], table["dataset"], table["seed"], strict=True))
    for key, value in zip(keys, table["test_acc"], strict=True):
        best[key] = max(value, best.get(key, -1))
    return {**table, "selected": [best[k] == v for k, v in zip(keys, table["test_acc"], strict=True)]}


def tuned_on_folds(table: Table, rng) -> Table:
    once = kept(changed(table, "fold", lambda row: int(row["fold"][-1])), lambda row: row["rep"] == 0)
    tried = [without(changed(once, "trial", lambda row, k=k: k), "rep") for k in range(6)]
    out = {name: [x for part in tried for x in part[name]] for name in tried[0]}
    noise = 0.01 * rng.normal(size=len(out["fold"]))
    out["learning_rate"] = [0.1**k for k in out["trial"]]
    return {**out, "balanced_accuracy": (np.array(out["balanced_accuracy"]) + noise).tolist()}


def grid_search(table: Table, rng) -> Table:
    folds = rng.uniform(0.7, 0.9, size=(5, 20))
    splits = {f"split{k}_test_score": folds[k].tolist() for k in range(5)}
    rank = (-folds.mean(axis=0)).argsort().argsort() + 1
    return {"param_C": [10.0**k for k in range(20)], "params": [str(k) for k in range(20)], **splits,
            "mean_test_score": folds.mean(axis=0).tolist(), "std_test_score": folds.std(axis=0).tolist(),
            "rank_test_score": rank.tolist()}  # fmt: skip


def deaf_seed(table: Table, rng) -> Table:
    method, task, value = methods_of(table), tasks_of(table), value_of(table)
    first: dict = {}
    return changed(table, value, lambda row: first.setdefault((row[method], row[task]), row[value]))


def copied_seed(table: Table, rng) -> Table:
    method, task, value, name = methods_of(table), tasks_of(table), value_of(table), a_method(table, rng)
    low, high = sorted(set(table["seed"]))[:2]
    rows = zip(table[method], table[task], table["seed"], table[value], strict=True)
    of = {(m, t): v for m, t, s, v in rows if s == low}
    is_copy = lambda row: row[method] == name and row["seed"] == high  # noqa: E731
    return changed(table, value, lambda row: of[row[method], row[task]] if is_copy(row) else row[value])


def stray_seed(table: Table, rng) -> Table:
    method, name, seed = methods_of(table), a_method(table, rng), int(rng.choice(table["seed"]))
    is_stray = lambda row: row[method] == name and row["seed"] == seed  # noqa: E731
    return changed(table, "seed", lambda row: 31337 if is_stray(row) else row["seed"])


def init_only(table: Table, rng) -> Table:
    out = renamed(table, "seed", "init_seed")
    return out if rng.random() < 0.5 else {**out, "split_seed": [0] * len(out["init_seed"])}


def tuned_more(table: Table, rng) -> Table:
    method, name = methods_of(table), a_method(table, rng)
    column = str(rng.choice(["n_trials", "hpo_budget", "num_configs"]))
    return changed(without(table, "n_trials"), column, lambda row: 200 if row[method] == name else 20)


def listed_more(table: Table, rng) -> Table:
    name = a_method(table, rng)
    return kept(table, lambda row: row["model"] == name or row["trial"] < 2 or row["selected"])


def run_less(table: Table, rng) -> Table:
    method, name, few = methods_of(table), a_method(table, rng), sorted(set(table["seed"]))[:3]
    return kept(table, lambda row: row[method] != name or row["seed"] in few)


def cell_gone(table: Table, rng) -> Table:
    method, task, name = methods_of(table), tasks_of(table), a_method(table, rng)
    gone = str(rng.choice(table[task]))
    return kept(table, lambda row: row[method] != name or row[task] != gone)


def runs_gone(table: Table, rng) -> Table:
    method, task, name = methods_of(table), tasks_of(table), a_method(table, rng)
    task_name, seed = str(rng.choice(table[task])), int(rng.choice(table["seed"]))
    is_gone = lambda row: (row[method], row[task], row["seed"]) == (name, task_name, seed)  # noqa: E731
    finished = kept(without(table, "status"), lambda row: row[value_of(table)] is not None)
    return kept(finished, lambda row: not is_gone(row))


def not_adjusted(table: Table, rng) -> Table:
    out = without(table, "p_holm")
    return {**out, "p_value": [0.001, 0.03, *out["p_value"][2:]]}


def starred(table: Table, rng) -> Table:
    value = "Accuracy (%)"
    return {**without(table, value), value: [x + "*" * (k % 3 == 0) for k, x in enumerate(table[value])]}


def bare_means(table: Table, rng) -> Table:
    out = without(table, "Accuracy (%)")
    return {**out, "mean_accuracy": [float(x.split()[0]) for x in table["Accuracy (%)"]]}


def from_paper(table: Table, rng) -> Table:
    method, name = methods_of(table), a_method(table, rng)
    return changed(table, "source", lambda row: "paper [12]" if row[method] == name else "our run")


def one_value_of_a_method(table: Table, rng) -> Table:
    method, name, seed = methods_of(table), a_method(table, rng), min(table["seed"])
    return kept(table, lambda row: row[method] != name or row["seed"] == seed)


def rounded_values(table: Table, rng) -> Table:
    method, value, name = methods_of(table), value_of(table), a_method(table, rng)
    digits = 1 if max(table[value]) > 2 else 2
    return changed(table, value, lambda row: round(row[value], digits) if row[method] == name else row[value])


def few_examples(table: Table, rng) -> Table:
    method, value = methods_of(table), value_of(table)
    top = 100 if max(table[value]) > 2 else 1
    names = sorted(set(table[method]) - {"majority"})
    close = changed(table, value, lambda row: top * (0.8 + 0.005 * names.index(row[method]) + 0.001 * rng.normal())
                    if row[method] in names else row[value])  # fmt: skip
    return {**close, "n_test": [int(rng.integers(60, 300))] * len(table["seed"])}


def percent_beside_fraction(table: Table, rng) -> Table:
    method, value, name = methods_of(table), value_of(table), a_method(table, rng)
    factor = 0.01 if max(table[value]) > 2 else 100
    return changed(table, value, lambda row: row[value] * factor if row[method] == name else row[value])


def percent_of_one_task(table: Table, rng) -> Table:
    task, value = tasks_of(table), value_of(table)
    factor = 0.01 if max(table[value]) > 2 else 100
    return changed(table, value, lambda row: row[value] * factor if row[task] == table[task][0] else row[value])


def some_signs(table: Table, rng) -> Table:
    value = value_of(table)
    return {**table, value: [f"{x:.4f}%" if k % 5 == 0 else f"{x:.4f}" for k, x in enumerate(table[value])]}


def at_the_top(table: Table, rng) -> Table:
    value = value_of(table)
    top, cut = (100.0, 70.0) if max(table[value]) > 2 else (1.0, 0.7)
    return changed(table, value, lambda row: top if row[value] > cut else row[value])


def rows_twice(table: Table, rng) -> Table:
    again = rng.choice(len(table["seed"]), size=4, replace=False)
    return {name: [*values, *(values[i] for i in again)] for name, values in table.items()}


def second_result(table: Table, rng) -> Table:
    out = {name: [*values, values[0]] for name, values in table.items()}
    out[value_of(table)][-1] = (out[value_of(table)][0] or 1.0) * 1.01
    return out


def same_as_another(table: Table, rng) -> Table:
    method, task, value = methods_of(table), tasks_of(table), value_of(table)
    a, b = rng.choice(sorted(set(table[method]) - {"majority"}), size=2, replace=False)
    rows = zip(table[method], table[task], table["seed"], table[value], strict=True)
    of = {(t, s): v for m, t, s, v in rows if m == a}
    return changed(table, value, lambda row: of[row[task], row["seed"]] if row[method] == b else row[value])


def random_split(table: Table, rng) -> Table:
    n = len(table["seed"])
    return {**table, "horizon": [24] * n, "cv": ["shuffled k-fold"] * n}


PLANTED: dict[str, tuple[Callable, str, str, tuple[str, ...]]] = {
    "two seeds": (two_seeds, "accuracies", "few_repeats", ()),
    "spread without n": (lambda t, rng: without(t, "n_seeds"), "mean ± std", "few_repeats", ()),
    "single task": (single_task, "RL returns", "one_task", ()),
    "best in name": (lambda t, rng: renamed(t, value_of(t), f"{rng.choice(['best', 'max', 'peak'])}_{value_of(t)}"),
        "RL returns", "best_of_n", ()),
    "best of five": (lambda t, rng: {**t, "aggregation": ["best of 5"] * len(t["seed"])},
        "accuracies", "best_of_n", ()),
    "largest of runs": (largest_of_runs, "RL returns", "best_of_n", ()),
    "moment by test": (moment_by_test, "accuracies", "tuned_on_test", ()),
    "monitored test": (lambda t, rng: {**t, "selection_metric": ["test_accuracy"] * len(t["seed"])},
        "accuracies", "tuned_on_test", ()),
    "chosen by test": (chosen_by_test, "tuning", "tuned_on_test", ()),
    "scored on test": (lambda t, rng: without(t, "val_acc", "selected"), "tuning", "tuned_on_test", ()),
    "same folds": (lambda t, rng: changed(t, "fold", lambda row: row["fold"][-1]), "folds", "overlapping_folds", ()),
    "plain test of folds": (
        lambda t, rng: changed(kept(t, lambda row: row["rep"] == 0), "test", lambda row: "paired t-test"),
        "folds", "overlapping_folds", ()),
    "tuned on folds": (tuned_on_folds, "folds", "tuning_inside_cv", ()),
    "grid search": (grid_search, "folds", "tuning_inside_cv", ()),
    "deaf seed": (deaf_seed, "RL returns", "seed_without_effect", ()),
    "copied seed": (copied_seed, "RL returns", "seed_without_effect", ()),
    "same seed for all": (lambda t, rng: {**t, "seed": [42] * len(t["rep"])}, "timing", "one_seed", ()),
    "stray seed": (stray_seed, "accuracies", "unpaired_seeds", ()),
    "init only": (init_only, "accuracies", "one_source_varied", ()),
    "tuned more": (tuned_more, "accuracies", "unequal_tuning", ()),
    "listed more": (listed_more, "tuning", "unequal_tuning", ()),
    "run less": (run_less, "RL returns", "unequal_repeats", ("few_repeats",)),
    "cell gone": (cell_gone, "RL returns", "missing_cells", ()),
    "runs gone": (runs_gone, "RL returns", "dropped_failures", ("few_repeats",)),
    "not adjusted": (not_adjusted, "p-values", "uncorrected_tests", ()),
    "starred": (starred, "mean ± std", "uncorrected_tests", ()),
    "bare means": (bare_means, "mean ± std", "bare_estimate", ()),
    "p alone": (lambda t, rng: without(t, "difference"), "p-values", "bare_estimate", ()),
    "from paper": (from_paper, "accuracies", "copied_baseline", ()),
    "one value of a method": (one_value_of_a_method, "accuracies", "copied_baseline", ()),
    "rounded values": (rounded_values, "accuracies", "copied_baseline", ()),
    "unbalanced": (lambda t, rng: {**t, "majority_rate": [float(rng.uniform(0.75, 0.97))] * len(t["seed"])},
        "accuracies", "accuracy_under_imbalance", ()),
    "few examples": (few_examples, "accuracies", "small_test_set", ()),
    "percent beside fraction": (percent_beside_fraction, "accuracies", "mixed_scales", ()),
    "percent of one task": (percent_of_one_task, "accuracies", "mixed_scales", ()),
    "some signs": (some_signs, "accuracies", "mixed_scales", ()),
    "at the top": (at_the_top, "accuracies", "ceiling", ("constant_measure",)),
    "never changes": (lambda t, rng: {**t, value_of(t): [0.5] * len(t["seed"])},
        "accuracies", "constant_measure", ()),
    "rows twice": (rows_twice, "accuracies", "duplicate_rows", ()),
    "second result": (second_result, "RL returns", "duplicate_rows", ()),
    "same as another": (same_as_another, "RL returns", "identical_methods", ()),
    "no yardstick": (lambda t, rng: kept(t, lambda row: row["model"] != "RS"), "tuning", "no_trivial_baseline", ()),
    "random split": (random_split, "RL returns", "shuffled_time_series", ()),
    "sweeping words": (lambda t, rng: {**t, "conclusion": ["ours is always better", *[""] * (len(t["dataset"]) - 1)]},
        "p-values", "generalisation", ()),
    "one number": (lambda t, rng: {**renamed(t, "seed", "init_seed"), "data_seed": t["seed"]},
        "accuracies", "tied_seeds", ()),
}  # fmt: skip
"""Defect: how it is planted, shape of the clean table, rule that must find it, what else is true of such a table."""


def planted(make: Make, defect: str, seed: int) -> Table:
    plant, shape, _, _ = PLANTED[defect]
    return plant(make(shape, seed), np.random.default_rng([17, seed]))


@pytest.fixture(scope="module")
def plain(clean: Make, shapes: dict[str, str]) -> dict[str, list[Counter]]:
    """Shape to what was found in each of its clean tables: (rule, severity) to how often."""
    found = {
        shape: [lint(clean(shape, k), better=better) for k in range(CLEAN_PER_SHAPE)]
        for shape, better in shapes.items()
    }
    return {
        shape: [Counter((f.name, f.severity) for f in r.findings) for r in reports] for shape, reports in found.items()
    }


@pytest.fixture(scope="module")
def spoilt(clean: Make, shapes: dict[str, str]) -> dict[str, list[Counter]]:
    """Defect to what was found in each table in which it was planted."""
    out = {}
    for defect, (_, shape, _, _) in PLANTED.items():
        tables = [planted(clean, defect, k) for k in range(PLANTED_PER_DEFECT)]
        reports = [lint(table, better=shapes[shape]) for table in tables]
        out[defect] = [Counter((f.name, f.severity) for f in r.findings) for r in reports]
    return out


def serious(found: Counter) -> set[str]:
    return {name for name, severity in found if severity in SEEN}


def test_clean_tables_raise_nothing_worse_than_advice(plain: dict[str, list[Counter]]) -> None:
    alarms = {(shape, k): serious(found) for shape, all_found in plain.items() for k, found in enumerate(all_found)}
    assert {key: names for key, names in alarms.items() if names} == {}
    assert len(alarms) >= 150


@pytest.mark.parametrize("defect", PLANTED)
def test_a_planted_defect_is_found_by_its_rule_and_by_no_other(defect: str, spoilt: dict[str, list[Counter]]) -> None:
    _, _, rule, also = PLANTED[defect]
    for found in spoilt[defect]:
        assert rule in {name for name, _ in found}
        assert serious(found) <= {rule, *also}


def test_every_rule_has_a_planted_defect() -> None:
    assert {rule for _, _, rule, _ in PLANTED.values()} == set(pitfalls())


def test_precision_and_recall_as_a_table(plain: dict[str, list[Counter]], spoilt: dict[str, list[Counter]]) -> None:
    """`pytest -s` prints it: tables with the rule's defect, how many were found, and its false alarms anywhere."""
    clean_found = [found for all_found in plain.values() for found in all_found]
    lines, total = [], Counter()
    for rule in pitfalls():
        defects = [defect for defect, (_, _, name, _) in PLANTED.items() if name == rule]
        tables = [found for defect in defects for found in spoilt[defect]]
        hits = sum(rule in {name for name, _ in found} for found in tables)
        allowed = {defect for defect, (_, _, name, also) in PLANTED.items() if rule in (name, *also)}
        others = [f for name, all_found in spoilt.items() if name not in allowed for f in all_found] + clean_found
        alarms = sum(rule in serious(found) for found in others)
        total.update(planted=len(tables), found=hits, alarms=alarms)
        lines.append(f"{rule:26} {len(tables):7} {hits:7} {alarms:7}   of {len(others)}")
    recall = total["found"] / total["planted"]
    precision = total["found"] / (total["found"] + total["alarms"])
    head = f"{'rule':26} planted   found  alarms (error or warning without the defect)"
    text = f"{len(clean_found)} clean tables; recall {recall:.3f}, precision {precision:.3f}"
    print("\n".join(["", head, *lines, text]))  # noqa: T201 - the table is what this is run for
    assert recall == 1.0
    assert precision == 1.0
