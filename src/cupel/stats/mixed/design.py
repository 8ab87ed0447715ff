"""The matrix of a formula's terms, with R's coding and R's names, for the rows of a frame or of a grid.

A factor is coded by treatment contrasts (an ordered one by polynomials) where the rest of its term stands in an
earlier term, and by an indicator of each level where it does not; without an intercept the first factor has an
indicator of each level. That is R's rule: `a + a:x` has a slope for each level of `a`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.checked import Floats
from cupel.stats.frame import Factor
from cupel.stats.mixed.formula import Side, Term
from cupel.stats.mixed.variables import Variable, polynomial_contrasts, polynomial_names

INTERCEPT = "(Intercept)"
TOLERANCE = 1e-7
"""Share of a column's length below which what earlier columns leave of it counts as nothing; R's own."""


@dataclass(frozen=True)
class Design:
    """How the terms of a side become columns.

    Attributes:
        side: the terms.
        factors: variable to its factor, of those that are factors (codes are those of the frame).
    """

    side: Side
    factors: Mapping[str, Factor]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, as R has them."""
        names = [INTERCEPT] if self.side.has_intercept else []
        for term, is_full in zip(self.side.terms, self._full(), strict=True):
            parts = [self._labels(v, is_full=v in is_full) for v in term]
            joined = [""]
            for labels in parts:
                joined = [f"{old}:{label}" if old else label for label in labels for old in joined]
            names += joined
        return tuple(names)

    @cached_property
    def term_of(self) -> tuple[int, ...]:
        """For each column the index of its term; -1 for the intercept."""
        found = [-1] if self.side.has_intercept else []
        for k, (term, is_full) in enumerate(zip(self.side.terms, self._full(), strict=True)):
            size = int(np.prod([len(self._labels(v, is_full=v in is_full)) for v in term]))
            found += [k] * size
        return tuple(found)

    def matrix(self, variables: Mapping[str, Variable], num_rows: int) -> Floats:
        """(rows, columns) the matrix for these values of the variables.

        Args:
            variables: variable to values; factors with the levels of the design.
            num_rows: rows; needed where there is only an intercept.
        """
        blocks = [np.ones((num_rows, 1))] if self.side.has_intercept else []
        for term, is_full in zip(self.side.terms, self._full(), strict=True):
            block = np.ones((num_rows, 1))
            for name in term:
                columns = self._coded(name, variables[name], is_full=name in is_full)
                block = (columns[:, :, None] * block[:, None, :]).reshape(num_rows, -1)
            blocks.append(block)
        return np.concatenate(blocks, axis=1) if blocks else np.empty((num_rows, 0))

    def _full(self) -> list[frozenset[str]]:
        """For each term its factors that have an indicator of each level."""
        found: list[frozenset[str]] = []
        needs_first = not self.side.has_intercept
        for k, term in enumerate(self.side.terms):
            earlier = [frozenset(t) for t in self.side.terms[:k]]
            is_full = {v for v in term if v in self.factors and not _has_margin(term, v, earlier)}
            first = next((v for v in term if v in self.factors), None)
            if needs_first and first is not None:
                is_full.add(first)
                needs_first = False
            found.append(frozenset(is_full))
        return found

    def _labels(self, name: str, *, is_full: bool) -> list[str]:
        factor = self.factors.get(name)
        if factor is None:
            return [name]
        if is_full:
            return [name + level for level in factor.levels]
        if factor.is_ordered:
            return [name + suffix for suffix in polynomial_names(len(factor.levels))]
        return [name + level for level in factor.levels[1:]]

    def _coded(self, name: str, values: Variable, *, is_full: bool) -> Floats:
        """(rows, columns of this variable)."""
        factor = self.factors.get(name)
        if factor is None or not isinstance(values, Factor):
            return np.asarray(values, dtype=np.float64)[:, None]
        size = len(factor.levels)
        if factor.is_ordered and not is_full:
            return np.asarray(polynomial_contrasts(size)[values.codes])
        first = 0 if is_full else 1
        return np.asarray(values.codes[:, None] == np.arange(first, size), dtype=np.float64)


def _has_margin(term: Term, name: str, earlier: Sequence[frozenset[str]]) -> bool:
    """Whether the term without a variable is part of an earlier term; nothing is part of everything."""
    rest = frozenset(term) - {name}
    return not rest or any(rest <= other for other in earlier)


def make_design(side: Side, variables: Mapping[str, Variable]) -> Design:
    """The design of a side.

    Args:
        side: its terms.
        variables: variable to values, of all that it names.

    Raises:
        UsageError: a factor has a single level, so that it explains nothing.
    """
    names = dict.fromkeys(name for term in side.terms for name in term)
    factors = {name: value for name in names if isinstance(value := variables[name], Factor)}
    for name, factor in factors.items():
        if len(factor.levels) < 2:
            raise UsageError(
                f"{name} has one level only, {factor.levels[0]!r}, in the rows that are complete; expected at least 2. "
                "Leave it out of the formula."
            )
    return Design(side, factors)


def independent_columns(x: Floats) -> tuple[list[int], Floats, Floats]:
    """The columns that earlier ones do not give, in order, with their QR factors.

    Args:
        x: (n, p) matrix.

    Returns:
        Index of the columns kept (the later of two equal ones goes, as in R), and Q (n, r) and R (r, r) of these.
    """
    q, r = np.linalg.qr(x)
    norms = np.linalg.norm(x, axis=0)
    size = np.abs(np.diag(r)) if r.size else np.zeros(0)
    if r.shape[0] == r.shape[1] and np.all(size > TOLERANCE * norms):
        return list(range(x.shape[1])), q, r
    kept: list[int] = []
    basis = np.empty((x.shape[0], 0))
    for k in range(x.shape[1]):
        rest = x[:, k] - basis @ (basis.T @ x[:, k])
        rest -= basis @ (basis.T @ rest)
        length = float(np.linalg.norm(rest))
        if length > TOLERANCE * norms[k] and len(kept) < x.shape[0]:
            kept.append(k)
            basis = np.column_stack([basis, rest / length])
    return kept, basis, basis.T @ x[:, kept]
