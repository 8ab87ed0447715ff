import pytest

from cupel.spec.errors import UsageError
from cupel.spec.results_table import ResultsTable
from cupel.stats.results import results

BASE = {"method": ["a", "a", "b", "b"], "task": ["t"] * 4, "seed": [0, 1, 0, 1], "value": [1.0, 2.0, 3.0, 4.0]}


def refused(words: str, **columns):
    with pytest.raises(UsageError, match=words):
        results({name: values for name, values in {**BASE, **columns}.items() if values is not None})


def test_a_row_that_is_there_twice_is_named_with_its_values():
    refused(r"rows 0, 1 are duplicates: the same method, task, seed \(a, t, seed 0\); 1 row repeats", seed=[0, 0, 0, 1])
    refused(r"Their values are 1 and 2\. Remove one of them, or number repeats", seed=[0, 0, 0, 1])
    refused(r"They have the same value\. Remove one", seed=[0, 0, 0, 1], value=[1, 1, 3, 4])
    refused("2 rows repeat", seed=[0, 0, 0, 0])


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"prior": ["p", "q", "p", "p"]}, r"differ between them: prior; if one .*join it: --map task=task:prior"),
        ({"trial": [0, 1, 0, 1]}, r"--map rep=trial; if it counts the progress of one run: --map budget=trial"),
        ({"method": None, "net": ["x", "y", "x", "y"], "seed": [0] * 4}, "no column was read as the method"),
    ],
)
def test_a_column_that_tells_such_rows_apart_is_named_with_what_to_say(columns, words):
    refused(words, **{"seed": [0, 0, 0, 1], **columns})


def test_the_same_file_under_two_names_is_not_taken_for_repeats():
    rows = {name: values * 2 for name, values in BASE.items()} | {"source_file": ["one.csv"] * 4 + ["two.csv"] * 4}
    with pytest.raises(UsageError, match="They have the same value"):
        results(ResultsTable(rows, "folder", "long_csv"))


@pytest.mark.parametrize("name", ["iteration", "Iter", "iterations"])
def test_a_counter_that_can_mean_two_things_is_asked_about(name):
    counted = {"seed": None, name: [0, 1, 0, 1]}
    refused(rf"{name} numbers the rows .*--map rep={name}\. .*--map budget={name}", **counted)
    frame = {**BASE, name: [0, 1, 0, 1]}
    del frame["seed"]
    assert results(frame, columns={"rep": name}).rep.labels() == ["0", "1", "0", "1"]
    assert results(frame, columns={"budget": name}).budget.tolist() == [0, 1, 0, 1]


def test_a_counter_that_numbers_nothing_is_let_through():
    frame = {"method": ["a", "b"], "value": [1.0, 2.0], "iteration": [100, 100]}
    assert results(frame).n == 2
