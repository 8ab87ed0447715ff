"""The corrected resampled t-test: two methods on one data set, over splits that overlap.

Formula
    Differences d of k resamples, each trained on n_train and tested on
    n_test examples. The plain variance of their mean, s^2 / k, is too small
    because the resamples share data. The corrected one is
      (1 / k + n_test / n_train) s^2
    with Student's t and k - 1 degrees of freedom. For r times repeated
    K-fold cross-validation k = r K and n_test / n_train = 1 / (K - 1).
    More resamples do not make the second part smaller: only more data do.
    The same t law is the posterior of the mean difference (correlated
    Bayesian t-test): its shares below, inside and above the region of
    practical equivalence.

What was measured (% of false alarms between two learners that are equally
good, 100 examples, 5 % nominal)
      splits                 normal features      skewed features
      15 of 90/10            5.0 (plain t: 20)    6.3 (plain t: 23)
      10-fold, once          1.0 (plain t: 5)     1.4 (plain t: 7)
      10-fold, ten times     3.8 (plain t: 55)    6.0 (plain t: 58)
    It is a rule of thumb: no unbiased variance of a cross-validation
    exists. It speaks of this data set's distribution, not of others.

Source: Nadeau & Bengio (2003), Machine Learning 52, 239-281; Bouckaert &
Frank (2004), PAKDD, 3-12; Corani & Benavoli (2015), Machine Learning 100,
285-304 (the posterior).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.checked import Floats, floats, fraction, numbers
from cupel.stats.frame import frame_of
from cupel.stats.interval import Interval
from cupel.stats.note import Note
from cupel.stats.student import t_p_value, t_quantile

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

LEAST_SD_FRAC = 1e-12
"""Spread, as a share of the largest difference, below which differences are equal for a computer."""


@dataclass(frozen=True)
class CorrectedT:
    """A mean difference over resamples that overlap.

    Attributes:
        estimate: mean difference.
        interval: of the expected difference; None where the spread is unknown.
        p: two-sided p-value of "no difference"; None likewise.
        t: the statistic; None likewise.
        se: corrected standard error; None likewise.
        df: degrees of freedom, resamples - 1.
        p_below: posterior probability that the difference is below -rope; None likewise, or where no rope was given.
        p_rope: that it is inside the rope; None likewise.
        p_above: that it is above the rope; None likewise.
        rope: half width of the region; None where none was given.
        n: resamples that count.
        method: how it was computed.
        scope: for what it holds.
        warnings: what a reader must know.
    """

    estimate: float
    interval: Interval | None
    p: float | None
    t: float | None
    se: float | None
    df: int
    p_below: float | None
    p_rope: float | None
    p_above: float | None
    rope: float | None
    n: int
    method: str
    scope: str
    warnings: tuple[Note, ...]

    def to_frame(self) -> Any:
        """One row."""
        low, high = (self.interval.low, self.interval.high) if self.interval else (math.nan, math.nan)
        return frame_of({
            "difference": [self.estimate], "low": [low], "high": [high], "p": [self.p], "n": [self.n],
            "p_below": [self.p_below], "p_rope": [self.p_rope], "p_above": [self.p_above],
        })  # fmt: skip

    def text(self) -> str:
        """The statement in one line, and the warnings."""
        line = f"Mean difference {self.estimate:.4g} over {self.n} resamples"
        if self.interval is not None:
            span = f"[{self.interval.low:.4g}, {self.interval.high:.4g}]"
            line += f", {self.interval.level:.0%} interval {span}, p = {self.p:.2g}"
        if self.p_rope is not None:
            line += f"; below -{self.rope:g}: {self.p_below:.3f}, within: {self.p_rope:.3f}, above: {self.p_above:.3f}"
        return "\n".join([f"{line} ({self.method}).", *(note.text for note in self.warnings)])


def corrected_t(
    differences: ArrayLike, *, n_train: float, n_test: float, rope: float | None = None, level: float = 0.95
) -> CorrectedT:
    """Test the mean difference of two methods over resamples of one data set.

    Args:
        differences: (resamples,) or (repeats, folds) difference of the two methods on each; NaN where one of them
            failed: it is left out, counted and said.
        n_train: examples that each resample trains on, above 0 (their number need not be whole).
        n_test: examples that each resample tests on, above 0.
        rope: half width of the region of practical equivalence, at least 0, in the unit of the differences.
        level: of the interval.

    Returns:
        Mean, interval, p, and the three probabilities where a rope was given; the mean alone with one resample or
        with equal differences.

    Raises:
        UsageError: no finite difference, or sizes, rope or level out of range.

    Source: Nadeau & Bengio (2003), section 4.

    Example:
        >>> found = corrected_t([0.02, 0.01, 0.03, 0.02, 0.02], n_train=80, n_test=20)
        >>> round(found.p, 4)
        0.0135
    """
    fraction("level", level)
    values, num_failed = _checked(differences)
    numbers(n_train=n_train, n_test=n_test, rope=0.0 if rope is None else rope)
    if not (0 < n_train < math.inf and 0 < n_test < math.inf) or (rope is not None and not 0 <= rope < math.inf):
        raise UsageError(f"n_train = {n_train}, n_test = {n_test}, rope = {rope}; expected sizes above 0, rope from 0.")
    n, mean = values.size, float(values.mean())
    method = f"corrected resampled t, test share {n_test / n_train:.3g} of training"
    notes = _notes(n, num_failed)
    spread = float(values.std(ddof=1)) if n > 1 else 0.0
    if not spread > LEAST_SD_FRAC * float(np.abs(values).max()):
        if n > 1:
            notes += (Note("no spread", f"All {n} differences are equal: their spread says nothing of chance."),)
        return CorrectedT(
            estimate=mean, interval=None, p=None, t=None, se=None, df=n - 1, p_below=None, p_rope=None, p_above=None,
            rope=rope, n=n, method=method, scope="this data set", warnings=notes,
        )  # fmt: skip
    se = spread * math.sqrt(1 / n + n_test / n_train)
    half = t_quantile(level, n - 1) * se
    below, inside, above = _posterior(mean, se, n - 1, rope)
    return CorrectedT(
        estimate=mean, interval=Interval(mean - half, mean + half, level, "corrected resampled t"),
        p=t_p_value(mean, se, n - 1), t=mean / se, se=se, df=n - 1, p_below=below, p_rope=inside, p_above=above,
        rope=rope, n=n, method=method, scope="this data set", warnings=notes,
    )  # fmt: skip


def _checked(differences: ArrayLike) -> tuple[Floats, int]:
    values = floats("differences", differences)
    if values.ndim not in (1, 2):
        raise UsageError(f"`differences` has shape {values.shape}; expected (resamples,) or (repeats, folds).")
    known = values[np.isfinite(values)]
    if not known.size:
        raise UsageError(f"None of {values.size} differences is a finite number; expected at least one.")
    return known, values.size - known.size


def _posterior(mean: float, se: float, df: int, rope: float | None) -> tuple[float | None, float | None, float | None]:
    """Shares of the t law below, inside and above the region."""
    if rope is None:
        return None, None, None
    from scipy.special import stdtr

    below, above = float(stdtr(df, (-rope - mean) / se)), float(stdtr(df, (mean - rope) / se))
    return below, max(0.0, 1 - below - above), above


def _notes(n: int, num_failed: int) -> tuple[Note, ...]:
    notes = []
    if num_failed:
        text = (
            f"{num_failed} of {n + num_failed} resamples have no difference, because a run failed; they do not count."
        )
        notes.append(Note("failures", text))
    if n < 2:
        notes.append(Note("few runs", "One resample has no spread: there is no interval."))
    return tuple(notes)
