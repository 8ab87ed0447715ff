"""Intervals for a mean that hold at every look at once, so that one may stop at any.

Rule
    A stream of values x_1, x_2, ...; after each, the interval holds all
    means that no look so far speaks against. In 95 % of streams all the
    intervals hold the true mean, however many looks there are and whatever
    made one stop. Against a mean m evidence E_n(m) is collected that is a
    fair bet while m is true; it reaches 20 ever in at most 5 % of streams
    (Ville), so the means with E_n(m) below 20 are the interval.
    t          values with a normal law, spread unknown: Student's t against
               an average over effect sizes,
                  mean +- c(n) sd / sqrt(n),
                  c(n)^2 = (n - 1)(r - 1) / (1 - r / (n + 1)),
                  r = (20 sqrt(n + 1))^(2 / n).
               c is 8.4 at n = 5, 3.9 at 10, 3.4 at 20, 3.3 at 50, 3.4 at
               200; infinite below 5. (One look: 2.8, 2.3, 2.1, 2.0, 2.0.)
    betting    values within known bounds, any law: the average over all
               bets q of the product of q x / m + (1 - q)(1 - x) / (1 - m)
    bounded    the same in closed form (empirical Bernstein): wider, for
               streams too long for the bets
    bernoulli  outcomes 0 or 1 (ties 0.5): betting, in closed form

What holds when the law is another one (share of 95 % streams whose
    intervals hold the mean at all of 300 looks)
                           t     betting, in the bounds
       normal            0.97    0.99  (mean 0.5, spread 0.1 of the range)
       t, 3 df           0.98
       0 or 1, P = .9    0.92    0.97
       exponential       0.87    0.97  (cut at 8 means)
       lognormal         0.74
    t does not keep its level for skewed values, mostly in the first 30
    looks; it holds for heavy symmetrical tails and for accuracies in steps.
    Differences of two methods on the same seed are far less skewed than
    the metric itself. Where they are skewed: `betting` where the bounds are
    known, else the test of wins (`sequential_test`), which assumes nothing
    about the law.
    Bounds cost much where the spread is small against them: with betting
    no interval after n looks is narrower than 4 to 5 (high - low) / n.

Source: Ville (1939); Wang & Ramdas (2025), Sequential Analysis 44, 56-110;
Cover (1991); Orabona & Jun (2024), IEEE Trans. Inf. Theory 70, 436-455;
Waudby-Smith & Ramdas (2024), JRSS B 86, 1-27; Robbins (1970).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.beta_mixture import WinCounts, limits
from cupel.stats.checked import Floats, ends, fraction, series
from cupel.stats.empirical_bernstein import bernstein_limits
from cupel.stats.frame import frame_of
from cupel.stats.interval import Interval
from cupel.stats.note import Note
from cupel.stats.running_limits import running_limits
from cupel.stats.t_mixture import running_moments, t_limits
from cupel.stats.universal_bets import wealth_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

SequenceKind: TypeAlias = Literal["t", "betting", "bounded", "bernoulli"]
FEWEST_FOR_SKEWNESS = 8
METHODS: dict[SequenceKind, str] = {
    "t": "t mixture, valid at any stop",
    "betting": "universal bets, valid at any stop",
    "bounded": "empirical Bernstein, valid at any stop",
    "bernoulli": "beta-binomial mixture, valid at any stop",
}


@dataclass(frozen=True)
class ConfidenceSequence:
    """Intervals for a mean after each value.

    Attributes:
        estimate: mean of the values; NaN without any.
        interval: after the last value; None where there is none, where it is infinite, or where it has become empty.
        n: values.
        num_failed: values that were missing.
        lower: (n,) lower end after each value; -inf where nothing is excluded.
        upper: (n,) upper end; inf where nothing is excluded.
        level: chance that all of them hold the mean.
        method: how they were computed.
        scope: what they speak of.
        warnings: what a reader must know.
    """

    estimate: float
    interval: Interval | None
    n: int
    num_failed: int
    lower: Floats = field(repr=False, compare=False)
    upper: Floats = field(repr=False, compare=False)
    level: float = 0.95
    method: str = ""
    scope: str = "these runs"
    warnings: tuple[Note, ...] = ()

    def to_frame(self) -> Any:
        """A row per value: the interval after it."""
        return frame_of({"n": list(range(1, self.n + 1)), "low": self.lower.tolist(), "high": self.upper.tolist()})

    def text(self) -> str:
        """The last interval in one line."""
        if not self.n:
            return "no value yet"
        sure = f"{self.interval.low:.4g} to {self.interval.high:.4g}" if self.interval else "no interval"
        return f"mean {self.estimate:.4g} ({100 * self.level:g}% at any stop: {sure}, n = {self.n})"


def confidence_sequence(
    x: ArrayLike,
    *,
    kind: SequenceKind = "t",
    level: float = 0.95,
    bounds: tuple[float, float] | None = None,
    is_running: bool = True,
) -> ConfidenceSequence:
    """Intervals for the mean of a stream, valid at all looks at once.

    Args:
        x: (n,) independent values in the order in which they came; NaN for a run that failed: left out, counted and
            named in `warnings`.
        kind: `t` (normal law), `betting` or `bounded` (any law within bounds), `bernoulli` (0, 1 and ties 0.5).
        level: chance that all intervals together hold the mean.
        bounds: lowest and highest value that is possible, known before the data, for `betting` and `bounded`;
            (0, 1) where None. Differences of accuracies lie in (-1, 1).
        is_running: carry the tightest limits from look to look; otherwise each look stands alone.

    Returns:
        The limits after each value. `t` excludes nothing before the fifth value (at 95 %), nor while all values are
        equal. Where limits that are carried exclude everything, there is no interval and a note says so.

    Raises:
        UsageError: when a value is infinite or beyond the bounds, or an option is out of range.

    Cost: O(n), 0.1 ms for 100 values; for `betting` n^1.5, 12 ms for 100, 0.5 s for 500.

    Source: Wang & Ramdas (2025); Orabona & Jun (2024); Waudby-Smith & Ramdas (2024).

    Example:
        >>> found = confidence_sequence([0.8, 1.1, 0.9, 1.3, 1.0, 0.7, 1.2, 0.9])
        >>> found.text()
        'mean 0.9875 (95% at any stop: 0.6823 to 1.293, n = 8)'
    """
    fraction("level", level)
    if kind not in METHODS:
        raise UsageError(f"kind = {kind!r}; expected one of {', '.join(map(repr, METHODS))}.")
    values, num_failed = finite_values(x)
    low, high = _bounds(kind, values, bounds)
    lower, upper = _limits(kind, (values - low) / (high - low) if kind != "t" else values, level)
    if kind != "t":
        lower, upper = low + (high - low) * lower, low + (high - low) * upper
    crossed = running_limits(lower, upper, is_carried=is_running)
    interval = crossed.interval(level, METHODS[kind])
    notes = [failure_note(num_failed, values.size)] if num_failed else []
    if crossed.is_empty:
        notes.append(
            Note("drift", f"Intervals contradict each other from value {crossed.empty_at} on: the mean moved.")
        )
    notes += shape_notes(values) if kind == "t" else []
    return ConfidenceSequence(
        estimate=float(values.mean()) if values.size else math.nan,
        interval=interval if interval is not None and math.isfinite(interval.high - interval.low) else None,
        n=values.size,
        num_failed=num_failed,
        lower=crossed.lower,
        upper=crossed.upper,
        level=level,
        method=METHODS[kind],
        warnings=tuple(notes),
    )


def finite_values(x: ArrayLike) -> tuple[Floats, int]:
    """The values that there are, and how many are missing.

    Raises:
        UsageError: when one is infinite.
    """
    values = series("x", x)
    is_infinite = np.isinf(values)
    if is_infinite.any():
        raise UsageError(f"`x`[{int(np.argmax(is_infinite))}] is infinite; expected numbers, or NaN for a failed run.")
    is_missing = np.isnan(values)
    return values[~is_missing], int(is_missing.sum())


def failure_note(num_failed: int, num_left: int) -> Note:
    """How many runs failed."""
    return Note("failures", f"{num_failed} of {num_failed + num_left} values are missing and left out.")


def shape_notes(values: Floats) -> list[Note]:
    """Notes where Student's t does not know: values all alike, or too skewed.

    Too skewed is beyond 3 standard errors of a normal law's skewness.
    """
    n = values.size
    if n < 2:
        return []
    if running_moments(values).sd[-1] == 0:
        return [Note("no spread", f"All {n} values are {values[0]:g}: the spread is unknown.")]
    apart = (values - values.mean()) / np.ptp(values)
    skewness = float(np.mean(apart**3) / np.mean(apart**2) ** 1.5)
    if n < FEWEST_FOR_SKEWNESS or abs(skewness) <= 3 * math.sqrt(6 / n):
        return []
    text = (
        f"The values are skewed (skewness {skewness:.1f}, n = {n}): intervals by Student's t hold less often than said."
    )
    return [Note("approximate", f"{text} `betting` with bounds, or sequential_test on the wins, assume no law.")]


def _bounds(kind: SequenceKind, values: Floats, bounds: tuple[float, float] | None) -> tuple[float, float]:
    """The bounds of the kinds that have some; every value lies within."""
    if kind == "t" or (kind == "bernoulli" and bounds is not None):
        if bounds is not None:
            raise UsageError(f"bounds = {bounds} with kind = {kind!r}; bounds belong to 'betting' and 'bounded'.")
        return 0.0, 1.0
    low, high = (0.0, 1.0) if bounds is None else ends("bounds", bounds)
    if not (math.isfinite(low) and math.isfinite(high)):
        raise UsageError(f"bounds = {bounds}; expected the lowest and the highest possible value, such as (-1, 1).")
    bad = np.flatnonzero((values < low) | (values > high))
    if kind == "bernoulli":
        bad = np.flatnonzero(~np.isin(values, (0.0, 0.5, 1.0)))
    if bad.size:
        expected = "0, 1 or 0.5" if kind == "bernoulli" else f"values from {low:g} to {high:g}; give the true bounds"
        raise UsageError(f"`x` has {values[bad[0]]:g} among its values; expected {expected}.")
    return low, high


def _limits(kind: SequenceKind, x: Floats, level: float) -> tuple[Floats, Floats]:
    """(n,) limits at each look alone; for the kinds with bounds on the scale from 0 to 1."""
    if kind == "t":
        return t_limits(running_moments(x), level)
    if kind == "bounded":
        return bernstein_limits(x, level)
    if kind == "bernoulli":
        return limits(WinCounts(*(np.cumsum(x == y, dtype=np.float64) for y in (1.0, 0.0, 0.5))), level)
    mean = np.cumsum(x) / np.arange(1, x.size + 1)
    found = [part.limits(mean[int(part.n[0]) - 1 : int(part.n[-1])], level) for part in wealth_of(x)]
    ends = np.concatenate([np.array(pair) for pair in found], axis=1) if found else np.zeros((2, 0))
    return ends[0], ends[1]
