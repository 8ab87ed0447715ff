import numpy as np
import pytest
from scipy import integrate

from cupel.stats import universal_bets
from cupel.stats.beta_mixture import WinCounts, limits, log_evidence
from cupel.stats.universal_bets import wealth_of


def naive(x: np.ndarray, m: float) -> float:
    """The integral over all bets, term by term."""
    return integrate.quad(lambda q: np.prod(q * x / m + (1 - q) * (1 - x) / (1 - m)), 0, 1, epsabs=0, limit=200)[0]


@pytest.mark.parametrize("n", [1, 7, 40])
@pytest.mark.parametrize("m", [0.02, 0.3, 0.5, 0.9])
def test_it_is_the_integral_over_all_bets(n: int, m: float) -> None:
    x = np.random.default_rng(n).beta(2, 1, n)
    (wealth,) = wealth_of(x)
    assert np.exp(wealth.log_evidence(m)[-1]) == pytest.approx(naive(x, m), rel=1e-7)


def test_for_outcomes_with_ties_it_is_the_beta_mixture() -> None:
    x = np.random.default_rng(0).choice([0.0, 0.5, 1.0], 60, p=[0.2, 0.3, 0.5])
    counts = WinCounts(*(np.cumsum(x == y, dtype=float) for y in (1.0, 0.0, 0.5)))
    (wealth,) = wealth_of(x)
    for m in (0.2, 0.5, 0.77):
        assert wealth.log_evidence(m) == pytest.approx(log_evidence(counts, m), abs=1e-9)
    for found, expected in zip(wealth.limits(np.cumsum(x) / wealth.n, 0.95), limits(counts, 0.95), strict=True):
        assert found == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("law", [([0.0, 0.8], [0.25, 0.75]), ([0.1, 0.4, 1.0], [0.3, 0.3, 0.4])])
def test_it_is_a_fair_bet_for_every_law_with_that_mean(law: tuple[list[float], list[float]]) -> None:
    values, chances = np.array(law[0]), np.array(law[1])
    mean = float(values @ chances)
    before = np.array([0.4, 0.9, 0.1])
    expected = sum(
        p * np.exp(next(wealth_of(np.append(before, v))).log_evidence(mean)[-1])
        for v, p in zip(values, chances, strict=True)
    )
    assert expected == pytest.approx(np.exp(next(wealth_of(before)).log_evidence(mean)[-1]), rel=1e-8)


def test_the_order_of_the_values_does_not_matter() -> None:
    x = np.random.default_rng(1).random(30)
    one, other = (next(wealth_of(v)).log_evidence(0.4)[-1] for v in (x, x[::-1]))
    assert one == pytest.approx(other, abs=1e-10)


def test_turned_around_it_is_the_same() -> None:
    x = np.random.default_rng(2).beta(5, 1, 25)
    (one,), (other,) = wealth_of(x), wealth_of(1 - x)
    mean = np.cumsum(x) / one.n
    low, high = one.limits(mean, 0.9)
    other_low, other_high = other.limits(1 - mean, 0.9)
    assert low == pytest.approx(1 - other_high, abs=1e-9)
    assert high == pytest.approx(1 - other_low, abs=1e-9)


def test_stretches_of_looks_join(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(3).random(25)
    (whole,) = wealth_of(x)
    monkeypatch.setattr(universal_bets, "CELLS", 1500)
    parts = list(wealth_of(x))
    assert len(parts) > 2
    assert np.concatenate([part.log_evidence(0.3) for part in parts]) == pytest.approx(whole.log_evidence(0.3))


def test_values_that_come_twice_are_like_twice_the_values() -> None:
    x = np.random.default_rng(4).random(20)
    twice = list(wealth_of(np.concatenate([x, x])))[-1].log_evidence(0.7)[-1]
    assert next(wealth_of(x)).last(2.0).log_evidence(0.7)[0] == pytest.approx(twice, abs=1e-8)


@pytest.mark.parametrize("edge", [0.0, 1.0])
def test_values_at_the_edge_of_the_range_leave_that_edge_in(edge: float) -> None:
    (wealth,) = wealth_of(np.full(30, edge))
    low, high = wealth.limits(np.full(30, edge), 0.95)
    assert (high if edge else 1 - low)[-1] == 1.0
    assert (low if edge else 1 - high)[-1] == pytest.approx((20 * 31) ** (-1 / 30), rel=1e-9)
