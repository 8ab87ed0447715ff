"""Holm's correction: a table of several tests, read as one statement.

Rule
    Sort the m p-values. The smallest is multiplied by m, the next by
    m - 1, and so on down to 1; a value never falls below the one before
    it, nor rises above 1. An entry whose adjusted p is at most 5 % stands:
    the chance that any entry in the table is a false alarm is at most 5 %,
    whatever the dependence between the entries.
    An entry without a p-value (NaN) stays NaN and is not counted in m.

Source: Holm (1979), Scandinavian Journal of Statistics 6, 65-70.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.checked import Floats, series

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def holm(p_values: ArrayLike) -> Floats:
    """Adjust p-values so that the family-wise error rate holds.

    Args:
        p_values: (m,) p-values, 0 to 1; NaN where there was no test.

    Returns:
        (m,) adjusted p-values in the order given; NaN stays NaN.

    Raises:
        UsageError: when one lies outside 0 to 1.

    Source: Holm (1979).

    Example:
        >>> holm([0.01, 0.04, 0.03]).tolist()
        [0.03, 0.06, 0.06]
    """
    p = series("p_values", p_values)
    known = np.flatnonzero(~np.isnan(p))
    if np.any((p[known] < 0) | (p[known] > 1)):
        raise UsageError(f"p_values are {p.tolist()}; expected numbers from 0 to 1, or NaN for a test not made.")
    order = known[np.argsort(p[known], kind="stable")]
    factors = np.arange(order.size, 0, -1)
    adjusted = np.full(p.shape, np.nan)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * factors))
    return adjusted
