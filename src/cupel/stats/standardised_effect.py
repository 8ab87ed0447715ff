"""A difference in units of spread, with an interval: Hedges' g on the mean of both variances.

Formula
    d = difference of means / sqrt((s_a^2 + s_b^2) / 2), times
    J = Gamma(v / 2) / (sqrt(v / 2) Gamma((v - 1) / 2)), which takes out the
    bias of small samples. Paired: v = 2 (n - 1) / (1 + r^2), r the
    correlation. Not paired: v by Welch and Satterthwaite for equal weights.
    The interval turns that of the noncentral t: t = difference / its
    standard error, scaled by standard error / spread.

Source: Cumming (2012), Understanding the New Statistics (g_av); Algina & Keselman (2003), Educational and Psychological
Measurement 63, 537-553 (interval); Cousineau (2020), The Quantitative Methods for Psychology 16, 418-421 (v, paired);
Delacre et al. (2021), PsyArXiv tu6mp (not paired).
"""

from __future__ import annotations

import math

from cupel.stats.interval import Interval

MOST_T = 1000.0
"""Beyond it the noncentral t law is its own limit, and is not computed."""


def standardised(
    difference: float, se: float, spread: float, *, df: tuple[float, float], level: float
) -> tuple[float, Interval]:
    """Hedges' g and the interval of the standardised difference.

    Args:
        difference: of the means.
        se: its standard error, above 0.
        spread: what it is measured in, above 0.
        df: of the standard error, and of the spread.
        level: of the interval.
    """
    t, scale = abs(difference) / se, se / spread
    low, high = (_noncentral(t, df[0], p) * scale for p in ((1 + level) / 2, (1 - level) / 2))
    if difference < 0:
        low, high = -high, -low
    return difference / spread * _unbiased(df[1]), Interval(low, high, level, "noncentral t")


def _noncentral(t: float, df: float, p: float) -> float:
    """The noncentrality under which `t` has the probability `p` of not being exceeded."""
    from scipy.special import chdtri, nctdtrinc

    if t > MOST_T:  # there only the spread is uncertain
        return t * math.sqrt(float(chdtri(df, p)) / df)
    return float(nctdtrinc(df, p, t))


def _unbiased(df: float) -> float:
    """J: what takes out the bias of small samples; 0 where there is no such factor (one degree of freedom)."""
    if df <= 1:
        return 0.0
    return math.exp(math.lgamma(df / 2) - math.lgamma((df - 1) / 2)) / math.sqrt(df / 2)
