"""Plans keep the power that they promise, and not a run more; a pilot's spreads are right on average."""

import math

import numpy as np
import pytest
from scipy import stats
from scipy.special import bdtr

from cupel.stats.equivalence_power import equivalence_power
from cupel.stats.noncentral_power import beyond_power
from cupel.stats.pairs_for_effect import pairs_for_effect
from cupel.stats.pilot_spread import pilot_spread
from cupel.stats.seeds_for_effect import seeds_for_effect
from cupel.stats.tasks_for_effect import TaskSpread, tasks_for_effect

DRAWS = 20_000


def t_limits(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(draws,) ends of the 95 % t interval of each row."""
    n = x.shape[1]
    half = stats.t.ppf(0.975, n - 1) * x.std(axis=1, ddof=1) / math.sqrt(n)
    return x.mean(axis=1) - half, x.mean(axis=1) + half


def is_share(found: int, power: float, draws: int = DRAWS) -> bool:
    return bool(0.001 < bdtr(found, draws, power) < 0.999)


@pytest.mark.parametrize("bar", [0.0, 0.3])
def test_pairs_have_the_power_promised(bar: float) -> None:
    n = pairs_for_effect(0.8, 1.0, beyond=bar)
    low, _ = t_limits(np.random.default_rng(0).normal(0.8, 1, (DRAWS, n)))
    power = beyond_power(0.8 - bar, 1 / math.sqrt(n), n - 1, 0.95)
    assert power >= 0.9
    assert is_share(int((low > bar).sum()), power)


def test_seeds_have_the_power_promised() -> None:
    n = seeds_for_effect(1.0, 1.0)
    rng = np.random.default_rng(1)
    a, b = rng.normal(1, 1, (DRAWS, n)), rng.normal(0, 1, (DRAWS, n))
    found = stats.ttest_ind(a, b, axis=1)
    power = beyond_power(1.0, math.sqrt(2 / n), 2 * n - 2, 0.95)
    assert is_share(int(((found.pvalue <= 0.05) & (found.statistic > 0)).sum()), power)


def test_equivalence_has_the_power_computed() -> None:
    x = np.random.default_rng(2).normal(0.1, 1, (DRAWS, 20))
    low, high = t_limits(x)
    power = equivalence_power(1 / math.sqrt(20), 19, rope=0.7, effect=0.1)
    assert is_share(int(((low > -0.7) & (high < 0.7)).sum()), power)


def test_tasks_have_the_power_promised_in_the_mixed_model() -> None:
    spread = TaskSpread(interaction=0.5, noise=1.0, runs=4)
    n = tasks_for_effect(0.8, spread)
    rng = np.random.default_rng(3)
    method = rng.normal(0, 0.5, (DRAWS, n, 2)) + rng.normal(0, 1, (DRAWS, n, 2, 4)).mean(axis=3)
    low, _ = t_limits(0.8 + method[:, :, 0] - method[:, :, 1])
    power = beyond_power(0.8, spread.sd / math.sqrt(n), n - 1, 0.95)
    assert power >= 0.9
    assert is_share(int((low > 0).sum()), power)


def test_a_t_plan_for_skewed_differences_is_about_right() -> None:
    # not its assumption: differences of two exponential laws of different size
    n = pairs_for_effect(1.0, math.sqrt(5), power=0.9)
    rng = np.random.default_rng(4)
    low, _ = t_limits(rng.exponential(2, (DRAWS, n)) - rng.exponential(1, (DRAWS, n)))
    share = float((low > 0).mean())
    print(f"{n} pairs, power {share:.3f} where 0.9 was planned")  # noqa: T201
    assert 0.86 < share < 0.94


def test_a_pilot_estimates_its_spreads_without_bias() -> None:
    found = []
    t, m, s = np.indices((12, 2, 4))
    table = {
        "method": ["AB"[k] for k in m.ravel()],
        "task": [f"t{k}" for k in t.ravel()],
        "seed": s.ravel().tolist(),
    }
    for seed in range(200):
        rng = np.random.default_rng(seed)
        x = rng.normal(0, 0.5, (12, 2, 1)) + rng.normal(0, 1, (12, 1, 4)) + rng.normal(0, 0.7, (12, 2, 4))
        pilot = pilot_spread(table | {"value": x.ravel().tolist()})
        assert pilot.sd is not None
        assert pilot.sd_pair is not None
        assert pilot.mean_square is not None
        found.append((pilot.sd**2, pilot.sd_pair**2, pilot.mean_square))
    truth = np.array([1 + 0.49, 2 * 0.49, 0.25 + 0.49 / 4])
    error = np.std(found, axis=0, ddof=1) / math.sqrt(200)
    assert np.all(np.abs(np.mean(found, axis=0) - truth) < 3.5 * error)
