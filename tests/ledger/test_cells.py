import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupel.ledger.cells import is_number, number_or_none, plain_column, plain_value, with_decimal_points


@pytest.mark.parametrize("text", ["0", "-0", "+1", "12.", ".5", "1e5", "1E-05", "nan", "NaN", "-inf", "Infinity"])
def test_what_programs_write_for_numbers_is_one(text: str) -> None:
    assert is_number(text)
    float(text)


@pytest.mark.parametrize(
    "text", ["", "00", "007", "-01", "1_0", "1,5", "1e", "0x1f", "١", "1 2", "5%", "nano", "1" * 16]
)
def test_what_is_a_name_is_no_number(text: str) -> None:
    assert not is_number(text)


@given(st.floats(allow_nan=False) | st.integers(-(10**14), 10**14))
def test_every_number_that_python_writes_comes_back(number: float) -> None:
    [back] = plain_column([repr(number)])
    if is_number(repr(number)):
        assert back == number
        assert type(back) is (int if isinstance(number, int) else float)


def test_whole_numbers_stay_whole_only_together() -> None:
    assert [type(value) for value in plain_column(["1", "2", ""])] == [int, int, type(None)]
    assert [type(value) for value in plain_column(["1", "2.0"])] == [float, float]
    assert plain_column([" 1 ", " a "]) == ["1", "a"]
    assert plain_column([]) == []


def test_decimal_commas_need_proof() -> None:
    doubtful = {"t": ["1,250", "2,500"]}
    assert with_decimal_points(doubtful, is_continental=False) == {}
    assert with_decimal_points(doubtful, is_continental=True) == {"t": ["1.250", "2.500"]}
    assert with_decimal_points({**doubtful, "lr": ["0.5", "0.25"]}, is_continental=True) == {}
    proved = with_decimal_points({**doubtful, "u": ["0,5", "failed"]}, is_continental=False)
    assert proved == {"t": ["1.250", "2.500"], "u": ["0.5", "failed"]}
    assert with_decimal_points({"t": ["1,250,000", "0,5"]}, is_continental=True) == {}
    assert with_decimal_points({"t": ["93,1%", "94,25 %"]}, is_continental=False) == {"t": ["93.1%", "94.25 %"]}
    assert with_decimal_points({"name": ["a,b", "c"]}, is_continental=True) == {}


def test_values_of_foreign_files_become_plain() -> None:
    assert number_or_none("1") is None
    assert number_or_none(-(10**400)) == -math.inf
    assert plain_value(10**400) == math.inf
    assert plain_value(2**60) == float(2**60)
    assert plain_value({"a": [1]}) == '{"a": [1]}'
    assert plain_value(True) is True
