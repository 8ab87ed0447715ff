import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from cupel.stats.binomial_sd import binomial_sd
from cupel.stats.results import results
from cupel.stats.spread_interval import any_sd_interval, normal_sd_interval
from cupel.stats.variance_study import VarianceStudy, variance_study


def planted(sds: dict[str, float], n: int, seed: int = 0, **extra: str) -> dict[str, list]:
    """A table in which each source has about the spread that is given."""
    rng = np.random.default_rng(seed)
    table: dict[str, list] = {"varied": [], "seed": [], "value": []}
    for source, sd in sds.items():
        table["varied"] += [source] * n
        table["seed"] += list(range(n))
        table["value"] += (0.5 + sd * rng.normal(size=n)).tolist()
    return table | {name: [value] * len(table["seed"]) for name, value in extra.items()}


def by_source(study: VarianceStudy) -> dict[str, object]:
    return {row.source: row for row in study.rows}


def test_planted_spreads_come_out_in_their_order() -> None:
    study = variance_study(planted({"init": 0.01, "data": 0.03, "order": 0.005, "all": 0.035}, 200))
    assert [row.source for row in study.rows] == ["data", "init", "order", "all"]
    assert [row.rank for row in study.rows] == [1, 2, 3, None]
    assert [row.sd for row in study.rows] == pytest.approx([0.03, 0.01, 0.005, 0.035], rel=0.15)
    assert all(row.interval.contains(row.sd) and row.robust.contains(row.sd) for row in study.rows)
    assert study.warnings == ()


@pytest.mark.parametrize(
    ("sigma", "sds", "k_eq"),
    [
        (0.031064893, {"init": 0.019679996, "data": 0.016605330}, {"init": 2.49, "data": 3.50}),
        (0.031064893, {"all": 0.009793464}, {"all": 10.06}),
        (0.013640164, {"all": 0.003005285}, {"all": 20.6}),
        (0.022228560, {"all": 0.001451807}, {"all": 234.4}),
        (0.007230985, {"all": 0.002356165}, {"all": 9.42}),
        (0.003858727, {"all": 0.002981525}, {"all": 1.675}),
    ],
    ids=["RTE one", "RTE all", "VOC", "MHC", "SST-2", "CIFAR-10"],
)
def test_k_eq_of_the_released_spreads(sigma: float, sds: dict[str, float], k_eq: dict[str, float]) -> None:
    table: dict[str, list] = {"source": [], "seed": [], "value": []}
    for name, sd in {**sds, "ideal": sigma}.items():
        table["source"] += [name] * 3
        table["seed"] += [1, 2, 3]
        table["value"] += [-sd, 0.0, sd]  # three values with exactly this standard deviation
    study = variance_study(table, total="ideal")
    found = {row.source: row.k_eq for row in study.rows if row.source != "ideal"}
    assert found == pytest.approx(k_eq, rel=2e-3)


@pytest.mark.parametrize(
    ("accuracy", "n_test", "percent"), [(0.66, 277, 2.846), (0.95, 872, 0.738), (0.91, 10_000, 0.286)]
)
def test_the_binomial_lines_of_figure_2(accuracy: float, n_test: int, percent: float) -> None:
    assert 100 * binomial_sd(accuracy, n_test=n_test) == pytest.approx(percent, abs=5e-4)


def test_accuracies_in_percent_are_refused() -> None:
    with pytest.raises(ValueError, match="divide percent by 100"):
        binomial_sd(66.0, n_test=277)
    with pytest.raises(ValueError, match="`n_test` is 0; expected a whole number of at least 1"):
        binomial_sd(0.5, n_test=0)


def test_the_size_of_the_test_set_stands_beside_the_sources() -> None:
    table = planted({"data": 0.03, "all": 0.04}, 20, task="rte")
    line = binomial_sd(float(np.mean(table["value"])), n_test=277)
    for sizes in (277, {"rte": 277}):
        assert {row.binomial for row in variance_study(table, n_test=sizes).rows} == {line}
    assert variance_study(table, n_test={"other": 5}).rows[0].binomial is None


def test_without_rows_that_vary_everything_the_total_is_a_sum_and_says_so() -> None:
    study = variance_study(planted({"init": 0.03, "data": 0.04}, 50))
    assert sum(row.share for row in study.rows) == pytest.approx(1)
    assert [note.code for note in study.warnings] == ["approximate"]


def test_failures_are_counted_and_left_out() -> None:
    table = planted({"init": 0.01, "all": 0.02}, 10)
    table["value"][3] = math.nan
    study = variance_study(table)
    init = by_source(study)["init"]
    assert (init.n, init.num_failed) == (9, 1)
    assert init.sd == pytest.approx(np.std([v for v in table["value"][:10] if not math.isnan(v)], ddof=1))
    assert "failures" in [note.code for note in study.warnings]


def test_one_run_has_no_spread_and_equal_runs_no_interval() -> None:
    table = {"source": ["a", "b", "b", "all", "all"], "seed": [1, 1, 2, 1, 2], "value": [1.0, 2.0, 2.0, 1.0, 3.0]}
    found = by_source(variance_study(table))
    assert (found["a"].sd, found["a"].interval, found["a"].share, found["a"].rank) == (None, None, None, None)
    assert (found["b"].sd, found["b"].interval, found["b"].share, found["b"].k_eq) == (0.0, None, 0.0, math.inf)
    notes = variance_study(table).warnings
    assert [note.code for note in notes] == ["no repeats"]
    assert "no spread known" in variance_study(table).text()


def test_methods_and_tasks_are_kept_apart() -> None:
    one, two = planted({"init": 1.0}, 5, task="x", method="m"), planted({"init": 9.0}, 5, 1, task="y", method="m")
    study = variance_study({name: one[name] + two[name] for name in one})
    assert [(row.task, row.n) for row in study.rows] == [("x", 5), ("y", 5)]
    assert study.rows[0].sd < study.rows[1].sd


def test_a_table_with_roles_and_a_named_column_are_read_too() -> None:
    table = planted({"init": 0.01, "all": 0.02}, 6)
    by_frame = variance_study(table).rows
    assert variance_study(results(table, columns={"rep": "varied"})).rows == by_frame
    renamed = {("what" if name == "varied" else name): values for name, values in table.items()}
    assert variance_study(renamed, varied="what").rows == by_frame
    with pytest.raises(ValueError, match="Say it: varied=NAME"):
        variance_study(renamed)
    with pytest.raises(ValueError, match="No column named 'wat'"):
        variance_study(renamed, varied="wat")


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=30), st.floats(0.5, 0.99))
def test_the_normal_interval_is_that_of_the_chi_square(values: list[float], level: float) -> None:
    n, sd = len(values), float(np.std(values, ddof=1))
    found = normal_sd_interval(sd, n, level=level)
    if sd == 0:
        assert found is None
        return
    quantiles = chi2.ppf([(1 + level) / 2, (1 - level) / 2], n - 1)
    assert found is not None
    assert (found.low, found.high) == pytest.approx(tuple(sd * np.sqrt((n - 1) / quantiles)), rel=1e-6)


def test_bonetts_interval_from_its_formula() -> None:
    x = np.array([0.1, 0.4, 0.45, 0.5, 0.52, 0.55, 0.7, 0.71, 0.9, 2.0])
    n, z = 10, 1.959963984540054
    trimmed = np.sort(x)[2:-2].mean()  # 1 / (2 sqrt(n - 4)) = 0.204 of each end
    kurtosis = n * ((x - trimmed) ** 4).sum() / (((x - x.mean()) ** 2).sum()) ** 2
    c = n / (n - z)
    se = c * math.sqrt((kurtosis - (n - 3) / n) / (n - 1))
    ends = np.exp(math.log(c * x.var(ddof=1)) + np.array([-z, z]) * se) ** 0.5
    found = any_sd_interval(x, level=0.95)
    assert found is not None
    assert (found.low, found.high) == pytest.approx(tuple(ends))
    assert any_sd_interval(x[:4], level=0.95) is None
    assert any_sd_interval(np.ones(9), level=0.95) is None


def test_the_frame_has_a_row_for_each_source() -> None:
    pytest.importorskip("pandas")
    frame = variance_study(planted({"init": 0.01, "all": 0.02}, 6)).to_frame()
    assert frame["source"].tolist() == ["init", "all"]
    assert frame["robust_low"].notna().all()


def test_a_name_for_everything_that_no_row_has_is_refused() -> None:
    with pytest.raises(ValueError, match="No source named 'everything'"):
        variance_study(planted({"data": 0.03, "all": 0.04}, 20), total="everything")
