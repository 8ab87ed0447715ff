import numpy as np
import pytest

from cupel.spec.errors import UsageError
from cupel.stats.results import results
from cupel.stats.run_strata import failure_worth, matched, on_shared_tasks, score_notes, score_table, strata

NAN = float("nan")


def table(**columns):
    return {name: list(values) for name, values in columns.items()}


def test_arrays_are_runs_by_tasks_and_are_not_paired() -> None:
    found = score_table({"A": np.array([[1.0, 2.0], [3.0, NAN]]), "B": np.array([[5.0, 6.0]])})
    a, b = strata(found, 0), strata(found, 1)
    assert (a.values.tolist(), a.sizes.tolist(), a.num_failed) == ([1.0, 3.0, 2.0], [2, 1], 1)
    assert (b.values.tolist(), b.tasks) == ([5.0, 6.0], ("0", "1"))
    assert found.better == "higher"
    assert matched(a, b) is None


@pytest.mark.parametrize(
    "frame", [np.zeros((2, 3, 4)), np.zeros((0, 3)), {"A": np.zeros((2, 3)), "B": np.zeros((2, 4))}]
)
def test_arrays_of_other_shapes_are_refused(frame) -> None:
    with pytest.raises(UsageError, match=r"\(runs, tasks\)"):
        score_table(frame)


def test_runs_are_matched_by_seed_and_task_whatever_the_order_of_rows() -> None:
    frame = table(
        method="AAAABBBB",
        task=["t", "t", "u", "u", "u", "t", "u", "t"],
        seed=[1, 2, 1, 2, 2, 2, 1, 3],
        score=[1.0, 2.0, 3.0, 4.0, 40.0, 20.0, 30.0, 50.0],
    )
    found = score_table(frame)
    pairs = matched(strata(found, 0), strata(found, 1))
    assert pairs is not None
    assert [side.values.tolist() for side in pairs] == [[2.0, 3.0, 4.0], [20.0, 30.0, 40.0]]
    assert [side.tasks for side in pairs] == [("t", "u")] * 2
    assert [side.sizes.tolist() for side in pairs] == [[1, 2]] * 2


def test_a_failed_run_takes_its_partner_out_of_the_pairs() -> None:
    frame = table(method="AAABBB", task="tttttt", seed=[1, 2, 3] * 2, score=[1.0, NAN, 3.0, 4.0, 5.0, 6.0])
    found = score_table(frame)
    pairs = matched(strata(found, 0), strata(found, 1))
    assert pairs is not None
    assert [side.values.tolist() for side in pairs] == [[1.0, 3.0], [4.0, 6.0]]


def test_methods_without_a_common_task_cannot_be_compared() -> None:
    found = score_table(table(method="AB", task="tu", score=[1.0, 2.0]))
    with pytest.raises(UsageError, match="no task in common"):
        on_shared_tasks(strata(found, 0), strata(found, 1))


def test_tasks_that_only_one_method_has_are_left_out() -> None:
    found = score_table(table(method="AABB", task="tuuv", score=[1.0, 2.0, 3.0, 4.0]))
    kept = on_shared_tasks(strata(found, 0), strata(found, 1))
    assert [(side.tasks, side.values.tolist()) for side in kept] == [(("u",), [2.0]), (("u",), [3.0])]


def test_the_largest_budget_of_each_task_is_used_and_said() -> None:
    frame = table(
        method="AAAAAA", task="ttttuu", seed=[1, 1, 2, 2, 1, 1], budget=[1, 2, 1, 2, 1, 4], score=[1.0, 2, 3, 4, 5, 6]
    )
    found = score_table(frame)
    assert found.value.tolist() == [2.0, 4.0, 6.0]
    assert found.warnings[-1].code == "one budget of several"
    assert "2 to 4" in found.warnings[-1].text


def test_one_budget_per_task_is_left_alone() -> None:
    frame = table(method="AAA", task="ttu", budget=[10, 10, 20], score=[1.0, 2.0, 3.0])
    assert score_table(frame).warnings == ()


FAILED = table(method="AABB", task="tttt", seed=[1, 2, 1, 2], score=[1.0, NAN, 3.0, 2.0])


def test_failures_are_worth_what_is_said() -> None:
    found = score_table(FAILED, "higher")
    assert failure_worth(found, 0.5).value.tolist() == [1.0, 0.5, 3.0, 2.0]
    assert failure_worth(found, "worst").value.tolist() == [1.0, 1.0, 3.0, 2.0]
    assert failure_worth(score_table(FAILED, "lower"), "worst").value.tolist() == [1.0, 3.0, 3.0, 2.0]
    assert failure_worth(found, None) is found


def test_the_worst_value_needs_a_direction_and_a_value() -> None:
    with pytest.raises(UsageError, match="not guessed"):
        failure_worth(score_table(FAILED), "worst")
    alone = score_table(table(method="AA", task="tu", score=[1.0, NAN]), "higher")
    with pytest.raises(UsageError, match="no run of any method on 'u'"):
        failure_worth(alone, "worst")
    with pytest.raises(UsageError, match="expected a number"):
        failure_worth(score_table(FAILED, "higher"), "best")  # type: ignore[arg-type]


def test_failures_left_out_are_counted_and_their_inequality_is_named() -> None:
    notes = score_notes(results(FAILED, better="higher"), "left out")
    assert [note.code for note in notes] == ["failures", "unequal failures"]
    assert "A 1 of 2" in notes[0].text


def test_dependent_rows_are_named() -> None:
    frame = table(method="AAAA", task="tttt", seed=[1, 2, 1, 2], hpo_run=[1, 1, 2, 2], score=[1.0, 2.0, 3.0, 4.0])
    assert [note.code for note in score_notes(score_table(frame), "left out")] == ["approximate"]
    frame = table(method="AA", task="tt", fold=[1, 2], score=[1.0, 2.0])
    assert [note.code for note in score_notes(score_table(frame), "left out")] == ["overlapping splits"]
