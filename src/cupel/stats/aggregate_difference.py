"""The difference between the aggregate scores of two methods: interval and p-value, with runs paired by seed.

Formula
    estimate = aggregate(A) - aggregate(B), on the tasks that both have, in
    the metric's unit: its sign is that of the numbers, not of the merit.
    Runs: where the two share their seeds, the same seeds are drawn for both
    (`is_paired` of `Resample` overrides), and the difference rests on the
    complete pairs alone; else each is drawn by itself.
    Tasks: a task that is drawn brings all runs of both along.
    p = 2 (1 + k) / (resamples + 1), k = resamples on the other side of no
    difference, carried over to Student's t; never 0.

How to read p
    It belongs to the interval: below 5 % where the 95 % interval does not
    hold 0. It comes from resamples, so that it cannot fall below about
    2 / resamples, and its last digits change with the seed. It speaks of
    the scope alone: on "these tasks" a difference can be certain that would
    not come back on others. One p-value out of many needs a correction
    (`cupel explain holm`).

Source: Agarwal et al. (2021) (aggregates); Davison & Hinkley (1997),
section 4.4 (p-values from resamples).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.aggregate import handled, name_of
from cupel.stats.aggregators import Aggregator, How, OptimalityGap, aggregator
from cupel.stats.checked import Floats, chosen
from cupel.stats.frame import Frame, frame_of
from cupel.stats.interval import Interval
from cupel.stats.note import Note
from cupel.stats.resample import Resample, Unit, resampling
from cupel.stats.rows import Results
from cupel.stats.run_strata import (
    FailureValue,
    Strata,
    failure_worth,
    matched,
    missing_note,
    named,
    on_shared_tasks,
    score_notes,
    score_table,
    strata,
)
from cupel.stats.stratified_bootstrap import (
    degrees_of_freedom,
    ends,
    few_runs_note,
    refusal,
    run_draws,
    task_draws,
    variances,
)


@dataclass(frozen=True)
class AggregateDifference:
    """The aggregate of A minus that of B.

    Attributes:
        a: name of A.
        b: name of B.
        estimate: the difference, in the unit of the metric.
        interval: None where it is unknown; a warning says why.
        p: two-sided p-value of "no difference"; None without interval.
        n: pairs of runs; where runs are not paired, runs of both together.
        num_tasks: tasks that both have.
        is_paired: whether runs were resampled by common seed.
        how: which aggregate, in words.
        metric: what was measured.
        method: how interval and p-value were made.
        scope: what they speak about.
        warnings: what a reader of the numbers must know.
    """

    a: str
    b: str
    estimate: float
    interval: Interval | None
    p: float | None
    n: int
    num_tasks: int
    is_paired: bool
    how: str
    metric: str
    method: str
    scope: str
    warnings: tuple[Note, ...]

    def to_frame(self) -> Any:
        """One row."""
        span = self.interval or Interval(math.nan, math.nan, math.nan, "")
        names = ("a", "b", "estimate", "n", "num_tasks", "is_paired", "how", "method", "scope")
        row = {name: [getattr(self, name)] for name in names}
        return frame_of(row | {"low": [span.low], "high": [span.high], "p": [math.nan if self.p is None else self.p]})

    def text(self) -> str:
        """The difference in one line, and the warnings."""
        sure = "no interval"
        if self.interval is not None and self.p is not None:
            span = f"{self.interval.low:.4g} to {self.interval.high:.4g}"
            sure = f"{self.interval.level:.0%} {span}, p = {self.p:.2g}"
        runs = f"{self.n} {'pairs' if self.is_paired else 'runs'}, {self.num_tasks} tasks"
        head = f"{self.how} of {self.metric}, {self.a} - {self.b}, {self.scope}: {self.estimate:.4g} ({sure}; {runs})"
        return "\n".join([head, *(f"  {note.text}" for note in self.warnings)])


def aggregate_difference(
    frame: Frame,
    methods: tuple[str, str],
    *,
    how: How | OptimalityGap = "iqm",
    failure_value: FailureValue = None,
    resample: Resample | Unit = "runs",
) -> AggregateDifference:
    """Compare the aggregate of one method with that of another.

    Args:
        frame: results, as for `aggregate`; its direction, where one is needed, is declared in
            `results(frame, better=...)`.
        methods: names of A and B.
        how: `iqm`, `mean`, `median`, `optimality_gap` (target 1) or `OptimalityGap(target=...)`.
        failure_value: what a failed run is worth; None: it is left out, and its partner with it.
        resample: `runs` for an interval on these tasks, `tasks` for one on tasks like these, or a `Resample`.

    Returns:
        Estimate, interval and p-value. No interval, and a note, with a single run (or pair) in a task (`runs`), fewer
        than 5 common tasks (`tasks`) or without any spread.

    Raises:
        UsageError: unknown methods, no common task, `is_paired=True` where nothing pairs the runs.

    Cost: twice that of `aggregate`.

    Source: Agarwal et al. (2021); Davison & Hinkley (1997).

    Example:
        >>> scores = {"A": np.arange(20.0).reshape(5, 4) % 7, "B": np.arange(20.0).reshape(5, 4) % 6}
        >>> found = aggregate_difference(scores, ("A", "B"), how="mean")
        >>> round(found.estimate, 2), found.is_paired
        (0.55, False)
    """
    plan = resampling(resample)
    chosen("methods", methods, least=2, most=2)
    table = score_table(frame)
    worth = failure_worth(table, failure_value)
    all_of = [strata(worth, table.method_index(name)) for name in methods]
    sides = on_shared_tasks(*all_of)
    notes = [*_notes_of(table, methods, failure_value), *missing_note({s.name: s.tasks for s in all_of}, worth.tasks)]
    pairs = _pairs(sides, plan, notes)
    sides = sides if pairs is None else pairs
    of = (aggregator(sides[0], how, worth), aggregator(sides[1], how, worth))
    bare = AggregateDifference(
        a=methods[0],
        b=methods[1],
        estimate=of[0].estimate - of[1].estimate,
        interval=None,
        p=None,
        n=sides[0].values.size + (0 if pairs else sides[1].values.size),
        num_tasks=len(sides[0].tasks),
        is_paired=pairs is not None,
        how=name_of(how),
        metric=table.metric,
        method="none",
        scope=plan.scope,
        warnings=tuple(notes),
    )
    return _with_uncertainty(bare, sides, of, plan)


def _notes_of(table: Results, methods: tuple[str, str], failure_value: FailureValue) -> tuple[Note, ...]:
    """The warnings that concern these two methods."""
    codes = [table.method_index(name) for name in methods]
    return score_notes(table.select(np.isin(table.method.codes, codes)), handled(failure_value))


def _pairs(sides: tuple[Strata, Strata], plan: Resample, notes: list[Note]) -> tuple[Strata, Strata] | None:
    """The complete pairs, where runs are to be paired; says what was left out."""
    if plan.is_paired is False or plan.unit == "tasks":  # a task that is drawn brings all runs of both along
        return None
    pairs = matched(*sides)
    if pairs is None and plan.is_paired:
        raise UsageError(
            f"is_paired = True, and no seed or split says which run of {sides[0].name} belongs to which of "
            f"{sides[1].name}. Expected a column `seed` whose values both share, each once per task."
        )
    if pairs is None:
        notes.append(Note("unpaired", "Nothing pairs the runs of the two methods; each is resampled by itself."))
        return None
    left = sum(side.values.size for side in sides) - 2 * pairs[0].values.size
    lost = [task for task in sides[0].tasks if task not in pairs[0].tasks]
    if left:
        where = f", and with them all of {named(lost)}" if lost else ""
        notes.append(Note("missing cells", f"{left} runs without a partner in the other method are left out{where}."))
    return pairs


def _with_uncertainty(
    bare: AggregateDifference, sides: tuple[Strata, Strata], of: tuple[Aggregator, Aggregator], plan: Resample
) -> AggregateDifference:
    """The same with interval and p-value."""
    for side in sides:
        why = refusal(side.sizes, side.tasks, plan)
        if why is not None:
            return replace(bare, warnings=(*bare.warnings, why))
    few = few_runs_note(np.minimum(sides[0].sizes, sides[1].sizes), plan)
    draws, df = _drawn(bare, sides, of, plan), _df(bare, sides, of, plan)
    found = ends(draws, bare.estimate, df, plan, null=0.0)
    notes = (*bare.warnings, *found.notes, *few)
    return replace(bare, interval=found.interval, p=found.p, method=found.method, warnings=notes)


def _drawn(
    bare: AggregateDifference, sides: tuple[Strata, Strata], of: tuple[Aggregator, Aggregator], plan: Resample
) -> Floats:
    """(resamples,) the difference in each resample."""
    rngs = [np.random.default_rng(child) for child in np.random.SeedSequence(plan.seed).spawn(2)]
    if plan.unit == "tasks":
        blocks = task_draws(sides[0].sizes.size, plan.num, rngs[0])
        return np.concatenate([of[0].of_tasks(index) - of[1].of_tasks(index) for index in blocks])
    first = run_draws(sides[0].sizes, plan.num, rngs[0])
    if bare.is_paired:
        return np.concatenate([of[0].of_runs(index) - of[1].of_runs(index) for index in first])
    second = run_draws(sides[1].sizes, plan.num, rngs[1])
    mine = np.concatenate([of[0].of_runs(index) for index in first])
    return np.asarray(mine - np.concatenate([of[1].of_runs(index) for index in second]))


def _df(
    bare: AggregateDifference, sides: tuple[Strata, Strata], of: tuple[Aggregator, Aggregator], plan: Resample
) -> float:
    """Degrees of freedom of the difference."""
    if plan.unit == "tasks":
        return float(sides[0].sizes.size - 1)
    if bare.is_paired:
        both = variances(of[0].influence - of[1].influence, sides[0])
        return degrees_of_freedom([(both, sides[0].sizes)])
    return degrees_of_freedom(
        [(variances(one.influence, side), side.sizes) for one, side in zip(of, sides, strict=True)]
    )
