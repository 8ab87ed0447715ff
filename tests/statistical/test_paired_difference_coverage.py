"""Intervals and tests of a difference of two samples: coverage, false alarms and power, also where laws are unkind."""

import numpy as np
import pytest
from scipy.special import bdtr

from cupel.stats.paired_difference import PairedDifference, paired_difference
from cupel.stats.sign_flip import sign_flip
from cupel.stats.signed_ranks import signed_ranks

DRAWS = 300


def noise(rng: np.random.Generator, law: str, size: tuple[int, ...]) -> np.ndarray:
    """Values with mean 0; `skewed` is the only law whose centre is not its mean."""
    if law == "heavy":
        return rng.standard_t(3, size=size)
    if law == "skewed":
        return rng.exponential(size=size) - 1
    values = rng.normal(size=size)
    return np.round(values * 2) / 2 if law == "tied" else values


def at_most(hits: int, draws: int, share: float) -> bool:
    return hits == 0 or bool(bdtr(hits - 1, draws, share) < 0.999)


def compared(law: str, n: int, effect: float = 0.0) -> list[PairedDifference]:
    rng = np.random.default_rng(n)
    base = rng.normal(size=(DRAWS, n))
    a = base + effect + noise(rng, law, (DRAWS, n))
    return [paired_difference(x, y) for x, y in zip(a, base, strict=True)]


def held(found: list[PairedDifference], name: str, truth: float) -> int:
    intervals = [getattr(x, name) for x in found]
    return sum(interval is not None and interval.contains(truth) for interval in intervals)


@pytest.mark.parametrize(("law", "n"), [("normal", 6), ("normal", 12), ("heavy", 12), ("tied", 10)])
def test_paired_intervals_hold_and_tests_keep_their_level(law: str, n: int) -> None:
    found = compared(law, n, effect=0.5)
    for name in ("interval", "centre_interval"):
        assert bdtr(held(found, name, 0.5), DRAWS, 0.95) > 0.001, name
    if law == "normal":  # neither is needlessly wide
        assert bdtr(held(found, "interval", 0.5), DRAWS, 0.95) < 0.999
        assert held(found, "centre_interval", 0.5) < DRAWS
    null = compared(law, n)
    for name in ("p", "p_rank", "p_permutation"):
        alarms = sum(getattr(x, name) is not None and getattr(x, name) <= 0.05 for x in null)
        assert at_most(alarms, DRAWS, 0.05), (name, alarms / DRAWS)


def test_skewed_differences_break_the_mean_and_the_symmetric_tests() -> None:
    """Where differences are exponential with mean 0, all are off: t by its law, the others by their question."""
    null = compared("skewed", 12)
    covered = held(null, "interval", 0.0) / DRAWS
    alarms = {name: np.mean([getattr(x, name) <= 0.05 for x in null]) for name in ("p", "p_rank", "p_permutation")}
    print(f"skewed, n = 12: t interval {covered:.3f}, {alarms}")  # noqa: T201
    assert 0.85 < covered < 0.93
    assert all(0.06 < share < 0.2 for share in alarms.values())


def test_random_sign_flips_keep_their_level_too() -> None:
    rng = np.random.default_rng(0)
    draws = 300
    alarms = sum(sign_flip(d, seed)[0] <= 0.05 for seed, d in enumerate(rng.standard_t(3, size=(draws, 20))))
    assert at_most(alarms, draws, 0.05)
    assert bdtr(alarms, draws, 0.05) > 0.001


@pytest.mark.parametrize("effect", [0.0, 0.8])
def test_the_effect_size_is_unbiased_and_its_interval_holds(effect: float) -> None:
    rng = np.random.default_rng(8)
    shared = rng.normal(size=(DRAWS, 8))
    a, b = (np.sqrt(0.7) * shared + np.sqrt(0.3) * rng.normal(size=(DRAWS, 8)) for _ in range(2))
    found = [paired_difference(x + effect, y) for x, y in zip(a, b, strict=True)]
    assert bdtr(held(found, "effect_interval", effect), DRAWS, 0.95) > 0.001
    effects = np.array([x.effect for x in found])
    assert abs(effects.mean() - effect) < 4 * effects.std() / np.sqrt(DRAWS)


@pytest.mark.parametrize("effect", [0.0, 1.0])
def test_unpaired_intervals_hold_with_unequal_spreads(effect: float) -> None:
    rng = np.random.default_rng(9)
    unit = np.sqrt((1 + 9) / 2)
    a, b = rng.normal(effect * unit, 1, size=(DRAWS, 8)), rng.normal(0, 3, size=(DRAWS, 12))
    found = [paired_difference(x, y, paired=False) for x, y in zip(a, b, strict=True)]
    covered = held(found, "interval", effect * unit)
    assert 0.001 < bdtr(covered, DRAWS, 0.95) < 0.9999, covered / DRAWS
    of_effect = held(found, "effect_interval", effect)
    assert bdtr(of_effect, DRAWS, 0.95) > 0.001, of_effect / DRAWS
    if effect == 0:
        assert at_most(sum(x.p is not None and x.p <= 0.05 for x in found), DRAWS, 0.05)
        by_rank = sum(x.p_rank is not None and x.p_rank <= 0.05 for x in found)
        assert at_most(by_rank, DRAWS, 0.06), by_rank / DRAWS  # Brunner and Munzel's is close for unequal spreads


def test_the_shift_of_two_samples_holds_when_shapes_agree() -> None:
    rng = np.random.default_rng(10)
    a, b = rng.exponential(size=(2, DRAWS, 7))
    found = [paired_difference(x + 0.5, y, paired=False) for x, y in zip(a, b, strict=True)]
    assert bdtr(held(found, "centre_interval", 0.5), DRAWS, 0.95) > 0.001


def test_a_planted_difference_is_found() -> None:
    found = compared("normal", 12, effect=1.2)
    for name in ("p", "p_rank", "p_permutation"):
        power = sum(getattr(x, name) <= 0.05 for x in found)
        assert bdtr(power, DRAWS, 0.9) > 0.001, (name, power / DRAWS)


@pytest.mark.parametrize("law", ["normal", "tied"])
def test_signed_ranks_keep_their_level_beyond_the_exact_law(law: str) -> None:
    draws, zeros = 400, np.zeros(340)
    values = np.random.default_rng(11).normal(size=(draws, 340))
    found = [signed_ranks(d, zeros) for d in (values.round(1) if law == "tied" else values)]
    assert all(x.method == "normal approximation" for x in found)
    alarms = sum(x.p <= 0.05 for x in found)
    assert at_most(alarms, draws, 0.05)
    assert bdtr(alarms, draws, 0.05) > 0.001
