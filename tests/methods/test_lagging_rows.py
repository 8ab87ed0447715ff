"""Rows that lag behind become what they would have become at once."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="these methods need torch")

from cupel.methods.lagging_rows import MOST_COLUMNS, LaggingRows

WIDTH = MOST_COLUMNS + 8


def normal(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def directions(num, seed):
    return torch.linalg.qr(normal(WIDTH, num, seed=seed))[0]


@pytest.mark.parametrize("at_once", [1, 5, MOST_COLUMNS, MOST_COLUMNS + 3])
def test_reads_writes_and_products_in_any_order_agree_with_a_plain_matrix(at_once):
    plain = normal(50, WIDTH, seed=0)
    rows = LaggingRows(plain, torch.float64)
    for turn in range(20):
        some = directions(at_once, turn)
        factors = torch.rand(at_once, generator=torch.Generator().manual_seed(turn), dtype=torch.float64) * 2.0
        plain = plain + (plain @ some) @ ((factors - 1.0)[:, None] * some.T)
        rows.stretch(some, factors)
        index = torch.randint(10, (6,), generator=torch.Generator().manual_seed(turn))  # rows from 10 on: read at last
        read = rows.read(index)
        torch.testing.assert_close(read, plain[index], rtol=1e-10, atol=1e-12)
        change = normal(6, WIDTH, seed=turn) / 10.0
        plain = plain.index_add(0, index, change)
        rows.add(index, change, read if turn % 2 else None)
    everything = rows.read(torch.arange(50))
    torch.testing.assert_close(everything, plain, rtol=1e-9, atol=1e-11)
    rows.catch_up()
    torch.testing.assert_close(rows.rows, everything)
    assert rows.num_columns == 0


def test_a_factor_of_zero_takes_a_direction_out_for_good():
    rows = LaggingRows(normal(4, WIDTH, seed=1), torch.float64)
    out = directions(1, 0)
    rows.stretch(out, torch.zeros(1, dtype=torch.float64))
    rows.stretch(out, torch.full((1,), 1e6, dtype=torch.float64))
    assert float((rows.read(torch.arange(4)) @ out).abs().max()) < 1e-9


def test_what_is_written_since_is_not_stretched_again():
    rows = LaggingRows(torch.zeros(3, WIDTH, dtype=torch.float64), torch.float64)
    along = directions(1, 3)
    rows.stretch(along, torch.tensor([5.0], dtype=torch.float64))
    rows.add(torch.tensor([1]), along.T)
    torch.testing.assert_close(rows.read(torch.tensor([1])), along.T)
    rows.catch_up()
    torch.testing.assert_close(rows.rows[1:2], along.T)


def test_the_rows_that_were_given_are_not_written_to():
    given = torch.zeros(3, WIDTH)
    LaggingRows(given, torch.float64).add(torch.tensor([0, 0]), torch.ones(2, WIDTH))
    assert float(given.abs().max()) == 0.0
