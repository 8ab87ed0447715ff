"""A fitted linear mixed model: what it estimates, and the pieces that inference is made of."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.checked import Floats
from cupel.stats.frame import frame_of
from cupel.stats.mixed.design import INTERCEPT
from cupel.stats.mixed.deviance import Evaluation, Profile
from cupel.stats.mixed.model_data import ModelData
from cupel.stats.mixed.optimum import Optimum, minimise
from cupel.stats.mixed.random_terms import theta_names, unpack
from cupel.stats.note import Note
from cupel.stats.one_thread import one_thread

RESIDUAL = "Residual"
LARGE_BORDER = 3000
"""Crossed effects from which a step is so large that several threads gain more than they lose in waiting."""


@dataclass(frozen=True)
class Component:
    """A variance, or a covariance of two effects of one grouping.

    Attributes:
        group: the grouping, or `Residual`.
        name: of the effect; empty for the residual.
        other: of the other effect; empty for a variance.
        variance: variance or covariance, in squared units of the response.
        sd: standard deviation, or correlation (NaN where one of the variances is 0).
    """

    group: str
    name: str
    other: str
    variance: float
    sd: float


class VarianceComponents(Mapping[str, float]):
    """Variances by name: `task`, or `task.budget` where a grouping has several effects, and `Residual`.

    Covariances are named `task.(Intercept).budget`. Iterating gives names; `.rows` gives everything.
    """

    def __init__(self, rows: tuple[Component, ...]) -> None:
        self.rows = rows
        counts: dict[str, int] = {}
        for row in rows:
            counts[row.group] = counts.get(row.group, 0) + 1
        self._named: dict[str, float] = {}
        self._also: dict[str, float] = {}
        for row in rows:
            full = ".".join(part for part in (row.group, row.name, row.other) if part)
            is_alone = counts[row.group] == 1
            self._named[row.group if is_alone else full] = row.variance
            self._also[full] = row.variance

    def __getitem__(self, name: str) -> float:
        return self._named[name] if name in self._named else self._also[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._named)

    def __len__(self) -> int:
        return len(self._named)

    def __repr__(self) -> str:
        return f"VarianceComponents({self._named!r})"

    def to_frame(self) -> Any:
        """One row per component, named as R names them."""
        return frame_of(
            {
                "grp": [row.group for row in self.rows],
                "var1": [row.name or None for row in self.rows],
                "var2": [row.other or None for row in self.rows],
                "vcov": [row.variance for row in self.rows],
                "sdcor": [row.sd for row in self.rows],
            }
        )


@dataclass(frozen=True)
class MixedModel:
    """A fitted model.

    Attributes:
        data: what it was fitted to.
        profile: its deviance.
        optimum: where that is lowest.
        reml: whether the restricted likelihood was maximised.
    """

    data: ModelData
    profile: Profile
    optimum: Optimum
    reml: bool

    @cached_property
    def evaluation(self) -> Evaluation:
        """Everything at the optimum, in the units of the fit."""
        return self.profile.at(self.optimum.theta)

    @property
    def n(self) -> int:
        """Rows that the model was fitted to."""
        return self.data.n

    @property
    def criterion(self) -> float:
        """REML criterion, or ML deviance: minus twice the log likelihood."""
        free = self.profile.num_free
        fixed = 2 * float(np.log(np.abs(np.diag(self.data.r))).sum()) if self.reml else 0.0
        return self.optimum.deviance + 2 * free * math.log(self.data.scale) + fixed

    @property
    def log_likelihood(self) -> float:
        """Log likelihood, restricted if `reml`."""
        return -self.criterion / 2

    @property
    def num_parameters(self) -> int:
        """Fixed effects, elements of the covariance factors, and the residual variance."""
        return len(self.data.kept) + int(self.optimum.theta.size) + 1

    @property
    def sigma(self) -> float:
        """Residual standard deviation, in units of the response."""
        return self.data.scale * math.sqrt(self.evaluation.variance)

    @property
    def theta(self) -> dict[str, float]:
        """Elements of the relative covariance factors, with R's names."""
        factors = [f / t.scale[:, None] for f, t in zip(self.evaluation.factors, self.data.terms, strict=True)]
        values = [float(f[row, column]) for f in factors for column in range(len(f)) for row in range(column, len(f))]
        return dict(zip(theta_names(self.data.terms), values, strict=True))

    @cached_property
    def beta(self) -> Floats:
        """(p,) fixed effects, in the order of `coefficients`."""
        along = self.data.start + self.data.scale * self.evaluation.beta
        return np.asarray(np.linalg.solve(self.data.r, along)) if along.size else along

    @cached_property
    def covariance(self) -> Floats:
        """(p, p) covariance of the fixed effects."""
        undo = np.linalg.inv(self.data.r)
        return np.asarray(self.sigma**2 * undo @ self.evaluation.covariance_fixed @ undo.T)

    @property
    def coefficients(self) -> dict[str, float]:
        """Fixed effects by R's names; columns that others give are absent."""
        return dict(zip(self.data.names, self.beta.tolist(), strict=True))

    @property
    def standard_errors(self) -> dict[str, float]:
        """Standard errors of the fixed effects by R's names."""
        return dict(zip(self.data.names, np.sqrt(np.diag(self.covariance)).tolist(), strict=True))

    @cached_property
    def random_covariances(self) -> list[Floats]:
        """For each term (k, k) the covariance of its effects, in squared units of the response."""
        found = []
        for term, factor in zip(self.data.terms, self.evaluation.factors, strict=True):
            own = factor / term.scale[:, None]
            found.append(np.asarray(self.sigma**2 * own @ own.T))
        return found

    @cached_property
    def variance_components(self) -> VarianceComponents:
        """Variances and covariances of the random effects, and of the residual."""
        rows = []
        for term, covariance in zip(self.data.terms, self.random_covariances, strict=True):
            sds = np.sqrt(np.diag(covariance))
            rows += [
                Component(term.group, name, "", float(covariance[k, k]), float(sds[k]))
                for k, name in enumerate(term.names)
            ]
            for j in range(term.k):
                for k in range(j + 1, term.k):
                    value, size = float(covariance[j, k]), float(sds[j] * sds[k])
                    correlation = value / size if size > 0 else math.nan
                    rows.append(Component(term.group, term.names[j], term.names[k], value, correlation))
        rows.append(Component(RESIDUAL, "", "", self.sigma**2, self.sigma))
        return VarianceComponents(tuple(rows))

    @property
    def singular(self) -> bool:
        """Whether some variance is estimated as zero, or some correlation as one."""
        return self.optimum.is_singular

    @property
    def converged(self) -> bool:
        """Whether gradient and certificate say that the deviance is at a minimum."""
        return self.optimum.is_converged

    @cached_property
    def random_effects(self) -> dict[str, dict[str, dict[str, float]]]:
        """Predicted random effects (conditional modes): grouping, level, effect; in units of the response."""
        found: dict[str, dict[str, dict[str, float]]] = {}
        for term, effects in zip(self.data.terms, self._effects, strict=True):
            group = found.setdefault(term.group, {})
            for level, values in zip(term.levels, effects.tolist(), strict=True):
                group.setdefault(level, {}).update(zip(term.names, values, strict=True))
        return found

    @cached_property
    def _effects(self) -> list[Floats]:
        """For each term (L, k) effects in units of the response and of the columns as they are."""
        return [
            self.data.scale * effects / term.scale
            for term, effects in zip(self.data.terms, self.evaluation.effects(), strict=True)
        ]

    @cached_property
    def fixed_fit(self) -> Floats:
        """(n,) what the fixed part predicts."""
        return np.asarray(self.data.q @ (self.data.start + self.data.scale * self.evaluation.beta))

    @cached_property
    def fitted(self) -> Floats:
        """(n,) what fixed part and random effects predict."""
        total = self.fixed_fit.copy()
        for term, effects in zip(self.data.terms, self._effects, strict=True):
            if term.z is None:
                total += effects[term.codes, 0]
            else:
                total += np.einsum("nk,nk->n", term.z * term.scale, effects[term.codes])
        return total

    @property
    def residuals(self) -> Floats:
        """(n,) response less `fitted`."""
        return np.asarray(self.response - self.fitted)

    @property
    def response(self) -> Floats:
        """(n,) what was modelled."""
        y = self.data.variables[self.data.formula.response]
        assert isinstance(y, np.ndarray)
        return y

    @property
    def scope(self) -> str:
        """What the model speaks of: `tasks like these` where a grouping crosses a fixed factor, else `these groups`."""
        fixed = {name for term in self.data.formula.fixed.terms for name in term}
        is_population = any(fixed & set(bar.group) for bar in self.data.formula.bars) or any(
            fixed & {v for term in bar.left.terms for v in term} for bar in self.data.formula.bars
        )
        return "groups like these" if is_population else "these groups"

    @cached_property
    def warnings(self) -> tuple[Note, ...]:
        """What a reader of the estimates must know."""
        notes = list(self.data.warnings)
        if self.singular:
            zero = [c.group + (f" ({c.name})" if c.name != INTERCEPT else "") for c in self._empty_components()]
            what = (
                f"no variance is found for {', '.join(zero)}" if zero else "effects of a grouping are fully correlated"
            )
            notes.append(Note("singular fit", f"the fit is singular: {what}; the data do not support all random terms"))
        if not self.converged:
            notes.append(
                Note("not converged", "the search for the lowest deviance did not settle; take the fit as unknown")
            )
        return tuple(notes)

    def _empty_components(self) -> list[Component]:
        rows = [row for row in self.variance_components.rows if not row.other and row.group != RESIDUAL]
        scales = [scale for term in self.data.terms for scale in term.scale.tolist()]
        return [row for row, scale in zip(rows, scales, strict=True) if row.sd * scale <= 1e-4 * self.sigma]

    def refit(self, *, reml: bool) -> MixedModel:
        """The same model by the other criterion (or the same)."""
        return self if reml == self.reml else fit(self.data, reml=reml)

    def with_response(self, y: Floats) -> MixedModel:
        """The same model fitted to another response (n,), finite."""
        new = np.asarray(y, dtype=np.float64)
        variables = {**self.data.variables, self.data.formula.response: new}
        return fit(replace(self.data.with_response(new), variables=variables), reml=self.reml)

    def to_frame(self) -> Any:
        """Fixed effects with standard errors, Satterthwaite degrees of freedom, t and p."""
        from cupel.stats.mixed.coefficient_table import coefficient_table

        return frame_of(coefficient_table(self))

    def text(self) -> str:
        """The fit in lines: criterion, variances, fixed effects, warnings."""
        from cupel.stats.mixed.coefficient_table import model_text

        return model_text(self)

    def factor(self, t: int) -> Floats:
        """(k, k) relative covariance factor of term t, of the scaled columns."""
        return unpack(self.optimum.theta, self.data.terms)[t]


def need_fit(value: object) -> None:
    """Refuse what is no fit where one is needed."""
    if not isinstance(value, MixedModel):
        raise UsageError(f"A fit is expected, as mixed_model(formula, frame) returns it; got {type(value).__name__}.")


def fit(data: ModelData, *, reml: bool) -> MixedModel:
    """Fit a model.

    Args:
        data: what to.
        reml: whether to maximise the restricted likelihood.
    """
    profile = Profile(data.sums, reml=reml)
    is_large = data.sums.border.shape[0] > LARGE_BORDER
    with nullcontext() if is_large else one_thread():
        return MixedModel(data, profile, minimise(profile), reml)
