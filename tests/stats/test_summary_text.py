import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupel.stats.frame import columns_of
from cupel.stats.summary_text import Numbers, read_numbers, read_truths


def read(*cells: object) -> Numbers | None:
    return read_numbers(columns_of({"x": list(cells)})["x"])


@pytest.mark.parametrize(
    ("cell", "value", "spread", "decimals"),
    [
        ("0.91 ± 0.02", 0.91, 0.02, 2),
        ("91.20±.31", 91.2, 0.31, 2),
        ("93.3(0.5)", 93.3, 0.5, 1),
        ("12 +/- 3", 12.0, 3.0, 0),
        ("12 +- 3", 12.0, 3.0, 0),
        (r"$4.50 \pm 0.1$", 4.5, 0.1, 2),
        ("−1.5", -1.5, math.nan, 1),
        ("1e-3", 0.001, math.nan, 0),
        ("85.0 % ± 2 %", 85.0, 2.0, 1),
    ],
)
def test_a_cell_is_read_with_its_spread(cell: str, value: float, spread: float, decimals: int) -> None:
    numbers = read(cell)
    assert numbers is not None
    assert numbers.values[0] == value
    assert numbers.decimals[0] == decimals
    found = math.nan if numbers.spread is None else numbers.spread[0]
    assert found == spread or (math.isnan(found) and math.isnan(spread))


@pytest.mark.parametrize(
    ("cell", "is_starred"), [("0.9*", True), ("0.9 **", True), ("0.9†", True), ("**0.9**", False), ("0.9", False)]
)
def test_marks_of_significance_are_told_from_bold(cell: str, *, is_starred: bool) -> None:
    numbers = read(cell)
    assert numbers is not None
    assert bool(numbers.is_starred[0]) == is_starred


def test_words_for_failures_are_no_numbers_and_words_are_no_column_of_numbers() -> None:
    numbers = read("0.9", "failed", "OOM", None)
    assert numbers is not None
    assert math.isnan(numbers.values[1])
    assert numbers.decimals.tolist() == [1, -1, -1, -1]
    assert read("adult", "bank") is None
    assert read("2 layers", "0.9", "3 layers") is None
    assert read(True, False) is None


@given(st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=1, max_size=20))
def test_texts_of_numbers_are_read_as_the_numbers(values: list[float]) -> None:
    as_text, as_numbers = read(*(f"{x:.6f}" for x in values)), read(*(round(x, 6) for x in values))
    assert as_text is not None
    assert as_numbers is not None
    assert as_text.values == pytest.approx(as_numbers.values)


def test_yes_and_no_are_truths_and_other_words_are_none() -> None:
    column = columns_of({"x": ["yes", "No", None], "y": ["a", "yes", "no"], "z": [1, 0, 1], "b": [True, False, True]})
    assert [None if (t := read_truths(c)) is None else t.tolist() for c in column.values()] == [
        [True, False, False],
        None,
        [True, False, True],
        [True, False, True],
    ]
