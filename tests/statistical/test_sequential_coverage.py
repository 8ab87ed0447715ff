"""Sequential tests and confidence sequences keep their word at every look at once, and where one of them does not.

`pytest -s` prints the figures.
"""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import bdtr, bdtrc

from cupel.stats.confidence_sequence import confidence_sequence
from cupel.stats.empirical_bernstein import bernstein_limits
from cupel.stats.sequential_expected_n import sequential_expected_n
from cupel.stats.sequential_mean_test import sequential_mean_test
from cupel.stats.sequential_test import sequential_test
from cupel.stats.universal_bets import wealth_of

BAR = np.log(20)
Law = Callable[[np.random.Generator, int], np.ndarray]


def held_at_every_look(law: Law, mean: float, *, kind: str, draws: int, looks: int) -> int:
    """Streams whose intervals, each on its own, hold the mean at every look."""
    rng = np.random.default_rng(looks)
    held = 0
    for _ in range(draws):
        found = confidence_sequence(law(rng, looks), kind=kind, is_running=False)
        held += bool(np.all((found.lower <= mean) & (mean <= found.upper)))
    print(f"{kind}, {looks} looks: {held} of {draws}")  # noqa: T201
    return held


@pytest.mark.parametrize(
    ("law", "mean"),
    [
        (lambda rng, n: rng.normal(2, 3, n), 2.0),
        (lambda rng, n: rng.standard_t(3, n), 0.0),
        (lambda rng, n: (rng.binomial(100, 0.9, n) - rng.binomial(100, 0.9, n)) / 100, 0.0),
    ],
    ids=["normal", "t with 3 df", "differences of accuracies in steps"],
)
def test_the_t_sequence_holds_uniformly(law: Law, mean: float) -> None:
    assert bdtr(held_at_every_look(law, mean, kind="t", draws=500, looks=200), 500, 0.95) > 0.001


@pytest.mark.parametrize(
    ("law", "mean", "at_least"),
    [
        (lambda rng, n: rng.exponential(size=n), 1.0, 0.80),
        (lambda rng, n: rng.lognormal(size=n), float(np.exp(0.5)), 0.65),
        (lambda rng, n: (rng.random(n) < 0.9).astype(float), 0.9, 0.85),
    ],
    ids=["exponential", "lognormal", "0 or 1 with P = 0.9"],
)
def test_the_t_sequence_fails_for_skewed_values_as_its_docstring_says(law: Law, mean: float, at_least: float) -> None:
    held = held_at_every_look(law, mean, kind="t", draws=500, looks=300)
    assert bdtr(held, 500, 0.95) < 0.01
    assert bdtr(held, 500, at_least) > 0.001


BOUNDED: dict[str, tuple[Law, float]] = {
    "normal": (lambda rng, n: rng.normal(0.5, 0.1, n).clip(0, 1), 0.5),
    "exponential cut at 8": (lambda rng, n: np.minimum(rng.exponential(size=n), 8) / 8, (1 - np.exp(-8)) / 8),
    "0 or 1, P = 0.9": (lambda rng, n: (rng.random(n) < 0.9).astype(float), 0.9),
    "two points": (lambda rng, n: np.where(rng.random(n) < 0.95, 0.8, 0.0), 0.76),
    "beta, skewed": (lambda rng, n: rng.beta(0.5, 4, n), 1 / 9),
}


@pytest.mark.parametrize("name", BOUNDED)
def test_bets_hold_uniformly_for_every_law_within_bounds(name: str) -> None:
    law, mean = BOUNDED[name]
    rng = np.random.default_rng(7)
    draws, held = 200, {"betting": 0, "bounded": 0}
    for _ in range(draws):
        x = law(rng, 120)
        held["betting"] += max(float(part.log_evidence(mean).max()) for part in wealth_of(x)) < BAR
        low, high = bernstein_limits(x, 0.95)
        held["bounded"] += bool(np.all((low <= mean) & (mean <= high)))
    print(name, held)  # noqa: T201
    assert all(bdtr(count, draws, 0.95) > 0.001 for count in held.values())


def test_the_bets_interval_holds_a_mean_exactly_while_the_evidence_is_below_the_bar() -> None:
    x = np.random.default_rng(8).beta(0.5, 4, 60)
    found = confidence_sequence(x, kind="betting", is_running=False)
    for mean in (1 / 9, 0.2, 0.3, 0.05):
        (wealth,) = wealth_of(x)
        inside = (found.lower <= mean) & (mean <= found.upper)
        assert inside.tolist() == (wealth.log_evidence(mean) < BAR).tolist()


@pytest.mark.parametrize(
    ("chances", "share"),
    [((0.5, 0.5, 0.0), 0.5), ((0.2, 0.2, 0.6), 0.5), ((0.9, 0.1, 0.0), 0.9), ((0.5, 0.2, 0.3), 0.65)],
    ids=["no difference", "no difference, 60 % ties", "P = 0.9", "P = 0.65 with ties"],
)
def test_the_wins_interval_holds_uniformly_with_and_without_ties(chances: tuple[float, ...], share: float) -> None:
    rng = np.random.default_rng(9)
    draws = 200
    held = 0
    for _ in range(draws):
        test = sequential_test(rng.choice([1.0, 0.0, 0.5], 40, p=chances), region=None)
        held += bool(np.all((test.lower <= share) & (share <= test.upper)))
    print(chances, held, "of", draws)  # noqa: T201
    assert bdtr(held, draws, 0.95) > 0.001


def test_wins_stop_as_the_walk_says_they_do() -> None:
    rng = np.random.default_rng(10)
    for p in (0.5, 0.75):
        plan = sequential_expected_n(p, most=120)
        tests = [sequential_test((rng.random(120) < p).astype(float), region=None) for _ in range(250)]
        decided = [test for test in tests if test.decided_at]
        chance = plan.decided_by[-1]
        assert min(bdtr(len(decided), 250, chance), bdtrc(len(decided) - 1, 250, chance)) > 0.001
        stops = np.array([test.decided_at or 120 for test in tests])
        assert stops.mean() == pytest.approx(plan.expected_n, abs=4 * stops.std() / math.sqrt(250) + 0.1)


def test_looking_with_a_fixed_n_test_after_every_pair_does_not_keep_its_level() -> None:
    # what the docstring compares with: the two-sided sign test at 5 %, looked at after each of 200 pairs
    alive, false = np.array([1.0]), 0.0
    for n in range(1, 201):
        alive = np.convolve(alive, [0.5, 0.5])
        wins = np.arange(n + 1)
        is_found = 2 * np.minimum(bdtr(wins, n, 0.5), bdtrc(wins - 1, n, 0.5)) <= 0.05
        false += alive[is_found].sum()
        alive[is_found] = 0
    ours = sequential_expected_n(0.5, most=200)
    print(f"sign test at every look: {false:.3f}, sequential: {ours.decided_by[-1]:.3f}")  # noqa: T201
    assert false == pytest.approx(0.284, abs=0.0005)
    assert ours.decided_by[-1] == pytest.approx(0.031, abs=0.0005)


@pytest.mark.parametrize(
    ("effect", "wrong"),
    [
        (0.0, ("supported", "contradicted")),
        (0.5, ("equivalent", "contradicted")),
        (1.0, ("equivalent", "contradicted")),
    ],
)
def test_verdicts_on_a_mean_are_rarely_wrong_at_whatever_stop(effect: float, wrong: tuple[str, str]) -> None:
    rng = np.random.default_rng(11)
    draws = 400
    verdicts = []
    for _ in range(draws):
        x = rng.normal(effect, 1, 80)
        looks = confidence_sequence(x)
        first = next((k for k in range(80) if _is_decided(looks.lower[k], looks.upper[k])), 79)
        verdicts.append(sequential_mean_test(x[: first + 1], rope=0.5).verdict)
    false = sum(word in wrong for word in verdicts)
    print(effect, {word: verdicts.count(word) for word in sorted(set(verdicts))})  # noqa: T201
    assert bdtrc(false - 1, draws, 0.05) > 0.001
    if effect == 1.0:
        assert verdicts.count("supported") > 0.99 * draws, "a difference of one spread is found"


def _is_decided(low: float, high: float) -> bool:
    return low > 0 or high < 0 or (low > -0.5 and high < 0.5)


def test_more_pairs_are_about_the_mean_of_what_it_takes() -> None:
    rng = np.random.default_rng(12)
    start = np.array([1, 1, 1, 0, 1, 1, 0, 1, 0, 1.0])
    told = sequential_test(start, region=None).num_more
    assert told is not None
    more = np.array([
        (sequential_test(np.append(start, rng.random(400) < 0.7), region=None).decided_at or 410) - 10
        for _ in range(200)
    ])  # fmt: skip
    print(f"told {told}, mean {more.mean():.1f}, needing more {np.mean(more > told):.2f}")  # noqa: T201
    assert told == pytest.approx(more.mean(), rel=0.25)
    assert 0.25 < np.mean(more > told) < 0.5
