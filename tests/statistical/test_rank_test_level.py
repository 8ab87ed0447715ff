"""What the rank tests keep: false alarms between equal methods, power, and where a test of pairs breaks its promise.

Friedman's p-value keeps its level for few tasks where chi-square misses and F invents; of the tests of pairs, only the
signed ranks with Holm's correction keep theirs while other methods differ.
"""

from typing import Any

import numpy as np
import pytest
from scipy.special import bdtr

from cupel.stats.friedman import friedman
from cupel.stats.post_hoc import conover, nemenyi_distance, signed_rank_pairs
from cupel.stats.rank_test import rank_test
from cupel.stats.results import results
from cupel.stats.task_table import ranks

Law = Any


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.normal(size=shape)


def skewed(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.exponential(size=shape)


def tied(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.integers(0, 3, size=shape).astype(float)


def at_most(hits: int, draws: int, share: float) -> bool:
    """Whether so many hits are no surprise when the true share is at most this."""
    return hits == 0 or bool(bdtr(hits - 1, draws, share) < 0.999)


def at_least(hits: int, draws: int, share: float) -> bool:
    """Whether so few hits are no surprise when the true share is at least this."""
    return bool(bdtr(hits, draws, share) > 0.001)


@pytest.mark.parametrize(("k", "tasks"), [(3, 3), (3, 6), (4, 5), (5, 3), (10, 5)])
@pytest.mark.parametrize("law", [normal, tied])
def test_friedman_keeps_its_level_for_few_tasks(law: Law, k: int, tasks: int) -> None:
    draws, rng = 1000, np.random.default_rng(k * tasks)
    p = np.array([friedman(placed).p for placed in map(ranks, law(rng, (draws, tasks, k)))])
    p[np.isnan(p)] = 1.0  # every task tied all over: nothing to reject
    for size in (0.05, 0.01):
        assert at_most(int(np.sum(p <= size)), draws, size), f"{np.mean(p <= size):.3f} at {size}"


def test_chi_square_misses_and_f_invents_for_few_tasks() -> None:
    draws, rng = 2000, np.random.default_rng(1)
    found = [friedman(placed) for placed in map(ranks, normal(rng, (draws, 3, 3)))]
    chi2, f, p = (np.mean([getattr(x, name) <= 0.05 for x in found]) for name in ("p_chi2", "p_f", "p"))
    assert f > 0.15, "F at k = 3, N = 3"
    assert p < 0.05
    found = [friedman(placed) for placed in map(ranks, normal(rng, (draws, 4, 10)))]
    chi2, f, p = (np.mean([getattr(x, name) <= 0.01 for x in found]) for name in ("p_chi2", "p_f", "p"))
    assert chi2 < 0.004
    assert 0.006 < p < 0.015


def false_pairs(values: np.ndarray, equal: list[tuple[int, int]]) -> dict[str, float]:
    """Share of draws in which any of the equal pairs is separated."""
    draws, tasks, k = values.shape
    cd = nemenyi_distance(k, tasks, 0.95)
    i, j = np.array(equal).T
    hits = dict.fromkeys(("nemenyi", "holm", "conover"), 0)
    for table, placed in zip(values, ranks(values.reshape(-1, k)).reshape(draws, tasks, k), strict=True):
        means = placed.mean(axis=0)
        hits["nemenyi"] += bool(np.any(np.abs(means[i] - means[j]) > cd))
        hits["holm"] += bool(np.any(signed_rank_pairs(table)[i, j] <= 0.05))
        protected = np.maximum(conover(placed), friedman(placed).p)
        hits["conover"] += bool(np.any(protected[i, j] <= 0.05))
    return {name: num / draws for name, num in hits.items()}


@pytest.mark.parametrize("law", [normal, skewed, tied])
def test_equal_methods_are_rarely_separated(law: Law) -> None:
    draws = 400
    found = false_pairs(law(np.random.default_rng(2), (draws, 20, 3)), [(0, 1), (0, 2), (1, 2)])
    for name, share in found.items():
        assert at_most(round(share * draws), draws, 0.05), (name, share)


def test_two_equal_methods_below_others_are_separated_by_conover_only() -> None:
    rng = np.random.default_rng(3)
    for k, draws in ((4, 400), (10, 100)):
        values = normal(rng, (draws, 20, k))
        values[:, :, 2:] += 10 * np.arange(1, k - 1)
        found = false_pairs(values, [(0, 1)])
        assert found["nemenyi"] == 0
        assert at_most(round(found["holm"] * draws), draws, 0.05), found
        assert found["conover"] > 0.2, found


def test_ranks_speak_of_who_is_more_often_better_not_of_means() -> None:
    draws, rng = 400, np.random.default_rng(4)
    values = (skewed(rng, (draws, 20, 3)) - 1) * np.array([0.1, 1, 10])  # means are equal, medians are not
    found = false_pairs(values, [(0, 1), (0, 2), (1, 2)])
    assert found["nemenyi"] > 0.2
    assert found["holm"] > 0.06


@pytest.mark.parametrize(("posthoc", "promised"), [("nemenyi", 0.75), ("holm", 0.9), ("conover", 0.9)])
def test_a_planted_difference_is_found(posthoc: Any, promised: float) -> None:
    draws, rng = 60, np.random.default_rng(5)
    table = results({
        "task": np.repeat(np.arange(20), 3).tolist(), "method": ["a", "b", "c"] * 20, "value": [0.0] * 60,
    }, better="higher")  # fmt: skip
    hits = omnibus = 0
    for _ in range(draws):
        table.value[:] = (normal(rng, (20, 3)) + np.array([1.2, 0, 0])).ravel()
        found = rank_test(table, posthoc=posthoc)
        assert found.p is not None
        omnibus += found.p <= 0.05
        a, b = found.methods.index("a"), found.methods.index("b")
        hits += bool(found.p_pairs[a, b] <= 0.05)
    assert at_least(omnibus, draws, 0.9)
    assert at_least(hits, draws, promised), hits / draws
