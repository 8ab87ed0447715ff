import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupel.stats.plan_repeats import plan_repeats

# The worked examples of libkalibera (python/tests/test_data.py), recorded: innermost level first.
THREE = [[[9, 5], [8, 3]], [[10, 6], [7, 11]], [[1, 12], [2, 4]]]
TWO = [[9, 5, 8, 3], [10, 6, 7, 11], [1, 12, 2, 4]]
COSTED = [[[3, 4, 3], [1.2, 3.1, 3]], [[0.2, 1, 1.5], [1, 2, 3]]]


def test_three_levels() -> None:
    plan = plan_repeats(THREE)
    assert plan.mean == 6.5
    assert [round(x, 1) for x in plan.s2] == [16.5, 2.6, 3.6]
    assert [round(x, 1) for x in plan.t2] == [16.5, -5.7, 2.3]
    assert plan.pilot_repetitions == (2, 2, 3)


def test_two_levels() -> None:
    plan = plan_repeats(TWO)
    assert [round(x, 1) for x in plan.s2] == [12.7, 3.6]
    assert [round(x, 1) for x in plan.t2] == [12.7, 0.4]


def test_best_repetitions() -> None:
    plan = plan_repeats(COSTED, [100, 20, 3])
    assert plan.t2 == pytest.approx((0.7266667, 0.262777778, 0.7747), abs=1e-4)
    assert plan.unrounded == pytest.approx((4.2937, 1.3023), abs=1e-3)
    assert plan.repetitions == (5, 2)


def test_a_level_without_variance_of_its_own_is_done_once() -> None:
    plan = plan_repeats(THREE)
    assert plan.repetitions[1] == 1
    assert plan.unrounded[1] is None
    assert plan.share[1] == 0


def test_nothing_above_varies_keeps_the_pilots_count() -> None:
    plan = plan_repeats([[1, 2, 3], [3, 2, 1]])
    assert plan.repetitions == (3,)
    assert plan.unrounded == (math.inf,)


def test_equal_values_have_no_shares() -> None:
    assert all(math.isnan(x) for x in plan_repeats([[1, 1], [1, 1]]).share)


def naive_components(data: list[list[list[float]]]) -> tuple[float, float, float]:
    """The formula written out with loops, for three levels."""
    tops, all_s1, all_s2 = [], [], []
    for launch in data:
        means = [sum(run) / len(run) for run in launch]
        all_s1 += [sum((x - m) ** 2 for x in run) / (len(run) - 1) for run, m in zip(launch, means, strict=True)]
        top = sum(means) / len(means)
        all_s2.append(sum((m - top) ** 2 for m in means) / (len(means) - 1))
        tops.append(top)
    grand = sum(tops) / len(tops)
    s3 = sum((t - grand) ** 2 for t in tops) / (len(tops) - 1)
    return sum(all_s1) / len(all_s1), sum(all_s2) / len(all_s2), s3


@given(st.integers(2, 4), st.integers(2, 4), st.integers(2, 4), st.integers(0, 2**31))
def test_naive_transcription_agrees(a: int, b: int, c: int, seed: int) -> None:
    data = np.random.default_rng(seed).normal(size=(a, b, c))
    plan = plan_repeats(data)
    assert plan.s2 == pytest.approx(naive_components(data.tolist()))
    assert sum(plan.share) == pytest.approx(1)


@pytest.mark.parametrize("pilot", [[1], [[1, 2], [1]], [[1.0, math.nan], [1, 2]], 3.0])
def test_a_pilot_that_cannot_tell_is_refused(pilot: object) -> None:
    with pytest.raises(ValueError, match="pilot"):
        plan_repeats(pilot)


def test_costs_must_fit_the_levels() -> None:
    with pytest.raises(ValueError, match="one cost per level"):
        plan_repeats(TWO, [1, 2, 3])
