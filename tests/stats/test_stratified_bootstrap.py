import numpy as np
import pytest
from scipy.special import stdtrit
from scipy.stats import chisquare, ttest_ind

from cupel.stats.resample import Resample
from cupel.stats.run_strata import score_table, strata
from cupel.stats.stratified_bootstrap import degrees_of_freedom, ends, refusal, run_draws, task_draws, variances

SIZES = np.array([2, 5, 3])


def all_of(blocks) -> np.ndarray:
    return np.concatenate([block.copy() for block in blocks])


def test_every_task_has_one_draw_less_than_runs_and_none_of_another_task() -> None:
    index = all_of(run_draws(SIZES, 4000, np.random.default_rng(0)))
    assert index.shape == (4000, 1 + 4 + 2)
    for columns, low, high in ((slice(0, 1), 0, 2), (slice(1, 5), 2, 7), (slice(5, 7), 7, 10)):
        drawn, counts = np.unique(index[:, columns], return_counts=True)
        assert drawn.tolist() == list(range(low, high))
        assert chisquare(counts).pvalue > 0.001


def test_tasks_are_drawn_one_less_than_there_are_all_alike() -> None:
    index = all_of(task_draws(6, 5000, np.random.default_rng(1)))
    assert index.shape == (5000, 5)
    assert chisquare(np.bincount(index.ravel(), minlength=6)).pvalue > 0.001


def test_draws_do_not_depend_on_how_many_are_made_at_a_time() -> None:
    whole = all_of(run_draws(SIZES, 1000, np.random.default_rng(3), at_once=1000))
    for at_once in (1, 7, 64, 999):
        assert all_of(run_draws(SIZES, 1000, np.random.default_rng(3), at_once=at_once)).tobytes() == whole.tobytes()


def test_the_variance_of_a_mean_of_draws_is_that_of_the_mean() -> None:
    x = np.array([1.0, 4.0, 9.0])
    index = all_of(run_draws(np.array([3]), 200_000, np.random.default_rng(2)))
    assert x[index].mean(axis=1).var() == pytest.approx(x.var(ddof=1) / 3, rel=0.02)


def test_degrees_of_freedom_of_two_samples_are_those_of_welch() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=7), 3 * rng.normal(size=12)
    parts = [(np.array([side.var(ddof=1) / side.size]), np.array([side.size])) for side in (a, b)]
    assert degrees_of_freedom(parts) == pytest.approx(ttest_ind(a, b, equal_var=False).df)


def test_degrees_of_freedom_where_nothing_varies_are_unknown() -> None:
    assert np.isnan(degrees_of_freedom([(np.zeros(2), np.array([3, 3]))]))


def test_variances_by_task_are_those_of_their_means() -> None:
    x = np.array([[1.0, 2.0], [3.0, 7.0], [4.0, 1.0]])
    runs = strata(score_table(x), 0)
    assert variances(runs.values, runs) == pytest.approx(x.var(axis=0, ddof=1) / 3)


def normal_draws(num: int) -> np.ndarray:
    return np.random.default_rng(5).normal(10, 2, num)


@pytest.mark.parametrize(("df", "level"), [(1e9, 0.95), (12.0, 0.95), (30.0, 0.9)])
def test_percentiles_of_normal_draws_are_the_interval_of_t(df: float, level: float) -> None:
    found = ends(normal_draws(200_000), 10.0, df, Resample(level=level))
    half = 2 * stdtrit(df, 0.5 + level / 2)
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == pytest.approx((10 - half, 10 + half), abs=0.05)
    assert "percentiles" in found.method


def test_with_few_degrees_of_freedom_the_standard_deviation_of_the_draws_is_used() -> None:
    draws = normal_draws(2000)
    found = ends(draws, 10.0, 4.0, Resample(), null=9.0)
    half = stdtrit(4.0, 0.975) * draws.std(ddof=1)
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == pytest.approx((10 - half, 10 + half))
    assert "standard deviation" in found.method


@pytest.mark.parametrize("df", [4.0, 9.0, 50.0])
@pytest.mark.parametrize("null", [4.0, 5.5, 6.0, 6.2, 8.0, 10.0, 14.0, 15.5, 30.0])
def test_p_is_below_the_level_exactly_when_the_interval_excludes_the_null(df: float, null: float) -> None:
    found = ends(normal_draws(999), 10.0, df, Resample(num=999), null=null)
    assert found.interval is not None
    assert found.p is not None
    assert 0 < found.p <= 1
    assert (found.p <= 0.05) == (not found.interval.contains(null))


def test_draws_that_all_agree_give_no_interval_but_say_so() -> None:
    found = ends(np.full(100, 3.0), 3.0, 5.0, Resample(), null=0.0)
    assert (found.interval, found.p) == (None, None)
    assert [note.code for note in found.notes] == ["no spread"]


def test_single_runs_and_few_tasks_are_refused_with_the_name() -> None:
    none = refusal(np.array([3, 1]), ("A", "B"), Resample())
    assert none is not None
    assert (none.code, "Task B" in none.text) == ("no repeats", True)
    few = refusal(np.array([3, 3]), ("A", "B"), Resample("tasks"))
    assert few is not None
    assert few.code == "few tasks"
    assert refusal(np.array([1] * 5), tuple("ABCDE"), Resample("tasks")) is None
