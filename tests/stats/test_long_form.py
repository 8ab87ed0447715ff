import numpy as np

from cupel.stats.frame import columns_of
from cupel.stats.long_form import long_form, run_columns


def test_tasks_in_rows_and_methods_in_columns() -> None:
    columns = columns_of({"dataset": ["x", "y"], "svm": [0.1, 0.2], "ours": [0.3, 0.4]})
    wide = long_form(columns, {"task": "dataset"})
    assert wide is not None
    assert wide.columns["method"].as_factor.labels() == ["svm", "svm", "ours", "ours"]
    assert wide.columns["dataset"].as_factor.labels() == ["x", "y", "x", "y"]
    assert wide.columns["value"].values.tolist() == [0.1, 0.2, 0.3, 0.4]
    assert wide.origin.tolist() == [0, 1, 0, 1]
    assert wide.roles == {"task": "dataset", "method": "method", "value": "value"}


def test_methods_in_rows_and_tasks_in_columns_without_the_mean() -> None:
    columns = columns_of({"method": ["a", "b"], "x": ["1", "n/a"], "y": ["3", "4"], "Avg": [2.0, 3.0]})
    wide = long_form(columns, {"method": "method"})
    assert wide is not None
    assert wide.columns["task"].as_factor.labels() == ["x", "x", "y", "y"]
    assert wide.columns["value"].as_factor.labels() == ["1", "n/a", "3", "4"]


def test_runs_in_columns_become_runs() -> None:
    columns = columns_of({"method": ["a", "b"], "acc": [3.0, 3.0], **{f"seed_{k}": [k, k + 0.5] for k in (0, 7, 9)}})
    assert run_columns(columns) == ("seed", ("seed_0", "seed_7", "seed_9"))
    wide = long_form(columns, {"method": "method"})
    assert wide is not None
    assert wide.roles["seed"] == "seed"
    assert wide.columns["seed"].as_factor.labels() == ["0", "0", "7", "7", "9", "9"]
    assert np.array_equal(wide.columns["value"].values, [0, 0.5, 7, 7.5, 9, 9.5])
    assert wide.shape == "seeds in columns"


def test_what_is_no_wide_table_stays() -> None:
    for table, roles in (
        ({"method": ["a", "b"], "acc": [1.0, 2.0], "params_m": [3.0, 4.0]}, {"method": "method"}),
        ({"method": ["a", "a"], "x": [1.0, 2.0], "y": [3.0, 4.0]}, {"method": "method"}),
        ({"method": ["a", "b"], "task": ["x", "y"], "p": [1.0, 2.0]}, {"method": "method", "task": "task"}),
        ({"who": ["a", "b"], "x": [1.0, 2.0], "y": [3.0, 4.0]}, {}),
        ({"method": ["a", "b"], "run_1": [1.0, 2.0], "run_2": [3.0, 4.0]}, {"method": "method", "seed": "run_1"}),
    ):
        assert long_form(columns_of(table), roles) is None
