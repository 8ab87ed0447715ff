import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cupel.stats.launches_for_effect import launches_for_effect
from cupel.stats.launches_for_width import launches_for_width


@pytest.mark.parametrize(("half_width", "n"), [(0.005, 18), (0.01, 7), (0.02, 4)])
def test_table_of_rule_r5_for_the_width(half_width: float, n: int) -> None:
    assert launches_for_width(0.01, half_width) == n


@pytest.mark.parametrize(
    ("cv", "effect", "n"),
    [
        (0.005, 0.01, 7),
        (0.005, 0.02, 3),
        (0.01, 0.01, 23),
        (0.01, 0.02, 7),
        (0.01, 0.05, 3),
        (0.02, 0.02, 23),
        (0.02, 0.05, 5),
        (0.05, 0.05, 24),
        (0.05, 0.10, 7),
    ],
)
def test_table_of_rule_r5_for_the_difference(cv: float, effect: float, n: int) -> None:
    assert launches_for_effect(cv, effect) == n


@settings(max_examples=40)
@given(st.floats(0.001, 0.3), st.floats(0.002, 0.3), st.sampled_from([0.8, 0.95, 0.99]))
def test_width_is_the_smallest_that_suffices(cv: float, half_width: float, level: float) -> None:
    n = launches_for_width(cv, half_width, level=level)

    def reach(k: int) -> float:
        return stats.t.ppf(0.5 + level / 2, k - 1) * cv / np.sqrt(k)

    assert reach(n) <= half_width * (1 + 1e-12)
    assert n == 2 or reach(n - 1) > half_width * (1 - 1e-12)


@settings(max_examples=40)
@given(st.floats(0.005, 0.1), st.floats(0.01, 0.2), st.sampled_from([0.5, 0.8, 0.95]))
def test_effect_is_the_smallest_that_suffices(cv: float, effect: float, power: float) -> None:
    n = launches_for_effect(cv, effect, power=power)

    def found(k: int) -> float:
        shift = np.log1p(effect) / (cv * np.sqrt(2 / k))
        cut = stats.t.ppf(0.975, 2 * k - 2)
        return stats.nct.sf(cut, 2 * k - 2, shift) if shift < 30 else 1.0

    assert found(n) >= power - 1e-4
    assert n == 2 or found(n - 1) <= power + 1e-4


@pytest.mark.parametrize("bad", [(0, 0.01), (0.01, 0), (float("nan"), 0.01), (1, 1e-9)])
def test_sizes_out_of_range_are_refused(bad: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="cv = "):
        launches_for_width(*bad)
    with pytest.raises(ValueError, match="cv = "):
        launches_for_effect(*bad)
