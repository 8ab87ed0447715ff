import numpy as np
import pandas as pd
import pytest

from cupel.spec.errors import UnknownNameError, UsageError
from cupel.spec.results_table import ResultsTable
from cupel.stats.results import results


def table(**columns):
    base = {
        "method": ["a", "a", "b", "b"],
        "task": ["t", "t", "t", "t"],
        "seed": [0, 1, 0, 1],
        "value": [1.0, 2.0, 3.0, 4.0],
    }
    return {name: values for name, values in {**base, **columns}.items() if values is not None}


def test_roles_are_found_by_their_names():
    r = results(table())
    assert (r.methods, r.tasks, r.n, r.num_failed) == (("a", "b"), ("t",), 4, 0)
    assert r.counts().tolist() == [[2], [2]]
    assert r.cell_means().tolist() == [[1.5], [3.5]]
    assert r.better is None


@pytest.mark.parametrize("name", ["algorithm", "Optimizer", "model", "agent"])
def test_other_names_of_the_method(name):
    assert results({name: ["a", "b"], "value": [1, 2]}).methods == ("a", "b")


def test_a_table_without_tasks_or_methods_has_one_of_each():
    r = results({"score": [1.0, 2.0]})
    assert (r.methods, r.tasks) == (("all",), ("all",))


def test_two_columns_for_one_role_are_asked_about():
    with pytest.raises(UsageError, match=r"Several columns could be the method: model, algo\. .*--map method=model"):
        results({"model": ["a"], "algo": ["b"], "value": [1]})
    assert results({"model": ["a"], "method": ["m"], "value": [1]}).methods == ("m",)


def test_roles_are_told_and_columns_joined():
    frame = {"opt": ["a", "b"], "data": ["x", "y"], "prior": ["p", "q"], "acc": [0.1, 0.2], "loss": [3.0, 4.0]}
    r = results(frame, columns={"method": "opt", "task": "data:prior"}, metric="acc")
    assert (r.methods, r.tasks, r.metric) == (("a", "b"), ("x:p", "y:q"), "acc")
    assert r.value.tolist() == [0.1, 0.2]
    assert {"data", "prior", "loss"} <= set(r.extra)
    with pytest.raises(UnknownNameError, match="No role named 'metod'"):
        results(frame, columns={"metod": "opt"})
    with pytest.raises(UnknownNameError, match="No column named 'optt'"):
        results(frame, columns={"method": "optt"})
    with pytest.raises(UsageError, match=r"Which column holds the results\? Columns of numbers: acc, loss"):
        results(frame, columns={"method": "opt"})


def test_a_long_table_of_several_metrics_asks_which():
    frame = {"method": ["a", "a"], "metric": ["acc", "loss"], "value": [0.9, 0.1]}
    with pytest.raises(UsageError, match="several metrics: acc, loss"):
        results(frame)
    assert results(frame, metric="loss").value.tolist() == [0.1]
    with pytest.raises(UnknownNameError, match="No metric named 'los'"):
        results(frame, metric="los")


def test_failures_are_rows():
    r = results(table(value=["1.0", "OOM", "nan", "4"]))
    assert (r.n, r.num_failed) == (4, 2)
    assert np.isnan(r.value[1:3]).all()
    (note,) = r.warnings
    assert note.code == "failures"
    assert "2 of 4 rows" in note.text
    assert "a 1 of 2, b 1 of 2" in note.text
    assert "rows 1, 2" in note.text
    by_status = results(table(status=["ok", "failed", "COMPLETE", "running"]))
    assert by_status.ok.tolist() == [True, False, True, False]
    assert results(table(value=[1.0, float("inf"), 2.0, None])).num_failed == 2


def test_a_value_that_is_no_number_is_named_with_its_line():
    source = ResultsTable(table(value=["1", "2", "0,91", "4"]), "results.csv", "long_csv", lines=[2, 3, 4, 5])
    with pytest.raises(UsageError, match=r"line 4 has '0,91'"):
        results(source)


def test_mixed_units_are_refused():
    with pytest.raises(UsageError, match=r"Units are mixed in value: row 1 has '93%', row \d has '0"):
        results(table(value=["0.9", "93%", "0.8", "0.7"]))
    assert results(table(value=["90%", "93%", "failed", "70%"])).value[1] == 93.0
    with pytest.raises(UsageError, match="The unit differs between rows: 'ms' in row 0, 's' in row 1"):
        results(table(unit=["ms", "s", "s", "s"]))
    assert results(table(unit=["s"] * 4)).unit == "s"


def test_duplicates_are_refused_with_their_rows_and_what_tells_them_apart():
    frame = table(seed=[0, 0, 0, 1], prior=["p", "q", "p", "p"])
    with pytest.raises(
        UsageError, match=r"rows 0, 1 are duplicates: the same method, task, seed .*prior.*--map task=task:prior"
    ):
        results(frame)
    with pytest.raises(UsageError, match="number repeats in a column `rep`"):
        results(table(seed=[0, 0, 0, 1]))
    assert results(table(seed=[0, 0, 0, 1], rep=[0, 1, 0, 0])).n == 4
    assert results(table(seed=None)).n == 4


def test_a_missing_method_is_named():
    with pytest.raises(UsageError, match="The method is missing in row 2"):
        results(table(method=["a", "a", None, "b"]))


def test_direction_is_declared():
    assert results(table(), better="max").better == "higher"
    assert results(table(direction=["minimize"] * 4)).better == "lower"
    assert results(ResultsTable(table(), "x.json", "hyperfine", better="lower", unit="s")).better == "lower"
    with pytest.raises(UsageError, match="expected 'higher' or 'lower'"):
        results(table(), better="bigger")
    with pytest.raises(UsageError, match="The better differs between rows"):
        results(table(direction=["min", "max", "min", "min"]))


def test_rows_are_picked_by_role_or_column():
    frame = table(budget=[1, 10, 1, 10], prior=["p", "p", "q", "q"])
    assert results(frame, where={"budget": 10}).value.tolist() == [2.0, 4.0]
    assert results(frame, where={"prior": "q"}).methods == ("b",)
    with pytest.raises(UnknownNameError, match="No budget named '11'"):
        results(frame, where={"budget": 11})
    with pytest.raises(UnknownNameError, match="No column named 'x'"):
        results(frame, where={"x": 1})
    with pytest.raises(UsageError, match="No row has"):
        results(frame, where={"prior": "q", "method": "a"})


def test_results_pass_through():
    r = results(table(), better="lower")
    assert results(r) is r
    assert results(r, better="higher").better == "higher"
    with pytest.raises(UsageError, match="have their roles already"):
        results(r, metric="value")


def test_an_empty_table_is_refused():
    with pytest.raises(UsageError, match="no rows"):
        results({"method": [], "value": []})


def test_notes_of_a_reader_travel_along():
    source = ResultsTable(table(), "study.db", "optuna", notes=("3 trials were pruned",))
    assert [note.text for note in results(source).warnings] == ["3 trials were pruned"]


def test_selection_forgets_what_no_row_has():
    r = results(table(task=["t", "u", "t", "u"], seed=[0, 0, 0, 0]))
    assert r.select(r.task.codes == 0).tasks == ("t",)


def test_a_large_table_is_read_quickly_enough_to_be_no_burden():
    n = 86_400
    frame = pd.DataFrame({"method": np.tile(["a", "b"], n // 2), "task": np.repeat(np.arange(24), n // 24).astype(str),
                          "seed": np.arange(n), "value": np.zeros(n)})  # fmt: skip
    assert results(frame).n == n
