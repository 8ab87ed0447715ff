import pytest

from cupel.spec.errors import UsageError
from cupel.spec.units import format_duration, parse_fraction


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.0, "0.0 s"),
        (0.0123, "12 ms"),
        (0.0994, "99 ms"),
        (0.0996, "0.1 s"),
        (9.96, "10 s"),
        (185, "3 min 05 s"),
        (7800, "2 h 10 min"),
        (float("inf"), "unknown"),
    ],
)
def test_a_duration_is_never_a_nought_that_is_none(seconds: float, expected: str) -> None:
    assert format_duration(seconds) == expected


def test_nought_is_a_fraction_only_where_it_is_asked_for() -> None:
    assert parse_fraction("0", or_zero=True) == parse_fraction("0%", or_zero=True) == 0
    for text, or_zero in (("0", False), ("-1%", True), ("1", True), ("nan", True)):
        with pytest.raises(UsageError, match="percentage"):
            parse_fraction(text, or_zero=or_zero)
