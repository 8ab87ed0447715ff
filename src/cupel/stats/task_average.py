"""Differences between methods averaged over these very tasks: the runs vary, the tasks stand still.

Formula
    For each task the difference of two methods' means, by pairs of runs
    with the same seed where they share seeds on that task; D is their plain
    average over the T tasks that both were run on.
        Var(D) = (1 / T^2) sum over tasks of s_t^2 / n_t   (paired), or
                 (1 / T^2) sum of (s_A^2 / n_A + s_B^2 / n_B)
    with each task's own spread, and Welch-Satterthwaite degrees of freedom.
    A task with one run has no spread of its own and takes the mean spread of
    the others (of pairs, or of runs), which is then counted with the weight
    that it has in all. There is no interval without any repeats, nor where
    the values of such a task spread over 10 times as wide as those of any
    task with repeats: then their spread says nothing of its own. Holm over
    pairs.

Source: Welch (1947), Biometrika 34, 28-35; Satterthwaite (1946).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cupel.stats.checked import Floats, fraction
from cupel.stats.frame import Frame, frame_of
from cupel.stats.holm import holm
from cupel.stats.interval import Interval
from cupel.stats.note import Note
from cupel.stats.results import results
from cupel.stats.rows import Results
from cupel.stats.student import p_words, t_p_value, t_quantile
from cupel.stats.task_model import is_shared, refuse_few

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDEST = 10.0
"""How much wider a task with one run may spread than any with repeats whose spread it takes."""


@dataclass(frozen=True)
class AveragedDifference:
    """One pair of methods.

    Attributes:
        a: first method.
        b: second method.
        estimate: mean over tasks of A less B; NaN where no task has both.
        se: standard error; NaN where nothing was repeated.
        df: degrees of freedom.
        p: two-sided, by Holm over the pairs.
        p_alone: the same for this pair alone.
        interval: at Bonferroni's level over the pairs; None where there is no standard error.
        num_tasks: tasks that both were run on.
        num_runs: pairs of runs (paired) or runs of both.
    """

    a: str
    b: str
    estimate: float
    se: float
    df: float
    p: float
    p_alone: float
    interval: Interval | None
    num_tasks: int
    num_runs: int


@dataclass(frozen=True)
class TaskAverage:
    """All pairs of methods on these tasks.

    Attributes:
        rows: one per pair, in the order of the methods.
        is_paired: whether runs with the same seed were compared.
        method: in words.
        scope: `these tasks`.
        warnings: what a reader must know.
    """

    rows: tuple[AveragedDifference, ...]
    is_paired: bool
    method: str
    scope: str
    warnings: tuple[Note, ...]

    def to_frame(self) -> Any:
        """One row per pair."""
        names = ("a", "b", "estimate", "se", "df", "p", "p_alone", "num_tasks", "num_runs")
        columns: dict[str, list[Any]] = {name: [getattr(row, name) for row in self.rows] for name in names}
        columns["low"] = [math.nan if row.interval is None else row.interval.low for row in self.rows]
        columns["high"] = [math.nan if row.interval is None else row.interval.high for row in self.rows]
        return frame_of(columns)

    def text(self) -> str:
        """One line per pair."""
        lines = []
        for row in self.rows:
            sure = "no interval: nothing was repeated"
            if row.interval is not None:
                sure = f"{row.interval.low:.4g} to {row.interval.high:.4g}; {p_words(row.p)}"
            lines.append(f"{row.a} - {row.b}: {row.estimate:.4g} ({sure})")
        return "\n".join([*lines, f"{self.method}; {self.scope}"])


def task_average(frame: Frame, *, against: str | None = None, level: float = 0.95) -> TaskAverage:
    """Compare methods on these tasks.

    Args:
        frame: any frame, or `Results`; at one budget. Failures are left out and said.
        against: the method that all others are compared with (it stands second); all pairs where None.
        level: of all intervals together.

    Returns:
        The differences.

    Raises:
        UsageError: one method only, several budgets, or a level that is no fraction.
        UnknownNameError: there is no such method.

    Source: Welch (1947).
    """
    fraction("level", level)
    table = results(frame)
    ok = table.select(table.ok)
    refuse_few(ok, "tasks")
    seeds = ok.seed
    is_paired = seeds is not None and is_shared(ok, seeds)
    control = None if against is None else ok.method_index(against)
    size = len(ok.methods)
    pairs = [(i, j) for i in range(size) for j in range(i + 1, size)]
    if control is not None:
        pairs = [(i, control) for i in range(size) if i != control]
    found = [_pair(ok, pair, is_paired=is_paired) for pair in pairs]
    alone = np.array([t_p_value(d, se, df) if df > 0 else math.nan for d, se, df, _, _ in found])
    adjusted = holm(alone)
    own = 1 - (1 - level) / max(1, int(np.sum(~np.isnan(alone))))
    rows = []
    for (i, j), (d, se, df, tasks, runs), p, q in zip(pairs, found, alone.tolist(), adjusted.tolist(), strict=True):
        half = t_quantile(own, df) * se if df > 0 else math.nan
        interval = Interval(d - half, d + half, level, "Welch, Bonferroni") if math.isfinite(half) else None
        rows.append(AveragedDifference(ok.methods[i], ok.methods[j], d, se, df, q, p, interval, tasks, runs))
    together = f"; Holm over {len(rows)} pairs" if len(rows) > 1 else ""
    how = f"mean over tasks of {'paired ' if is_paired else ''}differences, Welch{together}"
    return TaskAverage(tuple(rows), is_paired, how, "these tasks", tuple(table.warnings))


def _pair(table: Results, pair: tuple[int, int], *, is_paired: bool) -> tuple[float, float, float, int, int]:
    """Estimate, standard error, degrees of freedom, tasks and runs of one pair of methods."""
    means, variances, counts, paired, widths = [], [], [], [], []
    for task in range(len(table.tasks)):
        own = table.task.codes == task
        a, b = (own & (table.method.codes == m) for m in pair)
        sides = _paired(table, a, b) if is_paired else (table.value[:0], table.value[:0])
        parts = [(sides[0] - sides[1], 1.0)] if sides[0].size else [(table.value[a], 1.0), (table.value[b], -1.0)]
        if any(x.size == 0 for x, _ in parts):
            continue
        means.append(sum(sign * float(x.mean()) for x, sign in parts))
        for x, _ in parts:
            variances.append(float(x.var(ddof=1)) if x.size > 1 else math.nan)
            counts.append(x.size)
            paired.append(len(parts) == 1)
            widths.append(float(np.ptp(table.value[own])))
    if not means:
        return math.nan, math.nan, math.nan, 0, 0
    estimate, num_tasks = float(np.mean(means)), len(means)
    width, is_repeated = np.array(widths), ~np.isnan(variances)
    if np.any(width[~is_repeated] > WIDEST * width[is_repeated].max(initial=0.0)):
        return estimate, math.nan, math.nan, num_tasks, int(sum(counts))
    error, df = _error(np.array(variances), np.array(counts), np.array(paired))
    return estimate, error / num_tasks, df, num_tasks, int(sum(counts))


def _paired(table: Results, a: Any, b: Any) -> tuple[Floats, Floats]:
    """Values of both methods at the seeds that both have (a repeated seed by its mean)."""
    assert table.seed is not None
    size = len(table.seed.levels)
    sums = []
    for side in (a, b):
        codes = table.seed.codes[side]
        known = codes >= 0
        num = np.bincount(codes[known], minlength=size)
        total = np.bincount(codes[known], weights=table.value[side][known], minlength=size)
        sums.append((num, total))
    both = (sums[0][0] > 0) & (sums[1][0] > 0)
    return sums[0][1][both] / sums[0][0][both], sums[1][1][both] / sums[1][0][both]


def _error(variances: Floats, counts: Floats, is_pair: NDArray[np.bool_]) -> tuple[float, float]:
    """Root of the summed variances of means, and degrees of freedom; NaN where nothing was repeated.

    A spread that is borrowed is a sum of those it is borrowed from: each counts once, with all of its weight.
    """
    known = ~np.isnan(variances)
    if not known.any():
        return math.nan, math.nan
    free = counts - 1
    weight = np.where(known, 1 / counts, 0.0)
    for kind in (True, False):
        lacks = ~known & (is_pair == kind)
        lenders = known & (is_pair == kind) if np.any(known & (is_pair == kind)) else known
        weight[lenders] += free[lenders] / free[lenders].sum() * (1 / counts[lacks]).sum()
    parts = weight[known] * variances[known]
    total = float(parts.sum())
    if total == 0:
        return math.nan, math.nan
    return math.sqrt(total), 1 / float(((parts / total) ** 2 / free[known]).sum())
