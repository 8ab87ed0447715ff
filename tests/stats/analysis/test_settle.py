import math

import numpy as np
import pytest

from cupel.stats.analysis.settle import Regions, settle
from cupel.stats.method_contrasts import MethodContrast, method_contrasts

NOTHING = Regions(0.0, None, 0.95)


def made(shape, shift, seed, **spread):
    rng = np.random.default_rng(seed)
    values = spread["noise"] * rng.normal(size=shape) + spread["suits"] * rng.normal(size=(*shape[:2], 1))
    values += np.array([0.0, shift])[:, None, None]
    m, t, s = np.indices(shape).reshape(3, -1)
    return {
        "method": [f"m{k}" for k in m],
        "task": [f"t{k}" for k in t],
        "rep": s.tolist(),
        "value": values.ravel().tolist(),
    }


def test_where_tasks_differ_no_number_of_runs_will_do():
    found = method_contrasts(made((2, 6, 5), 0.3, 1, noise=0.1, suits=1.0))
    plan = settle(found.rows[0], found, (6, 5.0), NOTHING)
    assert plan.runs is None
    assert plan.tasks > 0
    assert "no number of runs on these 6 tasks would do" in plan.text


def test_where_runs_differ_more_runs_do():
    found = method_contrasts(made((2, 12, 3), 0.25, 5, noise=1.0, suits=0.01))
    row = MethodContrast("m0", "m1", -0.25, found.rows[0].se, found.rows[0].df, 0.5, 0.5, found.rows[0].interval)
    plan = settle(row, found, (12, 3.0), NOTHING)
    assert plan.tasks > 0
    assert plan.runs is None or plan.runs > 0


def test_the_planned_number_of_runs_decides_in_four_of_five_cases():
    """These tasks alone: plan from one table, then draw tables of that size from the same truth."""
    first = method_contrasts(made((2, 4, 4), 0.5, 3, noise=1.0, suits=0.0), scope="tasks")
    row = MethodContrast("m0", "m1", -0.5, math.sqrt(2 / 4 / 4), 24.0, 0.5, 0.5, None)
    plan = settle(row, first, (4, 4.0), NOTHING)
    runs = 4 + plan.runs
    decided = [
        method_contrasts(made((2, 4, runs), 0.5, k, noise=1.0, suits=0.0), scope="tasks").rows[0].p <= 0.05
        for k in range(200)
    ]
    assert np.mean(decided) == pytest.approx(0.8, abs=0.09)


def test_an_equivalence_needs_both_sides():
    row = MethodContrast("m0", "m1", 0.0, 0.1, 20.0, 1.0, 1.0, None)
    found = method_contrasts(made((2, 4, 4), 0.0, 3, noise=1.0, suits=0.0), scope="tasks")
    wide = settle(row, found, (4, 4.0), Regions(0.0, 0.5, 0.95))
    narrow = settle(row, found, (4, 4.0), Regions(0.0, 0.2, 0.95))
    assert 0 < wide.runs < narrow.runs


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (MethodContrast("a", "b", 0.1, math.nan, math.nan, math.nan, math.nan, None), "repeated runs are needed"),
        (MethodContrast("a", "b", 0.0, 0.1, 10.0, 1.0, 1.0, None), "edge of a region"),
    ],
)
def test_what_cannot_be_planned_says_why(row, words):
    found = method_contrasts(made((2, 4, 4), 0.0, 3, noise=1.0, suits=0.0), scope="tasks")
    plan = settle(row, found, (4, 4.0), NOTHING)
    assert (plan.runs, plan.tasks) == (None, None)
    assert words in plan.text
