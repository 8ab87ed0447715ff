"""Intervals of P(A > B) hold the truth: pairs by enumeration, runs that are not paired by drawing."""

import math

import numpy as np
import pytest
from scipy.special import bdtr, ndtri
from scipy.stats import binom

from cupel.stats.meaningful import meaningful
from cupel.stats.prob_outperform import prob_outperform
from cupel.stats.share_interval import exact_share, percentile_share, wilson_share

PROBABILITIES = (0.02, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.95, 0.98)


def tie_coverage(n: int, truth: float, ties: float) -> float:
    """Chance that the exact interval holds P(win) + P(tie) / 2 when a share `ties` of the most that can be tie."""
    tie = ties * 2 * min(truth, 1 - truth)
    law = np.array([1 - truth - tie / 2, tie, truth - tie / 2]).clip(0)
    held = 0.0
    for num_ties in range(n + 1):
        chance_ties = binom.pmf(num_ties, n, law[1])
        decided = n - num_ties
        share = law[2] / (law[0] + law[2]) if law[0] + law[2] > 0 else 0.0
        chances = binom.pmf(np.arange(decided + 1), decided, share)
        for wins in range(decided + 1):
            low, high = exact_share(wins, num_ties, n=n, level=0.95)
            held += chance_ties * chances[wins] * (low <= truth <= high)
    return held


@pytest.mark.parametrize("n", [1, 5, 10, 29])
def test_the_exact_interval_never_falls_short_whatever_the_ties(n: int) -> None:
    worst = min(tie_coverage(n, truth, ties) for truth in PROBABILITIES[::2] for ties in (0.0, 0.05, 0.3, 0.9, 1.0))
    assert worst >= 0.95 - 1e-9


def coverage(ends, n: int, truth: float) -> float:
    held = [low <= truth <= high for low, high in (ends(wins, 0, n=n, level=0.95) for wins in range(n + 1))]
    return float(binom.pmf(np.arange(n + 1), n, truth)[held].sum())


@pytest.mark.parametrize("n", [5, 10, 29, 50, 200])
def test_coverage_without_ties_by_enumeration(n: int) -> None:
    exact, wilson = ([coverage(ends, n, p) for p in PROBABILITIES] for ends in (exact_share, wilson_share))
    assert min(exact) >= 0.95 - 1e-9
    assert np.mean(exact) < 0.995
    assert min(wilson) > 0.83  # near 0 and 1 the approximation is poor
    assert 0.94 < np.mean(wilson) < 0.97


def test_the_published_interval_falls_short_as_its_docstring_says() -> None:
    assert 1 - coverage(percentile_share, 29, 0.5) == pytest.approx(0.061, abs=5e-4)
    assert 1 - coverage(percentile_share, 10, 0.9) == pytest.approx(0.35, abs=5e-3)
    assert 1 - coverage(percentile_share, 5, 0.9) == pytest.approx(0.60, abs=5e-3)


@pytest.mark.parametrize(
    ("n", "published", "exact"), [(10, 0.0107, 0.0107), (29, 0.0307, 0.0121), (50, 0.0164, 0.0164)]
)
def test_false_alarms_of_the_papers_rule_and_of_the_exact_interval(n: int, published: float, exact: float) -> None:
    chance = binom.pmf(np.arange(n + 1), n, 0.5)
    for name, expected in (("published", published), ("exact", exact)):
        found = [
            meaningful(prob_outperform(np.arange(n) < wins, np.full(n, 0.5), paired=True, interval=name).interval)
            for wins in range(n + 1)
        ]
        alarms = float(chance[[decision.decision == "significant and meaningful" for decision in found]].sum())
        assert alarms == pytest.approx(expected, abs=5e-5)


def draw(law: str, num: tuple[int, int], truth: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Runs of A and B with P(A > B) = truth."""
    if law == "exponential":
        return rng.exponential(truth / (1 - truth), num[0]), rng.exponential(1, num[1])
    if law == "rounded":  # steps of a third: many ties; the shift keeps P(A > B) + P(tie) / 2 at 1/2
        return np.round(3 * rng.normal(size=num[0])), np.round(3 * rng.normal(size=num[1]))
    wide = 5.0 if law == "unequal" else 1.0
    return rng.normal(ndtri(truth) * math.hypot(wide, 1), wide, num[0]), rng.normal(0, 1, num[1])


def share_that_held(law: str, num: tuple[int, int], truth: float, times: int) -> int:
    rng = np.random.default_rng([num[0], int(1000 * truth)])
    found = (prob_outperform(*draw(law, num, truth, rng), paired=False).interval for _ in range(times))
    return sum(interval is not None and interval.contains(truth) for interval in found)


@pytest.mark.parametrize("num", [(5, 5), (5, 10), (10, 10), (29, 29)], ids=str)
@pytest.mark.parametrize(
    ("law", "truth"),
    [
        ("normal", 0.5),
        ("normal", 0.75),
        ("normal", 0.97),
        ("exponential", 0.9),
        ("exponential", 0.99),
        ("rounded", 0.5),
    ],
)
def test_coverage_of_runs_that_are_not_paired(law: str, truth: float, num: tuple[int, int]) -> None:
    times = 60 if law == "rounded" and max(num) < 11 else 1000  # with ties each sample has arrangements of its own
    held = share_that_held(law, num, truth, times)
    assert bdtr(held, times, 0.95) > 0.001


@pytest.mark.parametrize(("num", "least"), [((5, 5), 0.93), ((10, 10), 0.95), ((10, 40), 0.94), ((29, 29), 0.95)])
@pytest.mark.parametrize("truth", [0.5, 0.9, 0.97])
def test_coverage_with_spreads_that_differ_by_a_factor_of_five(num, least: float, truth: float) -> None:
    held = share_that_held("unequal", num, truth, 1000)
    assert bdtr(held, 1000, least) > 0.001


@pytest.mark.parametrize("num", [(29, 29), (100, 100)], ids=str)
def test_the_interval_is_no_wider_than_it_must_be(num: tuple[int, int]) -> None:
    held = share_that_held("normal", num, 0.75, 1000)
    assert 0.93 < held / 1000 < 0.985


def test_the_p_value_is_exact_for_few_runs_of_one_law() -> None:
    rng = np.random.default_rng(5)
    p = np.array([prob_outperform(rng.normal(size=5), rng.normal(size=6), paired=False).p for _ in range(3000)])
    for level in (0.01, 0.05, 0.2):
        num = int(np.sum(p <= level + 1e-12))
        assert bdtr(num - 1, 3000, level) < 0.999


@pytest.mark.parametrize("law", ["normal", "unequal"])
def test_false_alarms_for_many_runs(law: str) -> None:
    rng = np.random.default_rng(6)
    num = sum(prob_outperform(*draw(law, (12, 15), 0.5, rng), paired=False).p <= 0.05 for _ in range(2000))
    assert bdtr(num - 1, 2000, 0.06) < 0.999  # Brunner and Munzel's t is a little liberal at this size
    assert bdtr(num, 2000, 0.03) > 0.001


def test_a_planted_win_is_found_and_called_meaningful() -> None:
    rng = np.random.default_rng(7)
    runs = [(rng.normal(1.5, 1, 29), rng.normal(0, 1, 29)) for _ in range(200)]
    found = [meaningful(prob_outperform(a, b, paired=True).interval).decision for a, b in runs]
    power = binom.sf(20, 29, 0.8556)  # 21 wins put the exact interval above 1/2; P(A > B) = Phi(1.5 / sqrt 2)
    num = found.count("significant and meaningful")
    assert bdtr(num, 200, power) > 0.001


def test_a_large_sample_shows_a_small_win_to_be_not_meaningful() -> None:
    rng = np.random.default_rng(8)
    sizes = 2000
    a, b = rng.normal(0.3, 1, sizes), rng.normal(0, 1, sizes)
    for paired in (True, False):
        assert meaningful(prob_outperform(a, b, paired=paired).interval).decision == "significant, not meaningful"
