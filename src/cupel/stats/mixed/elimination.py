"""The inner random effects, eliminated group by group.

Notation, for one group: K products of its columns, L a root of their
relative covariance S = L L' (of the effects, in units of the residual
variance), C products with the border.
    M   = I + L' K L = R R'
    T   = R^-1 L'               takes a right-hand side half way to effects
    Psi = T' T = S (I + K S)^-1 takes it to effects
    F   = (I + K S)^-1          what is left of a right-hand side
    log|M|                      its share of the determinant
Psi itself is never formed where a group has several effects: where one term
is nested in another K is singular, Psi has entries of the size of S along
what K does not see, and sums with it lose as many digits as S is large.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from cupel.stats.checked import Floats
from cupel.stats.mixed.cross_products import CrossProducts

PAIR_COST = 30.0
"""How much dearer a product is in the sparse sum over pairs than in a dense matrix product."""


class InnerStructure:
    """What does not change with the parameters: where covariances go, which pairs of border effects a group joins."""

    def __init__(self, sums: CrossProducts) -> None:
        self.sums = sums
        self.num_groups, self.size = sums.inner.shape[:2]
        self.num_border = int(sums.border.shape[0])
        self.inner_terms = [t for t, place in enumerate(sums.places) if place.is_inner]
        self.is_scalar = self.size == 1
        self.is_one_term = len(self.inner_terms) == 1
        self.is_sparse = self.num_border > 0 and not isinstance(sums.coupling, np.ndarray)

    @cached_property
    def coupling_groups(self) -> Floats:
        """(N, m, B) coupling by group, dense."""
        dense = self.sums.coupling.toarray() if self.is_sparse else self.sums.coupling
        return np.asarray(dense).reshape(self.num_groups, self.size, self.num_border)

    @cached_property
    def pairs(self) -> Any:
        """(B * B, N) products of the couplings of each group, upper triangle; None where the dense product is cheaper.

        Only for one inner effect per group: the weight of a group is then one number.
        """
        if not (self.is_scalar and self.num_border):
            return None
        rows, columns, values = _by_rows(self.sums.coupling)
        per_row = np.bincount(rows, minlength=self.num_groups)
        num_pairs = int((per_row * (per_row + 1) // 2).sum())
        if num_pairs * PAIR_COST > self.num_groups * self.num_border**2:
            return None
        from scipy.sparse import csr_array

        first, second = _pairs_within(per_row)
        joint = columns[first].astype(np.int64) * self.num_border + columns[second]
        shape = (self.num_border**2, self.num_groups)
        return csr_array((values[first] * values[second], (joint, rows[first])), shape=shape)

    def root(self, factors: Sequence[Floats]) -> Floats:
        """(N, m, m) L, a root of the inner effects' covariance, or (1, m, m) where all groups have the same."""
        if self.is_one_term:
            return factors[self.inner_terms[0]][None]
        out = np.zeros((self.num_groups, self.size, self.size))
        for t in self.inner_terms:
            place, factor = self.sums.places[t], factors[t]
            for a in range(len(factor)):
                for b in range(a + 1):
                    out[place.group, place.slot + a, place.slot + b] = factor[a, b]
        return out


class Elimination:
    """The inner effects eliminated, at given parameters."""

    def __init__(self, structure: InnerStructure, factors: Sequence[Floats]) -> None:
        self.structure = structure
        inner = structure.sums.inner
        root = structure.root(factors)
        if structure.is_scalar:
            one_plus = 1.0 + inner * root**2
            self.half: Floats = np.asarray(root / np.sqrt(one_plus))
            self.left: Floats = 1.0 / one_plus
            self.log_determinant = float(np.log(one_plus).sum())
        else:
            turned = root.transpose(0, 2, 1)
            lower = np.linalg.cholesky(np.eye(structure.size) + turned @ inner @ root)
            self.half = np.asarray(np.linalg.solve(lower, np.broadcast_to(turned, lower.shape)))
            self.log_determinant = 2 * float(np.log(np.diagonal(lower, axis1=1, axis2=2)).sum())

    def to_half(self, right: Floats) -> Floats:
        """T times (N, m, c) right-hand sides."""
        return np.asarray(self.half * right if self.structure.is_scalar else self.half @ right)

    def to_effects(self, right: Floats) -> Floats:
        """Psi times (N, m, c) right-hand sides."""
        return self.from_half(self.to_half(right))

    def from_half(self, half: Floats) -> Floats:
        """T' times what T made of right-hand sides."""
        if self.structure.is_scalar:
            return np.asarray(self.half * half)
        return np.asarray(self.half.transpose(0, 2, 1) @ half)

    def border_matrix(self) -> Floats:
        """(B, B) what is left of the border's products."""
        structure = self.structure
        border = structure.sums.border
        if not structure.num_border:
            return border
        if structure.pairs is not None:
            upper = np.asarray(structure.pairs @ self.half[:, 0, 0] ** 2).reshape(border.shape)
            return np.asarray(border - upper - upper.T + np.diag(np.diag(upper)))
        half = self._half_coupling.reshape(-1, structure.num_border)
        return np.asarray(border - half.T @ half)

    @cached_property
    def _half_coupling(self) -> Floats:
        """(N, m, B) T C."""
        return self.to_half(self.structure.coupling_groups)

    def border_side(self, effects: Floats) -> Floats:
        """(B, c) right-hand sides of the border, less what inner effects (N, m, c) give of them."""
        sums = self.structure.sums
        flat = effects.reshape(-1, effects.shape[-1])
        return np.asarray(sums.border_fixed - sums.coupling.T @ flat)

    def inner_side(self, border_effects: Floats) -> Floats:
        """(N, m, c) right-hand sides of the inner effects, less what border effects (B, c) give of them."""
        sums = self.structure.sums
        given = np.asarray(sums.coupling @ border_effects)
        return np.asarray(sums.inner_fixed - given.reshape(sums.inner_fixed.shape))

    def precision_blocks(self, joint: Floats) -> Floats:
        """(N, m, m) Z' V^-1 Z of the inner effects, by group, in units of the residual precision.

        Args:
            joint: (B, B) what the border's covariance leaves: L S^-1 L'.
        """
        structure = self.structure
        inner = structure.sums.inner
        if structure.is_scalar:
            return self._precisions(joint)
        half = self.to_half(inner)
        alone = np.asarray(inner - half.transpose(0, 2, 1) @ half)
        if not structure.num_border:
            return alone
        left = structure.coupling_groups - half.transpose(0, 2, 1) @ self._half_coupling
        through = (left.reshape(-1, structure.num_border) @ joint).reshape(left.shape)
        return np.asarray(alone - through @ left.transpose(0, 2, 1))

    def _precisions(self, joint: Floats) -> Floats:
        """The same where each group has one effect."""
        structure = self.structure
        alone: Floats = self.left * structure.sums.inner
        if not structure.num_border:
            return alone
        if structure.pairs is not None:
            doubled = 2 * joint - np.diag(np.diag(joint))
            through = np.asarray(structure.pairs.T @ doubled.ravel())[:, None, None]
            return np.asarray(alone - self.left**2 * through)
        left = self.left * structure.coupling_groups
        through = (left.reshape(-1, structure.num_border) @ joint).reshape(left.shape)
        return np.asarray(alone - np.vecdot(through, left)[:, :, None])


def _by_rows(coupling: Any) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], Floats]:
    """Row, column and value of what is not zero, in the order of the rows."""
    if isinstance(coupling, np.ndarray):
        rows, columns = np.nonzero(coupling)
        return rows, columns, coupling[rows, columns]
    sorted_rows = coupling.copy()
    sorted_rows.sort_indices()
    rows = np.repeat(np.arange(sorted_rows.shape[0]), np.diff(sorted_rows.indptr))
    return rows, sorted_rows.indices, sorted_rows.data


def _pairs_within(per_row: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Index of both partners of all pairs (first <= second) of entries of the same row."""
    starts = np.cumsum(per_row) - per_row
    left = np.repeat(per_row, per_row) - (np.arange(per_row.sum()) - np.repeat(starts, per_row))
    first = np.repeat(np.arange(per_row.sum()), left)
    begin = np.cumsum(left) - left
    second = first + np.arange(first.size) - np.repeat(begin, left)
    return first, second
