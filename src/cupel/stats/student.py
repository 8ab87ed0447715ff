"""Student's t: the quantile, the p-value and the power that the other files need.

scipy.special is imported on demand: it costs a quarter of a second that `cupel list` does not have.
"""

from __future__ import annotations

import math


def t_quantile(level: float, df: float) -> float:
    """Half width, in standard errors, of the two-sided interval at `level` with `df` degrees of freedom.

    Args:
        level: 0 to 1, such as 0.95.
        df: degrees of freedom, above 0; may be fractional.

    Returns:
        The quantile; infinite when `df` is not above 0 (an unknown uncertainty is infinite, never 0).
    """
    if not df > 0:
        return math.inf
    from scipy.special import stdtrit

    return float(stdtrit(df, 0.5 + level / 2))


def t_p_value(effect: float, se: float, df: float) -> float:
    """Two-sided p-value of `effect` against 0.

    Args:
        effect: the estimate.
        se: its standard error; 0 is taken as it is (all values were equal).
        df: degrees of freedom, above 0.

    Returns:
        The p-value, 0 to 1; 1 when effect and standard error are both 0.
    """
    if se == 0:
        return 1.0 if effect == 0 else 0.0
    from scipy.special import stdtr

    return float(2 * stdtr(df, -abs(effect) / se))


def t_power(effect: float, se: float, df: float, level: float) -> float:
    """Probability that the two-sided interval at `level` excludes 0 when the truth is `effect`.

    Args:
        effect: the true effect.
        se: the true standard error, above 0.
        df: degrees of freedom, above 0.
        level: of the interval, 0 to 1.

    Returns:
        The power, 0 to 1, by the noncentral t distribution.
    """
    from scipy.special import nctdtr

    cut = t_quantile(level, df)
    shift = abs(effect) / se
    missed = float(nctdtr(df, shift, cut))
    if math.isnan(missed):  # scipy gives up far beyond the cut, where nothing is missed
        missed = 0.0 if shift > 2 * cut else 1.0
    wrong_side = 1 - float(nctdtr(df, -shift, cut)) if shift < 5 else 0.0
    return 1 - missed + wrong_side


def p_words(p: float) -> str:
    """A p-value in words: `p = 0.012`, and where no float can hold it `p < 1e-300`.

    Example:
        >>> p_words(0.01234), p_words(0.0)
        ('p = 0.0123', 'p < 1e-300')
    """
    return f"p = {p:.3g}" if p > 1e-300 or math.isnan(p) else "p < 1e-300"
