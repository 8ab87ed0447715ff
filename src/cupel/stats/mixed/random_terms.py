"""Random-effects terms as columns and codes: what stands left of each bar, and which level each row belongs to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.checked import Floats
from cupel.stats.frame import Codes, Factor, number_label
from cupel.stats.mixed.design import INTERCEPT, make_design
from cupel.stats.mixed.formula import Bar
from cupel.stats.mixed.variables import Variable


@dataclass(frozen=True)
class RandomTerm:
    """One bar of a formula on the rows of a frame.

    Attributes:
        group: name of the grouping, `task:method`.
        names: names of the k effects that each level has, `(Intercept)` first where there is one.
        codes: (n,) level of each row.
        num_levels: L.
        z: (n, k) the columns, each divided by its scale; None where there is only an intercept.
        scale: (k,) root mean square of each column, by which it was divided.
        parts: the factors that make up the grouping.
    """

    group: str
    names: tuple[str, ...]
    codes: Codes
    num_levels: int
    z: Floats | None
    scale: Floats
    parts: tuple[Factor, ...] = field(repr=False)

    @property
    def k(self) -> int:
        """Effects per level."""
        return len(self.names)

    @property
    def num_effects(self) -> int:
        """Random effects in all."""
        return self.k * self.num_levels

    @property
    def num_theta(self) -> int:
        """Parameters of the relative covariance factor."""
        return self.k * (self.k + 1) // 2

    @cached_property
    def levels(self) -> tuple[str, ...]:
        """(L,) labels of the levels, those of the parts joined by `:`."""
        first = np.zeros(self.num_levels, dtype=np.intp)
        first[self.codes[::-1]] = np.arange(self.codes.size)[::-1]
        columns = [[part.levels[code] for code in part.codes[first]] for part in self.parts]
        return tuple(":".join(labels) for labels in zip(*columns, strict=True))

    def column(self, j: int) -> Floats | None:
        """(n,) column j; None for ones."""
        return None if self.z is None else self.z[:, j]


def make_terms(bars: Sequence[Bar], variables: Mapping[str, Variable], n: int) -> tuple[RandomTerm, ...]:
    """The random terms of a formula.

    Args:
        bars: as read.
        variables: variable to values, of the complete rows.
        n: rows.

    Raises:
        UsageError: a grouping has one level, or as many effects as rows, so that its variance cannot be told from the
            residual's; two bars are the same.
    """
    terms = [_term(bar, variables, n) for bar in bars]
    names = [(":".join(sorted(bar.group)), name) for bar, term in zip(bars, terms, strict=True) for name in term.names]
    twice = next((pair for pair in names if names.count(pair) > 1), None)
    if twice:
        raise UsageError(
            f"The effect {twice[1]} of {twice[0]} stands in two bars; expected each effect in one bar only."
        )
    return tuple(terms)


def _term(bar: Bar, variables: Mapping[str, Variable], n: int) -> RandomTerm:
    parts = tuple(_as_factor(variables[name]) for name in bar.group)
    codes, num_levels = joint_codes(parts)
    group = ":".join(bar.group)
    design = make_design(bar.left, variables)
    k = len(design.names)
    if num_levels < 2:
        raise UsageError(
            f"(... | {group}) has one level only; expected at least 2 to speak of a variance between them."
        )
    if k * num_levels >= n:
        raise UsageError(
            f"({' + '.join(design.names)} | {group}) has {k * num_levels} random effects for {n} rows: they cannot be "
            "told from the residual. Leave the term out, or take more rows per level (repeated runs)."
        )
    if design.names == (INTERCEPT,):
        return RandomTerm(group, design.names, codes, num_levels, None, np.ones(1), parts)
    z = design.matrix(variables, n)
    scale = np.sqrt(np.mean(z**2, axis=0))
    scale[scale == 0] = 1.0
    return RandomTerm(group, design.names, codes, num_levels, z / scale, scale, parts)


def _as_factor(variable: Variable) -> Factor:
    """Grouping by a column of numbers takes each number as a level."""
    if isinstance(variable, Factor):
        return variable
    levels, codes = np.unique(variable, return_inverse=True)
    return Factor(codes, tuple(number_label(x) for x in levels.tolist()))


def joint_codes(parts: Sequence[Factor]) -> tuple[Codes, int]:
    """Codes of the combinations that occur, and how many there are."""
    codes, size = parts[0].codes, len(parts[0].levels)
    for part in parts[1:]:
        codes, size = codes * len(part.levels) + part.codes, size * len(part.levels)
        codes, size = _compact(codes, size)
    return _compact(codes, size)


def _compact(codes: Codes, size: int) -> tuple[Codes, int]:
    if size > 20 * codes.size + 1_000_000:
        levels, compact = np.unique(codes, return_inverse=True)
        return compact.astype(np.intp), int(levels.size)
    seen = np.zeros(size, dtype=bool)
    seen[codes] = True
    number = int(seen.sum())
    return (codes, size) if number == size else ((np.cumsum(seen) - 1)[codes], number)


@cache
def _lower(k: int) -> tuple[Codes, Codes]:
    """Columns and rows of the elements of a lower triangle, column by column."""
    columns, rows = np.triu_indices(k)
    return columns, rows


def unpack(theta: Floats, terms: Sequence[RandomTerm]) -> list[Floats]:
    """(k, k) lower-triangular factors, one per term, from their elements column by column."""
    factors = []
    at = 0
    for term in terms:
        factor = np.zeros((term.k, term.k))
        columns, rows = _lower(term.k)
        factor[rows, columns] = theta[at : at + term.num_theta]
        factors.append(factor)
        at += term.num_theta
    return factors


def pack(factors: Sequence[Floats]) -> Floats:
    """The elements of lower-triangular factors, column by column."""
    parts = []
    for factor in factors:
        columns, rows = _lower(len(factor))
        parts.append(factor[rows, columns])
    return np.concatenate(parts) if parts else np.zeros(0)


def theta_names(terms: Sequence[RandomTerm]) -> list[str]:
    """R's names of the elements: `Subject.(Intercept)`, `Subject.Days.(Intercept)`, `Subject.Days`."""
    names = []
    for term in terms:
        for column in range(term.k):
            for row in range(column, term.k):
                pair = term.names[row] if row == column else f"{term.names[row]}.{term.names[column]}"
                names.append(f"{term.group}.{pair}")
    return names


def with_positive_diagonal(factor: Floats) -> Floats:
    """The same covariance with no negative element on the diagonal: the sign of a column means nothing."""
    signs = np.where(np.diag(factor) < 0, -1.0, 1.0)
    return factor * signs


def log_determinant(factor: Floats) -> float:
    """Log of the product of the diagonal's sizes; minus infinity for a singular factor."""
    size = np.abs(np.diag(factor))
    return float(np.log(size).sum()) if np.all(size > 0) else -math.inf
