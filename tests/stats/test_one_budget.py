import numpy as np

from cupel.stats.one_budget import at_one_budget, has_several_budgets
from cupel.stats.results import results


def table(rows):
    names = ("method", "task", "seed", "budget", "value")
    return results({name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)})


def test_the_largest_budget_that_all_methods_of_a_task_have_is_taken():
    rows = [
        (m, "t", s, b, float(b)) for m in "ab" for s in range(2) for b in (1, 10, 100) if not (m == "b" and b == 100)
    ]
    found = at_one_budget(table(rows))
    assert np.unique(found.budget).tolist() == [10.0]
    assert found.n == 4
    (note,) = found.warnings
    assert "runs have 3 budgets (1, 10, 100); the answer is for budget 10" in note.text


def test_each_task_has_its_own_largest_budget():
    rows = [(m, t, 0, b, 0.0) for m in "ab" for t, bs in (("x", (1, 90)), ("y", (1, 200))) for b in bs]
    found = at_one_budget(table(rows))
    assert sorted(set(found.budget.tolist())) == [90.0, 200.0]
    assert "90 to 200, the largest of each task" in found.warnings[0].text
    assert not has_several_budgets(found)
    assert has_several_budgets(table(rows))


def test_methods_that_share_no_budget_keep_the_largest():
    found = at_one_budget(
        table([("a", "t", 0, 1, 0.0), ("a", "t", 0, 2, 0.0), ("b", "t", 0, 3, 0.0), ("b", "t", 0, 4, 0.0)])
    )
    assert (found.n, found.methods) == (1, ("b",))


def test_runs_with_one_budget_each_all_stay():
    rows = [(m, "t", s, 10 * s + k, 0.0) for k, m in enumerate("ab") for s in range(3)]
    found = at_one_budget(table(rows))
    assert (found.n, found.budget) == (6, None)
    assert "every run has one budget (0 to 21)" in found.warnings[0].text


def test_a_table_of_one_budget_or_none_is_left_alone():
    one = table([("a", "t", 0, 1, 0.0), ("b", "t", 0, 1, 0.0)])
    assert at_one_budget(one) is one
    none = results({"method": ["a", "b"], "value": [1.0, 2.0]})
    assert at_one_budget(none) is none
