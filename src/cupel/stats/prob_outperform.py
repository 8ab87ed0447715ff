"""The probability that a run of A outperforms a run of B, with an interval that stays between 0 and 1.

Formula
    P(A > B) = P(A beats B) + P(tie) / 2, of one further run of each.
    Paired (same seed, same split: run i of A belongs to run i of B):
       estimate = (wins + ties / 2) / n over the n pairs.
       exact      Clopper-Pearson. Half points of ties are rounded away
                  from the end they would help, so that the level holds.
       wilson     the score interval: shorter, approximate.
       published  the percentile bootstrap of the paper, in closed form:
                  quantiles of Binomial(n, estimate) / n, no drawing. Too
                  short: it misses the truth in 6.1 % of cases at n = 29 and
                  P = 0.5, in 35 % at n = 10 and P = 0.9, in 60 % at n = 5
                  and P = 0.9; it has no width at 0 and 1.
       p-value against 1/2: the exact sign test on the pairs without ties.
    Not paired: every run of A meets every run of B.
       estimate = Mann-Whitney U / (n_a n_b), ties one half.
       interval   on the log odds, with Brunner & Munzel's standard error
                  (A and B may differ in spread and shape) and quantiles of
                  all arrangements of the same runs where they are at most
                  50,000, else of t. Where at most one run of the smaller
                  side is away from a clean separation, the interval also
                  holds the Clopper-Pearson interval of as many pairs as
                  that side has runs: never a width of 0.
       p-value    of the same arrangements: exact when A and B follow one
                  law, approximate when only P(A > B) = 1/2; beyond 50,000
                  that of Brunner & Munzel. It may be below 5 % while the
                  interval, which allows for more laws, still holds 1/2.
    A run that failed (NaN or infinite) loses against one that did not, and
    ties with one that failed too.

Coverage (nominal 95 %; tests/statistical/test_prob_outperform_coverage.py)
    exact at least 95 % for every n, P and rate of ties, by enumeration.
    Not paired, from 5 against 5 runs to 100 against 100, normal laws with
    equal spreads and with spreads that differ by a factor of 5, exponential
    laws, P from 0.5 to 0.99: 94 to 100 %. Five runs against five can never
    show a difference: the interval of a clean separation starts at 0.478.

Source: Bouthillier et al. (2021), "Accounting for Variance in Machine
Learning Benchmarks", sections 4 and C.4; Clopper & Pearson (1934); Wilson
(1927); Brunner & Munzel (2000), Biometrical Journal 42, 17-25; Neubert &
Brunner (2007), Computational Statistics & Data Analysis 51, 5192-5204;
Pauly, Asendorf & Konietschke (2016), Biometrical Journal 58, 1319-1337.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.checked import Floats, fraction, series, truth
from cupel.stats.frame import frame_of
from cupel.stats.interval import Interval
from cupel.stats.note import Note
from cupel.stats.placements import Placements, odds_ends, p_value, placements
from cupel.stats.rows import Better
from cupel.stats.share_interval import Ends, exact_share, percentile_share, wilson_share

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

ShareInterval: TypeAlias = Literal["exact", "wilson", "published"]
_PAIRED = {
    "exact": ("Clopper-Pearson", exact_share),
    "wilson": ("Wilson", wilson_share),
    "published": ("percentile bootstrap, closed form", percentile_share),
}
LEVEL = 0.95


@dataclass(frozen=True)
class ProbOutperform:
    """P(A > B): how often a run of A outperforms a run of B.

    Attributes:
        estimate: share of the pairs that A wins, ties one half, 0 to 1; NaN without any run.
        interval: of P(A > B); None with fewer than 1 pair, or than 2 runs on a side when not paired.
        p: two-sided p-value of "a win is as likely as a loss"; None likewise, or when every pair ties.
        n: pairs; when not paired, runs of both sides together.
        n_a: runs of A, failures included.
        n_b: runs of B, failures included.
        wins: pairs that A wins; when not paired, of all n_a x n_b.
        ties: pairs that nobody wins.
        losses: pairs that B wins.
        is_paired: whether run i of A belongs to run i of B.
        better: which values win.
        method: how interval and p-value were made.
        scope: what it speaks of.
        warnings: failures, ties, too few runs, an interval that does not keep its level.
        points: (n_a,) and (n_b,) the runs turned so that larger wins, failures as minus infinity.
    """

    estimate: float
    interval: Interval | None
    p: float | None
    n: int
    n_a: int
    n_b: int
    wins: int
    ties: int
    losses: int
    is_paired: bool
    better: Better
    method: str
    scope: str
    warnings: tuple[Note, ...]
    kind: ShareInterval = field(repr=False)
    points: tuple[Floats, Floats] = field(repr=False, compare=False)

    def at_level(self, level: float) -> ProbOutperform:
        """The same with the interval at another level, such as `1 - 0.05 / m` for one of m comparisons.

        Raises:
            UsageError: when `level` is no fraction.
        """
        fraction("level", level)
        if self.interval is None:
            return self
        found = None if self.is_paired else placements(*self.points)
        ends = _ends(self, found, level)
        return replace(self, interval=Interval(*ends, level, self.interval.method))

    def to_frame(self) -> Any:
        """One row with estimate, ends, p-value and counts."""
        low, high = (math.nan, math.nan) if self.interval is None else (self.interval.low, self.interval.high)
        names = ("n", "n_a", "n_b", "wins", "ties", "losses", "method", "scope")
        row = {"estimate": self.estimate, "low": low, "high": high, "p": math.nan if self.p is None else self.p}
        return frame_of({key: [value] for key, value in (row | {name: getattr(self, name) for name in names}).items()})

    def text(self) -> str:
        """The estimate in one line."""
        pairs = f"{self.n} pairs" if self.is_paired else f"{self.n_a} x {self.n_b} runs"
        if self.interval is None:
            return f"A beats B with probability {self.estimate:.3f} (no interval: {self.warnings[-1].text})"
        sure = f"{self.interval.level:.0%} {self.interval.low:.3f} to {self.interval.high:.3f}"
        p = "" if self.p is None else f", p = {self.p:.2g}"
        return f"A beats B with probability {self.estimate:.3f} ({sure}; {pairs}, {self.method}){p}"


def prob_outperform(
    a: ArrayLike,
    b: ArrayLike,
    *,
    paired: bool,
    better: Better = "higher",
    interval: ShareInterval = "exact",
) -> ProbOutperform:
    """Estimate how often a run of A outperforms a run of B.

    Args:
        a: (n_a,) the measure of each run of A; NaN or infinite for a run that failed.
        b: (n_b,) the same of B.
        paired: whether run i of A and run i of B share their seed or split; never guessed from the lengths.
        better: whether higher or lower values win.
        interval: for paired runs `exact`, `wilson` or `published`; runs that are not paired know only the one above.

    Returns:
        P(A > B) with an interval at 95 % (`at_level` gives others) and the p-value against 1/2. Failures lose. No
        interval with fewer than 1 pair, or than 2 runs on a side when not paired; a note says so.

    Raises:
        UsageError: when paired sides differ in length, or `interval` or `better` is none of the words.

    Cost: n log n; up to 9 against 9 runs all arrangements, 0.2 s the first time, again for other ties.

    Source: Bouthillier et al. (2021), appendix C.4.

    Example:
        >>> found = prob_outperform([3, 4, 5, 6, 7, 9], [1, 2, 3, 7, 4, 5], paired=True)
        >>> found.text()
        'A beats B with probability 0.833 (95% 0.359 to 0.996; 6 pairs, Clopper-Pearson), p = 0.22'
    """
    if better not in get_args(Better) or interval not in _PAIRED:
        raise UsageError(
            f"better = {better!r}, interval = {interval!r}; expected 'higher' or 'lower', and one of "
            f"{', '.join(_PAIRED)}."
        )
    truth("paired", paired)
    if not paired and interval != "exact":
        raise UsageError(f"interval = {interval!r} is for pairs, and paired = False; leave `interval` out.")
    points = _points("a", a, better), _points("b", b, better)
    counts = _paired_counts(points) if paired else _crossed_counts(points)
    total = sum(counts)
    n_a, n_b = points[0].size, points[1].size
    found = ProbOutperform(
        estimate=(counts[0] + counts[1] / 2) / total if total else math.nan,
        interval=None,
        p=None,
        n=n_a if paired else n_a + n_b,
        n_a=n_a,
        n_b=n_b,
        wins=counts[0],
        ties=counts[1],
        losses=counts[2],
        is_paired=paired,
        better=better,
        method=_PAIRED[interval][0] if paired else "Mann-Whitney, interval on log odds (Brunner-Munzel)",
        scope="runs like these",
        warnings=(),
        kind=interval,
        points=points,
    )
    return _with_uncertainty(found)


def _points(name: str, values: ArrayLike, better: Better) -> Floats:
    """The values turned so that larger wins; a failure is below everything."""
    x = series(name, values)
    return np.where(np.isfinite(x), x if better == "higher" else -x, -np.inf)


def _paired_counts(points: tuple[Floats, Floats]) -> tuple[int, int, int]:
    a, b = points
    if a.size != b.size:
        raise UsageError(
            f"paired = True with {a.size} runs of A and {b.size} of B; expected as many of each, in the same order of "
            "seeds. Leave out the seeds that only one side has, or say paired=False."
        )
    return int(np.sum(a > b)), int(np.sum(a == b)), int(np.sum(a < b))


def _crossed_counts(points: tuple[Floats, Floats]) -> tuple[int, int, int]:
    a, b = points[0], np.sort(points[1])
    below, through = np.searchsorted(b, a, "left"), np.searchsorted(b, a, "right")
    wins, ties = int(below.sum()), int((through - below).sum())
    return wins, ties, a.size * b.size - wins - ties


def _with_uncertainty(bare: ProbOutperform) -> ProbOutperform:
    """The same with interval, p-value and warnings."""
    need = 1 if bare.is_paired else 2
    if min(bare.n_a, bare.n_b) < need:
        what = "a pair" if bare.is_paired else "2 runs on each side"
        few = Note("few runs", f"{bare.n_a} runs of A, {bare.n_b} of B; an interval needs {what}")
        return replace(bare, warnings=(*_notes(bare), few))
    found = None if bare.is_paired else placements(*bare.points)
    p = _sign_test(bare.wins, bare.losses) if found is None else p_value(found)
    interval = Interval(*_ends(bare, found, LEVEL), LEVEL, bare.method)
    return replace(bare, interval=interval, p=p, warnings=tuple(_notes(bare)))


def _ends(of: ProbOutperform, found: Placements | None, level: float) -> Ends:
    if found is not None:
        return odds_ends(found, level)
    return _PAIRED[of.kind][1](of.wins, of.ties, n=of.n, level=level)


def _sign_test(wins: int, losses: int) -> float | None:
    """Exact two-sided p-value of equal chances, on the pairs that somebody wins; None without any."""
    from scipy.special import bdtr

    num = wins + losses
    return min(1.0, 2 * float(bdtr(min(wins, losses), num, 0.5))) if num else None


def _notes(of: ProbOutperform) -> Iterator[Note]:
    failed = [int(np.isneginf(side).sum()) for side in of.points]
    if any(failed):
        text = f"{failed[0]} of {of.n_a} runs of A and {failed[1]} of {of.n_b} of B failed"
        yield Note("failures", f"{text}; a failure loses against a success and ties with a failure")
    if of.ties:
        num = of.wins + of.ties + of.losses
        yield Note("ties", f"{of.ties} of {num} pairs tie; each counts as half a win")
    if of.is_paired and of.kind == "published":
        yield Note(
            "published variant", "the percentile bootstrap is too short for few pairs, and has no width at 0 or 1"
        )
