"""Intervals and tests of the probability of improvement keep their level: few runs, ties, P near 1."""

import functools

import numpy as np
import pytest
from scipy.special import bdtr
from scipy.stats import norm

from cupel.stats.probability_of_improvement import probability_of_improvement
from cupel.stats.resample import Resample

NUM = 250
LAWS = {
    "normal": lambda rng, size: rng.normal(size=size),
    "log-normal": lambda rng, size: np.exp(rng.normal(size=size)),
    "ties": lambda rng, size: np.floor(rng.normal(size=size)),
}


def share(a: np.ndarray, b: np.ndarray) -> float:
    """Share of pairs that `a` wins, ties one half."""
    b = np.sort(b)
    return float((np.searchsorted(b, a, "left") + np.searchsorted(b, a, "right")).mean() / 2 / b.size)


def shifts(law: str, shift: float, num_tasks: int) -> np.ndarray:
    spread = np.linspace(-1, 1, num_tasks) if num_tasks > 1 else np.zeros(1)
    return np.round(shift + spread) if law == "ties" else shift + spread


@functools.cache
def truth(law: str, shift: float, num_tasks: int) -> float:
    rng = np.random.default_rng(1)
    at = shifts(law, shift, num_tasks)
    return float(np.mean([share(LAWS[law](rng, 40_000) + s, LAWS[law](rng, 40_000)) for s in at]))


def counts(law: str, shift: float, shape: tuple[int, int]) -> tuple[int, int, int]:
    """How many intervals there are, hold the truth, and how many p-values are at most 5 %."""
    at = shifts(law, shift, shape[1])
    there = held = small = 0
    for seed in range(NUM):
        rng = np.random.default_rng([seed, *shape])
        pool = {"A": LAWS[law](rng, shape) + at, "B": LAWS[law](rng, shape)}
        found = probability_of_improvement(pool, resample=Resample(num=499))
        if found.interval is not None:
            there += 1
            held += found.interval.contains(truth(law, shift, shape[1]))
            small += found.p <= 0.05
    return there, held, small


CASES = [
    ("normal", 0.0, (5, 5)),
    ("normal", 2.3, (3, 5)),
    ("normal", 2.3, (10, 1)),
    ("normal", 1.0, (10, 20)),
    ("log-normal", 1.0, (5, 20)),
    ("log-normal", 2.3, (30, 1)),
    ("ties", 0.0, (3, 20)),
    ("ties", 1.0, (10, 5)),
    ("ties", 2.3, (5, 5)),
]


@pytest.mark.parametrize(("law", "shift", "shape"), CASES)
def test_coverage_is_at_least_what_is_said(law: str, shift: float, shape: tuple[int, int]) -> None:
    there, held, small = counts(law, shift, shape)
    assert there == NUM
    assert bdtr(held, NUM, 0.95) > 0.001
    if shift == 0:
        assert bdtr(NUM - small, NUM, 0.95) > 0.001
    if shape[0] * shape[1] >= 100:  # with few runs it is on the safe side
        assert bdtr(NUM - held, NUM, 0.03) > 0.001


def test_plain_percentiles_hold_half_of_the_truth_that_they_say() -> None:
    held = 0
    for seed in range(NUM):
        rng = np.random.default_rng([seed, 5, 1])
        a, b = rng.normal(size=5) + 2.3, rng.normal(size=5)
        i, j = rng.integers(0, 5, size=(2, 499, 5))
        drawn = (a[i][:, :, None] > b[j][:, None, :]).mean(axis=(1, 2))
        held += np.quantile(drawn, 0.025) <= norm.cdf(2.3 / np.sqrt(2)) <= np.quantile(drawn, 0.975)
    assert held / NUM < 0.6


def test_an_improvement_that_is_planted_is_found() -> None:
    _, held, small = counts("normal", 1.0, (10, 5))
    assert small / NUM > 0.95
    assert bdtr(held, NUM, 0.95) > 0.001


@pytest.mark.parametrize(("shift", "shape"), [(0.0, (5, 5)), (0.5, (5, 20)), (1.5, (5, 5)), (0.0, (40, 1))])
def test_pairs_keep_their_level(shift: float, shape: tuple[int, int]) -> None:
    run, task = np.divmod(np.arange(shape[0] * shape[1]), shape[1])
    held = small = 0
    chance = norm.cdf(shift / np.sqrt(0.8))
    for seed in range(NUM):
        rng = np.random.default_rng([seed, *shape])
        luck = np.sqrt(0.6) * rng.normal(size=shape)
        a, b = (luck + np.sqrt(0.4) * rng.normal(size=shape) + s for s in (shift, 0.0))
        frame = {
            "method": ["A"] * a.size + ["B"] * b.size,
            "task": [f"t{k:02d}" for k in (*task, *task)],
            "seed": [*run.tolist(), *run.tolist()],
            "score": [*a.ravel().tolist(), *b.ravel().tolist()],
        }
        found = probability_of_improvement(frame, better="higher", paired=True, resample=Resample(num=499))
        held += found.interval.contains(chance)
        small += found.p <= 0.05
    assert bdtr(held, NUM, 0.95) > 0.001
    assert shift > 0 or bdtr(NUM - small, NUM, 0.95) > 0.001


@pytest.mark.parametrize(("shift", "shape"), [(0.0, (5, 6)), (1.0, (1, 12)), (1.0, (3, 40))])
def test_coverage_for_tasks_like_these(shift: float, shape: tuple[int, int]) -> None:
    held = 0
    for seed in range(NUM):
        rng = np.random.default_rng([seed, *shape])
        pool = {"A": shift + rng.normal(size=(1, shape[1])) + rng.normal(size=shape), "B": rng.normal(size=shape)}
        found = probability_of_improvement(pool, resample=Resample("tasks", num=499))
        held += found.interval.contains(norm.cdf(shift / np.sqrt(3)))
    assert bdtr(held, NUM, 0.95) > 0.001
