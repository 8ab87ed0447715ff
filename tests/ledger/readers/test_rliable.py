import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cupel.ledger.read_results import read_results
from cupel.spec.errors import UsageError
from cupel.stats.results import results


def rows(table: Any) -> dict[tuple[Any, ...], float]:
    """Every measurement by all that tells it apart."""
    names = [name for name in table.columns if name != "value"]
    keys = zip(*(table.columns[name] for name in names), strict=True)
    return dict(zip(keys, table.columns["value"], strict=True))


def test_axes_are_runs_tasks_and_checkpoints(samples: Path) -> None:
    table = read_results(samples / "rliable.npz")
    arrays = np.load(samples / "rliable.npz", allow_pickle=False)
    assert table.roles == {"method": "method", "task": "task", "seed": "seed", "value": "value"}
    assert table.better == ""
    found = rows(table)
    tasks = arrays["tasks"].tolist()
    assert found == {
        (name, tasks[t], r): arrays[name][r, t]
        for name in ("DQN", "C51", "Rainbow")
        for r in range(5)
        for t in range(4)
    }
    deep = read_results(samples / "rliable_checkpoints.npz")
    arrays = np.load(samples / "rliable_checkpoints.npz", allow_pickle=False)
    assert deep.roles["budget"] == "checkpoint"
    assert rows(deep) == {
        (name, f"task {t}", r, c): arrays[name][r, t, c]
        for name in ("DQN", "C51") for r in range(3) for t in range(2) for c in range(4)
    }  # fmt: skip


def test_values_missing_at_the_end_are_no_runs_and_before_it_failures(samples: Path, tmp_path: Path) -> None:
    table = read_results(samples / "rliable_padded.json")
    found = rows(table)
    assert ("DQN", "Breakout", 2) in found
    assert ("DQN", "Pong", 2) not in found
    assert math.isnan(found["C51", "Breakout", 0])
    assert results(table).num_failed == 1
    assert any("never made" in note and "DQN 1" in note for note in table.notes)


def test_runs_of_unequal_number_are_not_paired(samples: Path) -> None:
    table = read_results(samples / "rliable_padded.json")
    assert table.roles["rep"] == "rep"
    assert "seed" not in table.roles
    assert results(table).seed is None
    assert any("DQN 3, C51 2" in note for note in table.notes)


def test_a_run_that_broke_off_keeps_its_missing_checkpoints(tmp_path: Path) -> None:
    scores = np.ones((3, 2, 4))
    scores[2, 0, 2:] = np.nan
    scores[2, 1] = np.nan
    np.savez(tmp_path / "scores.npz", A=scores, B=np.ones((3, 2, 4)), checkpoints=[10, 20, 30, 40])
    table = read_results(tmp_path / "scores.npz")
    found = rows(table)
    assert math.isnan(found["A", "task 0", 2, 40.0])
    assert ("A", "task 1", 2, 40.0) not in found
    assert results(table, where={"budget": 40}).num_failed == 1


def test_one_array_without_names_is_refused_with_what_to_do(tmp_path: Path) -> None:
    np.save(tmp_path / "scores.npy", np.ones((3, 4)))
    with pytest.raises(UsageError, match=r"shape \(3, 4\) and no names.*numpy\.savez"):
        read_results(tmp_path / "scores.npy")


def test_a_pickled_dict_is_refused_with_how_to_write_it(tmp_path: Path) -> None:
    np.save(tmp_path / "scores.npy", {"DQN": np.ones((3, 4))}, allow_pickle=True)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"would run code.*numpy\.savez"):
        read_results(tmp_path / "scores.npy")


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"A": np.ones((2, 3)), "B": np.ones((2, 4))}, "'A' has 3 tasks, 'B' has 4 tasks"),
        ({"A": np.ones((2, 3, 2)), "B": np.ones((2, 3))}, "3 tasks and 2 checkpoints"),
        ({"A": np.array([["x"]])}, "no array of numbers"),
        ({"A": np.ones((2, 3), dtype=complex)}, "no array of numbers"),
        ({"A": np.ones((1, 1, 1, 1))}, "expected \\[runs, tasks\\]"),
        ({"A": np.ones((0, 3))}, "expected \\[runs, tasks\\]"),
        ({"A": np.ones((2, 3)), "tasks": np.array(["x", "y"])}, "2 different names of tasks are given for 3"),
        ({"A": np.ones((2, 2)), "tasks": np.array(["x", "x"])}, "1 different names"),
        ({"A": np.ones((2, 2, 2)), "checkpoints": np.array(["x", "y"])}, "the checkpoint 'x' is no number"),
        ({"tasks": np.array(["x", "y"])}, "no array of scores"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(arrays: dict[str, Any], said: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "scores.npz", **arrays)
    with pytest.raises(UsageError, match=said):
        read_results(tmp_path / "scores.npz")


def test_lists_of_unequal_length_are_refused(tmp_path: Path) -> None:
    (tmp_path / "scores.json").write_text(json.dumps({"A": [[1, 2], [3]], "B": [[1, 2], [3, 4]]}))
    with pytest.raises(UsageError, match="null where a task had no such run"):
        read_results(tmp_path / "scores.json")


def test_an_algorithm_that_stands_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "scores.json").write_text('{"A": [[1, 2]], "A": [[3, 4]]}')
    with pytest.raises(UsageError, match="the key 'A' stands twice"):
        read_results(tmp_path / "scores.json")


def test_curves_in_json_are_not_taken_for_scores_but_can_be_named_so(tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    path.write_text(json.dumps({"A": [1, 2, 3], "B": [2, 3, 4]}))
    with pytest.raises(UsageError, match="JSON with the keys A, B"):
        read_results(path)
    assert rows(read_results(path, "rliable"))["B", "task 0", 1] == 3
