"""The verdict on one statement of a claim, from what its trials gave.

Rules
    superiority      wholly beyond the bar: supported. Wholly on the other
                     side of no effect, or wholly between no effect and the
                     bar: contradicted. Wholly inside the region of
                     practical equivalence: equivalent. Else undecided.
    equivalence      wholly within the margin: supported; wholly beyond it
                     on one side: contradicted; else undecided.
    non-inferiority  wholly above minus the margin: supported; wholly below
                     it: contradicted; else undecided.
    exact            one instance that does not reach the bar contradicts;
                     as many as planned without one support, and the share
                     of instances that fail is below the upper end shown
                     (Clopper and Pearson, one-sided 95 %).
    The effect is turned so that larger is better: a difference, or a ratio
    on the log scale. Pairs share their seeds, so that the effect is the
    mean of the differences of pairs.
    While pairs are added one by one the interval is a confidence sequence
    (`cupel explain sequential_mean_test`), valid at whichever pair one
    stops; with a number of pairs fixed beforehand it is Student's t.
    p is that of the decision taken: of "the effect is at the bar", the
    margin or zero, whichever the verdict denies; none while undecided.

Pairs in which an arm failed are left out and counted. Where the defended
    arm failed more often than the other, what is left flatters it, and it
    is not supported; where the baseline did, it is not contradicted.
Identical results in all of 5 pairs or more: equivalent where the statement
    has a region or a margin around no effect, without an interval.

Source: architecture of Cupel, "Verdicts"; Wang & Ramdas (2025); Clopper &
Pearson (1934); Lakens (2017).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from cupel.spec.statement import Statement
from cupel.stats.checked import Floats
from cupel.stats.interval import Interval
from cupel.stats.note import Note
from cupel.stats.paired_difference import paired_difference
from cupel.stats.sequential_mean_test import sequential_mean_test
from cupel.stats.verdict import verdict

LEVEL = 0.95
FEWEST_IDENTICAL = 5
NOISE_FLOOR_FRAC = 0.01
"""Two rates on one machine that differ by less than this are not told apart, however narrow the interval."""
Word: TypeAlias = Literal["supported", "contradicted", "equivalent", "undecided", "not testable"]


@dataclass(frozen=True)
class Judgement:
    """What a statement's trials say.

    Attributes:
        verdict: the word.
        reason: why, in a sentence.
        effect: mean difference of pairs, larger is better, in the metric's unit; a ratio on the log scale; for an exact
            statement the share of instances that failed. None without any.
        interval: of the effect; None where there is none yet.
        n: pairs, instances or launches that count.
        p: of the decision; NaN while undecided.
        num_more: more pairs that would settle it if mean and spread so far are the true ones; None where unknown.
        num_failed: pairs in which an arm failed.
        method: how the interval was computed.
        is_open: whether more pairs could change the verdict.
        warnings: what a reader must know.
    """

    verdict: Word
    reason: str
    effect: float | None = None
    interval: Interval | None = None
    n: int = 0
    p: float = math.nan
    num_more: int | None = None
    num_failed: int = 0
    method: str = ""
    is_open: bool = True
    warnings: tuple[Note, ...] = ()


def judge_pairs(
    statement: Statement, pairs: tuple[Sequence[float], Sequence[float]], *, is_sequential: bool = True
) -> Judgement:
    """The verdict on a statement about two arms.

    Args:
        statement: what is said of them.
        pairs: (n,) the metric of the arm that is defended, in the order in which pairs were added, NaN where it failed;
            and (n,) that of the other, with the same seeds.
        is_sequential: whether pairs were added until a verdict; False where their number was fixed beforehand.

    Returns:
        The verdict; `undecided` below 5 pairs (sequential) or 2 (fixed).

    Cost: that of `sequential_mean_test`.

    Example:
        >>> said = Statement(name="s", kind="quality", says="A beats B", metric="accuracy", better="higher")
        >>> judge_pairs(said, ([0.91, 0.93, 0.90, 0.94, 0.92, 0.93], [0.85, 0.88, 0.84, 0.87, 0.86, 0.88])).verdict
        'supported'
    """
    first, second = pairs
    x, warnings = differences(statement, first, second)
    failed = (_num_failed(first, statement), _num_failed(second, statement))
    kept = x[~np.isnan(x)]
    if kept.size >= FEWEST_IDENTICAL and not kept.any() and statement.bounds is None:
        return _identical(statement, kept.size, warnings)
    found = (_by_sequence if is_sequential else _fixed)(statement, x)
    found = replace(found, num_failed=int(np.isnan(x).sum()), warnings=(*warnings, *found.warnings))
    return _without_flattery(found, failed)


def differences(statement: Statement, first: Sequence[float], second: Sequence[float]) -> tuple[Floats, list[Note]]:
    """(n,) differences of pairs, larger is better, logs of ratios on the log scale; NaN where a pair has none."""
    a, b = (np.asarray(values, dtype=np.float64) for values in (first, second))
    a, b = (np.where(np.isfinite(values), values, np.nan) for values in (a, b))
    notes = []
    if statement.scale == "log":
        bad = int(np.sum((a <= 0) | (b <= 0)))
        if bad:
            notes.append(Note("failures", f"{bad} pairs have a {statement.metric} of 0 or below, which has no ratio."))
        a, b = (np.log(np.where(values > 0, values, np.nan)) for values in (a, b))
    return (a - b if statement.better == "higher" else b - a), notes


def judge_instances(statement: Statement, values: Sequence[float], *, planned: int) -> Judgement:
    """The verdict on an exact statement.

    Args:
        statement: what each instance must reach.
        values: (n,) the metric of each instance; NaN counts as a failure.
        planned: instances without a counter-example from which on it is supported.
    """
    x = np.asarray(values, dtype=np.float64)
    reached = x <= statement.bar if statement.better == "lower" else x >= statement.bar
    n, num_failed = int(x.size), int((~reached).sum())
    sign = "<=" if statement.better == "lower" else ">="
    if num_failed:
        where = int(np.argmin(reached))
        reason = (
            f"instance {where} has {statement.metric} = {x[where]:.4g}, expected {sign} {statement.bar:g}: a "
            f"counter-example; {num_failed} of {n} fail."
        )
        return Judgement("contradicted", reason, num_failed / n, n=n, p=0.0, num_more=0, method="counter-example")
    if not n:
        return Judgement("undecided", "no instance yet.", num_more=planned)
    interval = Interval(0.0, 1.0 - (1 - LEVEL) ** (1 / n), LEVEL, "Clopper-Pearson, one-sided")
    worst = x.max() if statement.better == "lower" else x.min()
    shown = f"all of {n} instances have {statement.metric} {sign} {statement.bar:g}, the worst {worst:.3g}"
    said = f"{shown}; at most {100 * interval.high:.2g} % of such instances fail (95 %)."
    if n < planned:
        return Judgement("undecided", said, 0.0, interval, n, num_more=planned - n, method=interval.method)
    return Judgement("supported", said, 0.0, interval, n, 1 - LEVEL, 0, method=interval.method)


def judge_published(statement: Statement, value: float, interval: tuple[float, float] | None, n: int) -> Judgement:
    """The verdict on a statement about recorded data: the value against the bar, by its interval where it has one."""
    span = None if interval is None else Interval(*interval, LEVEL, "recomputed")
    sign = 1.0 if statement.better == "higher" else -1.0
    base = {"effect": value, "interval": span, "n": n, "method": "recomputed from recorded data"}
    if span is None:
        is_met = sign * value >= sign * statement.bar
        reason = (
            f"recomputed {value:.4g} against {statement.bar:g}, without an interval: the record says nothing of it."
        )
        return Judgement("supported" if is_met else "contradicted", reason, num_more=0, **base)  # type: ignore[arg-type]
    low, high = sorted((sign * (span.low - statement.bar), sign * (span.high - statement.bar)))
    word: Word = "supported" if low > 0 else "contradicted" if high < 0 else "undecided"
    reason = f"recomputed {value:.4g} ({span.low:.4g} to {span.high:.4g}) against {statement.bar:g}."
    return Judgement(word, reason, num_more=0, **base)  # type: ignore[arg-type]


@dataclass(frozen=True)
class _Scaled:
    """The numbers of a statement on the scale of its differences."""

    bar: float
    rope: float | None
    margin: float


def _scaled(statement: Statement) -> _Scaled:
    bar, rope = statement.bar, statement.rope
    if statement.kind == "speed" and statement.sentence == "superiority":
        bar, rope = max(bar, NOISE_FLOOR_FRAC), max(rope or 0.0, NOISE_FLOOR_FRAC)
    if statement.scale == "log":
        return _Scaled(math.log1p(bar), None if rope is None else math.log1p(rope), math.log1p(statement.margin or 0.0))
    return _Scaled(bar, rope, statement.margin or 0.0)


def _word(statement: Statement, interval: Interval | None) -> Word:
    """The word for an interval on the scale of the differences."""
    scaled = _scaled(statement)
    if statement.sentence == "superiority":
        return verdict(interval, bar=scaled.bar, rope=scaled.rope)
    if interval is None:
        return "undecided"
    m = scaled.margin
    if statement.sentence == "non-inferiority":
        return "supported" if interval.low > -m else "contradicted" if interval.high < -m else "undecided"
    if -m < interval.low and interval.high < m:
        return "supported"
    return "contradicted" if interval.low > m or interval.high < -m else "undecided"


def _denied(statement: Statement, word: Word, interval: Interval | None) -> tuple[float, ...]:
    """The values of the effect that a verdict denies; p is the largest over them."""
    scaled = _scaled(statement)
    if word == "undecided" or interval is None:
        return ()
    if statement.sentence == "non-inferiority":
        return (-scaled.margin,)
    if statement.sentence == "equivalence":
        sides = (-scaled.margin, scaled.margin)
        return sides if word == "supported" else (scaled.margin if interval.low > 0 else -scaled.margin,)
    if word == "supported":
        return (scaled.bar,)
    if word == "equivalent":
        assert scaled.rope is not None
        return (-scaled.rope, scaled.rope)
    return (0.0,) if interval.high < 0 else (0.0, scaled.bar)


def _by_sequence(statement: Statement, x: Floats) -> Judgement:
    """Evidence that may be looked at after every pair."""
    scaled = _scaled(statement)
    bounds = None
    if statement.bounds is not None:
        width = statement.bounds[1] - statement.bounds[0]
        bounds = (-width, width)
    bar, rope = (scaled.bar, scaled.rope) if statement.sentence == "superiority" else (0.0, scaled.margin)
    test = sequential_mean_test(x, bar=bar, rope=rope, bounds=bounds)
    word = _word(statement, test.interval)
    denied = _denied(statement, word, test.interval)
    p = max((_p_at(x, at, bounds) for at in denied), default=math.nan)
    more = 0 if word != "undecided" else test.num_more
    return _told(statement, Judgement(
        word, "", test.estimate if test.n else None, test.interval, test.n, p, more, method=test.method,
        warnings=test.warnings,
    ))  # fmt: skip


def _p_at(x: Floats, at: float, bounds: tuple[float, float] | None) -> float:
    """The p of "the mean difference is `at`", valid at any stop."""
    shifted = None if bounds is None else (bounds[0] - at, bounds[1] - at)
    return sequential_mean_test(x - at, bounds=shifted).p


def _fixed(statement: Statement, x: Floats) -> Judgement:
    """Evidence of a number of pairs that was fixed beforehand."""
    kept = x[~np.isnan(x)]
    if not kept.size:
        return Judgement("undecided", "no pair has a result.")
    found = paired_difference(kept, np.zeros_like(kept))
    word = _word(statement, found.interval)
    denied = _denied(statement, word, found.interval)
    ps = [paired_difference(kept - at, np.zeros_like(kept)).p or 0.0 for at in denied]
    return _told(statement, Judgement(
        word, "", found.estimate, found.interval, found.n, max(ps, default=math.nan), method="Student's t, n fixed",
        warnings=found.warnings,
    ))  # fmt: skip


def _told(statement: Statement, found: Judgement) -> Judgement:
    """The same with effect and interval on the scale that people read, and the reason in words."""
    effect, interval = found.effect, found.interval
    if statement.scale == "log":
        effect = None if effect is None else _exp(effect)
        interval = interval and replace(interval, low=_exp(interval.low), high=_exp(interval.high))
    return replace(found, effect=effect, interval=interval, reason=_reason(statement, found, interval))


def _exp(x: float) -> float:
    """e^x; infinite where no float can hold it."""
    return math.exp(x) if x < 709 else math.inf


def _reason(statement: Statement, found: Judgement, shown: Interval | None) -> str:
    """Why the verdict is what it is."""
    if shown is None:
        return _without_interval(found)
    none = 1 if statement.scale == "log" else 0
    place = f"the interval of the {'ratio' if none else 'difference'}, {shown.low:.4g} to {shown.high:.4g},"
    if statement.sentence != "superiority":
        words = {"supported": "lies within", "contradicted": "lies beyond", "undecided": "does not tell"}
        return f"{place} {words[found.verdict]} the margin of {statement.margin:g}."
    bar = _scaled(statement).bar
    beyond = f"the bar of {math.exp(bar) if none else bar:.4g}" if bar else f"no effect ({none})"
    side = f"on the other side of no effect ({none})" if shown.high < none else f"between no effect and {beyond}"
    said = {
        "supported": f"lies wholly beyond {beyond}",
        "equivalent": "lies inside the region of practical equivalence",
        "contradicted": f"lies wholly {side}",
        "undecided": f"does not exclude {beyond}",
    }
    return f"{place} {said[found.verdict]}."


def _without_interval(found: Judgement) -> str:
    codes = {note.code for note in found.warnings}
    if "drift" in codes:
        return "intervals of the looks contradict each other: the effect moved while trials were run."
    if "no spread" in codes and found.n >= FEWEST_IDENTICAL:
        return f"all {found.n} differences are the same, so that nothing says how they spread."
    return f"{found.n} pairs say nothing yet of the spread."


def _num_failed(values: Sequence[float], statement: Statement) -> int:
    floor = 0.0 if statement.scale == "log" else -math.inf
    return sum(not (math.isfinite(value) and value > floor) for value in values)


def _without_flattery(found: Judgement, failed: tuple[int, int]) -> Judgement:
    """Withhold a verdict that failures favour."""
    mine, other = failed
    if mine == other:
        return found
    note = Note("unequal failures", f"The defended arm failed in {mine} trials, the other in {other}.")
    found = replace(found, warnings=(*found.warnings, note))
    is_flattered = found.verdict in ("supported", "equivalent") if mine > other else found.verdict == "contradicted"
    if not is_flattered:
        return found
    word = found.verdict
    reason = f"{found.reason[:-1]}, but the arm that gains failed more often ({max(failed)} against {min(failed)})."
    return replace(found, verdict="undecided", reason=f"Not {word}: {reason}", p=math.nan, num_more=None, is_open=False)


def _identical(statement: Statement, n: int, warnings: Sequence[Note]) -> Judgement:
    """Pairs whose two arms gave the same number each time."""
    has_region = statement.rope is not None or statement.kind == "speed" or statement.sentence != "superiority"
    word: Word = "equivalent" if has_region else "undecided"
    if statement.sentence != "superiority":
        word = "supported"
    none = 1.0 if statement.scale == "log" else 0.0
    reason = f"both arms gave the same {statement.metric} in all {n} pairs."
    if word == "undecided":
        reason += " The statement has no region of practical equivalence (rope)."
    return Judgement(
        word, reason, none, None, n, math.nan, 0 if has_region else None, method="identical in every pair",
        is_open=False, warnings=tuple(warnings),
    )  # fmt: skip
