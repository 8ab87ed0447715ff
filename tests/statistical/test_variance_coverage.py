"""Intervals of standard deviations and of the tunings' share hold the truth, or fall short as their docstrings say."""

import math

import numpy as np
import pytest
from scipy.special import bdtr

from cupel.stats.crossed_variance import crossed_variance
from cupel.stats.estimator_mse import estimator_mse
from cupel.stats.hpo_variance import hpo_variance
from cupel.stats.spread_interval import any_sd_interval, normal_sd_interval
from cupel.stats.variance_study import variance_study

TIMES = 2000


def draw(law: str, n: int) -> tuple[np.ndarray, float]:
    """(TIMES, n) values, and their true standard deviation."""
    rng = np.random.default_rng(n)
    if law == "exponential":
        return rng.exponential(size=(TIMES, n)), 1.0
    if law == "heavy":
        return rng.standard_t(5, (TIMES, n)), math.sqrt(5 / 3)
    if law == "uniform":
        return rng.uniform(size=(TIMES, n)), math.sqrt(1 / 12)
    return rng.normal(size=(TIMES, n)), 1.0


def held(law: str, n: int, kind: str) -> int:
    values, truth = draw(law, n)
    if kind == "Bonett":
        intervals = [any_sd_interval(row, level=0.95) for row in values]
    else:
        intervals = [normal_sd_interval(float(row.std(ddof=1)), n, level=0.95) for row in values]
    return sum(interval is not None and interval.contains(truth) for interval in intervals)


@pytest.mark.parametrize("n", [2, 5, 20, 200])
def test_the_chi_square_interval_holds_for_a_normal_law(n: int) -> None:
    num = held("normal", n, "chi-square")
    assert 0.001 < bdtr(num, TIMES, 0.95) < 0.999


@pytest.mark.parametrize(
    ("law", "n", "share"), [("exponential", 50, 0.685), ("heavy", 50, 0.80), ("heavy", 200, 0.764)]
)
def test_the_chi_square_interval_falls_short_for_heavy_tails_as_its_docstring_says(
    law: str, n: int, share: float
) -> None:
    assert held(law, n, "chi-square") / TIMES == pytest.approx(share, abs=0.04)


@pytest.mark.parametrize(
    ("law", "n", "least"),
    [("normal", 5, 0.95), ("normal", 20, 0.94), ("normal", 200, 0.94), ("uniform", 20, 0.94)]
    + [(law, n, 0.87) for law in ("exponential", "heavy") for n in (10, 50, 200)],
)
def test_bonetts_interval_holds_for_a_normal_law_and_nearly_for_heavy_tails(law: str, n: int, least: float) -> None:
    assert bdtr(held(law, n, "Bonett"), TIMES, least) > 0.001


def test_bonetts_interval_covers_more_than_the_percentile_bootstrap() -> None:
    rng = np.random.default_rng(1)
    for law in ("normal", "exponential", "heavy"):
        values, truth = draw(law, 20)
        short = 0
        for row in values[:300]:
            resampled = row[rng.integers(20, size=(300, 20))].std(axis=1, ddof=1)
            low, high = np.quantile(resampled, [0.025, 0.975])
            short += not low <= truth <= high
        assert short / 300 > 1 - held(law, 20, "Bonett") / TIMES


def test_the_sources_of_a_study_are_ranked_right_and_equal_ones_at_random() -> None:
    rng = np.random.default_rng(2)
    first = {"planted": 0, "equal": 0}
    for _ in range(200):
        for name, sd in (("planted", 2.0), ("equal", 1.0)):
            value = [*(sd * rng.normal(size=30)), *rng.normal(size=30)]
            table = {"source": ["data"] * 30 + ["init"] * 30, "seed": [*range(30)] * 2, "value": value}
            first[name] += variance_study(table).rows[0].source == "data"
    assert first["planted"] >= 195
    assert 0.001 < bdtr(first["equal"], 200, 0.5) < 0.999


def test_the_components_of_a_crossed_design_are_unbiased_for_skewed_sources() -> None:
    rng = np.random.default_rng(3)
    kept = rng.random((6, 5, 3)) < 0.6
    rows = np.argwhere(kept)
    table = {name: rows[:, k] for k, name in enumerate(("data", "init", "order"))}
    found = []
    for _ in range(600):
        effects = [2 * rng.exponential(size=6), rng.exponential(size=5), np.zeros(3)]
        value = sum(e[rows[:, k]] for k, e in enumerate(effects)) + rng.standard_t(6, len(rows))
        done = crossed_variance(table | {"value": value}, sources=["data", "init", "order"])
        found.append([c.variance for c in done.components])
    mean, error = np.mean(found, axis=0), np.std(found, axis=0) / math.sqrt(len(found))
    assert np.all(np.abs(mean - [4, 1, 0, 1.5]) < 3.5 * error)


def test_the_error_of_an_estimator_is_unbiased() -> None:
    rng = np.random.default_rng(4)
    found = []
    for _ in range(500):
        a = 0.6 * rng.normal(size=(1, 20)) + 0.8 * rng.normal(size=(10, 20)) + 0.3
        done = estimator_mse(a, mu=0.0)
        found.append([done.bias, done.variance, done.interval.contains(math.sqrt(0.36 + 0.064))])
    mean, error = np.mean(found, axis=0), np.std(found, axis=0) / math.sqrt(500)
    assert np.abs(mean[0] - 0.3) < 3.5 * error[0]
    assert np.abs(mean[1] - (0.36 + 0.064)) < 3.5 * error[1]
    assert 0.001 < bdtr(mean[2] * 500, 500, 0.95) < 0.999


def tuned(tunings: int, seeds: int, between: float, rng: np.random.Generator) -> np.ndarray:
    return between * rng.normal(size=(tunings, 1)) + rng.normal(size=(tunings, seeds))


def table_of(a: np.ndarray, b: np.ndarray) -> dict[str, list]:
    table: dict[str, list] = {"method": [], "hpo_run": [], "seed": [], "value": []}
    for name, values in (("A", a), ("B", b)):
        h, s = np.indices(values.shape)
        table["method"] += [name] * values.size
        table["hpo_run"] += h.ravel().tolist()
        table["seed"] += s.ravel().tolist()
        table["value"] += values.ravel().tolist()
    return table


@pytest.mark.parametrize(("tunings", "between"), [(3, 1.0), (5, 0.0), (5, 1.0), (12, 3.0)])
def test_differences_over_tunings_hold_and_those_over_runs_do_not(tunings: int, between: float) -> None:
    rng = np.random.default_rng(tunings)
    held_over = {"interval": 0, "conditional": 0, "share": 0, "between": 0}
    times = 400
    for _ in range(times):
        table = table_of(tuned(tunings, 10, between, rng), tuned(tunings, 10, between, rng))
        found = hpo_variance(table, a="A", b="B", paired=False, better="higher")
        held_over["interval"] += found.interval.contains(0.0)
        held_over["conditional"] += found.conditional.contains(0.0)
        held_over["share"] += found.components[0].interval.contains(between**2 / (1 + between**2))
        held_over["between"] += found.components[0].between_interval.contains(between)
    assert bdtr(held_over["interval"], times, 0.95) > 0.001
    assert bdtr(held_over["share"], times, 0.95) > 0.001
    assert bdtr(held_over["between"], times, 0.95) > 0.001
    assert held_over["between"] / times < 0.99
    if between == 0:
        assert bdtr(held_over["conditional"], times, 0.95) > 0.001
    else:
        assert held_over["conditional"] / times < 0.67
    if (tunings, between) == (5, 1.0):
        assert held_over["conditional"] / times == pytest.approx(0.59, abs=0.08)
