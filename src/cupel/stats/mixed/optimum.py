"""The minimum of the profiled deviance, from two starts, with a certificate that it is one.

The sign of a column of a factor means nothing, so the deviance is an even,
smooth function of it and no bound is needed: a variance of zero is an
ordinary stationary point. What could go wrong is stopping at such a point
although more variance would be better. Therefore Q, the gradient in the
covariance, is looked at: if it has a negative eigenvalue, variance is put
in that direction and the search goes on. The lower of two starts (moments
of the groups' means; relative standard deviations of 1) is taken; for large
models the second is made only where the first ended at a singular covariance.
Elements are scaled by the root of the number of levels, about what their
information grows with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.checked import Floats
from cupel.stats.mixed.cross_products import CrossProducts
from cupel.stats.mixed.deviance import Profile
from cupel.stats.mixed.random_terms import RandomTerm, pack, unpack, with_positive_diagonal

SINGULAR = 1e-4
"""Relative standard deviation below which a direction counts as without variance (lme4's tolerance)."""
CHEAP_FLOPS = 3e8
MOST_ESCAPES = 6
ESCAPE_STEPS = (3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
MOST_RESTARTS = 5
WORTH_A_RESTART = 1e-8
SETTLED = 1e-3
IDLE = 1e-12
"""Relative change of the deviance that is rounding."""
NO_RESIDUAL = 1e-12
"""Share of the response's variance below which sums of products cannot tell a residual from rounding."""
ALL_EXPLAINED = (
    "Fixed part and random terms explain the response up to rounding: no residual is left to measure them against. Are "
    "repeats copies of each other? Average them first, or leave the finest random term out."
)
NEAR, NEAR_VALUE = 0.02, 1e-2
"""How close a second search comes, relatively and in deviance, before it counts as having found the same minimum."""
SEARCH: Any = {"maxiter": 400, "maxfun": 800, "ftol": 1e-13, "gtol": 1e-6, "maxls": 40, "maxcor": 20}


@dataclass(frozen=True)
class Optimum:
    """A minimum.

    Attributes:
        theta: elements of the factors, diagonals not negative.
        deviance: there.
        is_singular: whether some direction of some term has no variance.
        is_converged: whether gradient and certificate say that it is a minimum.
        num_evaluations: of the deviance.
    """

    theta: Floats
    deviance: float
    is_singular: bool
    is_converged: bool
    num_evaluations: int


def minimise(profile: Profile) -> Optimum:
    """Search from two starts and take the lower minimum.

    Args:
        profile: the deviance.
    """
    terms = profile.sums.terms
    if not terms:
        return Optimum(np.zeros(0), profile.at(np.zeros(0)).deviance, False, True, 1)
    best = _from_start(profile, moment_start(profile.sums))
    if best.is_singular or not best.is_converged or _flops(profile) <= CHEAP_FLOPS:
        other = _from_start(profile, pack([np.eye(term.k) for term in terms]), known=best)
        evaluations = best.num_evaluations + other.num_evaluations
        lower = other if other.deviance < best.deviance - 1e-12 * abs(best.deviance) else best
        best = replace(lower, num_evaluations=evaluations)
    best = _without_idle_terms(profile, best)
    return replace(best, theta=pack([with_positive_diagonal(factor) for factor in unpack(best.theta, terms)]))


def _without_idle_terms(profile: Profile, found: Optimum) -> Optimum:
    """Terms whose variance the deviance does not depend on get none: the data cannot tell it (`y ~ g + (1 | g)`)."""
    terms = profile.sums.terms
    for t in range(len(terms)):
        factors = unpack(found.theta, terms)
        if not factors[t].any():
            continue
        idle = pack([*factors[:t], np.zeros_like(factors[t]), *factors[t + 1 :]])
        value = profile.value(idle)
        if value <= found.deviance + IDLE * max(1.0, abs(found.deviance)):
            found = replace(found, theta=idle, deviance=value, is_singular=True)
    return found


def moment_start(sums: CrossProducts) -> Floats:
    """Factors to start from: for each term alone, how much more its groups' means spread than the residual explains.

    The other terms are not taken out, so this is rough; columns beside an intercept get a relative standard deviation
    of 0.3.
    """
    total = float(sums.fixed[-1, -1])
    starts = []
    for term, place in zip(sums.terms, sums.places, strict=True):
        between, num = np.zeros(term.num_levels), np.zeros(term.num_levels)
        if place.is_inner:
            num = sums.inner[place.group, place.slot, place.slot]
            between = sums.inner_fixed[place.group, place.slot, -1] ** 2 / np.maximum(num, 1e-300)
        else:
            num = sums.border[place.slot, place.slot]
            between = sums.border_fixed[place.slot, -1] ** 2 / np.maximum(num, 1e-300)
        ssb, levels = float(between.sum()), term.num_levels
        within = max(total - ssb, 1e-12 * total) / max(sums.n - levels, 1)
        per_level = max((sums.n - float((num**2).sum()) / sums.n) / (levels - 1), 1e-12)
        relative = (ssb / (levels - 1) - within) / (per_level * within)
        first = math.sqrt(min(max(relative, 0.01), 25.0))
        starts.append(np.diag([first] + [0.3] * (term.k - 1)))
    return pack(starts)


def _flops(profile: Profile) -> float:
    """Rough cost of one gradient."""
    groups, size = profile.sums.inner.shape[:2]
    border = profile.sums.border.shape[0]
    coupled = 0.0 if profile.structure.pairs is not None else groups * size * border * (border + size)
    return float(2 * border**3 + groups * size**3 + coupled)


class _Counted:
    """The deviance, counting how often it was asked for."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.count = 0

    def __call__(self, theta: Floats) -> tuple[float, Floats]:
        self.count += 1
        return self.profile.value_and_gradient(theta)

    def whole(self, factors: Sequence[Floats]) -> tuple[float, list[Floats]]:
        """Deviance and gradient of whole factors."""
        self.count += 1
        return self.profile.value_and_slopes(factors)

    def value(self, theta: Floats) -> float:
        """The deviance alone."""
        self.count += 1
        return self.profile.value(theta)


def _from_start(profile: Profile, start: Floats, known: Optimum | None = None) -> Optimum:
    """Search, put variance where the certificate asks for it, and search again.

    A search that comes near a minimum that is known is not carried on: it would end there.
    """
    terms = profile.sums.terms
    counted = _Counted(profile)
    theta, value = _search(counted, start, known)
    if known is not None and _is_near(theta, value, known):
        return replace(known, num_evaluations=counted.count)
    for _ in range(MOST_ESCAPES):
        theta, value = _without_dust(counted, theta, value, terms)
        escaped = _escape(counted, theta, value)
        if escaped is None:
            break
        theta, value = _search(counted, escaped)
    here = profile.at(theta)
    if here.variance < NO_RESIDUAL:
        raise UsageError(ALL_EXPLAINED)
    moves = np.abs(here.gradient) * np.maximum(np.abs(theta), SINGULAR)
    is_certain = all(
        np.linalg.eigvalsh(slope)[0] > -SETTLED * term.num_levels
        for slope, term in zip(here.covariance_slopes(), terms, strict=True)
    )
    is_singular = any(np.any(np.abs(np.diag(factor)) < SINGULAR) for factor in unpack(theta, terms))
    return Optimum(theta, value, is_singular, bool(np.all(moves < SETTLED)) and is_certain, counted.count)


def _is_near(theta: Floats, value: float, known: Optimum) -> bool:
    """Whether a point lies in the basin of a minimum that is known: as low up to a trifle, and beside it."""
    apart = np.abs(np.abs(theta) - np.abs(known.theta))
    return value < known.deviance + NEAR_VALUE and bool(np.all(apart < NEAR * np.maximum(np.abs(known.theta), 0.1)))


def _search(counted: _Counted, start: Floats, known: Optimum | None = None) -> tuple[Floats, float]:
    """A quasi-Newton search with the exact gradient; with correlated effects carried on in whole factors."""
    from scipy.optimize import minimize

    scale = np.concatenate([np.full(term.num_theta, math.sqrt(term.num_levels)) for term in counted.profile.sums.terms])

    def scaled(point: Floats) -> tuple[float, Floats]:
        value, gradient = counted(point / scale)
        return value, gradient / scale

    def stop_near(intermediate_result: Any) -> None:
        if known is not None and _is_near(intermediate_result.x / scale, float(intermediate_result.fun), known):
            raise StopIteration

    found = minimize(scaled, start * scale, jac=True, method="L-BFGS-B", options=SEARCH, callback=stop_near)
    theta, value = np.asarray(found.x) / scale, float(found.fun)
    if all(term.k == 1 for term in counted.profile.sums.terms) or (known is not None and _is_near(theta, value, known)):
        return theta, value
    for _ in range(MOST_RESTARTS):
        before = value
        theta, value = _search_whole(counted, theta, value)
        if not before - value > WORTH_A_RESTART:
            break
    return theta, value


def _search_whole(counted: _Counted, theta: Floats, value: float) -> tuple[Floats, float]:
    """Carry a search on in all elements of the factors, not those of the lower triangle alone.

    Many factors give the same covariance. The lower triangle is one of them, and where its first column is nearly
    without variance it is a bad one: to turn towards a better covariance it would have to follow a long bend, along
    which the deviance hardly falls. A whole factor turns at once. Where the search was done this costs an evaluation.
    """
    from scipy.optimize import minimize

    terms = counted.profile.sums.terms
    scale = np.concatenate([np.full(term.k**2, math.sqrt(term.num_levels)) for term in terms])
    ends = np.cumsum([term.k**2 for term in terms])[:-1]

    def split(point: Floats) -> list[Floats]:
        return [part.reshape(term.k, term.k) for part, term in zip(np.split(point / scale, ends), terms, strict=True)]

    def whole(point: Floats) -> tuple[float, Floats]:
        deviance, slopes = counted.whole(split(point))
        return deviance, np.concatenate([slope.ravel() for slope in slopes]) / scale

    start = np.concatenate([factor.ravel() for factor in unpack(theta, terms)]) * scale
    found = minimize(whole, start, jac=True, method="L-BFGS-B", options=SEARCH)
    if not found.fun < value:
        return theta, value
    lower = pack([lower_root(factor @ factor.T) for factor in split(found.x)])
    reached = counted.value(lower)
    return (lower, reached) if reached < value else (theta, value)


def _without_dust(counted: _Counted, theta: Floats, value: float, terms: Sequence[RandomTerm]) -> tuple[Floats, float]:
    """Tiny diagonal elements become exactly zero where that costs nothing."""
    factors = [factor.copy() for factor in unpack(theta, terms)]
    is_dust = False
    for factor in factors:
        tiny = np.flatnonzero((np.abs(np.diag(factor)) < SINGULAR) & (np.diag(factor) != 0))
        factor[tiny, tiny] = 0.0
        is_dust = is_dust or bool(tiny.size)
    if not is_dust:
        return theta, value
    swept = pack(factors)
    swept_value = counted.value(swept)
    return (swept, swept_value) if swept_value <= value + 1e-9 else (theta, value)


def _escape(counted: _Counted, theta: Floats, value: float) -> Floats | None:
    """A point with more variance where the gradient in the covariance asks for it; None at a minimum."""
    profile = counted.profile
    terms = profile.sums.terms
    factors = unpack(theta, terms)
    slopes = profile.at(theta).covariance_slopes()
    best, best_value = None, value - 1e-8 * max(1.0, abs(value) * 1e-3)
    for t, slope in enumerate(slopes):
        values, vectors = np.linalg.eigh(slope)
        if values[0] >= -1e-6 * terms[t].num_levels or np.abs(np.diag(factors[t])).min() > 10 * SINGULAR:
            continue
        for step in ESCAPE_STEPS:
            covariance = factors[t] @ factors[t].T + step**2 * np.outer(vectors[:, 0], vectors[:, 0])
            tried = pack([*factors[:t], lower_root(covariance), *factors[t + 1 :]])
            tried_value = counted.value(tried)
            if tried_value < best_value:
                best, best_value = tried, tried_value
    return best


def lower_root(covariance: Floats) -> Floats:
    """A lower-triangular L with L L' = covariance, which may be singular.

    Example:
        >>> lower_root(np.array([[4.0, 2.0], [2.0, 1.0]])).round(6).tolist()
        [[2.0, 0.0], [1.0, 0.0]]
    """
    values, vectors = np.linalg.eigh(covariance)
    root = np.linalg.qr((vectors * np.sqrt(np.maximum(values, 0.0))).T)[1].T
    fixed = with_positive_diagonal(root)
    fixed[np.abs(fixed) < 1e-9 * math.sqrt(max(float(values[-1]), 1e-300))] = 0.0
    return fixed
