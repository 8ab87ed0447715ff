import math

import pytest

from cupel.spec.errors import UsageError
from cupel.study.equal_tuning import MOST_WIDENINGS, EqualTuning


def tune(grids, loss):
    tuning = EqualTuning(grids)
    asked = tuning.first()
    tried = []
    while asked:
        for arm, hp in asked:
            tried.append((arm, hp))
            tuning.arms[arm].tell(hp, loss(arm, hp))
        is_level = len({len(arm.values) for arm in tuning.arms.values()}) == 1
        asked = [] if tuning.is_settled and is_level else tuning.next()
    return tuning, tried


def bowl(arm, hp):
    return abs(math.log10(hp["lr"]) + 2)


def test_an_optimum_inside_is_found_and_arms_get_as_many_trials():
    tuning, _ = tune({"a": {"lr": (1e-4, 1e-3, 1e-2, 1e-1)}, "b": {"lr": (1e-3, 1e-2, 1e-1)}}, bowl)
    assert [len(arm.values) for arm in tuning.arms.values()] == [4, 4]
    assert [arm.best[0]["lr"] for arm in tuning.arms.values()] == [1e-2, 1e-2]
    assert not any(arm.edges() for arm in tuning.arms.values())


def test_an_optimum_on_an_edge_is_widened_by_the_grids_own_ratio():
    tuning, tried = tune({"a": {"lr": (1e-1, 1.0)}, "b": {"lr": (1e-3, 1e-2, 1e-1)}}, bowl)
    tried_of_a = [hp["lr"] for arm, hp in tried if arm == "a"]
    assert tried_of_a[:3] == pytest.approx([1e-1, 1.0, 1e-2])
    assert min(tried_of_a) == pytest.approx(1e-3)
    assert tuning.arms["a"].best[0]["lr"] == pytest.approx(1e-2)
    assert not tuning.arms["a"].edges()
    assert len(tuning.arms["a"].values) == len(tuning.arms["b"].values)


def test_an_edge_that_stays_is_told():
    tuning, _ = tune({"a": {"lr": (1.0, 2.0)}}, lambda _, hp: -hp["lr"])
    assert tuning.num_widenings == MOST_WIDENINGS
    assert tuning.arms["a"].edges() == ["lr"]


def test_steps_below_zero_and_whole_numbers_go_on_as_they_are():
    tuning, tried = tune(
        {"a": {"shift": (-1.0, 0.0, 1.0), "width": (8, 16, 32)}}, lambda _, hp: hp["shift"] - hp["width"]
    )
    tried_shifts = {hp["shift"] for _, hp in tried}
    tried_widths = {hp["width"] for _, hp in tried}
    assert -2.0 in tried_shifts
    assert 64 in tried_widths
    assert all(isinstance(width, int) for width in tried_widths)
    assert tuning.arms["a"].edges()


def test_words_and_single_values_have_no_edge():
    tuning, tried = tune({"a": {"kind": ("x", "y"), "lr": (0.1,)}}, lambda _, hp: hp["kind"] == "x")
    assert len(tried) == 2
    assert tuning.arms["a"].best[0] == {"kind": "y", "lr": 0.1}


def test_an_arm_of_which_all_trials_fail_ends():
    tuning, tried = tune({"a": {"lr": (0.1, 1.0)}}, lambda _, __: math.nan)
    assert len(tried) == 2
    assert tuning.arms["a"].best[1] == math.inf


def test_a_grid_that_is_none_is_refused():
    with pytest.raises(UsageError, match=r"a\.lr is 0\.1; expected the values to try"):
        EqualTuning({"a": {"lr": 0.1}})


def test_whole_numbers_above_zero_end_at_one():
    tuning, tried = tune({"a": {"k": (1, 2)}}, lambda _, hp: hp["k"])
    assert min(hp["k"] for _, hp in tried) == 1
    assert not tuning.arms["a"].edges()  # nothing lies beyond


def test_an_arm_with_few_values_is_given_as_many_trials_beyond_its_grid():
    tuning, _ = tune({"a": {"lr": (0.1, 0.2, 0.4, 0.8)}, "b": {"k": (1, 2)}}, lambda _, hp: hp.get("k", 0.0))
    assert len({len(arm.values) for arm in tuning.arms.values()}) == 1
