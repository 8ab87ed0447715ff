"""Where a rule is grave and where it is mild, each side of the line."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import binomtest

from cupel.stats.lint import lint
from cupel.stats.lint_table import Limits
from cupel.stats.pitfall import Finding
from cupel.stats.read_lint_table import read_lint_table

Table = dict[str, list]


def runs(methods: int = 3, tasks: int = 4, seeds: int = 6) -> Table:
    """Accuracies of `a`, `b`, ... on tasks `t0`, `t1`, ...; the level falls with the task's number."""
    rows = list(product("abcdefgh"[:methods], [f"t{k}" for k in range(tasks)], range(seeds)))
    rng = np.random.default_rng(8)
    value = [0.9 - 0.03 * int(t[1:]) + 0.02 * ord(m) % 0.1 + 0.004 * rng.normal() for m, t, _ in rows]
    return {
        "method": [r[0] for r in rows],
        "task": [r[1] for r in rows],
        "seed": [r[2] for r in rows],
        "accuracy": value,
    }


def only(table: Table, keep) -> Table:
    rows = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
    return {name: [row[name] for row in rows if keep(row)] for name in table}


def found(name: str, table, **options) -> list[Finding]:
    return [finding for finding in lint(table, **options).findings if finding.name == name]


def severity(name: str, table, **options) -> str:
    return next((finding.severity for finding in found(name, table, **options)), "")


@pytest.mark.parametrize(("tasks", "expected"), [(5, "error"), (6, "warning")])
def test_few_repeats_are_milder_where_a_test_over_tasks_is_possible(tasks: int, expected: str) -> None:
    assert severity("few_repeats", runs(tasks=tasks, seeds=4)) == expected


@pytest.mark.parametrize(("asked", "expected"), [(5, "error"), (4, "")])
def test_how_many_runs_are_asked_for_is_a_choice(asked: int, expected: str) -> None:
    table = read_lint_table(runs(seeds=4), limits=Limits(min_runs=asked))
    assert severity("few_repeats", table) == expected


def test_one_run_that_is_missing_is_not_few_repeats_everywhere() -> None:
    table = only(runs(seeds=5), lambda row: (row["method"], row["task"], row["seed"]) != ("a", "t1", 2))
    assert severity("few_repeats", table) == ""
    assert severity("dropped_failures", table) == "warning"
    assert "a on t1 (4 of 5)" in found("dropped_failures", table)[0].found


def test_the_number_of_runs_that_a_summary_states_is_taken() -> None:
    summary = {"method": ["a", "b"] * 2, "task": ["x", "x", "y", "y"], "accuracy": ["0.9 ± 0.1"] * 4}
    assert severity("few_repeats", {**summary, "n_seeds": [3] * 4}) == "error"
    assert severity("few_repeats", {**summary, "n_seeds": [30] * 4}) == ""
    assert severity("few_repeats", summary) == "warning"
    settings = {name: [*values, *values] for name, values in summary.items()}
    assert severity("few_repeats", settings) == "warning", "several rows of means are no runs"
    assert severity("few_repeats", {**settings, "n_seeds": [30] * 8}) == ""
    single = {**summary, "accuracy": [0.9, 0.91, 0.92, 0.93]}
    assert severity("few_repeats", {**single, "n": [3] * 4}) == "error"
    twice = {name: [*values, *values] for name, values in single.items()}
    assert "At most 2 runs" in found("few_repeats", {**twice, "n": [3] * 8})[0].found, "n may be anything"


def test_missing_cells_are_graver_where_they_are_the_hard_ones() -> None:
    full = runs(tasks=8)
    hard = only(full, lambda row: row["method"] != "a" or row["task"] not in ("t5", "t6", "t7"))
    spread = only(full, lambda row: row["method"] != "a" or row["task"] not in ("t0", "t3", "t7"))
    assert severity("missing_cells", hard, better="higher") == "error"
    assert severity("missing_cells", hard, better="lower") == "warning"
    assert severity("missing_cells", hard) == "warning", "without a direction nothing is hard"
    assert severity("missing_cells", spread, better="higher") == "warning"


def test_a_table_that_is_mostly_empty_is_a_design() -> None:
    table = only(runs(methods=6, tasks=6), lambda row: (ord(row["method"]) - 97 - int(row["task"][1:])) % 6 < 2)
    assert severity("missing_cells", table) == "advice"


def test_tests_that_survive_correction_are_a_warning_and_no_claim_is_nothing() -> None:
    table = {"comparison": ["a", "b", "c"], "difference": [1.0, 2.0, 3.0]}
    assert severity("uncorrected_tests", {**table, "p_value": [0.001, 0.002, 0.9]}) == "warning"
    assert severity("uncorrected_tests", {**table, "p_value": [0.001, 0.04, 0.9]}) == "error"
    assert severity("uncorrected_tests", {**table, "p_value": [0.2, 0.06, 0.9]}) == ""
    assert (
        severity("uncorrected_tests", {name: values[:1] for name, values in table.items()} | {"p_value": [0.01]}) == ""
    )
    assert (
        "2 are at or below 5 %, 1 after Holm's"
        in found("uncorrected_tests", {**table, "p_value": [0.001, 0.04, 0.9]})[0].found
    )


def test_a_method_without_chance_is_asked_about_and_no_error() -> None:
    table = runs()
    table["accuracy"] = [
        0.5 + 0.01 * int(t[1]) if m == "b" else x
        for m, t, x in zip(table["method"], table["task"], table["accuracy"], strict=True)
    ]
    assert severity("seed_without_effect", table) == "advice"
    assert "b: is it deterministic?" in found("seed_without_effect", table)[0].found


@pytest.mark.parametrize(("decimals", "expected"), [(6, "error"), (3, "")])
def test_copies_of_a_seed_are_told_from_coarse_values(decimals: int, expected: str) -> None:
    table = runs(tasks=2)
    values = {(m, t, s): round(x, decimals) for m, t, s, x in zip(*table.values(), strict=True)}
    copied = {k: values[k[0], k[1], 0] if k[0] == "c" and k[2] == 4 else x for k, x in values.items()}
    assert severity("seed_without_effect", {**table, "accuracy": list(copied.values())}) == expected


def test_seeds_that_change_nothing_may_lie_below_the_last_digit() -> None:
    table = runs(tasks=2)
    first = {(m, t): x for m, t, s, x in zip(*table.values(), strict=True) if s == 0}
    cells = list(zip(table["method"], table["task"], strict=True))
    assert severity("seed_without_effect", {**table, "accuracy": [first[cell] for cell in cells]}) == "error"
    coarse = {**table, "accuracy": [round(first[cell], 2) for cell in cells]}
    assert severity("seed_without_effect", coarse) == "warning"


def test_seeds_that_share_nothing_are_a_design() -> None:
    table = runs()
    apart = {**table, "seed": [s + 10 * ord(m) for m, s in zip(table["method"], table["seed"], strict=True)]}
    shifted = {**table, "seed": [s + (m == "a") for m, s in zip(table["method"], table["seed"], strict=True)]}
    assert severity("unpaired_seeds", apart) == "advice"
    assert severity("unpaired_seeds", shifted) == "warning"
    assert severity("unpaired_seeds", table) == ""


def test_folds_under_one_seed_are_advice() -> None:
    table = runs()
    folds = {**table, "fold": table["seed"], "seed": [42] * len(table["seed"])}
    assert severity("one_seed", folds) == "advice"
    assert severity("one_seed", {**folds, "rep": folds.pop("fold")}) == "warning"


def test_folds_alone_are_advice_and_the_corrected_test_is_right() -> None:
    table = runs()
    folds = {**{k: v for k, v in table.items() if k != "seed"}, "fold": table["seed"]}
    assert severity("overlapping_folds", folds) == "advice"
    assert severity("overlapping_folds", {**folds, "test": ["t-test"] * len(table["seed"])}) == "warning"
    assert severity("overlapping_folds", {**folds, "test": ["corrected t-test"] * len(table["seed"])}) == ""


def test_copies_without_a_seed_may_be_of_a_method_without_chance() -> None:
    table = runs(seeds=5)
    twice = {name: [*values, values[0]] for name, values in table.items()}
    assert severity("duplicate_rows", twice) == "error"
    assert severity("duplicate_rows", {name: values for name, values in twice.items() if name != "seed"}) == "warning"
    assert severity("duplicate_rows", table) == ""


def test_rows_that_a_setting_tells_apart_are_advice_with_the_way_out() -> None:
    table = runs(seeds=5)
    both = {name: [*values, *values] for name, values in table.items()}
    both["accuracy"] = [x + 1e-3 * k for k, x in enumerate(both["accuracy"])]
    both["prior"] = ["good"] * len(table["seed"]) + ["bad"] * len(table["seed"])
    finding = found("duplicate_rows", both)[0]
    assert finding.severity == "advice"
    assert "--map task=task:prior" in finding.do


@pytest.mark.parametrize(("differ", "is_told"), [(5, True), (6, False)])
def test_a_test_set_is_too_small_where_no_exact_test_could_see_the_difference(differ: int, *, is_told: bool) -> None:
    assert (binomtest(differ, differ, 0.5).pvalue > 0.05) == is_told
    n = 200
    table = {"method": ["a", "b"], "task": ["x", "x"], "accuracy": [0.8, 0.8 + differ / n], "n_test": [n, n]}
    assert bool(found("small_test_set", table, better="higher")) == is_told


def test_several_splits_make_the_test_set_larger() -> None:
    table = {
        "method": ["a"] * 3 + ["b"] * 3,
        "task": ["x"] * 6,
        "accuracy": [0.8] * 3 + [0.815] * 3,
        "n_test": [200] * 6,
    }
    assert found("small_test_set", {**table, "seed": [1, 2, 3] * 2}, better="higher")
    assert not found("small_test_set", {**table, "split_seed": [1, 2, 3] * 2}, better="higher")


def test_the_best_by_validation_alone_is_a_warning() -> None:
    table = runs()
    assert (
        severity(
            "best_of_n", {**{k: v for k, v in table.items() if k != "accuracy"}, "best_val_acc": table["accuracy"]}
        )
        == "warning"
    )


def test_unequal_tuning_is_beyond_the_factor() -> None:
    table = runs()
    for trials, expected in ((40, ""), (41, "error")):
        spent = [trials if m == "a" else 20 for m in table["method"]]
        assert severity("unequal_tuning", {**table, "n_trials": spent}) == expected
    space = [1000 if m == "a" else 20 for m in table["method"]]
    assert severity("unequal_tuning", {**table, "search_space_size": space}) == "advice"


def test_saturated_tasks_weigh_by_their_share() -> None:
    table = runs(tasks=4)
    for num, expected in ((1, "advice"), (2, "warning")):
        top = {f"t{k}" for k in range(num)}
        values = [1.0 if t in top else x for t, x in zip(table["task"], table["accuracy"], strict=True)]
        assert severity("ceiling", {**table, "accuracy": values}, better="higher") == expected


def test_two_methods_at_the_bad_end_are_not_at_the_ceiling() -> None:
    table = {**runs(), "accuracy": [0.01 if m in "ab" else 0.8 for m in runs()["method"]]}
    assert severity("ceiling", table, better="higher") == ""


def test_a_hundredth_of_a_time_is_asked_about() -> None:
    table = {"method": ["a", "b"] * 3, "task": ["x", "x", "y", "y", "z", "z"], "time_s": [0.5, 51, 0.2, 19, 0.7, 72]}
    assert severity("mixed_scales", table) == "advice"
    assert severity("mixed_scales", {**table, "time_s": [0.5, 51, 0.2, 90, 0.7, 72]}) == ""


def test_a_constant_measure_beside_the_main_one_is_advice() -> None:
    table = runs()
    assert severity("constant_measure", {**table, "val_loss": [0.1] * len(table["seed"])}) == "advice"
    assert severity("constant_measure", {**table, "accuracy": [0.1] * len(table["seed"])}) == "warning"


def test_a_yardstick_is_known_by_its_name_and_asked_for_where_something_is_learned() -> None:
    table = runs()
    assert severity("no_trivial_baseline", table) == "advice"
    for name in ("DummyClassifier", "majority class", "random search", "RS", "LinearRegression"):
        named = [name if m == "b" else m for m in table["method"]]
        assert severity("no_trivial_baseline", {**table, "method": named}) == ""
    forest = ["RandomForest" if m == "b" else m for m in table["method"]]
    assert severity("no_trivial_baseline", {**table, "method": forest}) == "advice"
    times = {("time_s" if name == "accuracy" else name): values for name, values in table.items()}
    assert severity("no_trivial_baseline", times) == ""
