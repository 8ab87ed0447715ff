"""The profiled deviance of a linear mixed model, its gradient, and all that follows from one pair of solves.

With relative covariance factors Lambda (one lower-triangular block per
term) and V = I + Z Lambda Lambda' Z', in units of the residual variance:
    ML    d = log|V| + n (1 + log(2 pi r2 / n))
    REML  d = log|V| + log|X' V^-1 X| + (n - p)(1 + log(2 pi r2 / (n - p)))
    r2    = (y - X beta)' V^-1 (y - X beta) at the best beta
The gradient in Lambda is 2 Q Lambda, where Q, the gradient in the
covariance, is for each term
    Q = sum over levels of  Z'V^-1Z  -  H C H' (REML)  -  g g' / s2
    H = Z' V^-1 X,  C = (X' V^-1 X)^-1,  g = Z' V^-1 (y - X beta).
At a minimum Q Lambda = 0 and Q has no negative eigenvalue: both are checked.

Source: Bates et al. (2015), Journal of Statistical Software 67(1), section
3; the gradient follows by the envelope theorem.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from cupel.stats.checked import Floats
from cupel.stats.mixed.cross_products import CrossProducts
from cupel.stats.mixed.elimination import Elimination, InnerStructure
from cupel.stats.mixed.random_terms import pack, unpack

STABLE = 1e-3
"""Smallest singular value of a factor for which dividing by its square loses less than six digits."""


class Profile:
    """The deviance of one model on one set of data, as a function of the relative covariance factors."""

    def __init__(self, sums: CrossProducts, *, reml: bool) -> None:
        self.sums = sums
        self.reml = reml
        self.structure = InnerStructure(sums)
        self.num_free = sums.n - sums.num_fixed if reml else sums.n

    def at(self, theta: Floats) -> Evaluation:
        """Everything at these elements of the factors."""
        return Evaluation(self, unpack(theta, self.sums.terms))

    def value_and_gradient(self, theta: Floats) -> tuple[float, Floats]:
        """Deviance and its gradient in the elements; infinite where rounding leaves nothing of the matrices."""
        value, slopes = self.value_and_slopes(unpack(theta, self.sums.terms))
        return value, pack(slopes)

    def value_and_slopes(self, factors: Sequence[Floats]) -> tuple[float, list[Floats]]:
        """The same for (k, k) factors of any shape, and the gradient in all of their elements."""
        try:
            here = Evaluation(self, factors)
        except np.linalg.LinAlgError:
            return math.inf, [np.zeros_like(factor) for factor in factors]
        if not math.isfinite(here.deviance):
            return math.inf, [np.zeros_like(factor) for factor in factors]
        return here.deviance, here.slopes

    def value(self, theta: Floats) -> float:
        """Deviance alone; infinite where rounding leaves nothing of the matrices."""
        try:
            return self.at(theta).deviance
        except np.linalg.LinAlgError:
            return math.inf


class Evaluation:
    """One evaluation: determinants and solves at once, gradient and effects when asked for."""

    def __init__(self, profile: Profile, factors: Sequence[Floats]) -> None:
        self.profile = profile
        self.sums = profile.sums
        self.factors = list(factors)
        self.inner = Elimination(profile.structure, factors)
        begun = self.inner.to_half(self.sums.inner_fixed)
        side = self.inner.border_side(self.inner.from_half(begun))
        flat = begun.reshape(-1, side.shape[-1])
        left = self.sums.fixed - flat.T @ flat
        self.log_determinant = self.inner.log_determinant
        if profile.structure.num_border:
            self._factorise()
            half = _solve_lower(self.root, self._times_border(side, transposed=True))
            left = left - half.T @ half
            self.log_determinant += 2 * float(np.log(np.diag(self.root)).sum())
            self.border_effects = self._times_border(_solve_upper(self.root, half))
        else:
            self.border_effects = np.zeros((0, side.shape[-1]))
        self.left = left
        self._profile_fixed()

    def _factorise(self) -> None:
        """Cholesky factor of what the border's effects are solved with."""
        self.border = self.inner.border_matrix()
        scaled = self._times_border(self._times_border(self.border, transposed=True).T, transposed=True)
        scaled.flat[:: len(scaled) + 1] += 1.0
        self.root: Floats = np.asarray(np.linalg.cholesky(scaled), dtype=np.float64)

    def _profile_fixed(self) -> None:
        """Fixed effects, residual sum of squares and deviance."""
        p = self.sums.num_fixed
        self.information = self.left[:p, :p]
        self.beta = np.zeros(0)
        rest = float(self.left[p, p])
        log_fixed = 0.0
        if p:
            root = np.asarray(np.linalg.cholesky(self.information), dtype=np.float64)
            half = _solve_lower(root, self.left[:p, p])
            self.beta = _solve_upper(root, half)
            rest -= float(half @ half)
            log_fixed = 2 * float(np.log(np.diag(root)).sum())
        self.rss = rest
        n = self.profile.num_free
        if not rest > 0:
            self.deviance = math.inf
            return
        own = self.log_determinant + (log_fixed if self.profile.reml else 0.0)
        self.deviance = own + n * (1 + math.log(2 * math.pi * rest / n))

    def _times_border(self, matrix: Floats, *, transposed: bool = False) -> Floats:
        """The border's block-diagonal Lambda (or its transpose) times a matrix (B, c)."""
        out = np.empty_like(matrix)
        for term, place, factor in zip(self.sums.terms, self.sums.places, self.factors, strict=True):
            if place.is_inner:
                continue
            at = int(place.slot[0])
            rows = matrix[at : at + term.num_effects]
            used = factor.T if transposed else factor
            if term.k == 1:
                out[at : at + term.num_effects] = used[0, 0] * rows
            else:
                blocks = used @ rows.reshape(term.num_levels, term.k, -1)
                out[at : at + term.num_effects] = blocks.reshape(rows.shape)
        return out

    @property
    def variance(self) -> float:
        """Residual variance at the best."""
        return self.rss / self.profile.num_free

    @cached_property
    def covariance_fixed(self) -> Floats:
        """(p, p) C, the covariance of the fixed effects in units of the residual variance."""
        return np.asarray(np.linalg.inv(self.information)) if self.sums.num_fixed else np.zeros((0, 0))

    @cached_property
    def inner_effects(self) -> Floats:
        """(N, m, r) inner effects for each right-hand side."""
        return self.inner.to_effects(self._inner_rest)

    @cached_property
    def _inner_rest(self) -> Floats:
        return self.inner.inner_side(self.border_effects)

    @cached_property
    def sides(self) -> list[Floats]:
        """For each term (L, k, r): Z' V^-1 of the fixed columns, and last of the response."""
        rest = self._inner_rest
        given = self.sums.inner * self.inner_effects if self.profile.structure.is_scalar else None
        inner = rest - (self.sums.inner @ self.inner_effects if given is None else given)
        border = self.inner.border_side(self.inner_effects) - self.sums.border @ self.border_effects
        return [self._of_term(t, inner, border) for t in range(len(self.sums.terms))]

    def _of_term(self, t: int, inner: Floats, border: Floats) -> Floats:
        """(L, k, c) the rows of a term, of inner (N, m, c) and border (B, c)."""
        term, place = self.sums.terms[t], self.sums.places[t]
        slots = place.slot[:, None] + np.arange(term.k)
        return np.asarray(inner[place.group[:, None], slots] if place.is_inner else border[slots])

    def effects(self) -> list[Floats]:
        """For each term (L, k) the conditional modes, in units of the scaled columns."""
        along = np.append(-self.beta, 1.0)
        return [self._of_term(t, self.inner_effects, self.border_effects) @ along for t in range(len(self.sums.terms))]

    @cached_property
    def residual_sides(self) -> list[Floats]:
        """For each term (L, k) g = Z' V^-1 (y - X beta)."""
        along = np.append(-self.beta, 1.0)
        return [side @ along for side in self.sides]

    @cached_property
    def fixed_sides(self) -> list[Floats]:
        """For each term (L, k, p) H = Z' V^-1 X."""
        return [side[:, :, :-1] for side in self.sides]

    @cached_property
    def determinant_slopes(self) -> list[Floats]:
        """For each term (k, k) the sum over levels of the diagonal blocks of Z' V^-1 Z."""
        terms, places = self.sums.terms, self.sums.places
        joint = np.zeros((0, 0))
        inverse = np.zeros((0, 0))
        if self.profile.structure.num_border:
            inverse = _inverse_from_root(self.root)
            joint = self._times_border(self._times_border(inverse).T)
        blocks = self.inner.precision_blocks(joint)
        found = []
        for t, (term, place) in enumerate(zip(terms, places, strict=True)):
            if place.is_inner:
                slots = place.slot[:, None] + np.arange(term.k)
                rows = blocks[place.group[:, None, None], slots[:, :, None], slots[:, None, :]]
                found.append(np.asarray(rows.sum(axis=0)))
            else:
                found.append(self._border_slope(t, inverse, joint))
        return found

    def _border_slope(self, t: int, inverse: Floats, joint: Floats) -> Floats:
        """The same for a term of the border: through the inverse where the factor allows it, else directly."""
        term, at, factor = self.sums.terms[t], int(self.sums.places[t].slot[0]), self.factors[t]
        rows = slice(at, at + term.num_effects)
        if np.linalg.svd(factor, compute_uv=False)[-1] > STABLE:
            own = inverse[rows, rows].reshape(term.num_levels, term.k, term.num_levels, term.k)
            kept = np.einsum("lalb->ab", own)
            middle = term.num_levels * np.eye(term.k) - kept
            undone = np.linalg.inv(factor)
            return np.asarray(undone.T @ middle @ undone)
        mine = self.border[rows]
        shape = (term.num_levels, term.k, -1)
        through = (mine @ joint).reshape(shape)
        alone = self.border[rows, rows].reshape(term.num_levels, term.k, term.num_levels, term.k)
        return np.asarray(np.einsum("lalb->ab", alone) - _over_levels(through, mine.reshape(shape)))

    def covariance_slopes(self, variance: float | None = None) -> list[Floats]:
        """For each term (k, k) Q, the gradient of the deviance in its covariance.

        Args:
            variance: residual variance that is held; the best one, profiled, where None.
        """
        scale = self.variance if variance is None else variance
        found = []
        for t, slope in enumerate(self.determinant_slopes):
            g = self.residual_sides[t]
            q = slope - g.T @ g / scale
            if self.profile.reml and self.sums.num_fixed:
                h = self.fixed_sides[t]
                q = q - _over_levels(h @ self.covariance_fixed, h)
            found.append((q + q.T) / 2)
        return found

    @cached_property
    def slopes(self) -> list[Floats]:
        """For each term (k, k) the gradient of the profiled deviance in its factor."""
        return [2 * q @ factor for q, factor in zip(self.covariance_slopes(), self.factors, strict=True)]

    @cached_property
    def gradient(self) -> Floats:
        """Gradient of the profiled deviance in the elements of lower-triangular factors."""
        return pack(self.slopes)


def _solve_lower(root: Floats, right: Floats) -> Floats:
    """root^-1 right, for a lower-triangular root."""
    from scipy.linalg import solve_triangular

    return np.asarray(solve_triangular(root, right, lower=True, check_finite=False))


def _solve_upper(root: Floats, right: Floats) -> Floats:
    """root'^-1 right, for a lower-triangular root."""
    from scipy.linalg import solve_triangular

    return np.asarray(solve_triangular(root, right, lower=True, trans="T", check_finite=False))


def _inverse_from_root(root: Floats) -> Floats:
    """(root root')^-1, full."""
    from scipy.linalg.lapack import dpotri

    inverse, info = dpotri(root, lower=1)
    assert info == 0
    full = inverse + inverse.T  # above the diagonal there are the root's zeros
    full.flat[:: len(full) + 1] /= 2
    return np.asarray(full)


def _over_levels(a: Floats, b: Floats) -> Floats:
    """(k, k) sum over levels and columns of products of (L, k, c) with (L, k, c)."""
    k = a.shape[1]
    if k == 1:
        return np.array([[np.vdot(a, b)]])
    return np.asarray(a.transpose(1, 0, 2).reshape(k, -1) @ b.transpose(1, 0, 2).reshape(k, -1).T)
