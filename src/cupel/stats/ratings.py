"""Ratings of methods from who beats whom over tasks: Bradley-Terry on the Elo scale, with what stands behind them.

Rule
    On each task every pair of methods has one outcome: the share of its
    meetings that the first won, draws counting half. Runs meet that share a
    seed (split, tuning run, budget); without shared seeds all runs of a
    task meet. A failed run loses to any result.
    Ratings are the most likely strengths, 400 / log(10) points to a unit:
    400 points more is 10 wins for each loss. Their mean is 1000, or the
    method named as anchor has 1000.
    The interval treats the tasks as a sample: sandwich covariance over
    tasks, Student's t with tasks - 1 degrees of freedom. A percentile
    bootstrap over tasks, as leaderboards show it, stands beside it.

Beside the rating
    win rate       mean outcome against the others it met, a draw is half
    mean rank      over the tasks that every method has (1 is best)
    improvability  mean over those tasks of (error - best) / error, in per
                   cent: how much of its error the best method of the task
                   saves; only where lower is better and no error is
                   negative; a method that failed there counts 100 %

When one group never lost
    Then the most likely ratings are infinitely apart. One drawn task is
    added between every pair, the ratings are marked, and there is no
    interval.

What was measured (share of intervals that held the truth, 95 % nominal)
    5 methods; normal, skewed, often tied results, and three kinds of tasks:
      tasks       4         6         12        30
      sandwich    96-98     95-97     96        96
      bootstrap   79-87     84-90     88-91     92-94
    With 4 tasks 2 to 40 % of the tables, with 6 up to 16 %, had a group
    that never lost, and no interval.

Ratings depend on the pool: adding a method, or more like it, moves the
others. They say how often a method wins, not by how much.

Source: Bradley & Terry (1952), Biometrika 39, 324-345; Elo (1978), The
Rating of Chessplayers; White (1982), Econometrica 50, 1-25; Erickson et
al. (2025), arXiv 2506.16791 (improvability).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.bradley_terry import covariance, reachable, strengths
from cupel.stats.checked import Floats, fraction, whole
from cupel.stats.frame import Frame, frame_of
from cupel.stats.interval import Interval
from cupel.stats.note import Note
from cupel.stats.pairwise_outcomes import pairwise_outcomes
from cupel.stats.student import t_quantile
from cupel.stats.task_table import TaskTable, named, ranks, task_table

POINTS = 400 / math.log(10)
CENTRE = 1000.0
NUM_RESAMPLES = 1000
FEW_TASKS = 5
OFTEN_FRAC = 0.05


@dataclass(frozen=True)
class Ratings:
    """Methods with their ratings, best first.

    Attributes:
        methods: names, highest rating first; everything below is in this order.
        ratings: (methods,) Elo points.
        intervals: by the sandwich; None where there is none, and for a named anchor, which is fixed.
        bootstrap: percentile intervals over tasks; None likewise.
        win_rates: (methods,) mean outcome against others, 0 to 1.
        mean_ranks: (methods,) over the tasks that every method has; NaN without such tasks.
        improvability_percent: (methods,) per cent; None where it is not defined (`warnings` say why).
        win_matrix: (methods, methods) mean outcome of row against column over tasks; NaN where they never met.
        is_separated: whether the most likely ratings are infinitely apart, and a prior was used.
        anchor: the method that has 1000; empty where the mean has.
        n: tasks on which methods met.
        method: how it was computed.
        scope: for what it holds.
        warnings: what a reader must know.
    """

    methods: tuple[str, ...]
    ratings: Floats
    intervals: tuple[Interval | None, ...]
    bootstrap: tuple[Interval | None, ...]
    win_rates: Floats
    mean_ranks: Floats
    improvability_percent: Floats | None
    win_matrix: Floats
    is_separated: bool
    anchor: str
    n: int
    method: str
    scope: str
    warnings: tuple[Note, ...]

    def to_frame(self) -> Any:
        """One row per method."""
        nothing = [math.nan] * len(self.methods)
        gain = self.improvability_percent
        return frame_of({
            "method": list(self.methods), "rating": self.ratings.tolist(),
            "low": [i.low if i else math.nan for i in self.intervals],
            "high": [i.high if i else math.nan for i in self.intervals],
            "win_rate": self.win_rates.tolist(), "mean_rank": self.mean_ranks.tolist(),
            "improvability_percent": nothing if gain is None else gain.tolist(),
        })  # fmt: skip

    def text(self) -> str:
        """A line per method, and the warnings."""
        lines = [f"Ratings over {self.n} tasks among {len(self.methods)} methods; they depend on the pool."]
        for k, name in enumerate(self.methods):
            interval = self.intervals[k]
            span = f" [{interval.low:.0f}, {interval.high:.0f}]" if interval else ""
            gain = self.improvability_percent
            tail = "" if gain is None else f", improvability {gain[k]:.1f} %"
            lines.append(f"{name}: {self.ratings[k]:.0f}{span}, wins {self.win_rates[k]:.0%}{tail}")
        return "\n".join([*lines, *(note.text for note in self.warnings)])


def ratings(
    frame: Frame, *, better: str | None = None, anchor: str | None = None, level: float = 0.95, seed: int = 0
) -> Ratings:
    """Rate methods from their meetings on tasks.

    Args:
        frame: results. Failures stay in and lose; to leave them out, leave out their rows.
        better: `higher` or `lower`; what the table declares where None.
        anchor: the method that has 1000 points; None: the mean over methods has.
        level: of the intervals.
        seed: of the 1000 resamples of tasks.

    Returns:
        Ratings with intervals, win rates, mean ranks and improvability; no intervals for a single task, for tasks that
        are all alike, or where a group of methods never lost to the others.

    Raises:
        UsageError: no direction, fewer than 2 methods, or methods that no chain of meetings joins; unknown anchor.

    Cost: k methods: 1000 x 8 solves of size k; 0.1 s for 10 methods.

    Source: Bradley & Terry (1952).

    Example:
        >>> table = {"task": [1, 1, 2, 2, 3, 3, 4, 4], "method": ["a", "b"] * 4, "value": [2, 1, 2, 1, 2, 1, 1, 2]}
        >>> found = ratings(table, better="higher", anchor="b")
        >>> found.methods, found.ratings.round(1).tolist()  # three wins for each loss: 400 log10(3) points
        (('a', 'b'), [1190.8, 1000.0])
    """
    fraction("level", level)
    seed = whole("seed", seed)
    outcomes = pairwise_outcomes(frame, better)
    names = outcomes.table.methods
    anchor_idx = None if anchor is None else outcomes.table.method_index(anchor)
    played = outcomes.met.any(axis=(1, 2))
    wins, total = outcomes.wins[played], outcomes.met[played].sum(axis=0)
    _refuse_strangers(names, total)
    fit, needs_prior = strengths(wins.sum(axis=0)[None])
    order = np.argsort(-fit[0], kind="stable")
    spread = _intervals(wins, fit[0], anchor_idx, level, is_separated=bool(needs_prior[0]))
    resampled, share_prior = _resampled(wins, anchor_idx, level, seed, is_reported=spread is not None)
    with np.errstate(invalid="ignore"):
        matrix = wins.sum(axis=0) / total
    table = task_table(outcomes.table, better=None, failures="worst")
    gain, reason = _improvability(table, lower=outcomes.table.better == "lower")
    nothing = (None,) * len(names)
    return Ratings(
        methods=tuple(names[i] for i in order), ratings=_points(fit, anchor_idx)[0][order],
        intervals=nothing if spread is None else tuple(spread[i] for i in order),
        bootstrap=nothing if resampled is None else tuple(resampled[i] for i in order),
        win_rates=(wins.sum(axis=(0, 2)) / total.sum(axis=1))[order],
        mean_ranks=(ranks(table.values).mean(axis=0) if table.tasks else np.full(len(names), math.nan))[order],
        improvability_percent=None if gain is None else gain[order], win_matrix=matrix[np.ix_(order, order)],
        is_separated=bool(needs_prior[0]), anchor=anchor or "", n=int(played.sum()),
        method="Bradley-Terry, sandwich over tasks", scope="tasks like these",
        warnings=(
            *outcomes.warnings,
            *_table_notes(table, reason),
            *_notes(names, wins, share_prior, has_interval=spread is not None, is_separated=bool(needs_prior[0])),
        ),
    )  # fmt: skip


def _refuse_strangers(names: tuple[str, ...], total: Floats) -> None:
    if len(names) < 2:
        raise UsageError(f"Only one method in the table: {names[0]}. Expected at least two to rate.")
    joined = reachable(total[None] > 0)[0, 0]
    if not joined.all():
        others = [name for name, is_joined in zip(names, joined, strict=True) if not is_joined]
        own = [name for name, is_joined in zip(names, joined, strict=True) if is_joined]
        raise UsageError(
            f"No chain of tasks joins {named(own)} with {named(others)}: nothing says how one group stands to the "
            "other. Rate each group by itself, or run a method of one on a task of the other."
        )


def _points(strength: Floats, anchor_idx: int | None) -> Floats:
    """(tables, methods) strengths as Elo points."""
    zero = strength.mean(axis=1) if anchor_idx is None else strength[:, anchor_idx]
    points: Floats = CENTRE + POINTS * (strength - zero[:, None])
    return points


def _intervals(
    wins: Floats, strength: Floats, anchor_idx: int | None, level: float, *, is_separated: bool
) -> list[Interval | None] | None:
    """Sandwich intervals, in the order of the methods; None where the tasks say nothing of their own spread."""
    num_tasks, k, _ = wins.shape
    if is_separated or num_tasks < 2:
        return None
    shift = np.eye(k)
    if anchor_idx is not None:
        shift[:, anchor_idx] -= 1
    variance = np.diag(shift @ covariance(strength, wins) @ shift.T)
    if not variance.max() > 1e-12:
        return None
    half = t_quantile(level, num_tasks - 1) * POINTS * np.sqrt(np.maximum(variance, 0.0))
    centre = _points(strength[None], anchor_idx)[0]
    made = [
        Interval(float(c - h), float(c + h), level, "sandwich over tasks") for c, h in zip(centre, half, strict=True)
    ]
    return [None if i == anchor_idx else interval for i, interval in enumerate(made)]


def _resampled(
    wins: Floats, anchor_idx: int | None, level: float, seed: int, *, is_reported: bool
) -> tuple[list[Interval | None] | None, float]:
    """Percentile intervals over resampled tasks, and the share of resamples in which the prior was needed."""
    if not is_reported:
        return None, 0.0
    num_tasks, k, _ = wins.shape
    times = np.random.default_rng(seed).multinomial(num_tasks, np.full(num_tasks, 1 / num_tasks), size=NUM_RESAMPLES)
    fits, needs_prior = strengths((times @ wins.reshape(num_tasks, -1)).reshape(-1, k, k))
    ends = np.quantile(_points(fits, anchor_idx), [(1 - level) / 2, (1 + level) / 2], axis=0)
    made = [Interval(float(low), float(high), level, "bootstrap over tasks") for low, high in ends.T]
    return [None if i == anchor_idx else interval for i, interval in enumerate(made)], float(needs_prior.mean())


def _improvability(table: TaskTable, *, lower: bool) -> tuple[Floats | None, str]:
    """Mean share of its error that the best method saves, in per cent; or None and the reason."""
    errors = -table.values
    if not lower:
        return None, "higher is better, and improvability is of errors"
    if not table.tasks:
        return None, "no task has every method"
    if np.any(errors < 0):
        return None, "some values are negative, and improvability is of errors from 0"
    best = errors.min(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(np.isinf(errors), 1.0, 1 - best / errors)
    # An error of 0 cannot be improved; where every method failed, none is better than another.
    share[(errors == 0) | np.isinf(best)] = 0.0
    return 100 * share.mean(axis=0), ""


def _table_notes(table: TaskTable, reason: str) -> Iterator[Note]:
    if table.left_out:
        text = f"Mean ranks and improvability are without {len(table.left_out)} tasks that lack a method."
        yield Note("missing cells", text)
    if reason:
        yield Note("scope", f"No improvability: {reason}.")


def _notes(
    names: tuple[str, ...], wins: Floats, share_prior: float, *, has_interval: bool, is_separated: bool
) -> Iterator[Note]:
    num_tasks = wins.shape[0]
    if is_separated:
        reach = reachable((wins.sum(axis=0) > 0)[None])[0]
        # A method that everyone who reaches it is reached by in turn never lost outside its group.
        top = [name for i, name in enumerate(names) if np.all(reach[i] | ~reach[:, i])]
        yield Note(
            "boundary",
            f"{named(top)} never lost to the others, so the most likely ratings are infinitely apart. One drawn task "
            "was added between every pair to have numbers; they depend on that, and have no interval.",
        )
    elif num_tasks < 2:
        yield Note("few tasks", "One task has no spread between tasks: there is no interval.")
    elif not has_interval:
        yield Note("no spread", f"The {num_tasks} tasks have the same outcomes: their spread says nothing of chance.")
    elif num_tasks < FEW_TASKS:
        yield Note("few tasks", f"{num_tasks} tasks say little of tasks like these.")
    if share_prior > OFTEN_FRAC:
        text = f"In {share_prior:.0%} of the resamples a group never lost: the bootstrap there rests on a prior."
        yield Note("boundary", text)
