import csv
import json
import math
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from cupel.ledger.read_results import read_results
from cupel.spec.errors import UsageError
from cupel.stats.results import results

Database = Callable[[str], Path]


def trials(columns: Mapping[str, Any], **where: Any) -> list[dict[str, Any]]:
    """The rows that have some values."""
    names = list(columns)
    rows = [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return [row for row in rows if all(row[name] == value for name, value in where.items())]


def journal(folder: Path, *operations: Any) -> Path:
    path = folder / "journal.log"
    path.write_text(
        "".join(o if isinstance(o, str) else json.dumps({"worker_id": "w", **o}) + "\n" for o in operations)
    )
    return path


CREATE = {"op_code": 0, "study_name": "s", "directions": [2]}
TRIAL = {"op_code": 4, "study_id": 0, "datetime_start": "2025-01-01T00:00:00+00:00"}


def finish(trial: int, state: int, *values: float) -> dict[str, Any]:
    done = {"datetime_complete": "2025-01-01T00:00:01+00:00", "values": list(values) or None}
    return {"op_code": 6, "trial_id": trial, "state": state, **done}


def test_a_frame_keeps_its_columns_and_its_states(samples: Path) -> None:
    table = read_results(samples / "optuna.csv")
    assert table.roles == {"status": "state"}
    assert table.columns["state"] == ["COMPLETE", "FAIL", "PRUNED", "COMPLETE"]
    assert table.better == ""
    read_table = results(table)
    assert read_table.num_failed == 3  # one of the complete ones returned infinity
    assert any("1 PRUNED, 1 FAIL" in note for note in table.notes)
    assert any("say better" in note for note in table.notes)


def test_attributes_of_trials_fill_roles_and_tuned_parameters_do_not(samples: Path, tmp_path: Path) -> None:
    text = (samples / "optuna.csv").read_text()
    for name, method in (("user_attrs_method", "user_attrs_method"), ("params_method", "params_method")):
        path = tmp_path / "trials.csv"
        path.write_text(text.replace("user_attrs_gpu", name))
        assert read_results(path).roles["method"] == method
    assert "params_optimizer" not in read_results(samples / "optuna.csv").roles.values()


def test_several_objectives_are_asked_about(samples: Path) -> None:
    table = read_results(samples / "optuna_objectives.csv")
    assert any("values_0, values_1" in note for note in table.notes)
    assert results(table, metric="values_1").n == 4


def test_a_storage_agrees_with_the_frame_of_its_last_study(samples: Path, database: Database) -> None:
    stored = trials(read_results(database("optuna_storage")).columns, study="random-1")
    with (samples / "optuna.csv").open() as file:
        frame = list(csv.DictReader(file))
    assert len(stored) == len(frame) == 4
    for row, told in zip(stored, frame, strict=True):
        assert str(row["number"]) == told["number"]
        assert row["trial_state"] == told["state"]
        assert row["params_lr"] == float(told["params_lr"])
        assert row["params_optimizer"] == told["params_optimizer"]
        assert row["datetime_start"] == told["datetime_start"]
        if told["state"] == "COMPLETE":
            assert row["value"] == float(told["value"])
        else:
            assert row["value"] is None
    assert stored[3]["value"] == math.inf


def test_a_database_and_a_journal_of_the_same_studies_agree(samples: Path, database: Database) -> None:
    one, other = read_results(database("optuna_storage")), read_results(samples / "optuna_journal.log")
    assert one.better == other.better == "lower"
    assert one.roles == other.roles
    assert set(one.columns) == set(other.columns)
    for name in set(one.columns) - {"datetime_start", "datetime_complete"}:
        assert one.columns[name] == other.columns[name], name


def test_samplers_are_compared_by_the_best_value_of_their_studies(database: Database) -> None:
    table = read_results(database("optuna_storage"))
    assert table.roles == {
        "method": "study_attrs_method", "seed": "study_attrs_seed", "hpo_run": "study",
        "value": "best_value", "budget": "number",
    }  # fmt: skip
    for study in ("tpe-0", "tpe-1", "random-0", "random-1"):
        best = math.inf
        for row in trials(table.columns, study=study):
            best = min(best, row["value"] if row["value"] is not None else math.inf)
            assert row["best_value"] == best
    last = results(table, where={"budget": 3})
    assert last.methods == ("random", "tpe")
    assert last.counts().tolist() == [[2], [2]]
    assert last.num_failed == 0


def test_where_trials_name_their_method_their_own_value_counts(tmp_path: Path) -> None:
    operations = [CREATE]
    for k, method in enumerate(["adam", "sgd"]):
        operations += [TRIAL, {"op_code": 8, "trial_id": k, "user_attr": {"method": method}}, finish(k, 1, k + 0.5)]
    table = read_results(journal(tmp_path, *operations))
    assert table.roles == {"method": "user_attrs_method", "hpo_run": "study"}
    assert results(table).value.tolist() == [0.5, 1.5]
    assert table.better == "higher"


def test_a_journal_is_carried_out_as_optuna_does(tmp_path: Path) -> None:
    law = json.dumps({"name": "CategoricalDistribution", "attributes": {"choices": [None, [1, 2], "x"]}})
    table = read_results(journal(
        tmp_path,
        {**CREATE, "study_name": "gone"},
        CREATE,
        CREATE,  # the name is taken: passed over, and no number is given
        {"op_code": 1, "study_id": 0},
        TRIAL,  # of a study that was deleted
        {**TRIAL, "study_id": 1},
        {"op_code": 5, "trial_id": 0, "param_name": "p", "param_value_internal": 1, "distribution": law},
        {"op_code": 7, "trial_id": 0, "step": 0, "intermediate_value": 0.5},
        finish(0, 1, 0.25),
        finish(0, 1, 99.0),  # it is finished: passed over
        {**TRIAL, "study_id": 1, "state": 4},
        {**TRIAL, "study_id": 1},
        finish(2, 1, 0.75),
        {**TRIAL, "study_id": 1, "state": 1, "values": [0.5], "params": {"q": 2}, "distributions": {"q": law}},
        {"op_code": 10, "trial_id": 0},
        '{"op_code": 6, "trial_id": 1, "sta',  # torn by a kill
    ))  # fmt: skip
    assert table.columns["value"] == [0.25, None, 0.75, 0.5]
    assert table.columns["best_value"] == [0.25, 0.25, 0.75, 0.75]
    assert table.columns["trial_state"] == ["COMPLETE", "WAITING", "COMPLETE", "COMPLETE"]
    assert table.columns["params_p"] == ["[1, 2]", None, None, None]
    assert table.columns["params_q"] == [None, None, None, "x"]


@pytest.mark.parametrize(
    ("operations", "said"),
    [
        ((CREATE, "no json\n", TRIAL), "line 2 is no JSON object"),
        ((CREATE, TRIAL, finish(0, 9)), "line 3 is no operation"),
        ((CREATE, TRIAL, finish(7, 1)), "line 3 is no operation"),
        ((CREATE, TRIAL, {"op_code": 5, "trial_id": 0}), "line 3 is no operation"),
        ((CREATE, CREATE), "1 studies and no trials"),
    ],
)
def test_a_damaged_journal_is_refused_with_its_line(operations: tuple[Any, ...], said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        read_results(journal(tmp_path, *operations))


def test_an_older_storage_without_kinds_of_values_is_read(database: Database) -> None:
    path = database("optuna_storage")
    new = read_results(path).columns["value"]
    with sqlite3.connect(path) as made:
        made.execute("UPDATE trial_values SET value = 9e999 WHERE value_type = 'INF_POS'")
        made.execute("ALTER TABLE trial_values DROP COLUMN value_type")
    made.close()
    assert read_results(path).columns["value"] == new


def test_studies_of_different_direction_give_none(database: Database) -> None:
    path = database("optuna_storage")
    with sqlite3.connect(path) as made:
        made.execute("UPDATE study_directions SET direction = 'MAXIMIZE' WHERE study_id = 1")
    made.close()
    table = read_results(path)
    assert table.better == ""
    assert set(table.columns["study_direction"]) == {"higher", "lower"}
    assert any("different directions" in note for note in table.notes)


def test_a_database_is_only_read(database: Database) -> None:
    path = database("optuna_storage")
    path.chmod(0o444)
    before = path.read_bytes()
    read_results(path)
    assert path.read_bytes() == before
    assert [beside.name for beside in path.parent.iterdir()] == [path.name]


def test_frames_of_studies_with_other_parameters_are_joined(samples: Path, tmp_path: Path) -> None:
    shutil.copy(samples / "optuna.csv", tmp_path / "tpe.csv")
    (tmp_path / "random.csv").write_text((samples / "optuna.csv").read_text().replace("params_lr", "params_rate"))
    table = read_results([tmp_path / "tpe.csv", tmp_path / "random.csv"])
    assert table.roles["method"] == "source_file"
    assert results(table).methods == ("random", "tpe")
    assert any("params_lr, params_rate" in note for note in table.notes)


def test_another_database_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "other.db") as made:
        made.execute("CREATE TABLE fruit (name TEXT)")
    made.close()
    with pytest.raises(UsageError, match="with the tables fruit"):
        read_results(tmp_path / "other.db", "optuna")
