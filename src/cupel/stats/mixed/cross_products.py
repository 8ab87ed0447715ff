"""All that the likelihood needs of the data: sums of products of random columns, fixed columns and response.

The random effects are split in two. *Inner* effects fall into many small
groups that no row connects (the seeds of a task, the students); they are
eliminated group by group. *Border* effects are the rest; what is left of
them after the elimination is one dense matrix. The largest term is always
inner; further terms join it where the border would be large and the groups
stay small, so that their cubes cost less than the border's. After this no
step depends on the number of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.checked import Floats
from cupel.stats.frame import Codes
from cupel.stats.mixed.random_terms import RandomTerm

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMALL_BORDER = 16
BORDER_COST = 0.4
"""What the cube of a border costs, against the sum of cubes of groups: fewer steps, and better ones for the machine."""
LARGEST_GROUP = 128
LARGEST_INNER = 30_000_000
LARGEST_BORDER = 12_000
DENSE_COUPLING = 400_000


@dataclass(frozen=True)
class Place:
    """Where the effects of a term stand.

    Attributes:
        is_inner: whether they are eliminated group by group.
        group: (L,) inner: group of each level; border: zeros.
        slot: (L,) inner: first slot of each level in its group; border: first position in the border.
    """

    is_inner: bool
    group: Codes
    slot: Codes


@dataclass(frozen=True)
class CrossProducts:
    """Sums over rows. N groups of at most m inner effects, B border effects, r = p + 1 columns of fixed and response.

    Attributes:
        terms: the random terms.
        places: where the effects of each stand.
        inner: (N, m, m) inner with inner.
        inner_fixed: (N, m, r) inner with fixed and response.
        coupling: inner with border: (N * m, B), dense, or sparse by rows where that is cheaper.
        border: (B, B).
        border_fixed: (B, r).
        fixed: (r, r) fixed and response with themselves; the response last.
        n: rows.
    """

    terms: tuple[RandomTerm, ...]
    places: tuple[Place, ...]
    inner: Floats
    inner_fixed: Floats
    coupling: Any
    border: Floats
    border_fixed: Floats
    fixed: Floats
    n: int

    @property
    def num_fixed(self) -> int:
        """p, columns of the fixed part."""
        return int(self.fixed.shape[0]) - 1


def cross_products(terms: Sequence[RandomTerm], fixed: Floats) -> CrossProducts:
    """Sum the products.

    Args:
        terms: random terms; none for ordinary least squares.
        fixed: (n, p + 1) fixed columns, then the response.

    Raises:
        UsageError: the border is too large for memory.
    """
    places = _places(terms)
    num_groups, size = _shape(terms, places)
    num_border = sum(t.num_effects for t, place in zip(terms, places, strict=True) if not place.is_inner)
    if num_border > LARGEST_BORDER:
        raise UsageError(
            f"The model has {num_border} random effects that are crossed with each other; at most {LARGEST_BORDER} "
            "fit in memory here. Leave out the grouping with the most levels, or average its rows first."
        )
    inner = np.zeros((num_groups, size, size))
    inner_fixed = np.zeros((num_groups, size, fixed.shape[1]))
    border = np.zeros((num_border, num_border))
    border_fixed = np.zeros((num_border, fixed.shape[1]))
    entries = []
    for s, (one, here) in enumerate(zip(terms, places, strict=True)):
        _add_fixed((one, here), fixed, inner_fixed if here.is_inner else border_fixed)
        for other, there in list(zip(terms, places, strict=True))[s:]:
            if here.is_inner == there.is_inner:
                _add_square((one, here), (other, there), inner if here.is_inner else border)
            elif here.is_inner:
                entries += _coupled((one, here), (other, there), size)
            else:
                entries += _coupled((other, there), (one, here), size)
    return CrossProducts(
        terms=tuple(terms),
        places=tuple(places),
        inner=inner,
        inner_fixed=inner_fixed,
        coupling=_coupling(entries, (num_groups * size, num_border)),
        border=border,
        border_fixed=border_fixed,
        fixed=fixed.T @ fixed,
        n=int(fixed.shape[0]),
    )


def _places(terms: Sequence[RandomTerm]) -> list[Place]:
    """Choose the inner terms, and number all effects."""
    if not terms:
        return []
    order = sorted(range(len(terms)), key=lambda t: -terms[t].num_effects)
    inner = [order[0]]
    groups = _groups([terms[t] for t in inner])
    paid = terms[order[0]].num_levels * terms[order[0]].k ** 3
    for t in order[1:]:
        border = sum(terms[j].num_effects for j in order if j not in inner)
        if border <= SMALL_BORDER:
            break
        joined = [terms[j] for j in (*inner, t)]
        tried = _groups(joined)
        num_groups, largest = _extent(joined, tried)
        cost = num_groups * largest**3
        saved = BORDER_COST * (border**3 - (border - terms[t].num_effects) ** 3)
        if cost < paid + saved and largest <= LARGEST_GROUP and num_groups * largest**2 <= LARGEST_INNER:
            inner, groups, paid = [*inner, t], tried, cost
    places: list[Place] = [Place(False, np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.intp))] * len(terms)
    used = np.zeros(int(max(g.max() for g in groups)) + 1, dtype=np.intp)
    for t, group in zip(inner, groups, strict=True):
        slot, used = _slots(group, used, terms[t].k)
        places[t] = Place(True, group, slot)
    at = 0
    for t in order:
        if t not in inner:
            term = terms[t]
            places[t] = Place(False, np.zeros(term.num_levels, dtype=np.intp), at + term.k * np.arange(term.num_levels))
            at += term.num_effects
    return places


def _groups(terms: Sequence[RandomTerm]) -> list[Codes]:
    """For each term the group of each level: levels that some row connects are in one group."""
    if len(terms) == 1:
        return [np.arange(terms[0].num_levels)]
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    starts = np.concatenate([[0], np.cumsum([term.num_levels for term in terms])])
    size = int(starts[-1])
    pairs = [(terms[0].codes, terms[j].codes + starts[j]) for j in range(1, len(terms))]
    rows, columns = (np.concatenate(part) for part in zip(*pairs, strict=True))
    graph = coo_array((np.ones(rows.size, dtype=np.int8), (rows, columns)), shape=(size, size))
    labels = connected_components(graph, directed=False)[1].astype(np.intp)
    return [labels[starts[j] : starts[j + 1]] for j in range(len(terms))]


def _extent(terms: Sequence[RandomTerm], groups: Sequence[Codes]) -> tuple[int, int]:
    """Groups, and effects in the largest of them."""
    num_groups = int(max(group.max() for group in groups)) + 1
    size = sum(np.bincount(g, minlength=num_groups) * t.k for t, g in zip(terms, groups, strict=True))
    return num_groups, int(np.max(size))


def _slots(group: Codes, used: Codes, k: int) -> tuple[Codes, Codes]:
    """First slot of each level in its group, behind those that are used."""
    order = np.argsort(group, kind="stable")
    counts = np.bincount(group, minlength=used.size)
    rank = np.empty(group.size, dtype=np.intp)
    rank[order] = np.arange(group.size) - np.repeat(np.cumsum(counts) - counts, counts)
    return used[group] + k * rank, used + k * counts


def _shape(terms: Sequence[RandomTerm], places: Sequence[Place]) -> tuple[int, int]:
    """Groups, and slots in the largest of them."""
    inner = [(t, p) for t, p in zip(terms, places, strict=True) if p.is_inner]
    if not inner:
        return 0, 1
    return int(max(p.group.max() for _, p in inner)) + 1, int(max((p.slot + t.k).max() for t, p in inner))


def _weighted(codes: Codes, weights: Floats | None, size: int) -> Floats:
    return np.bincount(codes, weights=weights, minlength=size).astype(np.float64)


def _product(a: Floats | None, b: Floats | None) -> Floats | None:
    return b if a is None else a if b is None else a * b


def _add_fixed(one: tuple[RandomTerm, Place], fixed: Floats, out: Floats) -> None:
    """Products of a term's columns with the fixed columns and the response."""
    term, place = one
    for j in range(term.k):
        for c in range(fixed.shape[1]):
            weights = _product(term.column(j), fixed[:, c])
            sums = _weighted(term.codes, weights, term.num_levels)
            if place.is_inner:
                out[place.group, place.slot + j, c] = sums
            else:
                out[place.slot + j, c] = sums


def _pairs(one: RandomTerm, other: RandomTerm) -> tuple[Codes, Codes, Codes]:
    """Pairs of levels that some row connects, and for each row the index of its pair."""
    if one.codes is other.codes:
        return np.arange(one.num_levels), np.arange(one.num_levels), one.codes
    joint = one.codes * other.num_levels + other.codes
    size = one.num_levels * other.num_levels
    if size > 20 * joint.size + 1_000_000:
        found, index = np.unique(joint, return_inverse=True)
    else:
        seen = np.zeros(size, dtype=bool)
        seen[joint] = True
        found = np.flatnonzero(seen)
        index = (np.cumsum(seen) - 1)[joint]
    return found // other.num_levels, found % other.num_levels, index


def _add_square(one: tuple[RandomTerm, Place], other: tuple[RandomTerm, Place], out: Floats) -> None:
    """Products of two terms that are both inner, or both border; both triangles."""
    (s, here), (t, there) = one, other
    left, right, index = _pairs(s, t)
    for a in range(s.k):
        for b in range(t.k):
            sums = _weighted(index, _product(s.column(a), t.column(b)), left.size)
            i, j = here.slot[left] + a, there.slot[right] + b
            where = (here.group[left],) if here.is_inner else ()
            out[(*where, i, j)] = sums
            out[(*where, j, i)] = sums


def _coupled(
    inner: tuple[RandomTerm, Place], border: tuple[RandomTerm, Place], size: int
) -> list[tuple[Codes, Codes, Floats]]:
    """Entries (row, column, value) of inner with border."""
    (s, here), (t, there) = inner, border
    left, right, index = _pairs(s, t)
    rows = here.group[left] * size + here.slot[left]
    return [
        (rows + a, there.slot[right] + b, _weighted(index, _product(s.column(a), t.column(b)), left.size))
        for a in range(s.k)
        for b in range(t.k)
    ]


def _coupling(entries: Sequence[tuple[Codes, Codes, Floats]], shape: tuple[int, int]) -> Any:
    """One matrix of them: dense where it is small or full."""
    if shape[1] == 0:
        return np.zeros(shape)
    rows, columns, values = (np.concatenate(part) for part in zip(*entries, strict=True))
    if shape[0] * shape[1] <= max(DENSE_COUPLING, 4 * values.size):
        dense: NDArray[np.float64] = np.zeros(shape)
        dense[rows, columns] = values
        return dense
    from scipy.sparse import csr_array

    return csr_array((values, (rows, columns)), shape=shape)
