"""Does the larger of two nested models explain more than chance would?

Rule
    chi2 = 2 (log likelihood of the large - of the small). Models with
    different fixed parts are refitted by ML. Degrees of freedom count all
    parameters: fixed effects, variances and covariances.
    A variance cannot be negative, so under the small model its estimate is
    0 half of the time: for one added variance (with k covariances and q
    fixed effects) the law is an even mixture of chi2 with q + k and with
    q + k + 1 degrees of freedom. Plain chi2 would double the p-value. For m
    variances added at once without covariances binomial weights are taken
    (exact if they were independent); with covariances plain chi2 bounds the
    p-value from above. Both are said; `parametric_bootstrap` needs neither.

Source: Self & Liang (1987), JASA 82, 605-610; Stram & Lee (1994),
Biometrics 50, 1171-1177.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb
from typing import Any

import numpy as np

from cupel.stats.frame import frame_of
from cupel.stats.mixed.model import MixedModel
from cupel.stats.mixed.nesting import Difference, nested_difference
from cupel.stats.note import Note
from cupel.stats.student import p_words


@dataclass(frozen=True)
class LikelihoodRatioTest:
    """The test of a small model against a large one.

    Attributes:
        chi2: twice the difference of the log likelihoods, not below 0.
        df: parameters that the large model has beyond the small one.
        p: from the law named by `method`.
        p_chi2: from plain chi2 with `df` degrees of freedom, whatever the boundary.
        log_likelihoods: of the small and of the large model, by the criterion used.
        n: rows.
        method: in words.
        scope: what the test speaks of.
        warnings: what a reader must know.
    """

    chi2: float
    df: int
    p: float
    p_chi2: float
    log_likelihoods: tuple[float, float]
    n: int
    method: str
    scope: str
    warnings: tuple[Note, ...]

    def to_frame(self) -> Any:
        """One row."""
        names = ("chi2", "df", "p", "p_chi2", "n", "method")
        return frame_of({name: [getattr(self, name)] for name in names})

    def text(self) -> str:
        """The test in one line."""
        return f"chi2 = {self.chi2:.4g} on {self.df} degrees of freedom, {p_words(self.p)} ({self.method})"


def likelihood_ratio_test(small: MixedModel, large: MixedModel) -> LikelihoodRatioTest:
    """Compare two nested models.

    Args:
        small: a special case of `large`, fitted to the same rows.
        large: the other model.

    Returns:
        The test. Models that differ in nothing have chi2 0, df 0 and p 1.

    Raises:
        UsageError: the models are not nested, or were fitted to different rows.

    Source: Self & Liang (1987); Stram & Lee (1994).
    """
    difference = nested_difference(small, large)
    small, large = comparable(small, large, difference)
    chi2 = max(0.0, 2 * (large.log_likelihood - small.log_likelihood))
    weights, method, notes = _law(difference)
    plain = _tail(chi2, difference.num_parameters)
    p = sum(weight * _tail(chi2, df) for df, weight in weights.items())
    warnings = [*small.warnings, *(note for note in large.warnings if note.code != "singular fit"), *notes]
    kind = "REML" if large.reml else "ML"
    return LikelihoodRatioTest(
        chi2=chi2,
        df=difference.num_parameters,
        p=p,
        p_chi2=plain,
        log_likelihoods=(small.log_likelihood, large.log_likelihood),
        n=large.n,
        method=f"{kind}, {method}",
        scope=large.scope,
        warnings=tuple(dict.fromkeys(warnings)),
    )


def comparable(small: MixedModel, large: MixedModel, difference: Difference) -> tuple[MixedModel, MixedModel]:
    """Both by ML where their fixed parts differ or their criteria do; as they are otherwise."""
    if difference.num_fixed or small.reml != large.reml:
        return small.refit(reml=False), large.refit(reml=False)
    return small, large


def _law(difference: Difference) -> tuple[dict[int, float], str, list[Note]]:
    """Degrees of freedom with their weights, the law in words, and what is approximate about it."""
    m, fixed, covariances = difference.num_variances, difference.num_fixed, difference.num_covariances
    total = difference.num_parameters
    if m == 0:
        return {total: 1.0}, f"chi2({total})", []
    if m == 1:
        words = f"even mixture of chi2({total - 1}) and chi2({total}): a variance lies on its boundary"
        return {total - 1: 0.5, total: 0.5}, words, []
    if covariances == 0:
        weights = {fixed + k: comb(m, k) / 2**m for k in range(m + 1)}
        note = Note("boundary", f"{m} variances were added at once: binomial weights of the mixture are approximate")
        return weights, f"mixture of chi2({fixed}) to chi2({total}): {m} variances lie on their boundaries", [note]
    note = Note(
        "boundary", f"{m} variances were added with covariances: p from chi2({total}) is too large, not too small"
    )
    return {total: 1.0}, f"chi2({total}), conservative: {m} variances lie on their boundaries", [note]


def _tail(chi2: float, df: int) -> float:
    """P(chi2 with df degrees of freedom >= value); with 0 degrees it is a point at 0."""
    from scipy.special import chdtrc

    if df == 0:
        return float(chi2 <= 0)
    return float(np.clip(chdtrc(df, chi2), 0.0, 1.0))
