"""Files come in random order, each once an epoch, shared out over ranks."""

from __future__ import annotations

import itertools

import pytest

torch = pytest.importorskip("torch", reason="batches are made by torch")

from cupel.tasks.data.endless_loader import Draw, EndlessBatches


def test_each_epoch_has_every_file_once_in_another_order():
    draws = list(itertools.chain.from_iterable(itertools.islice(EndlessBatches(10, batch=4, seed=3), 5)))
    epochs = [draws[:10], draws[10:]]
    assert [{draw.epoch for draw in epoch} for epoch in epochs] == [{0}, {1}]
    orders = [[draw.file_idx for draw in epoch] for epoch in epochs]
    assert [sorted(order) for order in orders] == [list(range(10))] * 2
    assert orders[0] != orders[1]


def test_ranks_share_an_epoch_without_overlap():
    batches = [next(iter(EndlessBatches(10, batch=5, seed=3, part=(rank, 2)))) for rank in range(2)]
    assert sorted(draw.file_idx for batch in batches for draw in batch) == list(range(10))


def test_what_is_random_of_a_file_differs_between_files_epochs_and_seeds():
    draws = [(Draw(1, 0), 0), (Draw(2, 0), 0), (Draw(1, 1), 0), (Draw(1, 0), 1)]
    numbers = [float(draw.rng(seed).random()) for draw, seed in draws]
    assert len(set(numbers)) == 4
    assert float(Draw(1, 0).rng(0).random()) == numbers[0]
