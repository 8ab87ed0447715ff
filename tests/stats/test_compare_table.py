import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cupel.stats.compare_table import compare_table
from cupel.stats.holm import holm


def table(effects: list[float], cv: float, n: int, seed: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(seed)
    return {
        f"entry{i}": (np.exp(cv * rng.normal(size=n)), effect * np.exp(cv * rng.normal(size=n)))
        for i, effect in enumerate(effects)
    }


def test_a_verdict_that_stands_alone_may_not_stand_in_a_table() -> None:
    raw_only = 0
    for seed in range(200):
        rows = compare_table(table([1.0] * 10, 0.02, 4, seed), rope=0.0).values()
        raw_only += any(r.verdict in {"faster", "slower"} for r in rows) and not any(
            r.verdict_adjusted in {"faster", "slower"} for r in rows
        )
    assert raw_only > 30


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 6), st.sampled_from([1.0, 1.02, 1.1]))
def test_the_adjusted_interval_is_outside_the_rope_exactly_when_holm_rejects(seed: int, m: int, effect: float) -> None:
    rows = compare_table(table([effect] * m, 0.01, 4, seed))
    raw = [row.p_beyond for row in rows.values() if row.p_beyond is not None]
    assert [row.p_adjusted for row in rows.values()] == pytest.approx(holm(raw))
    for row in rows.values():
        assert row.interval_adjusted is not None
        assert row.interval is not None
        assert row.p_adjusted is not None
        is_outside = row.interval_adjusted.low > 1.01 or row.interval_adjusted.high < 1 / 1.01
        assert is_outside == (row.p_adjusted <= 0.05)
        assert row.interval_adjusted.low <= row.interval.low + 1e-12
        assert row.interval_adjusted.high >= row.interval.high - 1e-12


def test_equivalence_needs_more_in_a_table_too() -> None:
    alone = together = 0
    for seed in range(100):
        pairs = table([1.0] * 8, 0.005, 5, seed)
        alone += compare_table({"entry0": pairs["entry0"]})["entry0"].verdict_adjusted == "equivalent"
        together += compare_table(pairs)["entry0"].verdict_adjusted == "equivalent"
    assert together < alone


def test_a_clear_difference_stands_among_many() -> None:
    rows = compare_table(table([1.0] * 7 + [1.1], 0.01, 4, 0))
    assert rows["entry7"].verdict_adjusted == "faster"


def test_a_row_without_interval_is_undecided_and_not_counted() -> None:
    pairs = table([1.1], 0.01, 4, 0)
    both = compare_table({**pairs, "lone": (np.ones(1), np.ones(3))})
    assert both["lone"].verdict_adjusted == "undecided"
    assert both["lone"].p_adjusted is None
    assert both["entry0"] == compare_table(pairs)["entry0"]


def test_the_shown_intervals_agree_with_the_verdicts() -> None:
    for seed in range(100):
        rows = compare_table(table([1.0, 1.0, 1.003, 1.02, 1.1], 0.003, 6, seed)).values()
        for row in rows:
            assert row.interval_equivalence is not None
            assert row.interval_adjusted is not None
            inside = row.interval_equivalence.low > 1 / 1.01 and row.interval_equivalence.high < 1.01
            assert inside == (row.verdict_adjusted == "equivalent")
            if row.is_beyond_rope:
                assert row.interval_adjusted.low > 1.01
            assert (row.num_more == 0) == (row.verdict_adjusted != "undecided")


def test_what_a_table_asks_for_settles_the_table() -> None:
    """The number of launches is for the level at which Holm tested the row, not for the row by itself."""
    pairs = table([1.0] * 9 + [1.03], 0.015, 4, 3)
    row = compare_table(pairs)["entry9"]
    assert (row.verdict_adjusted, row.num_more is None) == ("undecided", False)
    alone = compare_table({"entry9": pairs["entry9"]})["entry9"]
    assert alone.num_more is not None
    assert (row.num_more or 0) > alone.num_more


def test_directions_are_per_entry() -> None:
    rows = compare_table(table([1.1, 1.1], 0.01, 4, 0), better={"entry1": "lower"})
    assert [row.verdict_adjusted for row in rows.values()] == ["faster", "slower"]


def test_an_empty_table_is_empty() -> None:
    assert compare_table({}) == {}
