"""The checks of Geburek et al.: as published they give the published numbers, repaired they ask sound questions."""

import numpy as np
import pandas as pd
import pytest

from cupel.spec.errors import UnknownNameError, UsageError
from cupel.stats.benchmark_check import benchmark_check
from cupel.stats.budget_check import budget_check
from cupel.stats.budget_windows import budget_windows
from cupel.stats.metafeature import metafeature
from cupel.stats.published_metafeature import published_metafeature
from cupel.stats.results import results
from cupel.stats.seed_check import seed_check


def long(values, **more):
    m, t, s = np.indices(values.shape).reshape(3, -1)
    base = {"method": [f"m{k}" for k in m], "task": [f"t{k}" for k in t], "seed": s, "value": values.ravel()}
    return pd.DataFrame({**base, **{name: f(m, t, s) for name, f in more.items()}})


@pytest.fixture(scope="session")
def as_published(priorband):
    """The rows as the published notebook takes them: benchmarks as tasks, every row by itself."""
    frame = priorband.assign(row=np.arange(len(priorband)))
    return results(frame, columns={"task": "benchmark", "value": "value", "rep": "row"}, better="lower")


@pytest.fixture(scope="session")
def regrets(priorband):
    return results(priorband, columns={"task": "bench_prior"}, metric="normalized_regret", better="lower")


def test_published_seed_check(as_published):
    (row,) = seed_check(as_published, variant="published").rows
    assert row.log_likelihoods[1] == pytest.approx(-269958.179085, abs=1e-5)
    assert row.df == 2
    assert not row.is_shown  # the larger model is the worse one


def test_published_budget_check(as_published):
    found = budget_check(as_published, variant="published")
    assert [row.chi2 for row in found.rows] == pytest.approx([1955.09, 2577.72, 622.63], abs=5e-3)
    assert found.rows[0].log_likelihoods == pytest.approx((-244290.1072, -243312.5612), abs=5e-5)
    assert found.effect == "interaction"


def test_published_benchmark_check(as_published):
    rows = {row.task: row for row in benchmark_check(as_published, variant="published").rows}
    assert len(rows) == 12
    assert all(row.is_informative for row in rows.values())
    assert rows["LC-167190"].comparison.log_likelihoods == pytest.approx((12884.4064, 13113.7332), abs=5e-5)
    assert rows["PD1-WMT"].comparison.log_likelihoods == pytest.approx((7729.2786, 7885.9814), abs=5e-5)


def test_published_metafeature_figure(priorband, reference_data):
    table = results(priorband, columns={"task": "bench_prior", "value": "value"}, better="lower")
    found = published_metafeature(table, ("HB", "PB"))
    published = pd.read_parquet(reference_data("priorband/bc_at25bad_int.parquet"))
    means = published.groupby("bench_prior").wins.mean()
    assert found.positions == pytest.approx(means.to_dict(), abs=1e-9)
    cells = {(t, b): w for t, b, w in zip(*found.wins.values(), strict=True)}
    theirs = {(row.bench_prior, row.fidelity): row.wins for row in published.itertuples()}
    got = {(task, budget): wins for (task, budget), wins in zip(
        zip(found.wins["task"], found.wins["budget"], strict=True), found.wins["wins"], strict=True)}  # fmt: skip
    assert len(cells) == len(theirs) == 576
    assert sum(got[key] != theirs[key] for key in theirs) <= 2
    assert found.warnings[0].code == "published variant"


def test_published_budget_windows(regrets):
    """PriorBand overtakes Hyperband near 8.44 over both priors, and at 16.5 to 17.9 under bad ones."""
    is_bad = np.array([prior == "bad" for prior in regrets.extra["prior"].as_factor.labels()])
    lasting = []
    for table in (regrets, regrets.select(is_bad)):
        rows = budget_windows(table, ("PB", "HB"), variant="published").rows
        lasting.append(next(row.start for k, row in enumerate(rows) if all(r.ahead == "PB" for r in rows[k:])))
    assert lasting == [9, 16]


def test_repaired_budget_windows_take_a_run_once_and_correct(regrets):
    repaired = budget_windows(regrets, ("PB", "HB"))
    assert repaired.scope == "tasks like these"
    assert [row.start for row in repaired.rows if row.ahead == "PB"] == list(range(14, 25))
    assert not any(row.ahead == "HB" for row in repaired.rows)
    mirrored = budget_windows(regrets, ("HB", "PB"))
    assert [row.estimate for row in mirrored.rows] == pytest.approx([-row.estimate for row in repaired.rows])
    assert [row.ahead for row in mirrored.rows] == [row.ahead for row in repaired.rows]
    joined = budget_windows(regrets, ("PB", "HB"), windows=4)
    assert [(row.start, row.stop) for row in joined.rows] == [(1, 6), (7, 12), (13, 18), (19, 24)]
    assert "PB is ahead at budgets 13 to 24" in joined.text()


def test_budget_windows_say_what_they_need(regrets):
    with pytest.raises(UsageError, match="no budgets"):
        budget_windows(long(np.ones((2, 5, 2))), ("m0", "m1"))
    with pytest.raises(UsageError, match=r"windows = 99; expected 1 to 24"):
        budget_windows(regrets, ("PB", "HB"), windows=99)
    with pytest.raises(UnknownNameError, match="No method named 'XX'"):
        budget_windows(regrets, ("PB", "XX"))
    with pytest.raises(UnknownNameError, match="No variant named 'old'"):
        budget_windows(regrets, ("PB", "HB"), variant="old")


def test_priors_matter_also_when_tasks_are_the_unit(regrets):
    at_ten = results(regrets, where={"budget": 10})
    found = metafeature(at_ten, ("PB", "HB"), feature="prior")
    by_level = {row.level: row for row in found.rows}
    assert found.p < 0.01
    assert by_level["at25"].p < 0.01
    assert by_level["at25"].estimate < 0 < by_level["bad"].estimate
    assert by_level["bad"].p > 0.05
    assert (by_level["bad"].num_tasks, found.scope) == (12, "tasks like these")
    flipped = metafeature(at_ten, ("HB", "PB"), feature="prior")
    assert [row.estimate for row in flipped.rows] == pytest.approx([-row.estimate for row in found.rows])


def test_a_feature_in_numbers_is_read_at_its_quartiles():
    rng = np.random.default_rng(2)
    size = rng.normal(size=12)
    values = rng.normal(size=(2, 12, 4)) * 0.1 + np.array([0.0, 1.0])[:, None, None] * size[None, :, None]
    found = metafeature(long(values, size=lambda _m, t, _s: size[t]), ("m1", "m0"), feature="size")
    assert found.p < 1e-6
    assert [row.estimate for row in found.rows] == sorted(row.estimate for row in found.rows)
    slope = (found.rows[-1].estimate - found.rows[0].estimate) / (size.max() - size.min())
    assert slope == pytest.approx(1.0, abs=0.1)
    with pytest.raises(UsageError, match="is the same in all rows"):
        metafeature(long(values, size=lambda m, _t, _s: np.ones(m.size)), ("m1", "m0"), feature="size")
    with pytest.raises(UnknownNameError, match="No column named 'sise'"):
        metafeature(long(values, size=lambda _m, t, _s: size[t]), ("m1", "m0"), feature="sise")


def test_repaired_seed_check_finds_planted_seeds_and_no_others():
    rng = np.random.default_rng(4)
    noise = rng.normal(size=(3, 6, 10))
    carried = noise + 2 * rng.normal(size=(1, 1, 10))
    paired = noise + 2 * rng.normal(size=(1, 6, 10))
    verdicts = [[row.is_shown for row in seed_check(long(v)).rows] for v in (noise, carried, paired)]
    assert verdicts[0] == [False, False]
    assert verdicts[1][0]
    assert verdicts[2] == [False, True]
    assert seed_check(long(paired)).share == pytest.approx(0.8, abs=0.15)
    with pytest.raises(UsageError, match="has no seeds"):
        seed_check(long(noise).drop(columns="seed"))


def test_priorband_tasks_share_runs_and_the_seed_check_sees_it(regrets):
    """Methods that ignore the prior have the same runs under both priors: seeds carry over between tasks."""
    found = seed_check(results(regrets, where={"budget": 10}))
    assert found.rows[0].is_shown


def test_repaired_benchmark_check_corrects_over_tasks():
    rng = np.random.default_rng(7)
    values = rng.normal(size=(2, 20, 8))
    values[1, 0] += 4
    found = benchmark_check(long(values))
    assert [row.task for row in found.rows if row.is_informative] == ["t0"]
    assert found.rows[0].share > 0.5
    assert "1 of 20 tasks" in found.text()
    constant = benchmark_check(long(np.ones((2, 3, 4))))
    assert not any(row.is_informative for row in constant.rows)


def test_repaired_budget_check_counts_runs_and_not_rows():
    rng = np.random.default_rng(9)
    drift = rng.normal(size=(2, 6, 5))
    frames = [long(drift + 0.1 * rng.normal(size=(2, 6, 5))).assign(budget=budget) for budget in range(1, 9)]
    assert budget_check(pd.concat(frames)).effect == "none"
    planted = pd.concat(frames)
    planted["value"] += np.where(planted["method"] == "m1", 0.1, 0.0) * planted["budget"]
    assert budget_check(planted).effect == "interaction"
    with pytest.raises(UsageError, match="no two budgets"):
        budget_check(frames[0])
