import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cupel.ledger.read_results import read_results
from cupel.spec.errors import UsageError
from cupel.spec.results_table import ResultsTable
from cupel.stats.results import results

Database = Callable[[str], Path]
ACCURACY = {
    ("adam", 1): 0.91, ("adam", 2): 0.92, ("sgd", 0): 0.88, ("sgd", 1): 0.89, ("sgd", 2): None
}  # fmt: skip
LOSS = {("adam", 1): 1 / 3, ("adam", 2): 0.25, ("sgd", 0): 0.5, ("sgd", 1): 1 / 3, ("sgd", 2): 0.25}
"""What the sample's runs logged last; adam-0 was deleted, sgd-2 failed."""


@pytest.fixture(params=["frame", "folder", "database"])
def table(request: pytest.FixtureRequest, samples: Path, mlruns: Path, database: Database) -> ResultsTable:
    """The same runs as MLflow gives them out in three ways."""
    path = {"frame": samples / "mlflow.csv", "folder": mlruns}.get(request.param) or database("mlflow_database")
    return read_results(path)


def by_run(table: ResultsTable, name: str) -> dict[tuple[str, int], Any]:
    keys = zip(table.columns["params.optimizer"], table.columns["params.seed"], strict=True)
    return dict(zip(keys, table.columns[name], strict=True))


def test_a_metric_is_found_by_its_own_name_and_as_mlflow_writes_it(table: ResultsTable) -> None:
    assert table.reader == "mlflow"
    for name, told in (("val/accuracy", ACCURACY), ("loss", LOSS)):
        assert by_run(table, name) == by_run(table, f"metrics.{name}") == pytest.approx(told)
    assert any("loss" in note and "--metric" in note for note in table.notes)


def test_parameters_and_tags_fill_roles(table: ResultsTable) -> None:
    assert table.roles == {
        "method": "params.optimizer", "task": "tags.task", "seed": "params.seed", "status": "status"
    }  # fmt: skip
    read_table = results(table, metric="val/accuracy", columns={"method": "params.optimizer"})
    assert read_table.methods == ("adam", "sgd")
    assert read_table.tasks == ("cifar10",)
    assert read_table.num_failed == 1
    assert any("1 FAILED" in note for note in table.notes)


def test_another_parameter_can_be_the_method(table: ResultsTable) -> None:
    columns = {"method": "tags.mlflow.runName", "seed": "run_id"}
    assert results(table, metric="loss", columns=columns).methods == ("adam-1", "adam-2", "sgd-0", "sgd-1", "sgd-2")


def test_deleted_runs_are_passed_over_with_a_note(mlruns: Path, database: Database) -> None:
    for path in (mlruns, database("mlflow_database")):
        table = read_results(path)
        assert table.num_rows == 5
        assert any("1 runs that are marked as deleted" in note for note in table.notes)


def test_an_experiment_and_a_run_can_be_named_alone(mlruns: Path) -> None:
    experiment = next(path.parent for path in mlruns.glob("*/*/meta.yaml")).parent
    assert read_results(experiment).num_rows == 5
    run = next(path.parent for path in experiment.glob("*/params/seed")).parent
    alone = read_results(run)
    assert alone.columns["run_id"] == [run.name]
    assert alone.columns["experiment"] == ["cifar"]


def test_several_candidates_for_a_role_are_named_and_none_is_taken(samples: Path, tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text((samples / "mlflow.csv").read_text().replace("tags.mlflow.user", "params.model"))
    table = read_results(path)
    assert "method" not in table.roles
    assert any("params.optimizer, params.model" in note and "--map method=" in note for note in table.notes)
    path.write_text((samples / "mlflow.csv").read_text().replace("tags.mlflow.user", "params.method"))
    assert read_results(path).roles["method"] == "params.method"


def test_one_metric_is_the_value(samples: Path, tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text((samples / "mlflow.csv").read_text().replace("metrics.loss", "tags.loss"))
    table = read_results(path)
    assert table.roles["value"] == "val/accuracy"
    assert results(table).n == 5


@pytest.mark.parametrize(
    ("text", "value"), [("1 0.5 0\n2 0.75 1\n3 0.25 1\n", 0.25), ("5 0.5 2\n9 0.75 0\n", 0.5), ("1 nan 0\n", None)]
)
def test_of_a_metric_the_last_step_counts(text: str, value: float | None, mlruns: Path) -> None:
    path = next(path for path in sorted(mlruns.rglob("metrics/loss")) if "FAILED" not in path.parts)
    path.write_text(text)
    table = read_results(path.parents[1])
    found = table.columns["loss"][0]
    assert math.isnan(found) if value is None else found == value


@pytest.mark.parametrize(
    ("text", "said"), [("", "is empty"), ("1 x 0\n", "line 1 of .*loss is '1 x 0'"), ("1\n", "line 1")]
)
def test_a_damaged_metric_is_refused_by_name(text: str, said: str, mlruns: Path) -> None:
    next(mlruns.rglob("metrics/loss")).write_text(text)
    with pytest.raises(UsageError, match=said) as found:
        read_results(mlruns)
    assert str(mlruns) in str(found.value)
