"""A rate of more operations per second than the device can do is refused, by the operations that were counted."""

from __future__ import annotations

import pytest

from cupel.report.launch import _peak_rate

PEAK = {"flop": 1e12, "byte": 1e11}


@pytest.mark.parametrize(
    ("done", "card", "rate"),
    [
        ({"peak": PEAK, "flop_per_item": 1e9}, {}, 1e3),
        ({"peak": PEAK, "flop_per_item": 1e9}, {"bound": "byte", "per_item": 1e9}, 100.0),
        ({"peak": PEAK, "flop_per_item": None}, {}, None),
        ({"peak": {"flop": None}, "flop_per_item": 1e9}, {}, None),
        ({}, {"bound": "flop"}, None),
    ],
)
def test_the_bound_is_the_cards_own_or_that_of_counted_operations(done, card, rate):
    assert _peak_rate(done, card) == rate
