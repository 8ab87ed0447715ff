"""What does a table of results support? The design, the differences, the verdicts, and what would settle them.

Rule
    1. The table is read with its roles; a direction must be declared.
    2. Of several budgets the largest that every method has is taken, and
       that is said; `where` takes another.
    3. The scope is the population of tasks (5 tasks or more), or these
       tasks alone, which is what is left with fewer.
    4. Differences come from `method_contrasts`, simultaneous over all pairs
       (or against a baseline); beside them stand the standardised effect,
       P(A > B), interquartile means and mean ranks, which do not share
       their assumptions.
    5. A pair is oriented so that a positive difference is in favour of its
       first method, and its verdict is read off the interval: supported,
       contradicted, equivalent or undecided (`cupel explain verdict`).
    6. An undecided pair says how many more runs or tasks would settle it.

Source: rules of Cupel; each statistic names its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.aggregate import Aggregate, aggregate
from cupel.stats.analysis.design import (
    MOST_NAMED,
    Design,
    budgets_of,
    counted,
    describe,
    design_notes,
    num_comparable,
    same_methods,
)
from cupel.stats.analysis.pairs import PairStatement, Plan, pair_statements
from cupel.stats.analysis.settle import Regions
from cupel.stats.budget_windows import BudgetWindows, budget_windows
from cupel.stats.checked import fraction
from cupel.stats.conditional_on_tuning import conditional_on_tuning
from cupel.stats.frame import Frame, frame_of
from cupel.stats.method_contrasts import MethodContrasts, method_contrasts
from cupel.stats.mixed.mixed_model import mixed_model
from cupel.stats.mixed.r_squared import RSquared, r_squared
from cupel.stats.note import Note
from cupel.stats.one_budget import at_one_budget
from cupel.stats.performance_profile import PerformanceProfile, performance_profile
from cupel.stats.rank_test import RankTest, rank_test
from cupel.stats.resample import Resample
from cupel.stats.results import results
from cupel.stats.rows import Results
from cupel.stats.task_model import FEWEST_TASKS, Scope, random_terms, refuse_few

TASKS_FOR_SIGNED_RANKS = 10
"""From here on signed ranks of pairs find more than mean ranks do, which also depend on the other methods."""


MOST_SIZE = 1e120
"""Beyond this, sums of squares and their products leave the range of floats."""


@dataclass(frozen=True)
class Question:
    """What is asked of a table.

    Attributes:
        scope: `population`, `tasks`, or None: the population where the table has 5 tasks.
        against: the method that all others are compared with; all pairs where None.
        bar: what a better method must be better by, >= 0: in the unit of the metric, or relative with scale `log`.
        rope: half width of the region of practical equivalence, likewise; None for none.
        scale: `linear` for differences, `log` for ratios of positive values.
        level: of all intervals together.
        seed: of the bootstraps.
    """

    scope: Scope | None = None
    against: str | None = None
    bar: float = 0.0
    rope: float | None = None
    scale: Literal["linear", "log"] = "linear"
    level: float = 0.95
    seed: int = 0


@dataclass(frozen=True)
class Analysis:
    """The answer.

    Attributes:
        question: what was asked.
        design: what the table has.
        headline: the answer in one sentence.
        order: methods, best mean first.
        pairs: one statement per pair.
        contrasts: the differences as computed, on the scale of the question.
        aggregates: interquartile means of the runs.
        ranks: mean ranks over tasks; None with fewer than 2 tasks.
        profile: shares of runs better than a threshold.
        variance: where the variance lies; None where nothing was repeated.
        windows: the best two methods by budget; None where the table has one budget.
        table: the rows that the answer is for.
        scope: what it speaks of.
        warnings: what a reader must know, most serious first.
    """

    question: Question
    design: Design
    headline: str
    order: tuple[str, ...]
    pairs: tuple[PairStatement, ...]
    contrasts: MethodContrasts
    aggregates: Aggregate
    ranks: RankTest | None
    profile: PerformanceProfile
    variance: RSquared | None
    windows: BudgetWindows | None
    table: Results = field(repr=False)
    scope: str
    warnings: tuple[Note, ...]

    def to_frame(self) -> Any:
        """One row per pair."""
        return frame_of({
            "a": [p.a for p in self.pairs], "b": [p.b for p in self.pairs],
            "estimate": [p.estimate for p in self.pairs],
            "low": [math.nan if p.interval is None else p.interval.low for p in self.pairs],
            "high": [math.nan if p.interval is None else p.interval.high for p in self.pairs],
            "p": [p.p for p in self.pairs], "effect_size": [p.effect_size for p in self.pairs],
            "prob": [p.prob for p in self.pairs], "verdict": [p.verdict for p in self.pairs],
            "settle": [p.settle.text for p in self.pairs],
        })  # fmt: skip

    def text(self) -> str:
        """The answer in lines: headline, design, one line per pair, warnings."""
        lines = [self.headline, self.design.text(), *(pair.text() for pair in self.pairs)]
        return "\n".join([*lines, f"{self.contrasts.method}; {self.scope}", *(note.text for note in self.warnings)])


def analyze(
    frame: Frame,
    *,
    columns: Mapping[str, str] | None = None,
    metric: str | None = None,
    better: str | None = None,
    question: Question | None = None,
) -> Analysis:
    """Say what a table of results supports.

    Args:
        frame: a pandas or polars frame, any other table, or `Results`. It is not changed.
        columns: role to column where the names do not say it, such as `{"method": "params.optimizer"}`.
        metric: which metric.
        better: `higher` or `lower`; needed where the table does not declare it.
        question: scope, baseline, bar, region of practical equivalence, scale, level.

    Returns:
        The answer.

    Raises:
        UsageError: a role cannot be filled, rows are bad, the direction is not declared, there is one method only, or
            the scope `population` was asked for with fewer than 5 tasks. The message says what to do.

    Cost:
        A second for 3,600 runs of 3 methods on 24 tasks; one more fit per budget where there are several.
    """
    asked = question or Question()
    _check(asked)
    whole = results(frame, columns=columns, metric=metric, better=better)
    if whole.better is None:
        raise UsageError(f"Which direction of {whole.metric!r} is better? Say it: --better higher or --better lower.")
    _refuse_extremes(whole)
    table, budgets = at_one_budget(whole), budgets_of(whole)
    _refuse_without_values(table)
    scope, notes = _scope(table, asked.scope)
    refuse_few(table.select(table.ok), scope)
    scaled = _on_scale(table, asked)
    found = method_contrasts(scaled, scope=scope, against=asked.against, level=asked.level)
    design = describe(table, budgets, whole.better)
    order = _order(found, whole.better)
    regions = _regions(asked)
    resample = Resample("runs" if scope == "tasks" else "tasks", level=asked.level, seed=asked.seed)
    pairs = pair_statements(table, found, (order, regions, asked.scale, Plan(asked.against, resample)))
    tuning = conditional_on_tuning(table)
    told = [
        note for note in (*table.warnings, *found.warnings) if note.code != "failures"
    ]  # counted below, at the budget
    notes += [*([tuning] if tuning else []), *design_notes(table, design, scope), *told]
    windows, why = _windows(whole, order, scope) if len(budgets) > 1 and table.budget is not None else (None, ())
    return Analysis(
        question=replace(asked, scope=scope),
        design=design,
        headline=_headline(pairs, order, (found.scope, whole.metric)),
        order=order,
        pairs=pairs,
        contrasts=found,
        aggregates=aggregate(table, "iqm", resample=resample),
        ranks=_ranks(table, asked.level),
        profile=performance_profile(table, resample=resample),
        variance=_variance(scaled),
        windows=windows,
        table=table,
        scope=found.scope,
        warnings=tuple(dict.fromkeys((*notes, *why))),
    )


def _refuse_without_values(table: Results) -> None:
    """A table in which no column says the method, or in which fewer than two methods have values."""
    if len(table.methods) == 1 and table.roles and "method" not in table.roles:
        names = ", ".join(table.extra) or "none"
        raise UsageError(
            f"No column was read as the method. Columns without a role: {names}. Say which: --map method=COLUMN (in "
            "Python: columns={'method': 'COLUMN'})."
        )
    with_values = table.select(table.ok).methods
    if len(with_values) < 2 <= len(table.methods):
        failed = [name for name in table.methods if name not in with_values]
        only = f"{with_values[0]} alone has values: " if with_values else ""
        raise UsageError(
            f"{only}all runs of {', '.join(failed[:MOST_NAMED])}{', ...' if len(failed) > MOST_NAMED else ''} failed "
            f"({table.wherever(np.flatnonzero(~table.ok))}); a comparison of values needs 2 methods that have some."
        )
    if any(set(group) == set(with_values) for group in same_methods(table)):
        raise UsageError(
            f"{' and '.join(with_values[:MOST_NAMED])} have the same value in every run; there is nothing to compare. "
            "Check that each ran with its own setting, and that none is a copy of another."
        )


def _scope(table: Results, asked: Scope | None) -> tuple[Scope, list[Note]]:
    """What the answer is for: tasks like these where the tasks that methods share are enough for that, and said."""
    number = num_comparable(table)
    has_more = len(table.tasks) > number
    words = f"{counted(number, 'task')}{' on which two methods have values' if has_more else ''}"
    if asked == "population" and number < FEWEST_TASKS <= len(table.tasks):
        raise UsageError(
            f"A claim about tasks like these needs at least {FEWEST_TASKS} tasks to compare on; the table has {words}. "
            "Ask about these tasks alone: --scope tasks (in Python: scope='tasks')."
        )
    if asked is not None or number >= FEWEST_TASKS:
        return asked or "population", []
    text = f"{words} cannot carry a claim about tasks like these (at least {FEWEST_TASKS} can)"
    return "tasks", [Note("few tasks", f"{text}: the answer is for these tasks alone")]


def _check(asked: Question) -> None:
    fraction("level", asked.level)
    if not 0 <= asked.bar < math.inf or (asked.rope is not None and not 0 < asked.rope < math.inf):
        raise UsageError(f"bar = {asked.bar}, rope = {asked.rope}; expected a bar of at least 0 and a rope above 0.")
    if asked.rope is not None and asked.bar > 0 and asked.rope > asked.bar:
        raise UsageError(f"rope = {asked.rope} is wider than bar = {asked.bar}; expected a rope within the bar.")


def _refuse_extremes(table: Results) -> None:
    """Values whose squares no float can hold."""
    sizes = np.abs(table.value[table.ok])
    largest = float(sizes.max(initial=0.0))
    bad = np.flatnonzero(np.abs(table.value) > MOST_SIZE) if largest > MOST_SIZE else np.flatnonzero(table.ok)
    if largest > MOST_SIZE or 0 < largest < 1 / MOST_SIZE:
        raise UsageError(
            f"{table.metric} has values as extreme as {largest:.3g} ({table.wherever(bad[:1])}); expected sizes from "
            f"{1 / MOST_SIZE:g} to {MOST_SIZE:g}. Write them in another unit, or mark such runs as failed."
        )


def _on_scale(table: Results, asked: Question) -> Results:
    """The values, or their logs."""
    if asked.scale == "linear":
        return table
    bad = np.flatnonzero(table.ok & (table.value <= 0))
    if bad.size:
        raise UsageError(
            f"scale 'log' needs values above 0; {table.wherever(bad)} {'have' if bad.size > 1 else 'has'} "
            f"{table.value[bad[0]]:g}{' and the like' if bad.size > 1 else ''}. Take scale 'linear'."
        )
    with np.errstate(invalid="ignore"):
        return replace(table, value=np.log(table.value))


def _order(found: MethodContrasts, better: str) -> tuple[str, ...]:
    sign = -1.0 if better == "higher" else 1.0
    known = {name: value for name, (value, _) in found.means.items() if not math.isnan(value)}
    return tuple(sorted(known, key=lambda name: sign * known[name]))


def _regions(asked: Question) -> Regions:
    """Bar and rope on the scale of the estimates."""
    if asked.scale == "linear":
        return Regions(asked.bar, asked.rope, asked.level)
    return Regions(math.log1p(asked.bar), None if asked.rope is None else math.log1p(asked.rope), asked.level)


def _ranks(table: Results, level: float) -> RankTest | None:
    """Ranks over tasks; pairs by signed ranks with Holm where there are tasks enough for them, else by mean ranks."""
    if len(table.tasks) < 2:
        return None
    return rank_test(table, level=level, posthoc="holm" if len(table.tasks) >= TASKS_FOR_SIGNED_RANKS else "nemenyi")


def _variance(table: Results) -> RSquared | None:
    """Where the variance lies, whatever the scope; None where the table cannot tell."""
    ok = table.select(table.ok)
    terms, _ = random_terms(ok, "population")
    if "task:method" not in terms and len(terms) < 2:
        return None
    formula = " + ".join(["value ~ method", *(f"(1 | {term})" for term in terms)])
    return r_squared(mixed_model(formula, ok))


def _windows(whole: Results, order: tuple[str, ...], scope: Scope) -> tuple[BudgetWindows | None, tuple[Note, ...]]:
    """The best two methods by budget, or why they are not compared so."""
    if len(order) < 2:
        return None, ()
    try:
        return budget_windows(whole, (order[0], order[1]), scope=scope), ()
    except UsageError as error:
        return None, (Note("one budget of several", f"not compared budget by budget: {error}"),)


def _headline(pairs: tuple[PairStatement, ...], order: tuple[str, ...], about: tuple[str, str]) -> str:
    """The answer in one sentence."""
    scope, metric = about
    best = order[0]
    mine = [pair for pair in pairs if best in (pair.a, pair.b)]
    beaten = [pair.b for pair in mine if pair.a == best and pair.verdict == "supported"]
    even = [pair.b if pair.a == best else pair.a for pair in mine if pair.verdict == "equivalent"]
    open_ = [pair.b if pair.a == best else pair.a for pair in mine if pair.verdict not in ("supported", "equivalent")]
    parts = list(_parts(best, (beaten, even, open_)))
    return f"{best} has the best mean {metric}: {'; '.join(parts)} ({scope})."


def _parts(best: str, groups: tuple[list[str], list[str], list[str]]) -> Iterator[str]:
    beaten, even, open_ = groups
    if beaten:
        yield f"better than {', '.join(beaten)}"
    if even:
        yield f"practically equal to {', '.join(even)}"
    if open_:
        yield (
            f"not shown to differ from {', '.join(open_)}"
            if not beaten and not even
            else f"undecided against {', '.join(open_)}"
        )
    if not (beaten or even or open_):
        yield f"{best} was not compared"
