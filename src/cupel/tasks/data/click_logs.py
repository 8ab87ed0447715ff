"""Batches like a log of clicks on advertisements: dense features, indices into 26 tables, clicked or not.

Shapes: B samples, D dense features, F tables (sparse features), H indices of one sample in one table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from cupel.tasks.data.power_law import power_law_indices

# fmt: off
CRITEO_KAGGLE_ROWS = (
    1460, 583, 10131227, 2202608, 305, 24, 12517, 633, 3, 93145, 5683, 8351593, 3194, 27, 14992, 5461306, 10, 5652,
    2173, 4, 7046547, 18, 15, 286181, 105, 142572,
)
# fmt: on
"""Distinct values of the 26 categorical features of the Criteo Kaggle log: the rows of its embedding tables."""
NUM_DENSE = 13
"""Numerical features of that log."""
CLICK_FRAC = 0.256
"""Share of clicks in that log."""
SPREAD = 2654435761
"""A prime above every table's size: multiplying by it scatters the common rows over a table, as hashing does."""


class ClickBatch(NamedTuple):
    """A batch: dense (B, D) float32, indices (F, B, H) int64, clicked (B) float32 of 0 and 1."""

    dense_BD: Tensor
    indices_FBH: Tensor
    clicked_B: Tensor


def table_rows(max_rows: int) -> list[int]:
    """Rows of each of the 26 tables, cut to `max_rows`; larger indices would be folded back by a modulus."""
    return [min(rows, max_rows) for rows in CRITEO_KAGGLE_ROWS]


def click_batch(
    *, batch: int, rows: Sequence[int], hots: int, exponent: float, generator: torch.Generator
) -> ClickBatch:
    """Draw a batch; dense features are log(1 + x) of log-normal counts x, as the usual preprocessing leaves them.

    Clicks are independent of the features.

    Args:
        batch: number of samples.
        rows: rows of each table.
        hots: indices that a sample looks up in each table.
        exponent: of the power law by which rows are drawn; real logs are skewed, and the skew decides how well caches
            work.
        generator: the random generator; the batch is on its device.
    """
    device = generator.device
    dense_BD = torch.randn(batch, NUM_DENSE, generator=generator, device=device).mul(1.5).exp().log1p()
    indices_FBH = torch.stack(
        [
            power_law_indices((batch, hots), num_values=num, exponent=exponent, generator=generator) * SPREAD % num
            for num in rows
        ]
    )
    clicked_B = (torch.rand(batch, generator=generator, device=device) < CLICK_FRAC).float()
    return ClickBatch(dense_BD, indices_FBH, clicked_B)
