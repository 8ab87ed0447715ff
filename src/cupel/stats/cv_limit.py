"""How large the spread between launches may be, given how few launches there were."""

from __future__ import annotations

import math

from cupel.spec.errors import UsageError
from cupel.stats.checked import fraction


def cv_limit(cv: float, n: int, level: float = 0.8) -> float:
    """Upper confidence limit of a relative standard deviation between launches, by the chi-square law.

    Args:
        cv: standard deviation of log rate as estimated, at least 0.
        n: launches that it was estimated from, at least 2.
        level: chance that the true one is below the limit.

    Returns:
        The limit, in the same unit as `cv`.

    Raises:
        UsageError: when there are fewer than 2 launches or an argument is out of range.

    Source: the chi-square law of a normal sample's variance.

    Example:
        >>> round(cv_limit(0.01, 3), 4)
        0.0212
    """
    fraction("level", level)
    if n < 2 or not 0 <= cv < math.inf:
        raise UsageError(f"cv = {cv}, n = {n}; expected a spread of at least 0 from at least 2 launches.")
    from scipy.special import chdtri

    return cv * math.sqrt((n - 1) / float(chdtri(n - 1, level)))
