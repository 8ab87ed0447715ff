"""Click logs have the shapes and the skew that they say."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the data are made by torch")

from cupel.tasks.data.click_logs import CLICK_FRAC, CRITEO_KAGGLE_ROWS, NUM_DENSE, SPREAD, click_batch, table_rows


def make(rows: list[int], batch: int = 4000, hots: int = 2):
    generator = torch.Generator().manual_seed(0)
    return click_batch(batch=batch, rows=rows, hots=hots, exponent=1.05, generator=generator)


def test_the_log_has_26_tables_of_33_8_million_rows():
    assert len(CRITEO_KAGGLE_ROWS) == 26
    assert sum(CRITEO_KAGGLE_ROWS) == 33_762_577
    assert max(table_rows(1000)) == 1000
    assert min(table_rows(1000)) == 3


def test_shapes_and_ranges():
    rows = table_rows(5000)
    batch = make(rows)
    assert batch.dense_BD.shape == (4000, NUM_DENSE)
    assert batch.indices_FBH.shape == (26, 4000, 2)
    assert batch.dense_BD.min() >= 0
    assert batch.dense_BD.isfinite().all()
    for indices, num in zip(batch.indices_FBH, rows, strict=True):
        assert 0 <= indices.min() <= indices.max() < num
    assert set(batch.clicked_B.unique().tolist()) == {0.0, 1.0}
    assert float(batch.clicked_B.mean()) == pytest.approx(CLICK_FRAC, abs=0.03)


def test_a_few_rows_get_most_lookups_and_lie_apart():
    (indices,) = make([5000], hots=20).indices_FBH
    counts = indices.flatten().bincount(minlength=5000)
    common = counts.argsort(descending=True)[:50]
    assert counts[common].sum() > 0.4 * counts.sum()
    assert common.float().std() > 0.2 * 5000


def test_scattering_is_one_to_one():
    for num in (3, 4, 1460, 142_572):
        assert len((torch.arange(num) * SPREAD % num).unique()) == num
    assert max(CRITEO_KAGGLE_ROWS) < SPREAD
