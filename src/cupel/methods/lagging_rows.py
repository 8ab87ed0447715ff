"""A tall matrix that is multiplied from the right as a whole, while the work is done only for rows that are read.

Row k of V (D x d) is stored as it was when it was last written. What all rows were multiplied with since then is
kept once, as I + L N with few columns, and applied to a row when it is read. So a change of all D rows costs O(d)
numbers, and a full pass over the rows is made only when the columns kept are full.

How it is kept: multiplying with T = I + P R in turn appends P to L, replaces N by N T, and appends R to N. A row
written when L had j columns must leave out the first j of them, and nothing else changes: v + ((v L) without the first
j) N is what it has become.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

PIECE_ROWS = 4096
"""Rows of one piece of a full pass."""
MOST_COLUMNS = 32
"""Columns of L at most."""


class LaggingRows(nn.Module):
    """Rows V (D, d) that are read and written by index, and multiplied from the right all together.

    Args:
        rows: V at the start; copied. Its dtype is what rows are stored in.
        dtype: what is computed and handed out in.
    """

    rows: Tensor
    left: Tensor
    right: Tensor
    skipped: Tensor
    order: Tensor

    def __init__(self, rows: Tensor, dtype: torch.dtype) -> None:
        super().__init__()
        num_rows, width = rows.shape
        most = min(MOST_COLUMNS, width)
        self.num_columns = 0
        self.register_buffer("rows", rows.detach().clone())
        self.register_buffer("left", rows.new_zeros(width, most, dtype=dtype))
        self.register_buffer("right", rows.new_zeros(most, width, dtype=dtype))
        self.register_buffer("skipped", torch.zeros(num_rows, dtype=torch.int32, device=rows.device))
        self.register_buffer("order", torch.arange(most, dtype=torch.int32, device=rows.device))

    def get_extra_state(self) -> int:
        """How many columns are in use, for a checkpoint."""
        return self.num_columns

    def set_extra_state(self, state: int) -> None:
        """Take over how many columns are in use."""
        self.num_columns = state

    def read(self, index: Tensor) -> Tensor:
        """Rows as they are now: index (n,), result (n, d). Cost: O(d) a row, times the columns kept."""
        rows = self.rows[index].to(self.left.dtype)
        if not self.num_columns:
            return rows
        parts = (rows @ self.left).mul_(self.order >= self.skipped[index][:, None])
        return rows.addmm_(parts, self.right)

    def add(self, index: Tensor, change: Tensor, present: Tensor | None = None) -> None:
        """Add to rows, a row that is named several times getting the sum.

        Args:
            index: which, (n,).
            change: what is added, (n, d).
            present: what `read` gave for this index, where nothing was changed since; read anew where None.
        """
        if self.num_columns:
            self.rows[index] = (self.read(index) if present is None else present).to(self.rows.dtype)
            self.skipped[index] = self.num_columns
        self.rows.index_add_(0, index, change.to(self.rows.dtype))

    def stretch(self, directions: Tensor, factors: Tensor) -> None:
        """Multiply every row's part along directions, orthonormal columns (d, b), with factors (b,)."""
        right = (factors - 1.0)[:, None] * directions.T
        num, most = len(factors), len(self.right)
        if num + self.num_columns > most:
            self.catch_up()
        if num > most:
            self._pass_over(directions, right)
            return
        new = slice(self.num_columns, self.num_columns + num)
        self.right.addmm_(self.right @ directions, right)
        self.left[:, new] = directions
        self.right[new] = right
        self.num_columns += num

    def catch_up(self) -> None:
        """Bring every row up to date in one pass, O(D d) times the columns kept."""
        if self.num_columns:
            self._pass_over(self.left, self.right)
            self.num_columns = 0
            for kept in (self.left, self.right, self.skipped):
                kept.zero_()

    def _pass_over(self, left: Tensor, right: Tensor) -> None:
        """Multiply all rows with I + left right, less the columns that each skips."""
        columns = torch.arange(len(right), device=left.device)
        for rows, skipped in zip(pieces_of(self.rows), pieces_of(self.skipped), strict=True):
            wide = rows.to(left.dtype)
            rows.copy_(wide + ((wide @ left) * (columns >= skipped[:, None])) @ right)


def pieces_of(tensor: Tensor) -> list[Tensor]:
    """Views of a tall tensor that are each small enough for a full pass to stay in a processor's cache."""
    return [tensor[first : first + PIECE_ROWS] for first in range(0, len(tensor), PIECE_ROWS)]
