"""Whether fixed and random columns alone explain a response, so that no residual is left.

Formula
    Least squares of the standardised residual response on all columns of the
    random terms beside the orthonormal fixed ones, by LSMR; what is left,
    relative to the response, is rounding or is not.

Source: Fong and Saunders (2011), SIAM J. Sci. Comput. 33, 2950-2971 (LSMR, from scipy).
"""

from __future__ import annotations

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.checked import Floats
from cupel.stats.mixed.model_data import ModelData
from cupel.stats.mixed.optimum import ALL_EXPLAINED

SUSPECT = 1e-6
"""Residual variance, as a share of the response's, from which down it is looked whether it is one."""
ROUNDING = 1e-8
"""Root mean square of what least squares leaves, as a share of the response's, that is no residual."""
TOLERANCE, MOST_STEPS = 1e-13, 2000


def need_residual(data: ModelData, response: Floats, variance: float) -> None:
    """Refuse a fit whose likelihood has no maximum: the search ran until sums broke.

    Args:
        data: what was fitted.
        response: (n,) the response.
        variance: of the residual that the fit found, as a share of the response's.

    Raises:
        UsageError: fixed part and random terms explain the response up to rounding.
    """
    if variance < SUSPECT and _left_over(data, response) < ROUNDING:
        raise UsageError(ALL_EXPLAINED)


def _left_over(data: ModelData, response: Floats) -> float:
    """Root mean square of what least squares leaves of the response, in its scale beyond the fixed part."""
    from scipy.sparse import coo_array, csr_array, hstack
    from scipy.sparse.linalg import lsmr

    rest = (response - data.q @ (data.q.T @ response)) / data.scale
    blocks = [csr_array(data.q)]
    for term in data.terms:
        for j in range(term.k):
            z = term.column(j)
            values = np.ones(data.n) if z is None else z
            at = (np.arange(data.n), term.codes)
            blocks.append(coo_array((values, at), shape=(data.n, term.num_levels)).tocsr())
    columns = hstack(blocks, format="csr")
    found = lsmr(columns, rest, atol=TOLERANCE, btol=TOLERANCE, maxiter=MOST_STEPS)
    return float(np.sqrt(np.mean((rest - columns @ found[0]) ** 2)))
