import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupel.stats.holm import holm

P_VALUES = st.lists(st.floats(0, 1), max_size=12)


def test_recorded_values_of_r_p_adjust() -> None:
    # p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), "holm") in R 4.2.2
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]).tolist() == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])


def test_tests_that_were_not_made_are_not_counted() -> None:
    assert holm([0.01, np.nan, 0.03]).tolist() == pytest.approx([0.02, np.nan, 0.03], nan_ok=True)


def test_none_at_all() -> None:
    assert holm([]).size == 0


@pytest.mark.parametrize("p", [-0.1, 1.1])
def test_a_number_that_is_no_p_value_is_refused(p: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        holm([p])


@given(P_VALUES)
def test_never_below_raw_nor_above_bonferroni(p: list[float]) -> None:
    adjusted = holm(p)
    assert np.all(adjusted >= np.asarray(p))
    assert np.all(adjusted <= np.minimum(1, np.asarray(p) * len(p)) + 1e-15)


@given(P_VALUES)
def test_naive_step_down_procedure_agrees(p: list[float]) -> None:
    alpha, rejected = 0.05, set()
    for rank, index in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        if p[index] * (len(p) - rank) > alpha:
            break
        rejected.add(index)
    assert {i for i, value in enumerate(holm(p)) if value <= alpha} == rejected
