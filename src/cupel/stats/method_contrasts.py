"""How much better is one method than another, within a stated scope: the differences a verdict is read from.

Rule
    scope "population"  tasks like these: differences of the marginal means
        of the mixed model with (1 | task:method), see task_model; Tukey
        over all pairs, Dunnett against a baseline. At least 5 tasks.
    scope "tasks"  these tasks alone: the average over tasks of each task's
        own difference, see task_average; Holm over the pairs.
    Differences are the first method less the second, in the unit of the
    values; with scale "log" they are differences of logs, to be read as
    ratios.

Source: rules of Cupel; Geburek et al. (2024), Welch (1947).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cupel.stats.frame import Frame, frame_of
from cupel.stats.interval import Interval
from cupel.stats.mixed.contrasts import contrasts
from cupel.stats.mixed.marginal_means import Grid
from cupel.stats.mixed.simultaneous import Adjustment
from cupel.stats.note import Note
from cupel.stats.results import results
from cupel.stats.rows import Results
from cupel.stats.student import p_words
from cupel.stats.task_average import task_average
from cupel.stats.task_model import Scope, TaskModel, refuse_few, task_model


@dataclass(frozen=True)
class MethodContrast:
    """One pair of methods.

    Attributes:
        a: first method.
        b: second method.
        estimate: mean of A less mean of B; NaN where not determined.
        se: standard error; NaN where nothing was repeated.
        df: degrees of freedom.
        p: two-sided, adjusted over the pairs.
        p_alone: not adjusted.
        interval: simultaneous over the pairs; None where there is none.
    """

    a: str
    b: str
    estimate: float
    se: float
    df: float
    p: float
    p_alone: float
    interval: Interval | None


@dataclass(frozen=True)
class MethodContrasts:
    """Pairs of methods, read as one statement.

    Attributes:
        rows: one per pair.
        means: method to its mean over tasks, with an interval of its own (None where there is none).
        adjust: `Tukey`, `Dunnett`, `Holm` or empty for a single pair.
        method: in words.
        scope: `tasks like these` or `these tasks`.
        fitted: the mixed model of the scope `population`, else None.
        warnings: what a reader must know.
    """

    rows: tuple[MethodContrast, ...]
    means: Mapping[str, tuple[float, Interval | None]]
    adjust: str
    method: str
    scope: str
    fitted: TaskModel | None
    warnings: tuple[Note, ...]

    def to_frame(self) -> Any:
        """One row per pair."""
        names = ("a", "b", "estimate", "se", "df", "p", "p_alone")
        columns: dict[str, list[Any]] = {name: [getattr(row, name) for row in self.rows] for name in names}
        columns["low"] = [math.nan if row.interval is None else row.interval.low for row in self.rows]
        columns["high"] = [math.nan if row.interval is None else row.interval.high for row in self.rows]
        return frame_of(columns)

    def text(self) -> str:
        """One line per pair."""
        lines = []
        for row in self.rows:
            sure = "no interval"
            if row.interval is not None:
                sure = f"{row.interval.low:.4g} to {row.interval.high:.4g}; {p_words(row.p)}"
            lines.append(f"{row.a} - {row.b}: {row.estimate:.4g} ({sure})")
        return "\n".join([*lines, f"{self.method}; {self.scope}"])


def method_contrasts(
    frame: Frame, *, scope: Scope = "population", against: str | None = None, level: float = 0.95
) -> MethodContrasts:
    """Compare methods.

    Args:
        frame: any frame, or `Results`; at one budget. Failures are left out and said.
        scope: `population` or `tasks`.
        against: the method that all others are compared with (it stands second); all pairs where None.
        level: of all intervals together.

    Returns:
        The pairs.

    Raises:
        UsageError: one method only, several budgets, or fewer than 5 tasks for the scope `population`.
        UnknownNameError: there is no such method or scope.
    """
    table = results(frame)
    table = table.select(table.ok)
    refuse_few(table, scope)
    if against is not None:
        table.method_index(against)
    return _of_tasks(table, against, level) if scope == "tasks" else _of_population(table, against, level)


def _of_population(table: Results, against: str | None, level: float) -> MethodContrasts:
    fitted = task_model(table)
    adjust: Adjustment = "tukey" if against is None else "dunnett"
    found = contrasts(fitted.model, "method", adjust=adjust, against=against, grid=Grid(level=level))
    rows = tuple(
        MethodContrast(row.a, row.b, row.estimate, row.se, row.df, row.p, row.p_alone, row.interval) for row in found
    )
    means = {
        name: (float(value), interval)
        for name, value, interval in zip(found.means.levels, found.means.estimate, found.means.intervals, strict=True)
    }
    formula = fitted.model.data.formula.text
    name = adjust.capitalize() if len(rows) > 1 else ""
    how = f"mixed model {formula} by REML, Satterthwaite's degrees of freedom{f', {name}' if name else ''}"
    return MethodContrasts(rows, means, name, how, fitted.scope, fitted, fitted.warnings)


def _of_tasks(table: Results, against: str | None, level: float) -> MethodContrasts:
    found = task_average(table, against=against, level=level)
    rows = tuple(
        MethodContrast(row.a, row.b, row.estimate, row.se, row.df, row.p, row.p_alone, row.interval)
        for row in found.rows
    )
    cells = table.cell_means()
    means: dict[str, tuple[float, Interval | None]] = {}
    for k, name in enumerate(table.methods):
        known = cells[k][np.isfinite(cells[k])]
        means[name] = (float(known.mean()) if known.size else math.nan, None)
    return MethodContrasts(
        rows, means, "Holm" if len(rows) > 1 else "", found.method, found.scope, None, found.warnings
    )
