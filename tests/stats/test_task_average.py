import math

import numpy as np
import pytest
from scipy import stats
from scipy.stats import binomtest

from cupel.spec.errors import UnknownNameError, UsageError
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


def test_a_single_run_borrows_a_spread_with_its_degrees_of_freedom():
    """One run against several is Student's test, whose degrees of freedom are those of the several."""
    several = [1.0, 2.0, 4.0, 4.5]
    row = task_average({"method": ["a"] * 4 + ["b"], "task": ["x"] * 5, "value": [*several, 7.0]}).rows[0]
    spread = np.std(several, ddof=1)
    assert row.se == pytest.approx(spread * math.sqrt(1 / 4 + 1))
    assert row.df == pytest.approx(3)


def test_a_single_pair_borrows_from_pairs_and_not_from_runs():
    # x: pairs that differ by 1, 3, 1, 3; y: one pair; z: runs without a common seed, which spread far wider
    frame = {
        "method": ["a", "b"] * 5 + ["a", "a", "b", "b"],
        "task": ["x"] * 8 + ["y"] * 2 + ["z"] * 4,
        "seed": [0, 0, 1, 1, 2, 2, 3, 3, 0, 0, 5, 6, 7, 8],
        "value": [1.0, 0.0, 3.0, 0.0, 1.0, 0.0, 3.0, 0.0, 9.0, 2.0, 0.0, 100.0, 0.0, 100.0],
    }
    row = task_average(frame).rows[0]
    assert (row.num_tasks, row.estimate) == (3, (2 + 7 + 0) / 3)  # z counts, though its runs are no pairs
    of_pairs = 4 / 3 * (1 / 4 + 1)
    assert row.se == pytest.approx(math.sqrt(of_pairs + 5000 / 2 + 5000 / 2) / 3)
    assert row.df == pytest.approx((of_pairs + 5000) ** 2 / (of_pairs**2 / 3 + 2500**2 / 1 + 2500**2 / 1))


def test_a_spread_of_small_values_is_not_taken_for_large_ones():
    """One run on a task of thousands beside repeats on a task of thousandths: p was 1e-20."""
    frame = {
        "method": [*"aabb", "a", "b"],
        "task": ["small"] * 4 + ["large"] * 2,
        "value": [0.001, 0.002, 0.003, 0.004, 5000.0, 7000.0],
    }
    row = task_average(frame).rows[0]
    assert row.estimate == pytest.approx((-0.002 - 2000) / 2)
    assert math.isnan(row.p)
    assert row.interval is None
    near = task_average(frame | {"value": [0.001, 0.002, 0.003, 0.004, 0.005, 0.009]}).rows[0]
    assert 0 < near.p < 1


@pytest.mark.slow
def test_the_level_holds_where_some_tasks_have_one_run():
    """Spreads that are borrowed are no data of their own: taken for such, twice as many false alarms were raised."""
    alarms = [_has_false_alarm(np.random.default_rng(seed)) for seed in range(NUM)]
    assert binomtest(sum(alarms), NUM, 0.05, alternative="greater").pvalue > 0.01


NUM = 600


def _has_false_alarm(draw):
    """Five methods that are alike on five tasks, one to three runs of each: whether some pair is separated."""
    cells = [(m, t, s) for m in range(5) for t in range(5) for s in range(draw.choice([1, 1, 2, 3]))]
    m, t, s = np.array(cells).T
    frame = {"method": m.tolist(), "task": t.tolist(), "seed": s.tolist(), "value": draw.normal(size=len(m)).tolist()}
    return bool(np.nanmin([row.p for row in task_average(frame).rows]) < 0.05)


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


def test_a_level_in_percent_and_a_table_of_several_budgets_are_refused() -> None:
    table = {"method": ["a", "b"] * 4, "task": [1, 1, 2, 2] * 2, "value": [float(k) for k in range(8)]}
    with pytest.raises(UsageError, match="`level` is 95"):
        task_average(table, level=95)
    with pytest.raises(UsageError, match="several budgets"):
        task_average(table | {"budget": [1] * 4 + [2] * 4})
