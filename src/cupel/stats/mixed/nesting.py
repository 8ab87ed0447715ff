"""Whether one mixed model is a special case of another, and by how many parameters of which kind they differ.

Random terms are compared by their names, and where these do not tell by what they are: a term is a special case of
another one over the same groups whose effects give its own (`1` of `0 + method`, where all are alike), and `(1 | task)
+ (1 | task:method)` is `(method | task)` with one variance and one correlation for all methods.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.checked import Floats
from cupel.stats.frame import Codes
from cupel.stats.mixed.model import RESIDUAL, MixedModel, need_fit
from cupel.stats.mixed.random_terms import RandomTerm

SPANNED = 1e-8


@dataclass(frozen=True)
class Difference:
    """What the large model has beyond the small one.

    Attributes:
        num_fixed: fixed effects.
        num_variances: variances of random effects that the small model says are 0: directions without variance.
        num_covariances: further parameters of the covariances of random effects.
    """

    num_fixed: int
    num_variances: int
    num_covariances: int

    @property
    def num_parameters(self) -> int:
        """In all."""
        return self.num_fixed + self.num_variances + self.num_covariances


def nested_difference(small: MixedModel, large: MixedModel) -> Difference:
    """What `large` has beyond `small`.

    Raises:
        UsageError: one is no fit, they were fitted to different rows, or `small` is no special case of `large`.
    """
    need_fit(small)
    need_fit(large)
    if small.n != large.n or not np.allclose(small.response, large.response, rtol=1e-12, atol=0.0):
        raise UsageError(
            f"The models were fitted to different data ({small.n} rows of {small.data.formula.response}, {large.n} of "
            f"{large.data.formula.response}); expected the same rows and response. Fit both to the rows that have "
            "values in all of their columns."
        )
    q = large.data.q
    rest = small.data.q - q @ (q.T @ small.data.q)
    if np.linalg.norm(rest) > SPANNED * max(1.0, np.sqrt(small.data.q.shape[1])):
        _refuse(small, large, "the smaller has fixed effects that the larger lacks")
    num_fixed = len(large.data.kept) - len(small.data.kept)
    mine, theirs = _parameters(small), _parameters(large)
    if mine <= theirs:
        added = theirs - mine
        variances = sum(not other for _, _, other in added)
        return Difference(num_fixed, variances, len(added) - variances)
    empty = _directions_without_variance(small.data.terms, large.data.terms)
    if empty is None or len(theirs) < len(mine):
        extra = ", ".join(sorted(" ".join(part for part in key if part) for key in mine - theirs))
        _refuse(small, large, f"the smaller has the random terms {extra}, which the larger lacks")
    return Difference(num_fixed, empty, len(theirs) - len(mine) - empty)


def _parameters(model: MixedModel) -> set[tuple[str, str, str]]:
    """Group, effect and other effect of every variance and covariance; groupings by their parts, in any order."""
    found = set()
    for row in model.variance_components.rows:
        if row.group != RESIDUAL:
            group = ":".join(sorted(row.group.split(":")))
            pair = sorted((row.name, row.other)) if row.other else [row.name, ""]
            found.add((group, pair[0], pair[1]))
    return found


def _directions_without_variance(small: Sequence[RandomTerm], large: Sequence[RandomTerm]) -> int | None:
    """Directions of the large model's effects to which the small one gives no variance; None where it is not nested."""
    used: list[list[Floats]] = [[] for _ in large]
    for term in small:
        found = ((k, within) for k, other in enumerate(large) if (within := _within(term, other)) is not None)
        place, directions = min(found, key=lambda pair: large[pair[0]].k, default=(-1, np.zeros(0)))
        if place < 0:
            return None
        used[place].append(directions)
    ranks = [int(np.linalg.matrix_rank(np.concatenate(parts, axis=1))) if parts else 0 for parts in used]
    return sum(term.k - rank for term, rank in zip(large, ranks, strict=True))


def _within(small: RandomTerm, large: RandomTerm) -> Floats | None:
    """(K, k) directions of the large term's K effects that are the small term; None where it is no special case."""
    own, columns = _columns(small), _columns(large)
    if _is_same_partition(small.codes, large.codes):
        found = np.asarray(np.linalg.lstsq(columns, own)[0], dtype=np.float64)
        return found if np.allclose(columns @ found, own, rtol=0, atol=SPANNED) else None
    patterns, kind = np.unique(columns.round(12), axis=0, return_inverse=True)
    crossed = large.codes * len(patterns) + kind.ravel()
    is_own_level = small.z is None and _is_same_partition(small.codes, np.unique(crossed, return_inverse=True)[1])
    if not is_own_level or np.linalg.matrix_rank(patterns) < len(patterns):
        return None
    return np.asarray(np.linalg.pinv(patterns))


def _columns(term: RandomTerm) -> Floats:
    """(n, k) the columns of a term."""
    return np.ones((term.codes.size, 1)) if term.z is None else term.z


def _is_same_partition(a: Codes, b: Codes) -> bool:
    """Whether two groupings put the same rows together."""
    pairs = np.unique(a * (int(b.max()) + 1) + b).size
    return bool(pairs == np.unique(a).size == np.unique(b).size)


def _refuse(small: MixedModel, large: MixedModel, why: str) -> NoReturn:
    raise UsageError(
        f"'{small.data.formula.text}' is not a special case of '{large.data.formula.text}': {why}. "
        "A likelihood-ratio test needs nested models; add what is missing to the larger one."
    )
