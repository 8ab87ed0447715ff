"""What a machine does by itself is not attributed to an entry."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cupel.stats.compare_rates import compare_rates
from cupel.stats.session_shift import session_shift
from cupel.stats.side import Side


def test_one_disturbed_launch_is_no_shift():
    assert session_shift([1.0, 1.0, 1.0], [1.0, 1.0, 9.0]) == 0.0
    assert session_shift([], [1.0]) is None


def test_a_shift_widens_the_interval_and_leaves_the_ratio():
    a, b = [100.0, 101.0, 99.0, 100.5], [97.0, 98.0, 96.5, 97.4]
    plain, shifted = compare_rates(a, b), compare_rates(a, Side(b, shift_log=0.03))
    assert shifted.ratio == plain.ratio
    assert plain.verdict == "slower"
    assert shifted.verdict == "undecided"
    assert plain.interval is not None
    assert shifted.interval is not None
    assert shifted.interval.low < plain.interval.low


def test_no_false_alarm_where_all_entries_move_with_the_machine():
    rng = np.random.default_rng(8)
    false = {True: 0, False: 0}
    draws = 2000
    for _ in range(draws):
        shift = rng.normal(0, 0.02)
        a, b = (np.exp(rng.normal(m, 0.006, 7)) * 100 for m in (0.0, -shift))
        for is_known in false:
            row = compare_rates(a, Side(b, shift_log=shift if is_known else 0.0))
            false[is_known] += row.verdict in ("faster", "slower")
    assert false[False] / draws > 0.3, "without the sentinel most shifts look like differences"
    assert false[True] / draws < 0.05 + 2 * math.sqrt(0.05 * 0.95 / draws)


def test_a_planted_difference_is_found_all_the_same():
    rng = np.random.default_rng(9)
    found = 0
    for _ in range(300):
        shift = rng.normal(0, 0.01)
        a, b = (np.exp(rng.normal(m, 0.015, 7)) * 100 for m in (0.0, -shift - math.log(1.1)))
        found += compare_rates(a, Side(b, shift_log=shift)).verdict == "slower"
    assert found / 300 > 0.9


def test_times_must_be_above_zero():
    with pytest.raises(ValueError, match="null_a_s"):
        session_shift([0.0], [1.0])
