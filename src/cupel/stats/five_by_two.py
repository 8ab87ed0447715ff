"""Five replications of two-fold cross-validation: Dietterich's t and Alpaydin's combined F.

Formula
    p_ij is the difference of the two methods on fold j of replication i;
    s_i^2 = (p_i1 - m_i)^2 + (p_i2 - m_i)^2 with m_i the mean of both.
      t = p_11 / sqrt(sum of s_i^2 / 5)          5 degrees of freedom
      F = sum of p_ij^2 / (2 x sum of s_i^2)     10 and 5
    t depends on which fold happens to be called the first; F takes all ten
    and is the one to go by. The interval holds every difference that F
    would not refuse if it were subtracted from all ten; it can be empty,
    when the ten disagree more between replications than within them.

What was measured (two learners that are equally good, 5 % nominal)
    F 3.1 % false alarms with normal features, 3.7 % with skewed ones; t 2.9
    and 3.1 %; the interval held the true difference in 97 and 96 %. Half of
    the data train: the difference is that of methods trained on half.

Source: Dietterich (1998), Neural Computation 10, 1895-1923; Alpaydin
(1999), Neural Computation 11, 1885-1892.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.checked import Floats, floats, fraction
from cupel.stats.frame import frame_of
from cupel.stats.interval import Interval
from cupel.stats.note import Note
from cupel.stats.student import t_p_value

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

SHAPE = (5, 2)
LEAST_SD_FRAC = 1e-12


@dataclass(frozen=True)
class FiveByTwo:
    """Two methods on five replications of two folds.

    Attributes:
        estimate: mean of the ten differences.
        interval: of the expected difference, by the combined F; None where it is empty or there is no test.
        p: of the combined F; None where no test is possible.
        f: the combined F; None likewise.
        p_t: of Dietterich's t, two-sided; None likewise.
        t: Dietterich's t; None likewise.
        n: differences that are there, of ten.
        method: how it was computed.
        scope: for what it holds.
        warnings: what a reader must know.
    """

    estimate: float
    interval: Interval | None
    p: float | None
    f: float | None
    p_t: float | None
    t: float | None
    n: int
    method: str
    scope: str
    warnings: tuple[Note, ...]

    def to_frame(self) -> Any:
        """One row."""
        low, high = (self.interval.low, self.interval.high) if self.interval else (math.nan, math.nan)
        return frame_of({
            "difference": [self.estimate], "low": [low], "high": [high], "p": [self.p], "f": [self.f],
            "p_t": [self.p_t], "t": [self.t],
        })  # fmt: skip

    def text(self) -> str:
        """The statement in one line, and the warnings."""
        line = f"Mean difference {self.estimate:.4g} over 5 x 2 folds"
        if self.interval is not None:
            line += f", {self.interval.level:.0%} interval [{self.interval.low:.4g}, {self.interval.high:.4g}]"
        if self.p is not None:
            line += f", p = {self.p:.2g} (combined F = {self.f:.3g}; Dietterich's t = {self.t:.3g}, p = {self.p_t:.2g})"
        return "\n".join([f"{line}.", *(note.text for note in self.warnings)])


def five_by_two(differences: ArrayLike, *, level: float = 0.95) -> FiveByTwo:
    """Test two methods on five replications of two-fold cross-validation.

    Args:
        differences: (5, 2) difference of the two methods: replications x folds.
        level: of the interval.

    Returns:
        Mean, interval and both tests; the mean of what is there, without a test, where a fold failed (NaN) or the two
        folds agree in every replication.

    Raises:
        UsageError: another shape, or no finite difference.

    Source: Alpaydin (1999).

    Example:
        >>> found = five_by_two([[0.02, 0.03], [0.01, 0.03], [0.02, 0.02], [0.04, 0.03], [0.03, 0.02]])
        >>> round(found.f, 2), round(found.p, 4)
        (9.86, 0.0104)
    """
    fraction("level", level)
    p = floats("differences", differences)
    if p.shape != SHAPE:
        raise UsageError(f"`differences` has shape {p.shape}; expected (5, 2): five replications of two folds.")
    known = np.isfinite(p)
    if not known.any():
        raise UsageError("None of the 10 differences is a finite number; expected ten.")
    estimate, n = float(p[known].mean()), int(known.sum())
    method = "combined 5x2cv F"
    if n < p.size:
        text = f"{10 - n} of 10 folds have no difference, because a run failed: the design is incomplete, no test."
        return FiveByTwo(estimate, *(None,) * 5, n, method, "this data set", (Note("failures", text),))
    variances = ((p - p.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    if not math.sqrt(variances.max()) > LEAST_SD_FRAC * float(np.abs(p).max()):
        text = "The two folds agree in every replication: there is no spread to tell chance by."
        return FiveByTwo(estimate, *(None,) * 5, n, method, "this data set", (Note("no spread", text),))
    from scipy.special import fdtrc

    spread = float(variances.sum())
    f = float((p**2).sum()) / (2 * spread)
    se = math.sqrt(spread / 5)
    interval = _interval(p, spread, level)
    return FiveByTwo(
        estimate, interval, float(fdtrc(10, 5, f)), f, t_p_value(float(p[0, 0]), se, 5), float(p[0, 0]) / se, n, method,
        "this data set", () if interval else (Note("overlapping splits", EMPTY),),
    )  # fmt: skip


EMPTY = (
    "The replications differ from each other by more than their folds do: no single difference fits all ten, and there "
    "is no interval."
)


def _interval(p: Floats, spread: float, level: float) -> Interval | None:
    """Differences that F does not refuse; None where it refuses all."""
    from scipy.special import fdtri

    bound = 2 * spread * float(fdtri(10, 5, level))
    mean = float(p.mean())
    room = (bound - float(((p - mean) ** 2).sum())) / p.size
    if room < 0:
        return None
    half = math.sqrt(room)
    return Interval(mean - half, mean + half, level, "combined 5x2cv F")
