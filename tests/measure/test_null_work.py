"""The sentinel on a clock that the test turns."""

from __future__ import annotations

import itertools

import pytest

from cupel.measure.null_work import BATCH, null_seconds


def test_it_is_the_median_of_its_batches():
    steps = itertools.chain([0, 0, 4_000_000, 4_000_000, 40_000_000, 4_000_000], itertools.repeat(100_000_000))
    now = itertools.accumulate(steps)
    assert null_seconds(0.05, lambda: next(now)) == pytest.approx(0.004 / BATCH)


def test_one_batch_is_done_whatever_the_time():
    assert null_seconds(0.0) > 0
