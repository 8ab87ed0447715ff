import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cupel.stats.confidence_sequence import confidence_sequence
from cupel.stats.sequential_mean_test import sequential_mean_test
from cupel.stats.t_mixture import t_cut
from cupel.stats.verdict import verdict

X = st.lists(st.floats(-1, 1), min_size=1, max_size=30)


def normal(n: int, mean: float, sd: float = 1.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, sd, n)


@settings(max_examples=40)
@given(X, st.sampled_from([None, 0.1, 0.6]), st.sampled_from([0.0, 0.2]), st.booleans())
def test_the_verdict_is_the_house_s_on_the_interval_shown(
    x: list[float], rope: float | None, bar: float, has_bounds: bool
) -> None:
    bounds = (-1, 1) if has_bounds else None
    test = sequential_mean_test(x, rope=rope, bar=bar, bounds=bounds)
    shown = confidence_sequence(x, kind="betting" if has_bounds else "t", bounds=bounds)
    assert test.interval == shown.interval
    assert test.verdict == verdict(shown.interval, bar=bar, rope=rope)
    assert (test.num_more == 0) == (test.verdict != "undecided")
    assert (test.decided_at is None) == (test.verdict == "undecided")
    if test.decided_at:
        assert sequential_mean_test(x[: test.decided_at], rope=rope, bar=bar, bounds=bounds).verdict == test.verdict
        before = sequential_mean_test(x[: test.decided_at - 1], rope=rope, bar=bar, bounds=bounds)
        assert before.verdict != test.verdict


@settings(max_examples=40)
@given(X, st.booleans())
def test_p_excludes_no_difference_exactly_when_the_interval_does(x: list[float], has_bounds: bool) -> None:
    test = sequential_mean_test(x, bounds=(-1, 1) if has_bounds else None)
    excludes = (test.lower > 0) | (test.upper < 0)
    assert (test.p_values <= 0.05).tolist() == excludes.tolist()
    assert np.all(np.diff(test.p_values) <= 0)


@pytest.mark.parametrize(
    ("mean", "rope", "bar", "expected"),
    [(1.0, None, 0.0, "supported"), (-1.0, None, 0.0, "contradicted"), (1.0, None, 2.0, "contradicted"),
     (0.0, 0.5, 0.0, "equivalent"), (1.0, 0.5, 0.5, "supported"), (1.0, None, 1.0, "undecided")],
)  # fmt: skip
def test_planted_differences(mean: float, rope: float | None, bar: float, expected: str) -> None:
    x = normal(200, mean)
    assert sequential_mean_test(x - x.mean() + mean, rope=rope, bar=bar).verdict == expected


def test_bounds_find_what_is_large_against_them() -> None:
    test = sequential_mean_test(normal(80, 0.3, 0.1), bounds=(-1, 1))
    assert (test.verdict, test.method) == ("supported", "universal bets, valid at any stop")
    assert test.decided_at is not None
    assert test.decided_at > sequential_mean_test(normal(80, 0.3, 0.1)).decided_at


def test_more_pairs_by_student_in_closed_form() -> None:
    x = normal(20, 0.0)
    x = (x - x.mean()) / x.std(ddof=1) + 0.3
    test = sequential_mean_test(x)
    assert test.num_more is not None
    n = 20 + test.num_more
    assert t_cut(np.array([float(n)]), 0.95)[0] / math.sqrt(n) < 0.3
    assert t_cut(np.array([n - 1.0]), 0.95)[0] / math.sqrt(n - 1) >= 0.3


def test_more_pairs_with_bounds_are_those_after_which_repeats_decide() -> None:
    x = np.array([0.2, 0.4, -0.1, 0.3])
    test = sequential_mean_test(x, bounds=(-1, 1))
    assert test.num_more is not None
    times = 1 + test.num_more / 4
    assert sequential_mean_test(np.tile(x, math.ceil(times)), bounds=(-1, 1)).verdict == "supported"
    assert sequential_mean_test(np.tile(x, math.floor(times) - 1), bounds=(-1, 1)).verdict == "undecided"


def test_what_cannot_be_planned_has_no_number_of_pairs() -> None:
    assert sequential_mean_test([0.4]).num_more is None
    assert sequential_mean_test([0.4] * 6).num_more is None
    centred = normal(30, 0.0)
    assert sequential_mean_test(centred - centred.mean()).num_more is None
    assert sequential_mean_test([]).text() == "no pair yet: undecided"


def test_failures_and_skewness_are_told() -> None:
    test = sequential_mean_test([*np.random.default_rng(0).lognormal(sigma=1.5, size=40), np.nan])
    assert (test.num_failed, [note.code for note in test.warnings]) == (1, ["failures", "approximate"])


def test_text_and_frame() -> None:
    test = sequential_mean_test([0.8, 1.1, 0.9, 1.3, 1.0, 0.7, 1.2, 0.9])
    assert test.text() == (
        "mean difference 0.9875 (95% 0.6823 to 1.293 at any stop, p = 0.0012, n = 8): supported, since pair 5"
    )
    assert test.to_frame()["p"].tolist() == test.p_values.tolist()
    assert "more pairs at this rate" in sequential_mean_test(normal(9, 0.2)).text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rope": 0.0}, "expected a bar of at least 0"),
        ({"bar": -1.0}, "expected a bar of at least 0"),
        ({"bounds": (0, 1)}, "with 0 between them"),
        ({"bounds": (-0.1, 0.1)}, "expected values from"),
        ({"level": 0}, "`level` is 0"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sequential_mean_test([0.5, 0.2], **options)
