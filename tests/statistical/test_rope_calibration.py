"""How often the Bayesian tests over tasks are sure of the wrong thing: they are posteriors, not tests with a level."""

import sys

import numpy as np
import pytest
from scipy.special import bdtr

from cupel.stats.signed_rank_rope import Variant, signed_rank_rope

DRAWS = 300


@pytest.fixture(autouse=True)
def fewer_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["cupel.stats.signed_rank_rope"], "NUM_DRAWS", 1000)


def sure(differences: np.ndarray, rope: float = 0.0, variant: Variant = "signed-rank") -> dict[str, float]:
    """Share of the draws in which each statement has more than 95 %."""
    found = [
        signed_rank_rope(d, np.zeros(d.size), rope=rope, variant=variant, seed=i) for i, d in enumerate(differences)
    ]
    return {
        name: float(np.mean([getattr(x, name) > 0.95 for x in found]))
        for name in ("p_x_larger", "p_rope", "p_y_larger")
    }


@pytest.mark.parametrize(("n", "low", "high"), [(5, 0.12, 0.26), (24, 0.07, 0.17)])
def test_equal_methods_get_95_percent_more_often_than_10_percent_of_the_time(n: int, low: float, high: float) -> None:
    found = sure(np.random.default_rng(n).normal(size=(DRAWS, n)))
    share = found["p_x_larger"] + found["p_y_larger"]
    print(f"{n} tasks, rope 0: {share:.3f}")  # noqa: T201
    assert low < share < high


def test_skewed_differences_with_mean_zero_are_taken_for_a_difference() -> None:
    found = sure(np.random.default_rng(1).exponential(size=(DRAWS, 24)) - 1)
    print(f"24 tasks, skewed: {found}")  # noqa: T201
    assert found["p_y_larger"] > 0.12


@pytest.mark.parametrize("variant", ["signed-rank", "sign"])
def test_with_a_rope_equal_methods_are_rarely_taken_for_different(variant: Variant) -> None:
    found = sure(np.random.default_rng(2).standard_t(3, size=(DRAWS, 24)), rope=0.25, variant=variant)
    print(f"24 tasks, rope 0.25, {variant}: {found}")  # noqa: T201
    for side in ("p_x_larger", "p_y_larger"):
        wrong = round(found[side] * DRAWS)
        assert wrong == 0 or bdtr(wrong - 1, DRAWS, 0.05) < 0.999, (side, wrong)


def test_practical_equality_and_difference_are_found() -> None:
    rng = np.random.default_rng(3)
    assert sure(0.3 * rng.normal(size=(200, 24)), rope=0.5)["p_rope"] > 0.95
    assert sure(1 + rng.normal(size=(200, 24)), rope=0.1)["p_x_larger"] > 0.9


def test_at_the_edge_of_the_rope_each_side_is_right_half_of_the_time() -> None:
    """Nine in ten of the differences centre on the edge: neither statement may be nearly always sure."""
    found = sure(0.5 + np.random.default_rng(4).normal(size=(DRAWS, 24)) * 0.2, rope=0.5)
    assert found["p_x_larger"] < 0.12
    assert found["p_rope"] < 0.12
