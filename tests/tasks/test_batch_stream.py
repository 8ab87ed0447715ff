"""Batches are held where they are drawn, and new at each look where they come from files."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest

from cupel.run.slot import PlainSlot
from cupel.tasks.data.batch_stream import BatchStream, held_or_streamed, in_rotation

SIZES = SimpleNamespace(batches=3)


def take(num: int, **settings) -> list[int]:
    slot = PlainSlot(device="cpu", settings=settings, threads=1)
    batches = held_or_streamed(itertools.count(), SIZES, slot)
    return list(itertools.islice(in_rotation(batches), num))


@pytest.mark.parametrize("settings", [{}, {"data": "synthetic"}])
def test_drawn_batches_come_in_rotation(settings):
    assert take(7, **settings) == [0, 1, 2, 0, 1, 2, 0]


def test_batches_from_files_never_come_again():
    assert take(7, data="disk") == [0, 1, 2, 3, 4, 5, 6]


def test_a_list_holds_one_round():
    stream = BatchStream(itertools.count(), num_batches=3)
    assert list(stream) == [0, 1, 2]
    assert stream[1:] == [3, 4]
    assert stream[0] == 5
    with pytest.raises(IndexError, match="index 3 was asked of a round of 3"):
        stream[3]
