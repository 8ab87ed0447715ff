"""Kenward and Roger's correction: covariance and degrees of freedom of contrasts in small samples.

Formula (V = sum of gamma_r G_r, G_0 = I, G_r = Z E_r Z' for each variance
and covariance; Phi = (X' V^-1 X)^-1)
    P_r   = -X' V^-1 G_r V^-1 X
    Q_rs  =  X' V^-1 G_r V^-1 G_s V^-1 X
    W     = 2 (tr(V^-1 G_r V^-1 G_s) - 2 tr(Phi Q_rs) + tr(Phi P_r Phi P_s))^-1
    Phi_A = Phi + 2 Phi [sum of W_rs (Q_rs - P_r Phi P_s)] Phi
    For one contrast c, with Theta = c c' / (c' Phi c) and
    A = sum W_rs tr(Theta Phi P_r Phi) tr(Theta Phi P_s Phi), matching the
    two moments of F gives df = 2 / A.
All is computed from sums of products; no matrix has a row per measurement.

Source: Kenward & Roger (1997), Biometrics 53, 983-997; Halekoh & Højsgaard
(2014), Journal of Statistical Software 59(9), with which it is compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.checked import Floats
from cupel.stats.one_thread import one_thread

if TYPE_CHECKING:
    from cupel.stats.mixed.cross_products import CrossProducts
    from cupel.stats.mixed.model import MixedModel

LARGEST = 4000
"""Random effects for which full matrices of them are held (128 MB each)."""


@dataclass(frozen=True)
class KenwardRoger:
    """Corrected errors of c contrasts.

    Attributes:
        covariance: (c, c) corrected covariance of the contrasts.
        standard_errors: (c,) its roots.
        df: (c,) denominator degrees of freedom; NaN for a contrast of zeros.
    """

    covariance: Floats
    standard_errors: Floats
    df: Floats


@one_thread()
def kenward_roger(model: MixedModel, contrasts: Floats) -> KenwardRoger:
    """Correct the errors of contrasts.

    Args:
        model: a REML fit.
        contrasts: (c, p) weights of the fixed effects, in the order of `model.coefficients`.

    Returns:
        Covariance, standard errors and degrees of freedom.

    Raises:
        UsageError: the fit is not REML, or has more than 4000 random effects.

    Cost:
        Cubic in the number of random effects.
    """
    size = sum(term.num_effects for term in model.data.terms)
    if not model.reml:
        raise UsageError("Kenward-Roger's correction is defined for REML fits; fit with reml=True.")
    if size > LARGEST:
        raise UsageError(
            f"Kenward-Roger's correction would need matrices of {size} random effects; at most {LARGEST} are held. "
            "Ask for df='satterthwaite', which differs little at such sizes."
        )
    p_r, q_rs, traces = _pieces(model)
    phi = model.evaluation.covariance_fixed * model.evaluation.variance
    phi_p = np.einsum("ij,rjk->rik", phi, p_r)
    crossed = np.einsum("rij,sji->rs", phi_p, phi_p)
    information = traces - 2 * np.einsum("ij,rsji->rs", phi, q_rs) + crossed
    weights = 2 * np.linalg.pinv((information + information.T) / 2, hermitian=True)
    inner = np.einsum("rs,rsij->ij", weights, q_rs) - np.einsum("rs,rij,sjk->ik", weights, p_r, phi_p, optimize=True)
    adjusted = phi + 2 * phi @ ((inner + inner.T) / 2) @ phi
    undo = np.atleast_2d(contrasts) @ np.linalg.inv(model.data.r) * model.data.scale
    covariance = undo @ adjusted @ undo.T
    through = undo @ phi
    plain = np.einsum("cp,cp->c", through, undo)
    with np.errstate(divide="ignore", invalid="ignore"):
        slopes = np.einsum("ci,rij,cj->rc", through, p_r, through, optimize=True) / plain
        a = np.einsum("rs,rc,sc->c", weights, slopes, slopes)
        return KenwardRoger(covariance, np.sqrt(np.diag(covariance)), np.asarray(2 / a))


def _pieces(model: MixedModel) -> tuple[Floats, Floats, Floats]:
    """P_r (s, p, p), Q_rs (s, s, p, p) and the traces (s, s), the residual's variance first."""
    here, sums = model.evaluation, model.data.sums
    zz, zx = _full_products(sums)
    covariance = _full_covariance(model)
    n, q = sums.n, len(zz)
    left = np.linalg.inv(np.eye(q) + zz @ covariance)
    m = left @ zz
    h = left @ zx
    psi = covariance @ left
    b = psi @ zx
    xx = sums.fixed[:-1, :-1]
    second = xx - zx.T @ b - b.T @ zx + b.T @ zz @ b
    h2 = h - m @ b
    kept = np.eye(q) - psi @ zz
    parts = _derivatives(sums)
    spread = [part @ h for part in parts]
    third = here.information - 2 * b.T @ h + b.T @ m @ b
    size, p = len(parts) + 1, xx.shape[0]
    p_r = np.stack([-second, *(-h.T @ e for e in spread)])
    q_rs = np.empty((size, size, p, p))
    traces = np.empty((size, size))
    q_rs[0, 0], traces[0, 0] = third, n - q + np.einsum("ij,ji->", kept, kept)
    m_parts = [m @ part for part in parts]
    m2 = m @ kept
    for r, part in enumerate(parts):
        q_rs[0, r + 1] = h2.T @ spread[r]
        q_rs[r + 1, 0] = q_rs[0, r + 1].T
        traces[0, r + 1] = traces[r + 1, 0] = np.einsum("ij,ji->", m2, part)
        for s, e in enumerate(spread):
            q_rs[r + 1, s + 1] = spread[r].T @ m @ e
            traces[r + 1, s + 1] = np.einsum("ij,ji->", m_parts[r], m_parts[s])
    v = here.variance
    return p_r / v**2, q_rs / v**3, traces / v**2


def _positions(sums: CrossProducts) -> list[np.ndarray[tuple[int, int], np.dtype[np.intp]]]:
    """For each term (L, k) where its effects stand in full matrices."""
    found, at = [], 0
    for term in sums.terms:
        found.append(at + np.arange(term.num_effects).reshape(term.num_levels, term.k))
        at += term.num_effects
    return found


def _full_products(sums: CrossProducts) -> tuple[Floats, Floats]:
    """Z'Z (q, q) and Z'X (q, p) over all random effects, term by term."""
    groups, size = sums.inner.shape[:2]
    inner_at, border_at = np.full(groups * size, -1), np.full(len(sums.border), -1)
    for term, place, position in zip(sums.terms, sums.places, _positions(sums), strict=True):
        slots = (place.group * size + place.slot)[:, None] + np.arange(term.k)
        (inner_at if place.is_inner else border_at)[slots] = position
    used = np.flatnonzero(inner_at >= 0)  # small groups leave slots empty
    q = used.size + border_at.size
    whole, sides = np.zeros((q, q)), np.zeros((q, sums.num_fixed))
    for g in range(groups):
        own = inner_at[g * size : (g + 1) * size]
        here = np.flatnonzero(own >= 0)
        whole[np.ix_(own[here], own[here])] = sums.inner[g][np.ix_(here, here)]
    coupled = sums.coupling[used]
    coupled = coupled if isinstance(coupled, np.ndarray) else coupled.toarray()
    whole[np.ix_(inner_at[used], border_at)] = coupled
    whole[np.ix_(border_at, inner_at[used])] = coupled.T
    whole[np.ix_(border_at, border_at)] = sums.border
    sides[inner_at[used]] = sums.inner_fixed.reshape(groups * size, sums.num_fixed + 1)[used, :-1]
    sides[border_at] = sums.border_fixed[:, :-1]
    return whole, sides


def _full_covariance(model: MixedModel) -> Floats:
    """(q, q) relative covariance of all random effects."""
    sums = model.data.sums
    size = sum(term.num_effects for term in sums.terms)
    out = np.zeros((size, size))
    for factor, at in zip(model.evaluation.factors, _positions(sums), strict=True):
        own = factor @ factor.T
        for j in range(len(own)):
            for k in range(len(own)):
                out[at[:, j], at[:, k]] = own[j, k]
    return out


def _derivatives(sums: CrossProducts) -> list[Floats]:
    """(q, q) what each variance and covariance multiplies."""
    size = sum(term.num_effects for term in sums.terms)
    found = []
    for term, at in zip(sums.terms, _positions(sums), strict=True):
        for j in range(term.k):
            for k in range(j, term.k):
                part = np.zeros((size, size))
                part[at[:, j], at[:, k]] = 1.0
                part[at[:, k], at[:, j]] = 1.0
                found.append(part)
    return found
