"""Intervals of aggregates and of their differences hold the truth as often as they say; where not, by how much."""

import functools

import numpy as np
import pytest
from scipy.special import bdtr

from cupel.stats.aggregate import aggregate
from cupel.stats.aggregate_difference import aggregate_difference
from cupel.stats.resample import Resample

NUM = 300
LAWS = {
    "normal": lambda rng, size: rng.normal(size=size),
    "log-normal": lambda rng, size: np.exp(rng.normal(size=size)),
    "t3": lambda rng, size: rng.standard_t(3, size=size),
    "two humps": lambda rng, size: np.where(rng.random(size) < 0.2, -4.0, 0.0) + rng.normal(size=size),
}


def naive(x: np.ndarray, how: str) -> np.ndarray:
    """The statistic of (..., runs, tasks)."""
    if how == "mean":
        return x.mean(axis=(-2, -1))
    if how == "median":
        return np.median(x.mean(axis=-2), axis=-1)
    flat = np.sort(x.reshape(*x.shape[:-2], -1), axis=-1)
    cut = flat.shape[-1] // 4
    return flat[..., cut : flat.shape[-1] - cut].mean(axis=-1)


def placed(num_tasks: int) -> tuple[np.ndarray, np.ndarray]:
    """Means and spreads of fixed tasks that differ from each other."""
    if num_tasks == 1:
        return np.zeros(1), np.ones(1)
    return np.linspace(-2, 2, num_tasks), np.linspace(0.5, 1.5, num_tasks)


def draw(rng: np.random.Generator, law: str, num_runs: int, num_tasks: int) -> np.ndarray:
    mean, sd = placed(num_tasks)
    return mean + sd * LAWS[law](rng, (num_runs, num_tasks))


@functools.cache
def truth(how: str, law: str, num_tasks: int) -> float:
    return float(naive(draw(np.random.default_rng(1), law, 400_000 // num_tasks, num_tasks), how))


def held(how: str, law: str, shape: tuple[int, int]) -> int:
    """How many of the intervals hold the truth."""
    rngs = [np.random.default_rng([seed, *shape]) for seed in range(NUM)]
    plan = Resample(num=499)
    intervals = [aggregate(draw(rng, law, *shape), how, resample=plan).interval for rng in rngs]
    return sum(interval.contains(truth(how, law, shape[1])) for interval in intervals)


def held_by_plain_percentiles(how: str, law: str, shape: tuple[int, int]) -> int:
    """The same for the percentile bootstrap of n draws out of n runs."""
    count = 0
    for seed in range(NUM):
        rng = np.random.default_rng([seed, *shape])
        x = draw(rng, law, *shape)
        drawn = np.take_along_axis(x[None], rng.integers(0, shape[0], size=(499, *shape)), axis=1)
        low, high = np.quantile(naive(drawn, how), [0.025, 0.975])
        count += low <= truth(how, law, shape[1]) <= high
    return count


@pytest.mark.parametrize(
    ("how", "law", "shape"),
    [
        ("iqm", "normal", (5, 5)),
        ("iqm", "log-normal", (5, 20)),
        ("iqm", "t3", (10, 5)),
        ("iqm", "two humps", (5, 20)),
        ("iqm", "log-normal", (3, 5)),
        ("mean", "normal", (5, 5)),
        ("mean", "t3", (5, 20)),
        ("mean", "normal", (3, 1)),
    ],
)
def test_coverage_is_what_is_said_neither_less_nor_more(how: str, law: str, shape: tuple[int, int]) -> None:
    num = held(how, law, shape)
    assert bdtr(num, NUM, 0.95) > 0.001
    assert bdtr(NUM - num, NUM, 0.05) > 0.001


@pytest.mark.parametrize(
    ("how", "law", "shape"),
    [
        ("iqm", "normal", (5, 1)),
        ("iqm", "two humps", (10, 1)),
        ("median", "normal", (5, 20)),
        ("median", "t3", (10, 5)),
    ],
)
def test_coverage_is_at_least_what_is_said(how: str, law: str, shape: tuple[int, int]) -> None:
    assert bdtr(held(how, law, shape), NUM, 0.95) > 0.001


@pytest.mark.parametrize("law", ["normal", "two humps"])
def test_plain_percentiles_of_few_runs_do_not_hold_their_level(law: str) -> None:
    num = held_by_plain_percentiles("iqm", law, (3, 5))
    assert bdtr(num, NUM, 0.95) < 1e-6
    assert num / NUM < 0.91


@pytest.mark.parametrize("how", ["mean", "median"])
def test_means_of_very_skewed_scores_are_held_less_often_as_the_docstring_says(how: str) -> None:
    for shape in ((5, 1), (10, 1)):
        assert 0.77 < held(how, "log-normal", shape) / NUM < 0.91


def tasks_like_these(rng: np.random.Generator, spread: float, shape: tuple[int, int]) -> np.ndarray:
    return spread * rng.normal(size=(1, shape[1])) + rng.normal(size=shape)


@pytest.mark.parametrize(
    ("how", "spread", "shape"),
    [("mean", 2.0, (3, 6)), ("mean", 0.2, (10, 24)), ("iqm", 2.0, (5, 10)), ("iqm", 0.2, (10, 24))],
)
def test_coverage_for_tasks_like_these(how: str, spread: float, shape: tuple[int, int]) -> None:
    plan, num = Resample("tasks", num=499), 0
    for seed in range(NUM):
        x = tasks_like_these(np.random.default_rng([seed, 7]), spread, shape)
        num += aggregate(x, how, resample=plan).interval.contains(0.0)
    assert bdtr(num, NUM, 0.95) > 0.001
    assert bdtr(NUM - num, NUM, 0.05) > 0.001


def test_runs_drawn_again_inside_drawn_tasks_count_their_noise_twice() -> None:
    num, shape = 0, (10, 24)
    for seed in range(NUM):
        rng = np.random.default_rng([seed, 7])
        x = tasks_like_these(rng, 0.2, shape)
        tasks, runs = rng.integers(0, shape[1], size=(499, 1, shape[1])), rng.integers(0, shape[0], size=(499, *shape))
        low, high = np.quantile(x[runs, tasks].mean(axis=(1, 2)), [0.025, 0.975])
        num += low <= 0 <= high
    assert num / NUM > 0.98


def frame(a: np.ndarray, b: np.ndarray) -> dict[str, list]:
    run, task = np.divmod(np.arange(a.size), a.shape[1])
    return {
        "method": ["A"] * a.size + ["B"] * b.size,
        "task": [f"t{k:02d}" for k in (*task, *task)],
        "seed": [*run.tolist(), *run.tolist()],
        "score": [*a.ravel().tolist(), *b.ravel().tolist()],
    }


def differences(effect: float, sd_of_task: float, *, law: str, how: str, plan: Resample) -> tuple[int, int]:
    """How many intervals hold the effect, and how many p-values are at most 5 %; 6 runs on 8 tasks."""
    num_held = num_small = 0
    for seed in range(NUM):
        rng = np.random.default_rng([seed, 13])
        luck = LAWS[law](rng, (6, 8))
        a = luck + effect + sd_of_task * rng.normal(size=(1, 8)) + 0.5 * rng.normal(size=(6, 8))
        found = aggregate_difference(frame(a, luck + 0.5 * rng.normal(size=(6, 8))), ("A", "B"), how=how, resample=plan)
        num_held += found.interval.contains(effect)
        num_small += found.p <= 0.05
    return num_held, num_small


@pytest.mark.parametrize("how", ["mean", "iqm"])
@pytest.mark.parametrize("paired", [True, False])
def test_differences_of_nothing_are_found_in_one_of_twenty_at_most(how: str, paired: bool) -> None:
    plan = Resample(num=499, is_paired=paired)
    num_held, num_small = differences(0.0, 0.0, law="normal", how=how, plan=plan)
    assert bdtr(num_held, NUM, 0.95) > 0.001
    assert bdtr(NUM - num_small, NUM, 0.95) > 0.001
    if (
        paired and how == "mean"
    ):  # apart, the luck that both share makes the intervals too wide; of an IQM some of it stays
        assert bdtr(NUM - num_held, NUM, 0.05) > 0.001


def test_a_planted_difference_is_held_and_found_by_pairs() -> None:
    num_held, num_small = differences(0.35, 0.0, law="log-normal", how="mean", plan=Resample(num=499))
    assert bdtr(num_held, NUM, 0.95) > 0.001
    assert num_small / NUM > 0.85  # the t-test on 48 pairs with sd 0.71 has 92 %


def test_on_tasks_like_these_the_spread_between_tasks_counts() -> None:
    _, on_these = differences(0.0, 0.5, law="normal", how="mean", plan=Resample(num=499))
    num_held, like_these = differences(0.0, 0.5, law="normal", how="mean", plan=Resample("tasks", num=499))
    assert bdtr(NUM - like_these, NUM, 0.95) > 0.001
    assert bdtr(num_held, NUM, 0.95) > 0.001
    assert on_these / NUM > 0.2  # right for these tasks, wrong as a word on others
