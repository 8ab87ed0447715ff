"""Several contrasts read as one statement: adjusted p-values and intervals that hold together.

tukey     all pairs of k means; exact for equal precision, conservative else
          (Tukey-Kramer)
dunnett   all against one; the joint law of the t's: an integral over one
          common factor where that explains their correlations, else
          quasi-Monte Carlo with a fixed seed
holm      any contrasts; intervals at Bonferroni's level
none      each by itself
Where degrees of freedom differ, each contrast is read with its own, as
emmeans does.

Source: Tukey (1953); Kramer (1956), Biometrics 12, 307-310; Dunnett (1955),
JASA 50, 1096-1121; Holm (1979).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from cupel.spec.errors import UnknownNameError
from cupel.stats.checked import Floats
from cupel.stats.frame import Codes
from cupel.stats.holm import holm
from cupel.stats.student import t_p_value, t_quantile
from cupel.stats.studentized_range import (
    normal_nodes,
    scale_nodes,
    studentized_range_ppf,
    studentized_range_sf,
)

Adjustment: TypeAlias = Literal["tukey", "dunnett", "holm", "none"]
MOST_DF = 1e9
SMALL = 1e-5
"""Difference of correlations that moves no p-value by more than a hundredth of itself."""
POINTS = 50_000
FEW_LAWS = 3
SAME_LAW = 1e-4
"""Difference of reciprocal degrees of freedom that moves no p-value by more than a tenth of a percent point."""


def adjusted(t: Floats, df: Floats, correlation: Floats, adjust: Adjustment, *, means: int) -> Floats:
    """Adjusted two-sided p-values.

    Args:
        t: (c,) t ratios; NaN stays NaN.
        df: (c,) degrees of freedom.
        correlation: (c, c) of the contrasts.
        adjust: how.
        means: means that were compared.

    Raises:
        UnknownNameError: there is no such adjustment.
    """
    _check(adjust)
    p = np.array(
        [math.nan if math.isnan(x) else t_p_value(x, 1.0, min(nu, MOST_DF)) for x, nu in zip(t, df, strict=True)]
    )
    known = np.flatnonzero(~np.isnan(p))
    if known.size <= 1 or adjust == "none":
        return p
    if adjust == "holm":
        return holm(p)
    if adjust == "tukey":
        for nu, same in _alike(df, known):
            p[same] = np.maximum(p[same], studentized_range_sf(math.sqrt(2) * np.abs(t[same]), means, nu))
        return p
    for outside, same in _joint_laws(correlation, df, known):
        p[same] = np.maximum(p[same], [outside(abs(float(x))) for x in t[same]])
    return np.asarray(np.minimum(p, 1.0))


def half_widths(df: Floats, correlation: Floats, adjust: Adjustment, *, means: int, level: float) -> Floats:
    """(c,) half widths, in standard errors, of intervals that hold together at `level`.

    Args:
        df: (c,) degrees of freedom; NaN gives NaN.
        correlation: (c, c) of the contrasts.
        adjust: how.
        means: means that were compared.
        level: of all intervals together.

    Raises:
        UnknownNameError: there is no such adjustment.
    """
    _check(adjust)
    known = np.flatnonzero(~np.isnan(df))
    out = np.full(df.shape, math.nan)
    if adjust == "dunnett" and known.size > 1:
        laws = _joint_laws(correlation, df, known)
        for (_, same), width in zip(laws, _widths(laws, df, level), strict=True):
            out[same] = width
        return out
    own = 1 - (1 - level) / known.size if adjust == "holm" and known.size else level
    for nu, same in _alike(df, known):
        is_tukey = adjust == "tukey" and known.size > 1
        width = (
            studentized_range_ppf(level, means, nu) / math.sqrt(2) if is_tukey else t_quantile(own, min(nu, MOST_DF))
        )
        out[same] = width
    return out


def _alike(df: Floats, known: Codes) -> list[tuple[float, Codes]]:
    """Degrees of freedom that differ by rounding alone, each with the contrasts that have them."""
    rounded = np.array([float(f"{nu:.7g}") for nu in df[known]])
    return [(float(nu), known[rounded == nu]) for nu in np.unique(rounded)]


def _joint_laws(correlation: Floats, df: Floats, known: Codes) -> list[tuple[Callable[[float], float], Codes]]:
    """Dunnett's law for each of the degrees of freedom that differ, with the contrasts that are read with it."""
    own = correlation[np.ix_(known, known)]
    order = known[np.argsort(df[known], kind="stable")]
    groups: list[list[int]] = []
    for k in order.tolist():
        if groups and 1 / df[groups[-1][0]] - 1 / df[k] < SAME_LAW:
            groups[-1].append(k)
        else:
            groups.append([k])
    return [(_joint(own, float(df[same[0]])), np.array(same, dtype=np.intp)) for same in groups]


def _check(adjust: str) -> None:
    if adjust not in get_args(Adjustment):
        raise UnknownNameError("adjustment", str(adjust), get_args(Adjustment))


def _joint(correlation: Floats, df: float) -> Callable[[float], float]:
    """Probability that any |t| exceeds a value, for correlated t's."""
    loadings = _one_factor(correlation)
    if loadings is not None:
        return partial(_outside_one_factor, loadings, df)
    from scipy.stats import multivariate_normal, multivariate_t

    size = len(correlation)
    degrees: Any = df  # scipy takes fractions, its stubs do not

    def outside(value: float) -> float:
        ends = np.full(size, value)
        rng = np.random.default_rng(0)
        if df > 1e6:
            inside = multivariate_normal.cdf(ends, np.zeros(size), correlation, True, lower_limit=-ends, rng=rng)
        else:
            inside = multivariate_t.cdf(
                ends, None, correlation, degrees, True, maxpts=POINTS, lower_limit=-ends, random_state=rng
            )
        return 1.0 - float(inside)

    return outside


def _one_factor(correlation: Floats) -> Floats | None:
    """Loadings l with correlation l_i l_j off the diagonal; None where there are none, up to rounding.

    Differences with one control have them where the means have one covariance with each other.
    """
    size = len(correlation)
    if size == 2 and abs(correlation[0, 1]) < 1:
        root = math.sqrt(abs(correlation[0, 1]))
        return np.array([root, math.copysign(root, correlation[0, 1])])
    off = correlation - np.diag(np.diag(correlation))
    first, second = off[0, 1:], off[1, 2:]
    if size < 2 or np.any(np.abs(first) < SMALL) or np.any(np.abs(second) < SMALL):
        return None
    square = float(np.median(first[0] * first[1:] / second))
    if not 0 < square < 1:
        return None
    loadings = np.append(math.sqrt(square), first / math.sqrt(square))
    fitted = np.outer(loadings, loadings) - np.diag(loadings**2)
    return loadings if np.all(np.abs(loadings) < 1) and np.allclose(fitted, off, rtol=0, atol=SMALL) else None


def _outside_one_factor(loadings: Floats, df: float, value: float) -> float:
    """The same where one factor explains all correlations: given it and the scale, the t's are independent."""
    from scipy.special import ndtr

    scales, weights = scale_nodes(df)
    z, density = normal_nodes()
    rest = np.sqrt(1 - loadings**2)
    ends = (value * scales)[:, None, None]
    shift = loadings * z[:, None]
    inside = (ndtr((ends - shift) / rest) - ndtr((-ends - shift) / rest)).prod(axis=-1)
    return float(np.clip(1.0 - weights @ (inside @ density) / weights.sum(), 0.0, 1.0))


def _widths(laws: Sequence[tuple[Callable[[float], float], Codes]], df: Floats, level: float) -> Floats:
    """Dunnett's quantile for each law: of one t, widened by a factor that hardly depends on the degrees of freedom.

    With more than three laws the factor is found for the ends and the middle; a parabola in 1 / df gives the others.
    """
    inverse = np.array([1 / float(df[same[0]]) for _, same in laws])
    alone = np.array([t_quantile(level, min(1 / nu if nu else math.inf, MOST_DF)) for nu in inverse])
    nodes: Sequence[int] = range(len(laws))
    if len(laws) > FEW_LAWS:
        middle = int(np.argmin(np.abs(inverse[1:-1] - (inverse[0] + inverse[-1]) / 2))) + 1
        nodes = (0, middle, len(laws) - 1)
    factors = np.array([_quantile(laws[k][0], level, alone[k]) / alone[k] for k in nodes])
    if len(laws) <= FEW_LAWS:
        return np.asarray(alone * factors)
    at = inverse[list(nodes)]
    return np.asarray(alone * np.polyval(np.polyfit(at - at[0], factors, 2), inverse - at[0]))


def _quantile(outside: Callable[[float], float], level: float, alone: float) -> float:
    """The value that all |t| stay below with probability `level`; not below that of one t alone."""
    from scipy.optimize import brentq

    if outside(alone) <= 1 - level:
        return alone
    high = 1.25 * alone
    while outside(high) > 1 - level:
        high *= 1.25
    return float(brentq(lambda value: outside(value) - (1 - level), alone, high, xtol=1e-4))
