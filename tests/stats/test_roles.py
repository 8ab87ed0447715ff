import math

import pytest

from cupel.spec.errors import UsageError
from cupel.stats.frame import columns_of
from cupel.stats.results import results
from cupel.stats.roles import FAILED_WORDS, begins_with_numbers, holds_numbers


def values(*cells, **more):
    return results({"method": [f"m{k}" for k in range(len(cells))], "score": list(cells), **more}).value.tolist()


def refused(words, *cells, name="value"):
    with pytest.raises(UsageError, match=words):
        results({"method": [f"m{k}" for k in range(len(cells))], name: list(cells)})


@pytest.mark.parametrize(
    ("name", "role"),
    [("classifier_name", "method"), ("Estimator", "method"), ("dataset_name", "task"), ("env_id", "task"),
     ("rng_seed", "seed"), ("Global Step", "budget"), ("fold_id", "split")],
)  # fmt: skip
def test_names_of_real_exports_say_their_role(name, role):
    frame = {"score": [0.5, 0.7], name: [1, 2]}
    assert results(frame).roles[role] == name


def test_further_names_stand_back_behind_the_first_ones():
    roles = results({"model": ["a"], "estimator": ["svm"], "dataset": ["x"], "task_id": [3], "score": [1.0]}).roles
    assert (roles["method"], roles["task"]) == ("model", "dataset")


def test_columns_that_tell_the_same_rows_apart_are_one_choice():
    frame = {"dataset_id": [1, 2, 1], "dataset_name": ["x", "y", "x"], "score": [1.0, 2.0, 3.0]}
    assert results(frame).tasks == ("x", "y")
    with pytest.raises(UsageError, match="Several columns could be the task"):
        results(frame | {"dataset_id": [1, 2, 2]})


@pytest.mark.parametrize("word", ["#DIV/0!", "—", "CUDA out of memory", "DNF", "n.a.", "?"])
def test_words_of_spreadsheets_and_logs_are_failures(word):
    assert word.lower() in FAILED_WORDS
    assert [math.isnan(x) for x in values("0.5", word, "0.7")] == [False, True, False]


def test_truth_values_are_wins():
    assert results({"method": ["a", "b", "c"], "value": ["True", "false", "OOM"]}).value.tolist()[:2] == [1.0, 0.0]


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (("1,234.5", "3"), r"row 0 has '1,234\.5'; expected a number.*without a mark between thousands"),
        (("3", "12 ms"), r"Units are mixed in value: row 1 has '12 ms', row 0 has '3'"),
        (("12ms", "0.3s"), r"Units are mixed in value: row 0 has '12ms', row 1 has '0\.3s'"),
        (("12 ms", "13 ms"), r"row 0 has '12 ms'; expected a number without its unit"),
        (("0.91 ± 0.02", "0.93 ± 0.01"), r"a mean with its spread; a comparison needs the single runs"),
        (("0.5", "good"), r"row 1 has 'good'; expected a number, or a word for a failure"),
    ],
)
def test_what_is_no_number_is_told_by_its_kind(cells, words):
    refused(words, *cells)


def test_the_first_bad_row_is_named_whatever_its_spelling():
    refused("row 0 has 'zebra'", "zebra", "apple")
    refused("row 1 has '93%', row 0 has '5'", "5", "93%", "4")


def test_a_measure_is_found_among_columns_of_other_things():
    more = {"run_id": ["0012", "0013"], "is_final": [True, False], "note": [None, None]}
    assert values("0.9", "OOM", **more)[0] == 0.9


def test_a_measure_with_more_in_its_cells_is_refused_by_its_own_name():
    refused("accuracy: row 0 has '0.91 ± 0.02', a mean with its spread", "0.91 ± 0.02", "0.93 ± 0.01", name="accuracy")
    with pytest.raises(UsageError, match=r"none\. .* acc, f1 hold more than a number in a cell, such as '1 \(2\)'"):
        results({"method": ["a"], "acc": ["1 (2)"], "f1": ["3 (4)"]})


def test_a_table_of_failures_alone_is_read():
    assert results({"method": ["a", "b"], "time": [math.nan, math.nan]}).num_failed == 2


def test_a_wide_table_is_recognised_by_its_columns_of_numbers():
    with pytest.raises(UsageError, match="If each of them is a task: --reader wide_table"):
        results({"method": ["a", "b"], "iris": [1.0, 2.0], "wine": [3.0, 4.0]})
    with pytest.raises(UsageError, match="If each of them is a method: --reader wide_table"):
        results({"task": ["a", "b"], "svm": [1.0, 2.0], "knn": [3.0, 4.0]})


def test_what_looks_like_a_number():
    columns = columns_of({"a": ["90%", "OOM"], "b": ["0012", "0013"], "c": [True, False], "d": ["9 (1)", "NaN"]})
    assert [holds_numbers(c) for c in columns.values()] == [True, False, False, False]
    assert [begins_with_numbers(c) for c in columns.values()] == [False, True, False, True]


def test_runs_without_a_seed_stay_runs_beside_those_that_have_one():
    frame = {"method": ["a", "a", "b", "b"], "value": [1.0, 2.0, 3.0, 4.0], "seed": ["0", None, "0", None]}
    r = results(frame)
    assert r.n == 4
    assert len(set(r.seed.labels())) == 3
    (note,) = r.warnings
    assert note.code == "unpaired"
    assert "2 of 4 rows have no seed (rows 1, 3): each counts as a run of its own" in note.text
    assert results(frame | {"seed": [None] * 4}).seed is None


def test_a_failure_without_a_budget_failed_at_the_last_one():
    frame = {"method": ["a", "a", "b", "b"], "value": [1.0, 2.0, 3.0, math.nan], "budget": [1, 9, 1, None]}
    assert results(frame).budget.tolist() == [1, 9, 1, 9]
    with pytest.raises(UsageError, match="budget is missing in row 1, which has a value"):
        results(frame | {"budget": [1, None, 1, 9]})
    assert results(frame | {"budget": [None] * 4}).budget is None
