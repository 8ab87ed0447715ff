"""How much a series of dependent steps is worth (private machinery of `throughput`)."""

from __future__ import annotations

import math

import numpy as np

from cupel.stats.checked import Floats

PESSIMISM = 2.6


def autocorrelations(x: Floats) -> Floats:
    """Sample autocorrelations at lags 0 to n - 1.

    Args:
        x: (n,) finite values, n >= 2.

    Returns:
        (n,) values, the first 1; all but the first are 0 for a constant series.

    Cost: O(n log n) by the fast Fourier transform.
    """
    n = x.size
    centred = x - x.mean()
    spectrum = np.fft.rfft(centred, 2 * n)
    covariance = np.fft.irfft(spectrum * spectrum.conj(), 2 * n)[:n]
    if covariance[0] <= 0:
        flat: Floats = np.zeros(n)
        flat[0] = 1.0
        return flat
    result: Floats = covariance / covariance[0]
    return result


def effective_size(x: Floats) -> float:
    """Number of independent values that the mean of `x` is worth, by Geyer's initial positive sequence.

    Sums of autocorrelations over pairs of lags are added up while they stay positive; n / (2 sum - 1).

    Args:
        x: (n,) finite values.

    Returns:
        Between 1 and n (an alternating series would be worth more than n; no more is claimed); n when n < 4.

    Source: Geyer (1992), Statistical Science 7, 473-483, section 3.3.
    """
    n = x.size
    if n < 4:
        return float(n)
    rho = autocorrelations(x)
    pairs = rho[0 : n - 1 : 2] + rho[1:n:2]
    ends = np.flatnonzero(pairs <= 0)
    total = float(pairs[: ends[0] if ends.size else pairs.size].sum())
    time = max(1.0, 2 * total - 1)
    return max(1.0, n / time)


def pessimistic_size(x: Floats) -> tuple[float, float]:
    """Lag-1 autocorrelation, and the effective size that is still believable at its upper end.

    The lag-1 estimate is corrected for its bias, (1 + 3 rho) / n, and raised by 2.6 standard errors (one-sided
    99.5 %); the size is n (1 - rho) / (1 + rho) with that value, and never above `effective_size`.

    Args:
        x: (n,) finite values.

    Returns:
        The plain lag-1 autocorrelation (0 when n < 4 or the series is constant) and the pessimistic size, 1 to n.

    Source: Kendall (1954), Biometrika 41, 403-404 (bias); Bartlett (1946) (standard error).
    """
    n = x.size
    if n < 4:
        return 0.0, float(n)
    rho1 = float(autocorrelations(x)[1])
    corrected = rho1 + (1 + 3 * max(rho1, 0.0)) / n
    upper = min(0.999, corrected + PESSIMISM * math.sqrt(max(1 - corrected * corrected, 0.0) / n))
    size = n * (1 - upper) / (1 + upper) if upper > 0 else float(n)
    return rho1, max(1.0, min(size, effective_size(x)))
