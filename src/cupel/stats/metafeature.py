"""Does the difference between two methods depend on a feature of the task?

Rule (repaired)
    value ~ method * feature + (1 | task) + (1 | task:method) on the rows of
    both methods: how far the difference moves with the feature, and the
    difference at each level (a number: at its quartiles), Holm over levels.
    Tasks are the unit: a feature that varies between tasks is judged
    against the spread of tasks, not of runs.
Rule (published)
    In each cell of task and budget a test of both methods gives a win (1),
    a loss (-1) or 0 at 5 %; then wins ~ task + budget by least squares, and
    all pairs of tasks by Tukey. Tests count as data, their uncertainty is
    dropped, and budgets of one run count as independent.

Source: Geburek et al. (2024), arXiv 2408.02533, metafeature analysis.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from cupel.spec.errors import UnknownNameError, UsageError
from cupel.stats.checked import Floats, chosen
from cupel.stats.frame import Column, Frame, frame_of
from cupel.stats.holm import holm
from cupel.stats.interval import Interval
from cupel.stats.mixed.contrasts import contrasts
from cupel.stats.mixed.marginal_means import Grid
from cupel.stats.mixed.mixed_model import mixed_model
from cupel.stats.mixed.model import MixedModel
from cupel.stats.mixed.satterthwaite import satterthwaite
from cupel.stats.note import Note
from cupel.stats.results import results
from cupel.stats.rows import Results
from cupel.stats.student import p_words, t_p_value
from cupel.stats.task_model import random_terms, refuse_few

QUARTILES = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class DifferenceAt:
    """The difference of two methods at one level of the feature.

    Attributes:
        level: of the feature.
        estimate: mean of the first method less the second.
        se: its standard error.
        df: degrees of freedom.
        p: by Holm over the levels.
        interval: at Bonferroni's level over the levels; None where it is not determined.
        num_tasks: tasks at that level (of a number: all).
    """

    level: str
    estimate: float
    se: float
    df: float
    p: float
    interval: Interval | None
    num_tasks: int


@dataclass(frozen=True)
class Metafeature:
    """How a feature moves a difference.

    Attributes:
        pair: both methods.
        feature: the column.
        rows: the difference at each level.
        p: that the difference does not depend on the feature (the smallest over its contrasts, by Holm).
        n: rows.
        method: in words.
        scope: `tasks like these`.
        warnings: of the model.
    """

    pair: tuple[str, str]
    feature: str
    rows: tuple[DifferenceAt, ...]
    p: float
    n: int
    method: str
    scope: str
    warnings: tuple[Note, ...]

    def to_frame(self) -> Any:
        """One row per level."""
        names = ("level", "estimate", "se", "df", "p", "num_tasks")
        columns: dict[str, list[Any]] = {name: [getattr(row, name) for row in self.rows] for name in names}
        columns["low"] = [math.nan if row.interval is None else row.interval.low for row in self.rows]
        columns["high"] = [math.nan if row.interval is None else row.interval.high for row in self.rows]
        return frame_of(columns)

    def text(self) -> str:
        """Whether the difference depends on the feature, then the difference at each level."""
        answer = "depends" if self.p <= 0.05 else "is not shown to depend"
        lines = [f"{self.pair[0]} - {self.pair[1]} {answer} on {self.feature} ({p_words(self.p)})"]
        for row in self.rows:
            sure = f"{row.interval.low:.4g} to {row.interval.high:.4g}" if row.interval else "not determined"
            lines.append(f"{self.feature} {row.level}: {row.estimate:.4g} ({sure}; {p_words(row.p)})")
        return "\n".join([*lines, f"{self.method}; {self.scope}"])


def metafeature(frame: Frame, pair: tuple[str, str], *, feature: str) -> Metafeature:
    """Ask whether a difference depends on a feature of the tasks.

    Args:
        frame: any frame, or `Results`; at one budget, at least 5 tasks. Failures are left out.
        pair: two methods.
        feature: a column that says something of the task; text (levels) or numbers.

    Returns:
        The answer. `published_metafeature` does it as published.

    Raises:
        UnknownNameError: there is no such method or column.
        UsageError: the feature is the same in all rows.

    Source: Geburek et al. (2024); repaired.
    """
    table = _of_pair(results(frame), pair)
    refuse_few(table, "population")
    column = _feature(table, feature)
    terms, notes = random_terms(table, "population")
    formula = f"value ~ method * `{feature}`" + "".join(f" + (1 | {term})" for term in terms)
    model = mixed_model(formula, table)
    rows = _levels(model, table, column, pair)
    return Metafeature(
        pair=pair,
        feature=feature,
        rows=rows,
        p=_interaction_p(model),
        n=model.n,
        method=f"{formula}, REML, Satterthwaite, Holm over {len(rows)} levels",
        scope="tasks like these",
        warnings=tuple(dict.fromkeys((*notes, *model.warnings))),
    )


def _of_pair(table: Results, pair: tuple[str, str]) -> Results:
    """The rows of two methods, without failures."""
    codes = [table.method_index(name) for name in chosen("pair", pair, least=2, most=2)]
    return table.select(table.ok & np.isin(table.method.codes, codes))


def _feature(table: Results, name: str) -> Column:
    if name not in table.extra:
        raise UnknownNameError("column", name, table.extra)
    column = table.extra[name]
    if len(column.as_factor.observed().levels) < 2:
        raise UsageError(
            f"{name} is the same in all rows of both methods; expected a feature that differs between tasks."
        )
    return column


def _levels(model: MixedModel, table: Results, column: Column, pair: tuple[str, str]) -> tuple[DifferenceAt, ...]:
    """The difference at each level, or at the quartiles of a number."""
    if column.is_numeric and not column.is_bool:
        places = np.unique(np.quantile(column.values, QUARTILES)).tolist()
        named = [(f"{x:g}", x, len(table.tasks)) for x in places]
    else:
        factor = column.as_factor.observed()
        counts = [len(set(table.task.codes[factor.codes == k].tolist())) for k in range(len(factor.levels))]
        named = [(level, level, num) for level, num in zip(factor.levels, counts, strict=True)]
    sign = 1.0 if table.methods.index(pair[0]) < table.methods.index(pair[1]) else -1.0
    own = 1 - 0.05 / len(named)
    found = [
        contrasts(model, "method", adjust="none", grid=Grid(at={column.name: value}, level=own))[0]
        for _, value, _ in named
    ]
    adjusted = holm([row.p for row in found])
    rows = []
    for (level, _, num), row, p in zip(named, found, adjusted.tolist(), strict=True):
        interval = row.interval
        if interval is not None:
            ends = sorted((sign * interval.low, sign * interval.high))
            interval = Interval(ends[0], ends[1], 0.95, "t, Bonferroni over levels")
        rows.append(DifferenceAt(level, sign * row.estimate, row.se, row.df, p, interval, num))
    return tuple(rows)


def _interaction_p(model: MixedModel) -> float:
    """Smallest p over the coefficients of method with feature, by Holm."""
    names = list(model.coefficients)
    used = [
        k
        for k, term in enumerate(np.array(model.data.design.term_of)[list(model.data.kept)])
        if _is_joint(model, int(term))
    ]
    weights: Floats = np.eye(len(names))[used]
    df = satterthwaite(model, weights)
    b, se = list(model.coefficients.values()), list(model.standard_errors.values())
    alone = [t_p_value(b[k], se[k], float(nu)) for k, nu in zip(used, df, strict=True)]
    return float(np.min(holm(alone))) if alone else math.nan


def _is_joint(model: MixedModel, term: int) -> bool:
    return term >= 0 and len(model.data.formula.fixed.terms[term]) == 2
