import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate

from cupel.stats.beta_mixture import Alternative, WinCounts, limits, log_evidence, win_counts

COUNTS = st.tuples(st.integers(0, 25), st.integers(0, 25), st.integers(0, 6))
SHARES = st.floats(0.05, 0.95)


def counts_of(wins: float, losses: float, ties: float = 0) -> WinCounts:
    return WinCounts(np.array([float(wins)]), np.array([float(losses)]), np.array([float(ties)]))


def evidence(wins: float, losses: float, ties: float, share: float, alternative: Alternative = "two-sided") -> float:
    return float(np.exp(log_evidence(counts_of(wins, losses, ties), share, alternative)[0]))


@pytest.mark.parametrize(("alternative", "low", "high"), [("two-sided", 0, 1), ("A", None, 1), ("B", 0, None)])
def test_without_ties_it_is_the_average_likelihood_ratio(
    alternative: Alternative, low: float | None, high: float | None
) -> None:
    for wins, losses, m in [(0, 0, 0.3), (3, 1, 0.5), (2, 9, 0.4), (17, 3, 0.6)]:
        ends = (m if low is None else low, m if high is None else high)
        mean = integrate.quad(lambda q: (q / m) ** wins * ((1 - q) / (1 - m)) ** losses, *ends)[0] / (ends[1] - ends[0])  # noqa: B023 - called at once
        assert evidence(wins, losses, 0, m, alternative) == pytest.approx(mean, rel=1e-9)


@pytest.mark.parametrize("alternative", ["two-sided", "A", "B"])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
def test_ties_are_broken_by_every_fall_of_the_coins(alternative: Alternative, share: float) -> None:
    wins, losses, ties = 5, 2, 4
    falls = [sum(coins) for coins in itertools.product((0, 1), repeat=ties)]
    mean = np.mean([evidence(wins + k, losses + ties - k, 0, share, alternative) for k in falls])
    assert evidence(wins, losses, ties, share, alternative) == pytest.approx(mean, rel=1e-10)


@settings(max_examples=100)
@given(COUNTS, SHARES, st.floats(0, 1), st.sampled_from(["two-sided", "A", "B"]))
def test_it_is_a_fair_bet_for_every_law_of_outcomes_with_that_mean(
    counts: tuple[int, int, int], mean: float, tied: float, alternative: Alternative
) -> None:
    wins, losses, ties = counts
    p_tie = tied * 2 * min(mean, 1 - mean)
    chances = (mean - p_tie / 2, 1 - mean - p_tie / 2, p_tie)
    after = [(wins + 1, losses, ties), (wins, losses + 1, ties), (wins, losses, ties + 1)]
    expected = sum(p * evidence(*state, mean, alternative) for p, state in zip(chances, after, strict=True))
    assert expected == pytest.approx(evidence(*counts, mean, alternative), rel=1e-8)


@settings(max_examples=60)
@given(COUNTS, SHARES, st.floats(0, 1))
def test_one_side_is_an_unfavourable_bet_when_the_mean_is_on_the_other(
    counts: tuple[int, int, int], share: float, below: float
) -> None:
    wins, losses, ties = counts
    mean = share * below
    expected = mean * evidence(wins + 1, losses, ties, share, "A") + (1 - mean) * evidence(
        wins, losses + 1, ties, share, "A"
    )
    assert expected <= evidence(*counts, share, "A") * (1 + 1e-8)


@given(COUNTS)
def test_against_one_half_ties_say_nothing(counts: tuple[int, int, int]) -> None:
    wins, losses, ties = counts
    for alternative in ("two-sided", "A", "B"):
        assert evidence(wins, losses, ties, 0.5, alternative) == pytest.approx(
            evidence(wins, losses, 0, 0.5, alternative), rel=1e-9
        )


def test_both_sides_are_the_mean_of_the_two_single_ones() -> None:
    one = [evidence(9, 4, 2, 0.5, side) for side in ("A", "B")]
    assert evidence(9, 4, 2, 0.5) == pytest.approx(sum(one) / 2)


def test_half_a_win_and_half_a_loss_would_be_valid_but_wider() -> None:
    half = counts_of(10 + 10, 4 + 10)
    exact = counts_of(10, 4, 20)
    assert limits(exact, 0.95)[0][0] > limits(half, 0.95)[0][0]
    assert limits(exact, 0.95)[1][0] < limits(half, 0.95)[1][0]


@settings(max_examples=60)
@given(COUNTS, st.sampled_from([0.5, 0.9, 0.95, 0.999]))
def test_at_a_limit_the_evidence_is_the_bar(counts: tuple[int, int, int], level: float) -> None:
    for side in ("two-sided", "A", "B"):
        low, high = (float(x[0]) for x in limits(counts_of(*counts), level, side))
        for end in (low, high):
            if 1e-6 < end < 1 - 1e-6:
                assert evidence(*counts, end, side) == pytest.approx(1 / (1 - level), rel=1e-6)
        mean = (counts[0] + counts[2] / 2) / max(1, sum(counts))
        assert low <= mean <= high or sum(counts) == 0


def test_limits_after_a_row_of_wins_in_closed_form() -> None:
    # 1 / ((n + 1) m^n) = 20
    for n in (1, 8, 100):
        low, high = limits(win_counts(n, 0), 0.95)
        assert low[0] == pytest.approx((20 * (n + 1)) ** (-1 / n), rel=1e-11)
        assert high[0] == 1


def test_many_looks_at_once_are_each_as_if_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cupel.stats.beta_mixture.MOST_CELLS", 7)
    outcomes = np.array([1, 0.5, 0, 1, 1, 0.5, 0.5, 0, 1, 1])
    counts = WinCounts(*(np.cumsum(outcomes == x, dtype=float) for x in (1.0, 0.0, 0.5)))
    low, high = limits(counts, 0.9)
    for k in range(outcomes.size):
        alone = limits(counts_of(*(x[k] for x in (counts.wins, counts.losses, counts.ties))), 0.9)
        assert (low[k], high[k]) == (pytest.approx(alone[0][0], abs=1e-10), pytest.approx(alone[1][0], abs=1e-10))


def test_what_is_impossible_is_excluded_with_certainty() -> None:
    assert evidence(1, 0, 1, 0.0) == math.inf
    assert evidence(0, 1, 0, 1.0) == math.inf
