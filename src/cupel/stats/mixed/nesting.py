"""Whether one mixed model is a special case of another, and by how many parameters of which kind they differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.mixed.model import RESIDUAL, MixedModel

SPANNED = 1e-8


@dataclass(frozen=True)
class Difference:
    """What the large model has beyond the small one.

    Attributes:
        num_fixed: fixed effects.
        num_variances: variances of random effects.
        num_covariances: covariances of random effects.
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
        UsageError: they were fitted to different rows, or `small` is no special case of `large`.
    """
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
    mine, theirs = _parameters(small), _parameters(large)
    if not mine <= theirs:
        extra = ", ".join(sorted(" ".join(part for part in key if part) for key in mine - theirs))
        _refuse(small, large, f"the smaller has the random terms {extra}, which the larger lacks")
    added = theirs - mine
    variances = sum(not other for _, _, other in added)
    return Difference(len(large.data.kept) - len(small.data.kept), variances, len(added) - variances)


def _parameters(model: MixedModel) -> set[tuple[str, str, str]]:
    """Group, effect and other effect of every variance and covariance; groupings by their parts, in any order."""
    found = set()
    for row in model.variance_components.rows:
        if row.group != RESIDUAL:
            group = ":".join(sorted(row.group.split(":")))
            pair = sorted((row.name, row.other)) if row.other else [row.name, ""]
            found.add((group, pair[0], pair[1]))
    return found


def _refuse(small: MixedModel, large: MixedModel, why: str) -> None:
    raise UsageError(
        f"'{small.data.formula.text}' is not a special case of '{large.data.formula.text}': {why}. "
        "A likelihood-ratio test needs nested models; add what is missing to the larger one."
    )
