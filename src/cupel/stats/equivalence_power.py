"""The chance to show that two methods are equivalent: the whole interval inside the region.

Formula
    The estimate D is normal around the true difference d with standard
    error se, S estimates se with df degrees of freedom, t is the quantile
    of the two-sided interval. Equivalent: D - t S > -rope and D + t S <
    rope, the two one-sided tests.
       power = E[ Phi((rope - t S - d) / se) - Phi((t S - rope - d) / se) ]
    over S = se chi(df) / sqrt(df), where t S < rope; a one-dimensional
    integral (Owen's Q), computed by Gauss-Legendre, 300 nodes.
    The interval at 95 % makes each one-sided test one at 2.5 %; the usual
    5 % of bio-equivalence is the interval at 90 %.

Source: Schuirmann (1987), J. Pharmacokinetics and Biopharmaceutics 15,
657-680; Owen (1965), Biometrika 52, 437-446; Phillips (1990), the same
journal as the first, 18, 137-144.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.checked import Floats, fraction, numbers
from cupel.stats.student import t_quantile

NODES = 300
REACH = 12.0
"""Standard deviations of chi-square that are integrated over."""


def equivalence_power(se: float, df: float, *, rope: float, effect: float = 0.0, level: float = 0.95) -> float:
    """Probability that the interval at `level` lies wholly inside -rope to rope.

    Args:
        se: true standard error of the estimate, > 0; for n pairs sd / sqrt(n), for n runs of each sd sqrt(2 / n).
        df: degrees of freedom of its estimate, > 0.
        rope: half width of the region of practical equivalence, > 0, in the unit of the effect.
        effect: true difference.
        level: of the interval.

    Returns:
        The power, 0 to 1.

    Raises:
        UsageError: when an argument is out of range.

    Source: Schuirmann (1987); Owen (1965).

    Example:
        >>> round(equivalence_power(0.2, 20, rope=0.8), 4)
        0.9345
    """
    fraction("level", level)
    numbers(se=se, df=df, rope=rope, effect=effect)
    if not (0 < se < math.inf and 0 < df < math.inf and 0 < rope < math.inf and math.isfinite(effect)):
        raise UsageError(f"se = {se}, df = {df}, rope = {rope}, effect = {effect}; expected numbers above 0.")
    from scipy.special import gammaln, ndtr

    cut = t_quantile(level, df)
    spread = REACH * math.sqrt(2 * df)
    first = math.sqrt(max(0.0, df - spread) / df)
    last = min(math.sqrt((df + spread + 5 * REACH) / df), rope / (cut * se))
    if last <= first:
        return 0.0
    nodes, weights = _nodes()
    s = first + (last - first) * (nodes + 1) / 2  # S / se
    log_density = math.log(2) + df / 2 * math.log(df / 2) - gammaln(df / 2) + (df - 1) * np.log(s) - df * s**2 / 2
    half = rope / se - cut * s
    inside = ndtr(half - effect / se) - ndtr(-half - effect / se)
    return float(np.clip((last - first) / 2 * np.sum(weights * np.exp(log_density) * inside), 0, 1))


@functools.cache
def _nodes() -> tuple[Floats, Floats]:
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    return nodes, weights
