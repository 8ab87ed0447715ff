"""A likelihood-ratio test whose law is simulated: no asymptotics, no boundary rule.

Rule
    Responses are drawn from the small model as fitted (its fixed part, its
    random effects, its residual), both models are fitted to each, and
    p = (1 + draws with at least the observed chi2) / (1 + draws).
    The same function without a large model gives intervals of the
    parameters by the same simulation.

Source: Davison & Hinkley (1997), Bootstrap Methods and their Application,
section 4.2; Halekoh & Højsgaard (2014), Journal of Statistical Software 59(9).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.checked import Floats
from cupel.stats.frame import frame_of
from cupel.stats.mixed.likelihood_ratio_test import comparable
from cupel.stats.mixed.model import MixedModel
from cupel.stats.mixed.nesting import nested_difference
from cupel.stats.note import Note

LEAST_DRAWS = 19


@dataclass(frozen=True)
class ParametricBootstrap:
    """A simulated likelihood-ratio test.

    Attributes:
        chi2: as observed.
        p: simulated.
        p_error: Monte Carlo standard error of p.
        draws: (num,) simulated chi2.
        n: rows.
        method: in words.
        scope: what the test speaks of.
        warnings: what a reader must know.
    """

    chi2: float
    p: float
    p_error: float
    draws: Floats
    n: int
    method: str
    scope: str
    warnings: tuple[Note, ...]

    def to_frame(self) -> Any:
        """One row per draw."""
        return frame_of({"chi2": self.draws.tolist()})

    def text(self) -> str:
        """The test in one line."""
        return (
            f"chi2 = {self.chi2:.4g}, p = {self.p:.3g} (± {self.p_error:.1g} from {self.draws.size} simulated tables)"
        )


def parametric_bootstrap(small: MixedModel, large: MixedModel, *, num: int = 999, seed: int = 0) -> ParametricBootstrap:
    """Test a small model against a large one by simulation.

    Args:
        small: a special case of `large`, fitted to the same rows.
        large: the other model.
        num: simulated tables, at least 19 for a p-value of 5 %.
        seed: of the simulation; the same seed gives the same draws.

    Returns:
        The test.

    Raises:
        UsageError: the models are not nested, or too few tables are asked for.

    Cost:
        Two fits per table; a few milliseconds each for a few hundred random effects.
    """
    if num < LEAST_DRAWS:
        raise UsageError(f"num = {num}; expected at least {LEAST_DRAWS}, below which no p reaches 5 %.")
    small, large = comparable(small, large, nested_difference(small, large))
    chi2 = max(0.0, 2 * (large.log_likelihood - small.log_likelihood))
    rng = np.random.default_rng(seed)
    draws = np.empty(num)
    for k in range(num):
        y = simulate(small, rng)
        draws[k] = 2 * (large.with_response(y).log_likelihood - small.with_response(y).log_likelihood)
    draws = np.maximum(draws, 0.0)
    above = int(np.sum(draws >= chi2 - 1e-9))
    p = (1 + above) / (1 + num)
    kind = "REML" if large.reml else "ML"
    return ParametricBootstrap(
        chi2=chi2,
        p=p,
        p_error=float(np.sqrt(p * (1 - p) / num)),
        draws=draws,
        n=large.n,
        method=f"parametric bootstrap of {num} tables, {kind}",
        scope=large.scope,
        warnings=small.warnings,
    )


def simulate(model: MixedModel, rng: np.random.Generator) -> Floats:
    """(n,) a response drawn from a fitted model, with new random effects and residuals.

    Args:
        model: a fit.
        rng: of the draws.
    """
    y = model.fixed_fit + model.sigma * rng.standard_normal(model.n)
    for term, factor in zip(model.data.terms, model.evaluation.factors, strict=True):
        effects = model.sigma * rng.standard_normal((term.num_levels, term.k)) @ factor.T
        if term.z is None:
            y += effects[term.codes, 0]
        else:
            y += np.einsum("nk,nk->n", term.z, effects[term.codes])
    return y
