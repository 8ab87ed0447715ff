"""The comparison of two machines, or of two versions, on one entry.

Formula
    ratio = geometric mean of the launches' rates of B / the same of A.
    The interval is Welch's t on the logarithms; each side needs 2 launches
    that are not equal to the last digit. After `--launches auto` the spread
    is the pilot's, with its degrees of freedom (`cupel explain side`).

Verdict of B relative to A (rope = region of practical equivalence, 1 %
to each side unless given: 1 / 1.01 to 1.01)
    equivalent    the interval lies wholly inside the rope
    faster/slower the interval lies wholly outside the rope: a difference
                  that is there and is larger than what does not matter
    undecided     everything else, and always with 1 launch on a side; then
                  it says how many more launches per side would settle it,
                  if ratio and spread are as estimated (90 % power)
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

from cupel.spec.errors import UsageError
from cupel.stats.checked import exponential, fraction, numbers
from cupel.stats.interval import Interval
from cupel.stats.launches_for_effect import launches_for_effect
from cupel.stats.side import NO_SPREAD, MeanLog, Side, degrees_of_freedom, mean_log
from cupel.stats.student import t_p_value, t_quantile

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Outcome = Literal["faster", "slower", "equivalent", "undecided"]
PLAN_POWER = 0.9
MOST_LAUNCHES = 1000
MOST_LOG = 50.0
"""Log ratios beyond this are no ratios of speeds; planning for them takes this one."""


@dataclass(frozen=True)
class RateComparison:
    """B compared with A.

    Attributes:
        ratio: geometric mean of B / geometric mean of A.
        interval: of the ratio; None when the spread of a side is unknown (`reason` says why).
        p: two-sided p-value of "the ratio is 1"; None without interval.
        p_beyond: p-value of "the ratio is inside the rope", doubled so that it matches the interval; None likewise.
        p_equivalence: p-value of "the ratio is not inside the rope", doubled so that it matches the interval.
        verdict: of B relative to A.
        is_beyond_rope: whether the whole interval lies outside the rope; in a table, the adjusted one.
        n_a: launches of A.
        n_b: launches of B.
        num_more: more launches per side that would settle it, in a table at the level at which Holm tested this entry;
            0 when decided, None when unknown or over 1000.
        rope: relative half width of the region of practical equivalence.
        se_log: standard error of the log ratio; None without interval.
        df: its degrees of freedom; None without interval.
        better: direction.
        log_ratio: logarithm of the ratio, also where the ratio itself is beyond any float.
        sd_log: pooled standard deviation between launches of log rate; None without interval.
        text: the comparison in one line.
        reason: why there is no interval; empty when there is one.
        p_adjusted: in a table, Holm-adjusted `p_beyond`; None outside of one or without interval.
        p_equivalence_adjusted: in a table, Holm-adjusted `p_equivalence`.
        interval_adjusted: in a table, the interval at the level at which Holm tested this entry's difference; it
            lies outside the rope exactly when the difference stands in the table.
        interval_equivalence: in a table, the interval at the level at which Holm tested this entry's equivalence; it
            lies inside the rope exactly when the equivalence stands in the table.
        verdict_adjusted: in a table, the verdict that stands there; None outside of one.
    """

    ratio: float
    interval: Interval | None
    p: float | None
    p_beyond: float | None
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
    log_ratio: float
    sd_log: float | None
    text: str
    reason: str = ""
    p_adjusted: float | None = None
    p_equivalence_adjusted: float | None = None
    interval_adjusted: Interval | None = None
    interval_equivalence: Interval | None = None
    verdict_adjusted: Outcome | None = None


def compare_rates(
    a: ArrayLike | Side,
    b: ArrayLike | Side,
    *,
    rope: float = 0.01,
    level: float = 0.95,
    better: Literal["higher", "lower"] = "higher",
) -> RateComparison:
    """Compare the rates of B with those of A.

    Args:
        a: (n_a,) rate of each launch of A, above 0; a `Side` where `--launches auto` fixed their number.
        b: (n_b,) rate of each launch of B, in the same unit; or a `Side`.
        rope: relative half width of the region of practical equivalence, >= 0.
        level: of the interval.
        better: whether a higher rate or a lower number is better.

    Returns:
        Ratio, interval, p and verdict; with a single launch on a side, or one whose launches are equal to the last
        digit, the ratio alone, `undecided`.

    Raises:
        UsageError: when a side has no launch, a rate is not above zero, or an option is out of range.

    Source: rule R3.
    """
    fraction("level", level)
    numbers(rope=rope)
    if better not in {"higher", "lower"} or not 0 <= rope < math.inf:
        raise UsageError(f"rope = {rope}, better = {better!r}; expected rope of at least 0, 'higher' or 'lower'.")
    sides = (mean_log("a", a), mean_log("b", b))
    effect = sides[1].mean - sides[0].mean
    interval = p = p_beyond = p_equal = se = df = sd = more = None
    outcome: Outcome = "undecided"
    reason = _reason(sides)
    if not reason:
        se, df, sd = _welch(sides)
        interval = interval_of(effect, (se, df), level, f"Welch t on logs, df = {df:.1f}")
        p = t_p_value(effect, se, df)
        p_beyond, p_equal = beyond_p_value(effect, se, df, rope), equivalence_p_value(effect, se, df, rope)
        outcome = decide(effect, (p_beyond, p_equal), level=level, better=better)
        have = min(side.n for side in sides)
        more = 0 if outcome != "undecided" else launches_more(effect, (sd, have), rope, levels=(level, level))
    return RateComparison(
        ratio=exponential(effect),
        interval=interval,
        p=p,
        p_beyond=p_beyond,
        p_equivalence=p_equal,
        verdict=outcome,
        is_beyond_rope=is_beyond(interval, rope),
        n_a=sides[0].n,
        n_b=sides[1].n,
        num_more=more,
        rope=rope,
        se_log=se,
        df=df,
        better=better,
        log_ratio=effect,
        sd_log=sd,
        text=_text(exponential(effect), interval, outcome, (more, reason)),
        reason=reason,
    )


def decide(
    effect: float,
    p_values: tuple[float, float],
    *,
    level: float,
    better: Literal["higher", "lower"],
) -> Outcome:
    """Read the verdict off the log ratio and the p-values of difference and equivalence (raw or adjusted)."""
    p_beyond, p_equal = p_values
    if p_equal <= 1 - level:
        return "equivalent"
    if p_beyond > 1 - level:
        return "undecided"
    return "faster" if (effect > 0) == (better == "higher") else "slower"


def beyond_p_value(effect: float, se: float, df: float, rope: float) -> float:
    """Two-sided p-value against the rope's nearer edge: at most 1 - level exactly when the interval is beyond it."""
    excess = abs(effect) - math.log1p(rope)
    return t_p_value(excess, se, df) if excess > 0 else 1.0


def equivalence_p_value(effect: float, se: float, df: float, rope: float) -> float:
    """Twice the p-value of the two one-sided tests: at most 1 - level exactly when the interval is inside the rope."""
    room = math.log1p(rope) - abs(effect)
    return t_p_value(room, se, df) if room > 0 else 1.0


def interval_of(effect: float, error: tuple[float, float], level: float, method: str) -> Interval:
    """The interval of a ratio from its log, and that log's standard error and degrees of freedom."""
    half = t_quantile(level, error[1]) * error[0]
    return Interval(exponential(effect - half), exponential(effect + half), level, method)


def is_beyond(interval: Interval | None, rope: float) -> bool:
    """Whether the whole interval lies outside the rope; without an interval nothing is said."""
    return interval is not None and (interval.low > 1 + rope or interval.high < 1 / (1 + rope))


def launches_more(effect: float, seen: tuple[float, int], rope: float, *, levels: tuple[float, float]) -> int | None:
    """More launches per side that would settle an undecided entry, from the estimated ratio and spread.

    A difference beyond the rope needs its power once; an equivalence needs both of its one-sided tests at once, each
    with half of what may be missed.

    Args:
        effect: log ratio.
        seen: standard deviation between launches of log rate, launches that there are per side.
        rope: relative half width of the region of practical equivalence.
        levels: at which the difference, and the equivalence, are tested.

    Returns:
        Launches per side, at least 1; None when more than 1000 would be needed.
    """
    sd, have = seen
    room = math.log1p(rope) - abs(effect)
    gap = abs(room)
    if gap < sd / 10:  # thousands of launches
        return None
    power, level = (PLAN_POWER, levels[0]) if room < 0 else ((1 + PLAN_POWER) / 2, levels[1])
    need = launches_for_effect(sd, math.expm1(min(gap, MOST_LOG)), power=power, level=level) - have
    return max(1, need) if need <= MOST_LAUNCHES else None


def more_text(num_more: int | None) -> str:
    """What would settle an undecided entry, in words; empty for nothing.

    Example:
        >>> more_text(4), more_text(1), more_text(None), more_text(0)
        ('about 4 more launches per side', 'about 1 more launch per side', 'how many more is not known', '')
    """
    if num_more is None:
        return "how many more is not known"
    return f"about {num_more} more launch{'' if num_more == 1 else 'es'} per side" if num_more else ""


def _welch(sides: tuple[MeanLog, MeanLog]) -> tuple[float, float, float]:
    """Standard error of the difference of means, its degrees of freedom, and the pooled spread between launches."""
    parts = [(side.variance, side.df) for side in sides]
    df = degrees_of_freedom(parts, has_two_stages=any(side.is_two_stage for side in sides))
    pooled = sum((side.sd or 0.0) ** 2 * side.df for side in sides) / sum(side.df for side in sides)
    shared = sum(side.shift**2 for side in sides)
    return math.sqrt(sum(v for v, _ in parts) + shared), df, math.sqrt(pooled)


def _reason(sides: tuple[MeanLog, MeanLog]) -> str:
    """Why there is no interval; empty when there is one."""
    unknown = [(name, side) for name, side in zip("AB", sides, strict=True) if side.sd is None]
    if any(side.n == 1 for _, side in unknown):
        return "single launch"
    return f"{NO_SPREAD} ({' and '.join(name for name, _ in unknown)})" if unknown else ""


def _text(ratio: float, interval: Interval | None, outcome: Outcome, open_ends: tuple[int | None, str]) -> str:
    """Say the comparison in one line."""
    more, reason = open_ends
    sure = f"{interval.level:.0%} {interval.low:.4f} to {interval.high:.4f}" if interval else f"no interval: {reason}"
    need = more_text(more)
    return f"{ratio:.4f} ({sure}): {outcome}{', ' + need if need else ''}"
