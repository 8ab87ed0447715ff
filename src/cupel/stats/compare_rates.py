"""The comparison of two machines, or of two versions, on one entry.

Formula
    ratio = geometric mean of the launches' rates of B / the same of A.
    The interval is Welch's t on the logarithms; each side needs 2 launches.

Verdict of B relative to A (rope = region of practical equivalence, 1 %
to each side unless given: 1 / 1.01 to 1.01)
    equivalent    the interval lies wholly inside the rope
    faster/slower the interval excludes 1 and the ratio lies outside the
                  rope: a difference that is there and that matters
    undecided     everything else, and always with 1 launch on a side; then
                  it says how many more launches per side would settle it,
                  if ratio and spread are as estimated (90 % power)
    `beyond the rope` is said in addition when the whole interval lies
    outside the rope: the difference is at least that large.
    With better = "lower" (times, bytes) a ratio below 1 is "faster".

A table of comparisons
    Two families, each with Holm's correction: the chance of any false
    "faster" or "slower" in the table is at most 5 %, and so is the chance
    of any false "equivalent". Raw and adjusted verdicts stand side by side.

Source: Welch (1947), Biometrika 34, 28-35; Schuirmann (1987) (two
one-sided tests); Holm (1979); rule R3 of Cupel's statistics.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.checked import Floats, fraction, positive
from cupel.stats.interval import Interval
from cupel.stats.launches_for_effect import launches_for_effect
from cupel.stats.student import t_p_value, t_quantile

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Outcome = Literal["faster", "slower", "equivalent", "undecided"]
PLAN_POWER = 0.9
MOST_LAUNCHES = 1000


@dataclass(frozen=True)
class RateComparison:
    """B compared with A.

    Attributes:
        ratio: geometric mean of B / geometric mean of A.
        interval: of the ratio; None when a side has a single launch.
        p: two-sided p-value of "the ratio is 1"; None without interval.
        p_equivalence: p-value of "the ratio is not inside the rope", doubled so that it matches the interval.
        verdict: of B relative to A.
        is_beyond_rope: whether the whole interval lies outside the rope.
        n_a: launches of A.
        n_b: launches of B.
        num_more: more launches per side that would settle it; 0 when decided, None when unknown or over 1000.
        rope: relative half width of the region of practical equivalence.
        se_log: standard error of the log ratio; None without interval.
        df: its degrees of freedom; None without interval.
        better: direction.
        text: the comparison in one line.
        p_adjusted: in a table, Holm-adjusted `p`; None outside of one or without interval.
        p_equivalence_adjusted: in a table, Holm-adjusted `p_equivalence`.
        interval_adjusted: in a table, the interval at the level at which Holm tested this entry's difference; it
            excludes 1 exactly when the difference stands in the table.
        verdict_adjusted: in a table, the verdict that stands there; None outside of one.
    """

    ratio: float
    interval: Interval | None
    p: float | None
    p_equivalence: float | None
    verdict: Outcome
    is_beyond_rope: bool
    n_a: int
    n_b: int
    num_more: int | None
    rope: float
    se_log: float | None
    df: float | None
    better: Literal["higher", "lower"]
    text: str
    p_adjusted: float | None = None
    p_equivalence_adjusted: float | None = None
    interval_adjusted: Interval | None = None
    verdict_adjusted: Outcome | None = None


def compare_rates(
    a: ArrayLike,
    b: ArrayLike,
    *,
    rope: float = 0.01,
    level: float = 0.95,
    better: Literal["higher", "lower"] = "higher",
) -> RateComparison:
    """Compare the rates of B with those of A.

    Args:
        a: (n_a,) rate of each launch of A, above 0.
        b: (n_b,) rate of each launch of B, in the same unit.
        rope: relative half width of the region of practical equivalence, >= 0.
        level: of the interval.
        better: whether a higher rate or a lower number is better.

    Returns:
        Ratio, interval, p and verdict; with a single launch on a side, the ratio alone, `undecided`.

    Raises:
        UsageError: when a side has no launch, a rate is not above zero, or an option is out of range.

    Source: rule R3.
    """
    x, y = np.log(positive("a", a)), np.log(positive("b", b))
    fraction("level", level)
    if better not in {"higher", "lower"} or not 0 <= rope < math.inf:
        raise UsageError(f"rope = {rope}, better = {better!r}; expected rope of at least 0, 'higher' or 'lower'.")
    if not (x.size and y.size):
        raise UsageError(
            f"A has {x.size} launches and B {y.size}; expected at least one each. A failed entry has none."
        )
    effect = float(y.mean() - x.mean())
    interval = p = p_equal = se = df = None
    outcome: Outcome = "undecided"
    if min(x.size, y.size) > 1:
        se, df = _welch(x, y)
        half = t_quantile(level, df) * se
        interval = Interval(math.exp(effect - half), math.exp(effect + half), level, f"Welch t on logs, df = {df:.1f}")
        p, p_equal = t_p_value(effect, se, df), equivalence_p_value(effect, se, df, rope)
        outcome = decide(effect, (p, p_equal), rope, level=level, better=better)
    edge = 1 + rope
    more = 0 if outcome != "undecided" else _num_more(effect, (x, y), rope, level)
    return RateComparison(
        ratio=math.exp(effect),
        interval=interval,
        p=p,
        p_equivalence=p_equal,
        verdict=outcome,
        is_beyond_rope=interval is not None and (interval.low > edge or interval.high < 1 / edge),
        n_a=x.size,
        n_b=y.size,
        num_more=more,
        rope=rope,
        se_log=se,
        df=df,
        better=better,
        text=_text(math.exp(effect), interval, outcome, more),
    )


def decide(
    effect: float,
    p_values: tuple[float, float],
    rope: float,
    *,
    level: float,
    better: Literal["higher", "lower"],
) -> Outcome:
    """Read the verdict off the log ratio and the p-values of difference and equivalence (raw or adjusted)."""
    p, p_equal = p_values
    if p_equal <= 1 - level:
        return "equivalent"
    if p > 1 - level or abs(effect) <= math.log1p(rope):
        return "undecided"
    return "faster" if (effect > 0) == (better == "higher") else "slower"


def equivalence_p_value(effect: float, se: float, df: float, rope: float) -> float:
    """Twice the p-value of the two one-sided tests: at most 1 - level exactly when the interval is inside the rope."""
    room = math.log1p(rope) - abs(effect)
    return t_p_value(room, se, df) if room > 0 else 1.0


def _welch(x: Floats, y: Floats) -> tuple[float, float]:
    """Standard error of the difference of means, and Satterthwaite's degrees of freedom."""
    v, w = float(x.var(ddof=1)) / x.size, float(y.var(ddof=1)) / y.size
    spread = v * v / (x.size - 1) + w * w / (y.size - 1)
    df = (v + w) ** 2 / spread if spread > 0 else float(x.size + y.size - 2)
    return math.sqrt(v + w), df


def _num_more(effect: float, sides: tuple[Floats, Floats], rope: float, level: float) -> int | None:
    """More launches per side, from the estimated ratio and the pooled spread; None when unknown or too many."""
    freedom = sum(side.size - 1 for side in sides)
    if freedom < 1:
        return None
    sd = math.sqrt(sum(float(((side - side.mean()) ** 2).sum()) for side in sides) / freedom)
    gap = abs(effect) if abs(effect) > math.log1p(rope) else math.log1p(rope) - abs(effect)
    have = min(side.size for side in sides)
    if sd == 0:
        return 1
    if gap < sd / 10:  # thousands of launches
        return None
    need = launches_for_effect(sd, math.expm1(gap), power=PLAN_POWER, level=level) - have
    return max(1, need) if need <= MOST_LAUNCHES else None


def _text(ratio: float, interval: Interval | None, outcome: Outcome, more: int | None) -> str:
    """Say the comparison in one line."""
    sure = (
        f"{interval.level:.0%} {interval.low:.4f} to {interval.high:.4f}" if interval else "no interval: single launch"
    )
    need = {0: "", None: ", how many more launches is not known"}.get(more, f", about {more} more launches per side")
    return f"{ratio:.4f} ({sure}): {outcome}{need}"
