import numpy as np
import pytest

from cupel.stats.task_table import is_larger, named, ranks, task_table

TABLE = {
    "task": ["p", "p", "p", "q", "q", "q", "r", "r"],
    "method": ["a", "b", "c", "a", "b", "c", "a", "b"],
    "value": [1.0, 2.0, 3.0, 4.0, None, 6.0, 7.0, 8.0],
}


def test_a_failed_cell_is_the_worst_of_its_task_and_said() -> None:
    found = task_table(TABLE, better="higher", failures="worst")
    assert found.tasks == ("p", "q")
    assert found.values.tolist() == [[1, 2, 3], [4, -np.inf, 6]]
    assert found.num_failed == 1
    assert any(note.code == "failures" and "b on 1" in note.text for note in found.warnings)


def test_a_task_without_a_method_is_left_out_and_named() -> None:
    found = task_table(TABLE, better="higher", failures="worst")
    assert found.left_out == ("r",)
    assert any(note.code == "missing cells" and "r" in note.text for note in found.warnings)


def test_failures_leave_their_task_out_when_asked() -> None:
    found = task_table(TABLE, better="lower", failures="leave out")
    assert found.tasks == ("p",)
    assert found.left_out == ("q", "r")
    assert found.values.tolist() == [[-1, -2, -3]]


def test_the_mean_of_the_runs_that_did_not_fail_is_said_to_be_that() -> None:
    table = {"task": ["p"] * 4, "method": ["a", "a", "b", "b"], "value": [1, None, 3, 5]}
    found = task_table(table, better="higher", failures="worst")
    assert found.values.tolist() == [[1, 4]]
    assert any("In 1 cells some runs failed" in note.text for note in found.warnings)


def test_several_budgets_together_are_said() -> None:
    table = {"task": ["p"] * 4, "method": ["a", "a", "b", "b"], "value": [1, 2, 3, 5], "budget": [1, 2, 1, 2]}
    found = task_table(table, better="higher", failures="worst")
    assert [note.code for note in found.warnings] == ["one budget of several"]


def test_direction_is_never_guessed() -> None:
    with pytest.raises(ValueError, match="nothing says whether higher or lower is better"):
        task_table(TABLE, better=None, failures="worst")


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(ValueError, match="'worst' or 'leave out'"):
        task_table(TABLE, better="higher", failures="zero")  # type: ignore[arg-type]


def test_ranks_share_places_also_where_only_rounding_differs() -> None:
    values = np.array([[0.3, 0.1 + 0.2, 0.1], [-np.inf, 2.0, -np.inf], [1e20, 1e20 * (1 + 1e-10), 1e20]])
    assert ranks(values).tolist() == [[1.5, 1.5, 3], [2.5, 1, 2.5], [2.5, 1, 2.5]]


def test_an_infinite_value_is_beyond_every_other() -> None:
    assert is_larger(np.array([1.0, -np.inf]), np.array([-np.inf, -np.inf])).tolist() == [True, False]


def test_long_lists_of_names_are_cut() -> None:
    assert named(list("abcdefg")) == "a, b, c, d, e and 2 more"
