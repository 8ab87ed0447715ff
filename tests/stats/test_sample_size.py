import math

import numpy as np
import pytest
from scipy.stats import binom, norm

from cupel.stats.sample_size import sample_size
from cupel.stats.sequential_expected_n import sequential_expected_n


@pytest.mark.parametrize(
    ("gamma", "n"), [(0.55, 722), (0.6, 181), (0.65, 81), (0.7, 46), (0.75, 29), (0.8, 21), (0.9, 12)]
)
def test_noethers_numbers_are_the_papers_curve(gamma: float, n: int) -> None:
    assert sample_size(gamma).n == n


def test_noethers_formula_before_rounding() -> None:
    unrounded = sample_size().unrounded
    assert unrounded == pytest.approx(28.859, abs=5e-4)
    by_hand = ((norm.ppf(0.95) - norm.ppf(0.05)) / (math.sqrt(6) * (0.5 - 0.75))) ** 2
    assert unrounded == pytest.approx(by_hand)


def naive_sign_power(n: int, gamma: float, alpha: float) -> float:
    wins = np.arange(n + 1)
    return float(binom.pmf(wins, n, gamma)[binom.sf(wins - 1, n, 0.5) <= alpha].sum())


def naive_bootstrap_power(n: int, gamma: float, alpha: float) -> float:
    wins = np.arange(n + 1)
    low, high = (np.where(wins == n, 1.0, binom.ppf(q, n, wins / n) / n) for q in (alpha / 2, 1 - alpha / 2))
    return float(binom.pmf(wins, n, gamma)[(low > 0.5) & (high > gamma)].sum())


@pytest.mark.parametrize(("design", "naive"), [("sign", naive_sign_power), ("bootstrap", naive_bootstrap_power)])
@pytest.mark.parametrize(("gamma", "alpha", "beta"), [(0.75, 0.05, 0.05), (0.8, 0.01, 0.1), (0.9, 0.05, 0.05)])
def test_exact_designs_agree_with_counting(design, naive, gamma: float, alpha: float, beta: float) -> None:
    powers = [naive(n, gamma, alpha) for n in range(1, 160)]
    reached = [power >= 1 - beta for power in powers]
    found = sample_size(gamma, alpha=alpha, beta=beta, design=design)
    assert found.first == reached.index(True) + 1
    assert found.n == len(reached) - reached[::-1].index(False) + 1
    assert found.power == pytest.approx(powers[found.n - 1])


def test_the_sign_test_reaches_its_power_at_42_pairs_and_keeps_it_from_44() -> None:
    found = sample_size(design="sign")
    assert (found.first, found.n) == (42, 44)
    assert naive_sign_power(43, 0.75, 0.05) < 0.95
    assert "42 reach it, but not all numbers above do" in found.text()


def test_29_pairs_with_the_papers_rule_have_83_percent_power() -> None:
    found = sample_size()
    assert found.power == pytest.approx(naive_bootstrap_power(29, 0.75, 0.05))
    assert found.power == pytest.approx(0.8337, abs=5e-5)
    assert "83.4%" in found.text()


@pytest.mark.parametrize(("gamma", "n"), [(0.7, 45), (0.75, 28), (0.8, 19), (0.9, 11), (1.0, 7)])
def test_the_sequential_numbers_are_those_of_the_always_valid_test(gamma: float, n: int) -> None:
    found = sample_size(gamma, design="sequential")
    assert found.n == n
    plan = sequential_expected_n(gamma, alternative="A", most=500)
    assert found.unrounded == pytest.approx(plan.expected_n, rel=1e-3)
    assert plan.a_by[found.first - 1] >= 0.95 > (plan.a_by[found.first - 2] if found.first > 1 else 0)


def test_one_pair_is_enough_for_the_published_rule_and_it_says_what_that_costs() -> None:
    found = sample_size(1.0, design="bootstrap")
    assert found.n == 1
    assert "50.0% of cases where nobody is better" in found.text()


@pytest.mark.parametrize("design", ["noether", "sign", "bootstrap"])
def test_a_larger_difference_or_a_laxer_promise_never_takes_more(design) -> None:
    n = [sample_size(gamma, design=design).n for gamma in np.linspace(0.6, 0.95, 15)]
    assert n == sorted(n, reverse=True)
    assert sample_size(beta=0.2, design=design).n < sample_size(beta=0.05, design=design).n


@pytest.mark.parametrize("gamma", [0.5, 0.3, 1.01, math.nan])
def test_a_gamma_that_is_no_difference_is_refused(gamma: float) -> None:
    with pytest.raises(ValueError, match=r"expected above 0\.5 to 1"):
        sample_size(gamma)


def test_an_unknown_design_and_the_impossible_are_refused() -> None:
    with pytest.raises(ValueError, match="expected above"):
        sample_size(design="fisher")
    with pytest.raises(ValueError, match="No number of pairs"):
        sample_size(0.75, beta=0.001, design="bootstrap")
    with pytest.raises(ValueError, match="over 1000000"):
        sample_size(0.5001)
    with pytest.raises(ValueError, match="`alpha` is 0"):
        sample_size(alpha=0)


def test_the_frame_has_the_numbers() -> None:
    pytest.importorskip("pandas")
    assert sample_size(design="sign").to_frame()[["n", "first"]].to_numpy().tolist() == [[44, 42]]
