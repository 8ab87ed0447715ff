"""How far an estimator of a method's performance is off: bias, spread and correlation of its k measures.

Formula (R[i, j] = measure i of repetition j of the whole estimator)
    mean of repetition j   m_j = mean over i of R[i, j]
    bias                   mean of m_j - mu
    variance               Var(m_j) = V / k + (k - 1) / k * rho * V   (eq. 7)
    mse                    variance + bias^2                          (eq. 8)
    V    variance of a single measure over repetitions
    rho  mean correlation of two measures of one repetition: they share one
         tuning of the hyperparameters. With rho > 0 the variance has a
         floor, rho V, that no number of measures k gets below.
    The ideal estimator tunes anew for each measure: bias and rho are 0 and
    variance = mse = sigma^2 / k                                    (eq. 6)
    k_eq = sigma^2 / variance: the ideal estimator needs so many measures
    to be as steady as this one.

    The authors' code (estimators.py) puts the variance within repetitions
    in the place of V. Eq. 7 then still adds up, but its rho is the ratio of
    the variance between repetitions to that within, times k / (k - 1), no
    correlation: it has no upper limit (for rho = 0.5 it is about 1). It is shown as
    `rho_published`. Their band around a standard deviation takes k for its
    sample size; here it is the number of repetitions m, which it is over.

Source: Bouthillier et al. (2021), "Accounting for Variance in Machine
Learning Benchmarks", section 3, eq. 6 to 8, algorithms 1 and 2; authors'
code bouthilx/ml-method-video, estimators.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.checked import Floats, floats, numbers
from cupel.stats.frame import frame_of
from cupel.stats.interval import Interval
from cupel.stats.note import Note
from cupel.stats.spread_interval import normal_sd_interval, sd_of_sd

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

LEVEL = 0.95


@dataclass(frozen=True)
class EstimatorMse:
    """Error of an estimator that averages k measures.

    Attributes:
        bias: mean of the estimates minus the truth, in the unit of the measures; of one sign or the other.
        bias_error: standard error of `bias`; None with one repetition.
        variance: of the estimates over repetitions, in the unit squared; None with one repetition.
        sd: its root.
        sd_error: standard deviation of `sd` itself for normal estimates.
        interval: of `sd` at 95 %, chi-square; None with one repetition or without spread.
        measure_variance: V, of a single measure over repetitions.
        rho: mean correlation of two measures of one repetition; None with one measure, one repetition or no spread.
        rho_published: the number that the authors' code calls rho; None likewise or without spread within.
        mse: mean squared error of the estimate; None with one repetition.
        k: measures in an estimate.
        n: repetitions, those without failures.
        k_eq: measures with which the ideal estimator is as steady; None without `sigma`.
        mse_ideal: mean squared error of the ideal estimator with k measures; None without `sigma`.
        method: how it was computed.
        scope: what it speaks of.
        warnings: repetitions left out, too few of them.
    """

    bias: float
    bias_error: float | None
    variance: float | None
    sd: float | None
    sd_error: float | None
    interval: Interval | None
    measure_variance: float | None
    rho: float | None
    rho_published: float | None
    mse: float | None
    k: int
    n: int
    k_eq: float | None
    mse_ideal: float | None
    method: str
    scope: str
    warnings: tuple[Note, ...]

    def to_frame(self) -> Any:
        """One row."""
        names = ("k", "n", "bias", "bias_error", "variance", "sd", "sd_error", "rho", "rho_published", "mse")
        return frame_of({name: [getattr(self, name)] for name in (*names, "k_eq", "mse_ideal")})

    def text(self) -> str:
        """One line."""
        if self.sd is None:
            return f"bias {self.bias:+.3g}; one repetition of the estimator: its spread is not known"
        rho = "" if self.rho is None else f", rho {self.rho:.2f}"
        ideal = "" if self.k_eq is None else f"; as steady as an ideal estimator with {self.k_eq:.3g} measures"
        sizes = f"k = {self.k} measures, {self.n} repetitions"
        return (
            f"bias {self.bias:+.3g}, sd {self.sd:.3g} (+-{self.sd_error:.1g}){rho}, mse {self.mse:.3g} ({sizes}){ideal}"
        )


def estimator_mse(a: ArrayLike, *, mu: float, sigma: float | None = None) -> EstimatorMse:
    """Estimate bias, variance, correlation and mean squared error of an estimator from repetitions of it.

    Args:
        a: (k, m) measures: k of each of m repetitions of the whole estimator, tuning included. A repetition (column)
            with a failed measure (NaN or infinite) is left out and counted.
        mu: the true performance, such as the mean of many ideal runs.
        sigma: standard deviation of one run in which everything varies, tuning included, > 0; None where unknown.

    Returns:
        The error. With one repetition only the bias is known.

    Raises:
        UsageError: when `a` is no matrix, no repetition is whole, or mu or sigma is no number that can be.

    Source: Bouthillier et al. (2021), eq. 6 to 8.

    Example:
        >>> found = estimator_mse([[1.0, 3.0], [2.0, 4.0]], mu=2.0, sigma=2.0)
        >>> found.bias, found.variance, found.rho, found.rho_published, found.k_eq
        (0.5, 2.0, 1.0, 7.0, 2.0)
    """
    measures, num_left_out = _checked(a)
    numbers(mu=mu, sigma=1.0 if sigma is None else sigma)
    if not math.isfinite(mu) or (sigma is not None and not 0 < sigma < math.inf):
        raise UsageError(f"mu = {mu}, sigma = {sigma}; expected a number, and a spread above 0 or None.")
    k, m = measures.shape
    means = measures.mean(axis=0)
    bias = float(means.mean()) - mu
    variance = float(means.var(ddof=1)) if m > 1 else None
    single = float(measures.var(axis=1, ddof=1).mean()) if m > 1 else None
    sd = None if variance is None else math.sqrt(variance)
    return EstimatorMse(
        bias=bias,
        bias_error=None if sd is None else sd / math.sqrt(m),
        variance=variance,
        sd=sd,
        sd_error=None if sd is None else sd_of_sd(sd, m),
        interval=None if sd is None else normal_sd_interval(sd, m, level=LEVEL),
        measure_variance=single,
        rho=_rho(k, variance, single),
        rho_published=_rho(k, float(means.var()), float(measures.var(axis=0).mean())) if m > 1 else None,
        mse=None if variance is None else variance + bias**2,
        k=k,
        n=m,
        k_eq=None if sigma is None or not variance else sigma**2 / variance,
        mse_ideal=None if sigma is None else sigma**2 / k,
        method="moments over repetitions",
        scope="estimators like these",
        warnings=_notes(m, num_left_out),
    )


def _checked(a: ArrayLike) -> tuple[Floats, int]:
    """The repetitions without a failure, and how many have one."""
    measures = floats("a", a)
    if measures.ndim != 2 or not measures.size:
        raise UsageError(
            f"`a` has shape {measures.shape}; expected (k, m): k measures (rows) of m repetitions of the estimator."
        )
    whole = np.isfinite(measures).all(axis=0)
    if not whole.any():
        raise UsageError(f"Each of the {whole.size} repetitions has a failed measure; expected one at least without.")
    return measures[:, whole], int((~whole).sum())


def _rho(k: int, variance: float | None, single: float | None) -> float | None:
    """Eq. 7 solved for rho."""
    if variance is None or not single or k < 2:
        return None
    return (k * variance - single) / ((k - 1) * single)


def _notes(m: int, num_left_out: int) -> tuple[Note, ...]:
    notes = []
    if num_left_out:
        text = f"{num_left_out} of {m + num_left_out} repetitions have a failed measure and are left out"
        notes.append(Note("failures", text))
    if m == 1:
        notes.append(Note("one hpo run", "one repetition: how far another tuning would land is not known"))
    return tuple(notes)
