import math

import numpy as np
import pytest
from scipy import stats

from cupel.spec.errors import UnknownNameError
from cupel.stats.task_average import task_average

rng = np.random.default_rng(3)


def long(values):
    """(methods, tasks, seeds) values as a table."""
    m, t, s = np.indices(values.shape).reshape(3, -1)
    return {
        "method": [f"m{k}" for k in m],
        "task": [f"t{k}" for k in t],
        "seed": s.tolist(),
        "value": values.ravel().tolist(),
    }


def test_one_task_with_shared_seeds_is_the_paired_t_test():
    values = rng.normal(size=(2, 1, 9))
    row = task_average(long(values)).rows[0]
    other = stats.ttest_rel(values[0, 0], values[1, 0])
    low, high = other.confidence_interval()
    assert (row.estimate, row.p, row.df) == pytest.approx((np.mean(values[0] - values[1]), other.pvalue, 8))
    assert (row.interval.low, row.interval.high) == pytest.approx((low, high))
    assert (row.num_tasks, row.num_runs) == (1, 9)


def test_one_task_without_seeds_is_welchs_test():
    values = rng.normal(size=(2, 1, 9))
    frame = long(values)
    del frame["seed"]
    found = task_average(frame)
    other = stats.ttest_ind(values[0, 0], values[1, 0], equal_var=False)
    assert not found.is_paired
    assert (found.rows[0].p, found.rows[0].df) == pytest.approx((other.pvalue, other.df))


def test_tasks_weigh_alike_by_hand():
    # task 0: differences 1, 3 (mean 2, variance 2); task 1: differences 4, 4, 7 (mean 5, variance 3)
    frame = {
        "method": ["a", "a", "b", "b", "a", "a", "a", "b", "b", "b"],
        "task": ["x"] * 4 + ["y"] * 6,
        "seed": [0, 1, 0, 1, 0, 1, 2, 0, 1, 2],
        "value": [1.0, 3.0, 0.0, 0.0, 4.0, 4.0, 7.0, 0.0, 0.0, 0.0],
    }
    row = task_average(frame).rows[0]
    assert row.estimate == pytest.approx(3.5)
    assert row.se == pytest.approx(math.sqrt(2 / 2 + 3 / 3) / 2)
    assert row.df == pytest.approx((1 + 1) ** 2 / (1**2 / 1 + 1**2 / 2))


def test_all_pairs_are_read_together_by_holm():
    values = rng.normal(size=(3, 4, 6)) + np.array([0.0, 1.0, 1.1])[:, None, None]
    found = task_average(long(values))
    assert [(row.a, row.b) for row in found.rows] == [("m0", "m1"), ("m0", "m2"), ("m1", "m2")]
    alone = sorted(row.p_alone for row in found.rows)
    assert min(row.p for row in found.rows) == pytest.approx(3 * alone[0])
    assert "Holm over 3 pairs" in found.method
    to_baseline = task_average(long(values), against="m1")
    assert [(row.a, row.b) for row in to_baseline.rows] == [("m0", "m1"), ("m2", "m1")]
    with pytest.raises(UnknownNameError, match="No method named 'm9'"):
        task_average(long(values), against="m9")


def test_nothing_repeated_is_no_interval():
    row = task_average(long(rng.normal(size=(2, 5, 1)))).rows[0]
    assert row.interval is None
    assert math.isnan(row.se)
    assert math.isnan(row.p)
    assert "nothing was repeated" in task_average(long(rng.normal(size=(2, 5, 1)))).text()


def test_a_task_that_one_method_lacks_is_left_out():
    frame = long(rng.normal(size=(2, 3, 4)))
    keep = [not (m == "m1" and t == "t2") for m, t in zip(frame["method"], frame["task"], strict=True)]
    cut = {name: [v for v, k in zip(values, keep, strict=True) if k] for name, values in frame.items()}
    assert task_average(cut).rows[0].num_tasks == 2


def test_the_priorband_study(priorband):
    at_ten = priorband[priorband.used_fidelity == 10].rename(columns={"bench_prior": "task", "algorithm": "method"})
    wide = at_ten.pivot_table(index=["task", "seed"], columns="method", values="normalized_regret")
    difference = (wide["HB"] - wide["PB"]).unstack()
    row = next(r for r in task_average(at_ten[["method", "task", "seed", "normalized_regret"]].rename(
        columns={"normalized_regret": "value"})).rows if (r.a, r.b) == ("HB", "PB"))  # fmt: skip
    assert row.estimate == pytest.approx(difference.mean(axis=1).mean())
    assert row.se == pytest.approx(math.sqrt((difference.var(axis=1, ddof=1) / 50).sum()) / 24)
