"""A rate of more operations per second than the device can do is refused, by the operations that were counted."""

from __future__ import annotations

import pytest

from cupel.ledger.records import RecordWriter
from cupel.report.launch import _peak_rate

PEAK = {"flop": 1e12, "byte": 1e11}


@pytest.mark.parametrize(
    ("done", "flop", "card", "rate"),
    [
        ({"peak": PEAK}, 1e9, {}, 1e3),
        ({"peak": PEAK}, 1e9, {"bound": "byte", "per_item": 1e9}, 100.0),
        ({"peak": PEAK}, None, {}, None),
        ({"peak": {"flop": None}}, 1e9, {}, None),
        ({}, None, {"bound": "flop"}, None),
    ],
)
def test_the_bound_is_the_cards_own_or_that_of_counted_operations(done, flop, card, rate):
    assert _peak_rate(done, card, flop) == rate


@pytest.mark.parametrize("place", ["count", "result"])
def test_what_the_first_launch_counted_bounds_every_launch(book_of, tmp_path, place):
    """Runs of earlier versions have the count in the result."""
    book = book_of(tmp_path)
    for index in range(3):
        book.launch("a", index, [0.01] * 60, peak=PEAK)
    first = next(job for job in book.folder.jobs() if job.job.launch == 0)
    writer = RecordWriter(first.rank_path / "events.jsonl")
    writer.write(place, flop_per_item=1e11, peak=PEAK)
    writer.close()
    (entry,) = book.document()["entries"]
    assert entry["flop_per_item"] == 1e11
    assert entry["untrusted"] == "impossible rate"
    (warning,) = [w for w in entry["warnings"] if w["code"] == "impossible rate"]
    assert warning["text"].startswith("in 3 of 3 launches")
