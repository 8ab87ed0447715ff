import math

import pytest

from cupel.spec.errors import UsageError
from cupel.stats.checked import fraction, positive, series


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
