import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import trim_mean

from cupel.spec.errors import UnknownNameError, UsageError
from cupel.stats import stratified_bootstrap
from cupel.stats.aggregate import aggregate
from cupel.stats.aggregators import OptimalityGap, aggregator, drawn
from cupel.stats.resample import Resample
from cupel.stats.run_strata import score_table, strata
from cupel.stats.stratified_bootstrap import run_draws, task_draws

NAN = float("nan")
RNG = np.random.default_rng(7)
EQUAL = RNG.gamma(2.0, size=(6, 5))
RAGGED = np.where(RNG.random((6, 5)) < 0.25, NAN, EQUAL)
RAGGED[:2] = EQUAL[:2]  # at least 2 runs in every task
HOWS = ("mean", "median", "iqm", "optimality_gap")


def repeated(tasks: list[np.ndarray]) -> np.ndarray:
    """All runs, each repeated until every task has the same number."""
    common = math.lcm(*(len(x) for x in tasks))
    return np.concatenate([np.repeat(x, common // len(x)) for x in tasks])


def naive(tasks: list[np.ndarray], how: str) -> float:
    """The definitions, word by word."""
    means = [float(np.mean(x)) for x in tasks]
    if how == "iqm":
        return float(trim_mean(repeated(tasks), 0.25))
    if how == "optimality_gap":
        return float(1 - np.mean([np.mean(np.minimum(x, 1.0)) for x in tasks]))
    return float(np.mean(means) if how == "mean" else np.median(means))


def by_task(x: np.ndarray) -> list[np.ndarray]:
    return [column[~np.isnan(column)] for column in x.T]


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("x", [EQUAL, RAGGED, EQUAL[:, :1], EQUAL[:5, :3]], ids=["equal", "ragged", "one", "odd"])
def test_estimates_are_those_of_the_definitions(x: np.ndarray, how) -> None:
    assert aggregate(x, how).estimate == pytest.approx(naive(by_task(x), how), rel=1e-12)


def test_numbers_of_rliable_s_own_tests() -> None:
    x, y = np.array([[1, 2], [2, 2], [1, 1], [2, 1]]), np.array([[1, 1], [2, 2], [3, 3]])
    for how in ("median", "mean", "iqm"):
        assert aggregate({"x": x, "y": y}, how).estimate == {"x": 1.5, "y": 2.0}


@given(st.lists(st.lists(st.integers(-5, 5), min_size=1, max_size=7), min_size=1, max_size=6))
def test_the_iqm_of_unequal_numbers_is_that_of_the_repeated_table(tasks: list[list[int]]) -> None:
    frame = {
        "task": [f"t{k}" for k, own in enumerate(tasks) for _ in own],
        "score": [float(value) for own in tasks for value in own],
    }
    middle = np.sort(repeated([np.array(own, dtype=float) for own in tasks]))
    cut = len(middle) // 4
    assert aggregate(frame).estimate == pytest.approx(middle[cut : len(middle) - cut].mean(), abs=1e-12)


def test_an_outlier_that_is_cut_off_does_not_touch_the_last_digit() -> None:
    x = np.arange(16.0).reshape(4, 4)
    wild = np.where(x == 15, 1e18, x)
    assert aggregate(wild).estimate == aggregate(x).estimate == 7.5


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("x", [EQUAL, RAGGED], ids=["equal", "ragged"])
def test_resamples_of_runs_are_the_statistic_of_what_was_drawn(x: np.ndarray, how) -> None:
    table = score_table(x)
    runs = strata(table, 0)
    of = aggregator(runs, how, table)
    index = next(run_draws(runs.sizes, 20, np.random.default_rng(1))).copy()
    edges = np.cumsum(runs.sizes - 1)[:-1]
    expected = [naive(np.split(runs.values[row], edges), how) for row in index]
    assert of.of_runs(index) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("x", [EQUAL, RAGGED], ids=["equal", "ragged"])
def test_resamples_of_tasks_are_the_statistic_of_whole_tasks(x: np.ndarray, how) -> None:
    table = score_table(x)
    runs = strata(table, 0)
    of = aggregator(runs, how, table)
    index = next(task_draws(5, 20, np.random.default_rng(1))).copy()
    tasks = by_task(x)
    # every task keeps the weight that it has among all, also where the drawn ones have another common multiple
    common = math.lcm(*(len(own) for own in tasks))
    expected = []
    for row in index:
        chosen = [np.repeat(tasks[k], common // len(tasks[k])) for k in row]
        expected.append(naive(chosen, how))
    assert of.of_tasks(index) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("unit", ["runs", "tasks"])
@pytest.mark.parametrize("how", HOWS)
def test_same_seed_same_bytes_and_the_global_generator_is_untouched(unit, how) -> None:
    before = np.random.get_state()[1].tobytes()  # noqa: NPY002 - it is what must not move
    first, again, other = (aggregate(RAGGED, how, resample=Resample(unit, num=500, seed=s)).interval for s in (1, 1, 2))
    assert first == again
    assert first != other
    assert np.random.get_state()[1].tobytes() == before  # noqa: NPY002


@pytest.mark.parametrize("unit", ["runs", "tasks"])
@pytest.mark.parametrize("how", HOWS)
def test_the_interval_does_not_depend_on_how_many_resamples_are_held(unit, how, monkeypatch) -> None:
    table = score_table(RAGGED)
    runs = strata(table, 0)
    plan = Resample(unit, num=300)
    found = []
    for cells in (1, 100, 1 << 15):
        monkeypatch.setattr(stratified_bootstrap, "CELLS", cells)
        found.append(drawn(aggregator(runs, how, table), runs.sizes, plan))
    assert found[0].tobytes() == found[1].tobytes() == found[2].tobytes()


def test_an_interval_rests_on_the_rows_of_its_method_alone() -> None:
    alone, beside = aggregate({"A": EQUAL}), aggregate({"B": RAGGED, "A": EQUAL})
    assert alone.interval == beside["A"].interval


def test_a_gap_where_lower_is_better_needs_its_target() -> None:
    with pytest.raises(UsageError, match="OptimalityGap"):
        aggregate(EQUAL, "optimality_gap", better="lower")
    found = aggregate(EQUAL, OptimalityGap(0.5), better="lower")
    assert found.estimate == pytest.approx(np.maximum(EQUAL - 0.5, 0).mean())
    assert found.how == "optimality gap to 0.5"


def test_a_gap_is_the_same_for_turned_values() -> None:
    up = aggregate(EQUAL, OptimalityGap(2.0))
    down = aggregate(-EQUAL, OptimalityGap(-2.0), better="lower")
    assert (up.estimate, up.interval) == (down.estimate, down.interval)


@pytest.mark.parametrize("how", ["mean", "median", "iqm"])
def test_turned_values_turn_the_interval(how) -> None:
    up, down = aggregate(EQUAL, how), aggregate(-EQUAL, how)
    assert up.estimate == pytest.approx(-down.estimate)
    assert (up.interval.low, up.interval.high) == pytest.approx((-down.interval.high, -down.interval.low))


def test_direction_is_not_guessed() -> None:
    frame = {"method": ["A", "A"], "accuracy": [0.1, 0.2]}
    with pytest.raises(UsageError, match="not guessed"):
        aggregate(frame, "optimality_gap")


def test_an_unknown_aggregate_is_refused() -> None:
    with pytest.raises(UsageError, match="'iqm'"):
        aggregate(EQUAL, "mode")  # type: ignore[arg-type]


def test_failures_are_left_out_and_counted_or_worth_a_number() -> None:
    x = EQUAL.copy()
    x[0, 0] = NAN
    left_out = aggregate({"A": x, "B": EQUAL}, "mean")
    assert left_out["A"].estimate == pytest.approx(naive(by_task(x), "mean"))
    assert (left_out["A"].num_failed, left_out["A"].n, left_out["B"].num_failed) == (1, 29, 0)
    assert [note.code for note in left_out.warnings] == ["failures", "unequal failures"]
    zero = aggregate({"A": x, "B": EQUAL}, "mean", failure_value=0.0)
    assert zero["A"].estimate == pytest.approx(np.where(np.isnan(x), 0, x).mean())
    assert (zero["A"].num_failed, zero["A"].n) == (1, 30)
    assert "worth 0" in zero.warnings[0].text
    worst = aggregate({"A": x, "B": EQUAL}, "mean", failure_value="worst")
    assert worst["A"].estimate == pytest.approx(np.where(np.isnan(x), EQUAL[:, 0].min(), x).mean())


def test_a_method_that_only_failed_has_no_estimate() -> None:
    found = aggregate({"A": np.full((3, 5), NAN), "B": EQUAL[:3]})
    assert math.isnan(found["A"].estimate)
    assert (found["A"].interval, found["A"].n, found["A"].num_failed) == (None, 0, 15)
    assert "missing cells" in {note.code for note in found.warnings}


@pytest.mark.parametrize(
    ("x", "unit", "code"),
    [
        (EQUAL[:1], "runs", "no repeats"),
        (EQUAL[:, :4], "tasks", "few tasks"),
        (np.ones((4, 5)), "runs", "no spread"),
        (np.ones((4, 5)), "tasks", "no spread"),
    ],
)
def test_what_is_unknown_is_none_and_says_why(x: np.ndarray, unit, code: str) -> None:
    found = aggregate(x, resample=unit)
    assert found.interval is None
    assert code in {note.code for note in found.warnings}
    assert "no interval" in found.text()


def test_few_runs_are_named() -> None:
    assert "few runs" in {note.code for note in aggregate(EQUAL[:3]).warnings}
    assert aggregate(EQUAL).warnings == ()


def test_single_runs_suffice_for_tasks_like_these() -> None:
    found = aggregate(EQUAL[:1], "mean", resample="tasks")
    half = 2.7764451 * EQUAL[0].std(ddof=1) / math.sqrt(5)  # t with 4 degrees of freedom
    assert found.scope == "tasks like these"
    assert (found.interval.high - found.interval.low) / 2 == pytest.approx(half, rel=0.03)


def test_several_methods_stand_in_one_result() -> None:
    found = aggregate({"A": EQUAL, "B": 2 * EQUAL})
    assert found.method_names == ("A", "B")
    assert found.estimate["B"] == pytest.approx(2 * found.estimate["A"])
    assert found["B"].interval == found.interval["B"]
    assert found.n == {"A": 30, "B": 30}
    assert found.to_frame()["low"].tolist() == [found["A"].interval.low, found["B"].interval.low]
    assert "B: " in found.text()
    with pytest.raises(UnknownNameError, match="Known: A, B"):
        found["C"]
