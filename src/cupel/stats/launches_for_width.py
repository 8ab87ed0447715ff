"""How many launches for an interval of a given half width."""

from __future__ import annotations

import math
from statistics import NormalDist

from cupel.spec.errors import UsageError
from cupel.stats.checked import fraction, numbers
from cupel.stats.student import t_quantile

MOST = 1_000_000


def launches_for_width(cv: float, half_width: float, *, level: float = 0.95) -> int:
    """Smallest n whose expected t interval is at most `half_width` to each side.

    t(n - 1) x cv / sqrt(n) <= half_width.

    Args:
        cv: relative standard deviation between launches, such as 0.01; above 0.
        half_width: relative half width wanted, such as 0.005; above 0.
        level: of the interval.

    Returns:
        Number of launches, at least 2.

    Raises:
        UsageError: when an argument is out of range, or more than a million launches would be needed.

    Source: rule R5 of Cupel's statistics.

    Example:
        >>> launches_for_width(0.01, 0.01)
        7
    """
    fraction("level", level)
    numbers(cv=cv, half_width=half_width)
    if not (0 < cv < math.inf and 0 < half_width < math.inf):
        raise UsageError(f"cv = {cv}, half_width = {half_width}; expected relative sizes above 0, such as 0.01.")
    z = NormalDist().inv_cdf(0.5 + level / 2)
    root = z * cv / half_width
    if root > math.sqrt(MOST):
        raise UsageError(f"cv = {cv}, half_width = {half_width} needs over {MOST} launches. Ask for a wider interval.")
    n = max(2, int(root**2))  # t is wider than z, so the search starts below the answer
    while t_quantile(level, n - 1) * cv / math.sqrt(n) > half_width:
        n += 1
    return n
