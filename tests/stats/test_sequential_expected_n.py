import itertools

import numpy as np
import pytest
from scipy.stats import binom

from cupel.stats.beta_mixture import log_evidence, win_counts
from cupel.stats.sequential_expected_n import fewest_wins, sequential_expected_n
from cupel.stats.sequential_test import sequential_test


@pytest.mark.parametrize(("p", "mean"), [(0.7, 45), (0.75, 28), (0.8, 19), (0.9, 11), (1.0, 7)])
def test_mean_stops_of_the_reference_for_one_side(p: float, mean: int) -> None:
    assert round(sequential_expected_n(p, alternative="A").expected_n) == mean


def test_error_rate_of_the_reference_for_one_side() -> None:
    # the reference's 3.1 % is a simulation; the walk gives it without one
    plan = sequential_expected_n(0.5, alternative="A", most=200)
    assert plan.p_a == pytest.approx(0.031, abs=0.0015)
    assert plan.p_undecided == pytest.approx(1 - plan.p_a)
    assert sequential_expected_n(0.75, alternative="A", most=50).p_a == pytest.approx(0.86, abs=0.005)


def test_wrong_decisions_stay_below_the_level_however_long() -> None:
    plan = sequential_expected_n(0.5, most=5000)
    assert 0.03 < plan.decided_by[-1] <= 0.05
    assert plan.p_a == pytest.approx(plan.p_b, rel=0.3)
    assert np.all(np.diff(plan.decided_by) >= 0)


def stop_of(row: tuple[float, ...], level: float, region: tuple[float, float]) -> tuple[int, str]:
    """When the test itself first decides, and for what."""
    test = sequential_test(row, level=level, region=region)
    for k in range(len(row)):
        low, high = test.lower[k], test.upper[k]
        if low > 0.5 or high < 0.5:
            return k, "A" if low > 0.5 else "B"
        if low > region[0] and high < region[1]:
            return k, "equivalent"
    return len(row), "undecided"


@pytest.mark.parametrize("p", [0.5, 0.7])
def test_every_stream_through_the_test_itself_gives_the_same(p: float) -> None:
    most, level, region = 8, 0.5, (0.2, 0.8)
    plan = sequential_expected_n(p, level=level, region=region, most=most)
    chance: dict[str, float] = dict.fromkeys(("A", "B", "equivalent", "undecided"), 0.0)
    mean = 0.0
    for row in itertools.product((0.0, 1.0), repeat=most):
        weight = p ** sum(row) * (1 - p) ** (most - sum(row))
        at, outcome = stop_of(row, level, region)
        chance[outcome] += weight
        mean += weight * min(most, at + 1)
    assert plan.expected_n == pytest.approx(mean)
    found = (plan.p_a, plan.p_b, plan.p_equivalent, plan.p_undecided)
    assert found == pytest.approx(tuple(chance.values()), abs=1e-12)
    assert min(chance["A"], chance["B"], chance["equivalent"]) > 0.005


@pytest.mark.parametrize(("share", "side"), [(0.5, "two-sided"), (0.5, "A"), (0.45, "two-sided"), (0.7, "two-sided")])
def test_fewest_wins_by_trying_all(share: float, side: str) -> None:
    n = np.arange(1, 80, dtype=float)
    found = fewest_wins(n, share, level=0.9, alternative=side)
    for total, fewest in zip(n, found, strict=True):
        wins = np.arange(np.floor(total * share) + 1, total + 1)
        enough = log_evidence(win_counts(wins, total - wins), share, side) >= np.log(10)
        assert fewest == (wins[np.argmax(enough)] if enough.any() else total + 1)


def test_the_table_of_the_docstring() -> None:
    plans = [sequential_expected_n(p) for p in (0.6, 0.7, 0.75, 0.8, 0.9, 1.0)]
    assert [round(plan.expected_n) for plan in plans] == [241, 54, 34, 23, 13, 8]
    assert [plan.quantile(0.9) for plan in plans] == [477, 105, 63, 42, 19, 8]

    def fixed(p: float) -> int:
        for n in range(6, 400):
            need = int(np.argmax(binom.sf(np.arange(n + 1) - 1, n, 0.5) <= 0.025))
            if binom.sf(need - 1, n, p) >= 0.9:
                return n
        raise AssertionError

    assert [fixed(p) for p in (0.6, 0.7, 0.75, 0.8, 0.9, 1.0)] == [263, 65, 42, 28, 15, 6]


def test_equivalence_is_reached_and_rarely_false() -> None:
    equal = sequential_expected_n(0.5, region=(0.4, 0.6), most=2000)
    assert equal.p_equivalent > 0.9
    edge = sequential_expected_n(0.6, region=(0.4, 0.6), most=2000)
    assert edge.p_equivalent < 0.05


def test_sides_mirror_each_other() -> None:
    a, b = sequential_expected_n(0.7, alternative="A"), sequential_expected_n(0.3, alternative="B")
    assert (a.p_a, a.expected_n) == (pytest.approx(b.p_b), pytest.approx(b.expected_n))
    assert b.p_a == 0


def test_what_is_still_undecided_is_told() -> None:
    plan = sequential_expected_n(0.55, most=100)
    assert plan.quantile(0.9) is None
    assert "are undecided after 100 pairs" in plan.warnings[0].text
    assert "undecided after 100" in plan.text()
    assert sequential_expected_n(0.9).warnings == ()
    assert plan.to_frame().shape == (100, 3)


@pytest.mark.parametrize(
    "bad", [{"p": 1.2}, {"p": 0.6, "most": 0}, {"p": 0.6, "level": 1}, {"p": 0.6, "alternative": "x"}]
)
def test_what_is_out_of_range_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        sequential_expected_n(**bad)
