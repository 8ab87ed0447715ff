"""The AlgoPerf benchmark score of training algorithms, in closed form, with an interval over workloads.

Formula
    t = median over studies of the time to the target, infinite where it is
    not reached; within a study (`hpo_run`), the fastest of its trials.
    A time beyond max_ratio = 4 times the fastest of its workload is
    infinite. r = t / fastest time on the workload, of those left.
    score = mean over workloads of max(0, max_ratio - r) / (max_ratio - 1):
    1 for the fastest everywhere, 0 for targets never reached in time. It is
    the area under the Dolan-More profile from 1 to max_ratio, over
    max_ratio - 1, without a grid.
    A held-out variant is not scored: where a submission does not reach its
    target within max_ratio, the base workload counts as not reached. A
    variant counts only for those that reach the base.

What it depends on
    The pool: the fastest of those present is the yardstick, so that another
    submission changes the score of all. The interval resamples workloads
    (`cupel explain resample`): it says how the score would vary over
    workloads like these, pool and times staying as they are.

Source: Dahl et al. (2023), "Benchmarking Neural Network Training
Algorithms", arXiv 2306.07179, section 4; rules and scoring code of
mlcommons/algorithmic-efficiency; Dolan & More (2002).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cupel.spec.errors import UnknownNameError, UsageError
from cupel.stats.checked import Floats, numbers
from cupel.stats.dolan_more import ratios
from cupel.stats.frame import Frame, frame_of
from cupel.stats.interval import Interval
from cupel.stats.note import Note
from cupel.stats.resample import Resample
from cupel.stats.solve_costs import SolveCosts, solve_costs
from cupel.stats.stratified_bootstrap import Ends, ends, refusal, task_draws

MAX_RATIO = 4.0
OVER_WORKLOADS = Resample("tasks")


@dataclass(frozen=True)
class AlgoperfRow:
    """The score of one submission.

    Attributes:
        name: of the submission.
        estimate: its score, 0 to 1.
        interval: over workloads like these; None where it is unknown.
        num_reached: workloads whose target it reaches in time.
        parts: (workloads,) what each adds, 0 to 1; their mean is the score.
        method: how the interval was made.
    """

    name: str
    estimate: float
    interval: Interval | None
    num_reached: int
    parts: Floats
    method: str


@dataclass(frozen=True)
class AlgoperfScore:
    """The scores of all submissions of a pool.

    Attributes:
        rows: one per submission, in the order of the table.
        workloads: names of those scored.
        max_ratio: beyond this factor of the fastest, a target is not reached.
        scope: what the intervals speak about.
        warnings: what a reader of the scores must know.
    """

    rows: tuple[AlgoperfRow, ...]
    workloads: tuple[str, ...]
    max_ratio: float
    scope: str
    warnings: tuple[Note, ...]

    def __getitem__(self, name: str) -> AlgoperfRow:
        for row in self.rows:
            if row.name == name:
                return row
        raise UnknownNameError("submission", name, [row.name for row in self.rows])

    @property
    def n(self) -> int:
        """Workloads scored."""
        return len(self.workloads)

    @property
    def estimate(self) -> dict[str, float]:
        """Submission to score."""
        return {row.name: row.estimate for row in self.rows}

    @property
    def interval(self) -> dict[str, Interval | None]:
        """Submission to interval."""
        return {row.name: row.interval for row in self.rows}

    def to_frame(self) -> Any:
        """One row per submission."""
        spans = [row.interval or Interval(math.nan, math.nan, math.nan, "") for row in self.rows]
        columns: dict[str, list[Any]] = {
            name: [getattr(row, name) for row in self.rows] for name in ("name", "estimate", "num_reached", "method")
        }
        return frame_of(columns | {"low": [s.low for s in spans], "high": [s.high for s in spans]})

    def text(self) -> str:
        """A line per submission, and the warnings."""
        lines = [f"AlgoPerf score over {self.n} workloads ({self.scope}):"]
        for row in self.rows:
            sure = "no interval"
            if row.interval is not None:
                sure = f"{row.interval.level:.0%} {row.interval.low:.3f} to {row.interval.high:.3f}"
            lines.append(f"  {row.name}: {row.estimate:.4f} ({sure}; {row.num_reached} of {self.n} targets reached)")
        return "\n".join([*lines, *(f"  {note.text}" for note in self.warnings)])


def algoperf_score(
    frame: Frame,
    *,
    max_ratio: float = MAX_RATIO,
    held_out: Mapping[str, str] | None = None,
    resample: Resample = OVER_WORKLOADS,
) -> AlgoperfScore:
    """Score submissions by their times to the targets of workloads.

    Args:
        frame: results: method = submission, task = workload, value = time to the target, failed where it was not
            reached; one row per study, or per trial with the study as `hpo_run`.
        max_ratio: above 1.
        held_out: base workload to its held-out variant, both tasks of the table.
        resample: number of resamples, level and seed; its unit must be `tasks`.

    Returns:
        Scores with intervals. No interval, and a note, with fewer than 5 workloads or without any spread.

    Raises:
        UsageError: a submission without a row on a workload (say `failed` where the target was not reached), a time
            that is not above 0, an unknown variant, or an option out of range.

    Source: Dahl et al. (2023), section 4.

    Example:
        >>> hours = {"A": np.array([[1.0, 4.0, 2.0]]), "B": np.array([[2.0, 2.0, np.nan]])}
        >>> {name: round(score, 4) for name, score in algoperf_score(hours).estimate.items()}
        {'A': 0.8889, 'B': 0.5556}
    """
    numbers(max_ratio=max_ratio)
    if not 1 < max_ratio < math.inf:
        raise UsageError(f"max_ratio = {max_ratio}; expected a factor above 1, such as 4.")
    if resample.unit != "tasks":
        raise UsageError(f"resample by {resample.unit!r}; the interval is over workloads: Resample('tasks', ...).")
    costs = solve_costs(frame, best_of_tuning_run=True)
    _refuse_gaps(costs)
    workloads, ratio = _scored(costs, held_out or {}, max_ratio)
    parts = np.maximum(0.0, max_ratio - ratio) / (max_ratio - 1)
    rows, notes = [], dict.fromkeys(costs.warnings)
    for name, own, reached in zip(costs.methods, parts, np.isfinite(ratio).sum(axis=1), strict=True):
        found = _ends(own, workloads, resample)
        notes |= dict.fromkeys(found.notes)
        rows.append(AlgoperfRow(name, float(own.mean()), found.interval, int(reached), own, found.method))
    pool = f"The score compares these {len(rows)} submissions; another one changes the score of all."
    return AlgoperfScore(tuple(rows), workloads, max_ratio, resample.scope, (*notes, Note("scope", pool)))


def _refuse_gaps(costs: SolveCosts) -> None:
    gaps = np.argwhere(np.isnan(costs.cost))
    if gaps.size:
        method, task = costs.methods[gaps[0][0]], costs.tasks[gaps[0][1]]
        raise UsageError(
            f"{method} has no row on {task} ({len(gaps)} such gaps). Expected every submission on every workload: "
            "write a row with status 'failed' where the target was not reached."
        )


def _scored(costs: SolveCosts, held_out: Mapping[str, str], max_ratio: float) -> tuple[tuple[str, ...], Floats]:
    """Workloads that are scored, and (methods, workloads) ratios, infinite where a target is not reached in time."""
    for name in (*held_out, *held_out.values()):
        if name not in costs.tasks:
            raise UnknownNameError("workload", name, costs.tasks)
    place = {name: k for k, name in enumerate(costs.tasks)}
    time = costs.cost.copy()
    for base, variant in held_out.items():
        time[np.isinf(time[:, place[base]]), place[variant]] = np.inf
    time[time > max_ratio * time.min(axis=0)] = np.inf
    for base, variant in held_out.items():
        time[np.isinf(time[:, place[variant]]), place[base]] = np.inf
    scored = tuple(name for name in costs.tasks if name not in held_out.values())
    return scored, ratios(time[:, [place[name] for name in scored]])


def _ends(parts: Floats, workloads: tuple[str, ...], plan: Resample) -> Ends:
    """The interval of a mean over workloads."""
    why = refusal(np.ones(parts.size, dtype=np.intp), workloads, plan)
    if why is not None:
        return Ends(None, None, "none", (why,))
    rng = np.random.default_rng(plan.seed)
    draws = np.concatenate([parts.take(index).mean(axis=1) for index in task_draws(parts.size, plan.num, rng)])
    found = ends(draws, float(parts.mean()), parts.size - 1.0, plan)
    if found.interval is None:
        return found
    span = found.interval
    return Ends(
        Interval(max(0.0, span.low), min(1.0, span.high), span.level, span.method), None, found.method, found.notes
    )
