"""Ranks joined to one launch: nothing is counted twice, and nothing in time that was not shared."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupel.ledger.merge_ranks import merge_in_time, merge_together
from cupel.ledger.steps import Steps, steps_of


def steps(seconds, items=1.0, last_step=None, loss=None) -> Steps:
    ends = [sum(seconds[: k + 1]) for k in range(len(seconds))]
    many = items if isinstance(items, list) else [items] * len(seconds)
    last = list(range(len(seconds))) if last_step is None else last_step
    return Steps(list(seconds), many, ends, [loss] * len(ends), {"tokens": [10 * n for n in many]}, last)


def test_a_shared_step_ends_with_its_last_rank():
    merged = merge_together([steps([1.0, 1.0, 1.0], 4, loss=0.5), steps([1.5, 0.5, 1.2], 6)])
    assert merged.items == [10, 10, 10]
    assert merged.end_s == pytest.approx([1.5, 2.0, 3.2])
    assert merged.seconds == pytest.approx([1.5, 0.5, 1.2])
    assert merged.also == {"tokens": [100, 100, 100]}
    assert merged.losses == [0.5] * 3


def test_items_that_all_ranks_do_together_count_once():
    merged = merge_together([steps([1.0, 1.0, 1.0], 4), steps([1.5, 0.5, 1.2], 4)], counts_once=True)
    assert merged.items == [4, 4, 4]
    assert merged.also == {"tokens": [40, 40, 40]}
    assert merged.end_s == pytest.approx([1.5, 2.0, 3.2])


def test_groups_of_fast_steps_are_joined_where_all_of_them_end():
    one = steps([1.0, 1.0, 1.0], [2, 2, 2], last_step=[1, 3, 5])
    other = steps([1.5, 0.5, 1.1], [3, 1, 2], last_step=[2, 3, 5])
    merged = merge_together([one, other])
    assert merged.last_step == [3, 5]
    assert merged.items == [8, 4]
    assert merged.end_s == pytest.approx([2.0, 3.1])


def test_a_rank_that_was_cut_short_ends_the_launch():
    assert merge_together([steps([1.0] * 5), steps([1.0] * 3)]).items == [2.0] * 3
    assert merge_together([steps([1.0] * 5), steps([])]).items == []
    assert merge_in_time([steps([1.0] * 5), steps([])]).items == []


def test_ranks_by_themselves_are_joined_in_time():
    merged = merge_in_time([steps([2.0, 2.0, 2.0], 1), steps([1.0] * 5, 1)])
    assert merged.seconds == [2.0, 2.0]  # the other rank ended at 5 s, within the third
    assert merged.items == [3.0, 3.0]
    assert merged.also == {"tokens": [30.0, 30.0]}
    within = merge_in_time([steps([2.0, 2.0], 1), steps([3.0, 3.0, 3.0], 3)])
    assert within.items == pytest.approx([1 + 2, 1 + 2])  # three in 3 s, in proportion


@given(st.lists(st.lists(st.floats(0.01, 3.0), min_size=2, max_size=30), min_size=2, max_size=4))
def test_what_is_joined_in_time_is_the_sum_of_rates_where_they_are_steady(ranks):
    rates = [1.0 + k for k in range(len(ranks))]
    joined = merge_in_time([steps(s, [r * x for x in s]) for r, s in zip(rates, ranks, strict=True)])
    for seconds, items in zip(joined.seconds, joined.items, strict=True):
        assert items == pytest.approx(sum(rates) * seconds, abs=1e-9)


def test_steps_are_read_from_records():
    records = [
        {"kind": "step", "i": 0, "s": 1.0, "n": 2, "end_s": 1.0, "loss": 3.0},
        {"kind": "phase", "phase": "finishing"},
        {"kind": "step", "i": 1, "s": 1.0, "n": 2},
    ]
    assert steps_of(records).losses == [3.0]
