"""How much of the variance a mixed model explains: by its fixed part, and together with its groups.

Formula
    marginal     var(X beta) / total
    conditional  (var(X beta) + variance of the random effects) / total
    total        var(X beta) + random + residual variance
The variance of random slopes is averaged over the rows, mean of z' S z. The
intraclass correlation is random / (random + residual); the share of each
source is its variance over the total.

Source: Nakagawa & Schielzeth (2013), Methods in Ecology and Evolution 4,
133-142; Johnson (2014), the same 5, 944-946 (random slopes).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cupel.stats.frame import frame_of
from cupel.stats.mixed.model import RESIDUAL, MixedModel, need_fit
from cupel.stats.note import Note


@dataclass(frozen=True)
class RSquared:
    """Shares of variance.

    Attributes:
        marginal: explained by the fixed part, 0 to 1.
        conditional: explained by fixed part and groups, 0 to 1.
        icc: intraclass correlation, 0 to 1.
        variances: source (`fixed`, each grouping, `Residual`) to variance, in squared units of the response.
        n: rows of the fit.
        method: in words.
        scope: what is spoken of.
        warnings: of the model.
    """

    marginal: float
    conditional: float
    icc: float
    variances: dict[str, float]
    n: int
    method: str
    scope: str
    warnings: tuple[Note, ...]

    @property
    def shares(self) -> dict[str, float]:
        """Source to share of the total, 0 to 1."""
        total = sum(self.variances.values())
        return {name: value / total for name, value in self.variances.items()}

    def to_frame(self) -> Any:
        """One row per source."""
        sources = list(self.variances)
        return frame_of(
            {"source": sources, "variance": list(self.variances.values()), "share": list(self.shares.values())}
        )

    def text(self) -> str:
        """In one line."""
        return f"R2 {self.marginal:.3f} by the fixed part, {self.conditional:.3f} with the groups; ICC {self.icc:.3f}"


def r_squared(model: MixedModel) -> RSquared:
    """Shares of variance of a fit.

    Args:
        model: a fit.

    Returns:
        Marginal and conditional R2, intraclass correlation, variance by source.

    Source: Nakagawa & Schielzeth (2013); Johnson (2014).
    """
    need_fit(model)
    fixed = float(np.var(model.fixed_fit, ddof=1))
    variances, random = {"fixed": fixed}, 0.0
    for term, covariance in zip(model.data.terms, model.random_covariances, strict=True):
        if term.z is None:
            value = float(covariance[0, 0])
        else:
            z = term.z * term.scale
            value = float(np.einsum("nj,jk,nk->n", z, covariance, z, optimize=True).mean())
        variances[term.group] = variances.get(term.group, 0.0) + value
        random += value
    variances[RESIDUAL] = model.sigma**2
    total = fixed + random + variances[RESIDUAL]
    return RSquared(
        marginal=fixed / total,
        conditional=(fixed + random) / total,
        icc=random / (random + variances[RESIDUAL]),
        variances=variances,
        n=model.n,
        method=f"Nakagawa and Schielzeth's R2, variances by {'REML' if model.reml else 'ML'}",
        scope=model.scope,
        warnings=model.warnings,
    )
