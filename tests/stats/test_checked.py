import math

import numpy as np
import pytest

from cupel.spec.errors import UsageError
from cupel.stats.checked import chosen, ends, floats, fraction, positive, series, whole
from cupel.stats.paired_difference import paired_difference
from cupel.stats.prob_outperform import prob_outperform
from cupel.stats.throughput import throughput


def test_what_is_right_passes() -> None:
    assert series("x", [1, math.nan]).size == 2
    assert positive("x", (1, 2)).tolist() == [1, 2]
    assert fraction("level", 0.95) == 0.95


def test_a_table_is_no_series() -> None:
    with pytest.raises(UsageError, match=r"`x` has shape \(1, 2\); expected"):
        series("x", [[1, 2]])


@pytest.mark.parametrize("bad", [0, -1, math.nan, math.inf])
def test_the_first_bad_number_is_named(bad: float) -> None:
    with pytest.raises(ValueError, match=r"`x`\[1\] is .*2 of 4"):
        positive("x", [1, bad, 1, bad])


@pytest.mark.parametrize("bad", [0, 1, 95, math.nan])
def test_a_percentage_is_no_fraction(bad: float) -> None:
    with pytest.raises(ValueError, match="such as 0"):
        fraction("level", bad)


def unreadable() -> dict[str, object]:
    return {
        r"`x`\[1\] is 'fast'": ["1.5", "fast"],
        r"`x`\[0\] is 1\d+\.\.\.; expected a real number that a float": [10**400],
        "`x` is a set; expected a sequence": {1.0, 2.0},
        "`x` is a dict; expected a sequence": {"a": 1.0},
        "`x` is a generator; expected a sequence": (value for value in [1.0]),
        "`x` holds lists of different lengths": [[1.0, 2.0], [3.0]],
        "`x` holds complex numbers": [1 + 1j],
        "`x` holds dates": np.array(["2026-01-01"], dtype="M8[D]"),
        "`x` holds durations.*in seconds": np.array([3], dtype="m8[ms]"),
        "`x` is 'fast'": "fast",
    }


@pytest.mark.parametrize("told", list(unreadable()))
def test_what_is_no_number_is_named(told: str) -> None:
    with pytest.raises(UsageError, match=told):
        floats("x", unreadable()[told])


def test_durations_of_a_frame_are_no_seconds() -> None:
    pandas = pytest.importorskip("pandas")
    with pytest.raises(UsageError, match="durations"):
        throughput([1.0, 1.0], pandas.Series(pandas.to_timedelta([1, 1], "s")))


def test_masked_values_are_unknown() -> None:
    masked = np.ma.array([1, 2, 3], mask=[False, True, False])
    assert np.isnan(series("x", masked)).tolist() == [False, True, False]
    assert paired_difference(masked, [0, 0, 0]).n == 2


def test_missing_values_of_a_frame_are_unknown_and_its_index_is_not_looked_at() -> None:
    pandas = pytest.importorskip("pandas")
    values = pandas.Series([1, None, 3], index=[2, 1, 0], dtype="Int64")
    assert series("x", values)[[0, 2]].tolist() == [1, 3]
    assert math.isnan(series("x", values)[1])


@pytest.mark.parametrize("bad", [None, "0.95", [0.95], 0.95 + 0j])
def test_a_level_that_is_no_number_is_refused(bad: object) -> None:
    with pytest.raises(UsageError, match=r"`level` is .*expected a real number"):
        fraction("level", bad)


@pytest.mark.parametrize("bad", [-1, 1.5, None, "3", math.nan, np.random.default_rng(0)])
def test_a_seed_is_a_whole_number(bad: object) -> None:
    with pytest.raises(UsageError, match=r"`seed` is .*whole number of at least 0"):
        whole("seed", bad)
    with pytest.raises(UsageError, match="`seed` is "):
        paired_difference([1.0, 2.0], [0.0, 1.0], seed=bad)  # type: ignore[arg-type]


def test_a_whole_float_is_whole() -> None:
    assert whole("k", 5.0) == whole("k", np.int64(5)) == 5


@pytest.mark.parametrize("bad", [(1, 0), (1,), (1, 2, 3), 5, (0, math.nan), (0, 0)])
def test_ends_are_two_numbers_in_order(bad: object) -> None:
    with pytest.raises(UsageError, match=r"`bounds` is .*the lowest and the highest"):
        ends("bounds", bad)


@pytest.mark.parametrize("bad", ["AB", ("A",), ("A", "A"), ("A", "B", "C"), None, {"A", "B"}])
def test_a_pair_is_two_names(bad: object) -> None:
    with pytest.raises(UsageError, match=r"methods = .*2 different names in a list"):
        chosen("methods", bad, least=2, most=2)


@pytest.mark.parametrize("bad", [None, "yes", 1])
def test_whether_runs_are_paired_is_not_guessed(bad: object) -> None:
    with pytest.raises(UsageError, match=r"`paired` is .*True or False"):
        prob_outperform([1.0], [2.0], paired=bad)  # type: ignore[arg-type]
