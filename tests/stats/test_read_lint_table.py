import numpy as np
import pytest

from cupel.spec.errors import UsageError
from cupel.stats.read_lint_table import read_lint_table


def test_measures_are_found_by_their_names_and_the_declared_one_stands_first() -> None:
    columns = {"method": ["a", "b"], "n_test": [10, 20], "time_s": [1.0, 2.0], "test_acc": [0.1, 0.2], "lr": [0.1, 0.1]}
    table = read_lint_table(columns)
    assert [m.name for m in table.measures] == ["time_s", "test_acc"]
    assert [m.name for m in table.main] == ["test_acc"]
    assert [m.name for m in read_lint_table(columns, metric="time_s").main] == ["time_s"]


def test_spreads_belong_to_their_measure() -> None:
    columns = {"method": ["a", "b"], "acc_mean": [0.1, 0.2], "acc_std": [0.01, 0.02], "f1": [0.5, 0.6]}
    spreads = {m.name: m.spread for m in read_lint_table(columns).measures}
    assert spreads["acc_mean"].tolist() == [0.01, 0.02]
    assert spreads["f1"] is None


def test_metrics_below_each_other_are_measures_of_their_own() -> None:
    columns = {"method": ["a", "a", "b", "b"], "metric": ["acc", "f1"] * 2, "value": [0.1, 0.2, 0.3, 0.4]}
    table = read_lint_table(columns)
    assert {m.name: m.rows.tolist() for m in table.measures} == {"acc": [0, 2], "f1": [1, 3]}
    assert [m.name for m in read_lint_table(columns, metric="f1").main] == ["f1"]


def test_parts_of_the_data_are_no_splits() -> None:
    columns = {"method": ["a"] * 3, "split": ["train", "val", "test"], "acc": [0.3, 0.2, 0.1]}
    table = read_lint_table(columns)
    assert table.split is None
    assert {m.name: m.part for m in table.measures} == {
        "train acc": "train",
        "val acc": "validation",
        "test acc": "test",
    }
    assert [m.name for m in table.main] == ["test acc"]


def test_seeds_of_several_sources_make_a_run_together() -> None:
    columns = {"method": ["a"] * 4, "init_seed": [0, 0, 1, 1], "data_seed": [0, 1, 0, 1], "acc": [0.1, 0.2, 0.3, 0.4]}
    table = read_lint_table(columns)
    assert list(table.seed_sources) == ["init_seed", "data_seed"]
    assert table.num_runs.tolist() == [[4]]


def test_trials_are_repeats_unless_something_is_tuned() -> None:
    repeats = {"method": ["a"] * 3, "trial": [0, 1, 2], "acc": [0.1, 0.2, 0.3]}
    assert read_lint_table(repeats).rep is not None
    assert read_lint_table(repeats).configurations == []
    tuned = read_lint_table({**repeats, "learning_rate": [0.1, 0.2, 0.3]})
    assert [c.name for c in tuned.configurations] == ["trial"]
    assert tuned.rep is None
    within = read_lint_table({**repeats, "seed": [0, 0, 0]})
    assert [c.name for c in within.configurations] == ["trial"]


def test_failures_are_runs_without_a_value() -> None:
    columns = {"method": ["a", "a"], "seed": [0, 1], "acc": [0.1, 0.2], "status": ["ok", "failed"]}
    table = read_lint_table(columns)
    assert np.isnan(table.measures[0].values).tolist() == [False, True]
    assert table.measures[0].rows.tolist() == [0, 1]
    assert table.num_runs.tolist() == [[2]]


def test_settings_are_what_varies_within_a_cell() -> None:
    columns = {
        "method": ["a"] * 4,
        "task": ["x"] * 4,
        "prior": ["good", "bad"] * 2,
        "origin": ["UCI"] * 4,
        "acc": [0.1] * 4,
    }
    table = read_lint_table(columns)
    assert table.variant is not None
    assert table.variant.tolist() == [1, 0, 1, 0]
    alone = {name: values for name, values in columns.items() if name != "prior"}
    assert read_lint_table(alone).variant is None


def test_a_direction_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="expected 'higher' or 'lower'"):
        read_lint_table({"method": ["a"], "acc": [0.1]}, better="up and away")


def test_rows_of_means_below_the_runs_are_no_method() -> None:
    columns = {"method": ["dec", "dec", "**DEC mean±std**", "mean teacher", "mean teacher"], "seed": [0, 1, None, 0, 1],
               "acc": ["79%", "72%", "**76%±4%**", "80%", "81%"]}  # fmt: skip
    assert read_lint_table(columns).methods == ("dec", "mean teacher")
    named = {**columns, "seed": [0, 1, 5, 0, 1]}
    assert len(read_lint_table(named).methods) == 3, "a row with a seed is a run"


def test_labels_that_have_numbers_are_no_measure() -> None:
    columns = {"method": ["a", "b"], "seed": [0, 0], "labels": ["10%", "5%"], "scores": ["12.3 / 20.9", "8.9 / 15.8"]}
    table = read_lint_table(columns)
    assert table.measures == ()
    assert table.num_runs.tolist() == [[1], [1]]


def test_cells_are_counted_also_without_a_measure() -> None:
    table = read_lint_table({"method": ["a", "b", "b"], "task": ["x", "x", "x"], "who": ["p", "q", "r"]})
    assert table.measures == ()
    assert table.num_runs.tolist() == [[1], [2]]
