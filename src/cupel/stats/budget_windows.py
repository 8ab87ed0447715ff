"""At which budgets is one method ahead of another?

Rule (repaired)
    The budgets are cut into windows (each budget by itself where there are
    few). Within a window the values of a run are averaged, so that a run
    counts once, and the difference of both methods comes from the mixed
    model of the table (see method_contrasts). Windows are read together: Holm
    for "ahead", Bonferroni for the intervals. A method is ahead in a window
    where its interval excludes no difference.
Rule (published)
    In each window value ~ method + (1 | task), every row independent, no
    correction.

Source: Geburek et al. (2024), arXiv 2408.02533, budget analysis.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.checked import Floats, chosen
from cupel.stats.frame import Factor, Frame, frame_of
from cupel.stats.holm import holm
from cupel.stats.interval import Interval
from cupel.stats.method_contrasts import MethodContrast, method_contrasts
from cupel.stats.mixed.contrasts import contrasts
from cupel.stats.mixed.mixed_model import mixed_model
from cupel.stats.mixed.random_terms import joint_codes
from cupel.stats.model_comparison import Variant, check_variant
from cupel.stats.results import results
from cupel.stats.rows import Results
from cupel.stats.student import t_quantile
from cupel.stats.task_model import SCOPES, Scope

MOST_WINDOWS = 32
LEVEL = 0.95


@dataclass(frozen=True)
class BudgetWindow:
    """One window.

    Attributes:
        start: smallest budget in it.
        stop: largest.
        estimate: difference, oriented so that above 0 the first method is better.
        se: standard error.
        p: adjusted over the windows (repaired) or alone (published).
        interval: for all windows together (repaired) or alone; None where there is none.
        ahead: name of the method that is ahead; empty where neither is shown to be.
    """

    start: float
    stop: float
    estimate: float
    se: float
    p: float
    interval: Interval | None
    ahead: str


@dataclass(frozen=True)
class BudgetWindows:
    """All windows, by rising budget.

    Attributes:
        pair: both methods.
        rows: the windows.
        crossings: budgets at which the estimated difference changes sign (between windows, by straight lines).
        variant: `repaired` or `published`.
        scope: what is spoken of.
        method: in words.
    """

    pair: tuple[str, str]
    rows: tuple[BudgetWindow, ...]
    crossings: tuple[float, ...]
    variant: Variant
    scope: str
    method: str

    def to_frame(self) -> Any:
        """One row per window."""
        names = ("start", "stop", "estimate", "se", "p", "ahead")
        columns: dict[str, list[Any]] = {name: [getattr(row, name) for row in self.rows] for name in names}
        columns["low"] = [math.nan if row.interval is None else row.interval.low for row in self.rows]
        columns["high"] = [math.nan if row.interval is None else row.interval.high for row in self.rows]
        return frame_of(columns)

    def text(self) -> str:
        """Where who is ahead."""
        parts = []
        for name in self.pair:
            spans = _spans([row.ahead == name for row in self.rows])
            where = ", ".join(f"{self.rows[a].start:g} to {self.rows[b].stop:g}" for a, b in spans)
            parts.append(f"{name} is ahead at budgets {where}" if where else f"{name} is nowhere shown to be ahead")
        crossed = ", ".join(f"{x:.3g}" for x in self.crossings)
        return "; ".join(parts) + (f"; the estimates cross at {crossed}" if crossed else "") + f" ({self.scope})"


def budget_windows(
    frame: Frame,
    pair: tuple[str, str],
    *,
    windows: int | None = None,
    scope: Scope = "population",
    variant: Variant = "repaired",
) -> BudgetWindows:
    """Compare two methods budget by budget.

    Args:
        frame: any frame with budgets and a direction, or `Results`. Failures are left out.
        pair: two methods.
        windows: how many windows of about equally many budgets; each budget by itself where None and at most 32.
        scope: `population` (at least 5 tasks) or `tasks`; the published variant knows no scope.
        variant: `repaired`, or `published` for comparison.

    Returns:
        The windows.

    Raises:
        UsageError: the table has no budgets or no direction, or fewer than 5 tasks for the scope `population`.
        UnknownNameError: there is no such method.

    Cost:
        One fit per window.

    Source: Geburek et al. (2024); repaired.
    """
    check_variant(variant)
    chosen("pair", pair, least=2, most=2)
    table = results(frame)
    if table.budget is None:
        raise UsageError("The table has no budgets; expected a column `budget`, or say which: --map budget=COLUMN.")
    if table.better is None:
        raise UsageError("Which direction is better? Say it: better='lower' or better='higher'.")
    codes = [table.method_index(name) for name in pair]
    table = table.select(table.ok & np.isin(table.method.codes, codes) & np.isfinite(table.budget))
    table = _at_shared_budgets(table, pair)
    edges = _windows(table, windows)
    found = [_difference(table, edge, scope, variant) for edge in edges]
    sign = (1.0 if table.methods.index(pair[0]) == 0 else -1.0) * (1.0 if table.better == "higher" else -1.0)
    alone = [row.p_alone for row in found]
    p = holm(alone) if variant == "repaired" else np.array(alone)
    own = 1 - (1 - LEVEL) / len(found) if variant == "repaired" else LEVEL
    rows = tuple(_row(edges[k], found[k], (sign, float(p[k]), own), pair) for k in range(len(found)))
    words = (
        "mixed model per window, Holm over windows" if variant == "repaired" else "value ~ method + (1 | task), alone"
    )
    spoken = SCOPES[scope] if variant == "repaired" else "as published"
    return BudgetWindows(pair, rows, _crossings(rows), variant, spoken, words)


def _at_shared_budgets(table: Results, pair: tuple[str, str]) -> Results:
    """The rows at budgets that both methods have."""
    assert table.budget is not None
    sets = [set(table.budget[table.method.codes == k].tolist()) for k in range(len(table.methods))]
    shared = sets[0] & sets[1] if len(sets) > 1 else set()
    if not shared:
        raise UsageError(f"{pair[0]} and {pair[1]} share no budget; expected some at which both were run.")
    return table.select(np.isin(table.budget, list(shared)))


def _windows(table: Results, number: int | None) -> list[tuple[float, float]]:
    """Smallest and largest budget of each window."""
    assert table.budget is not None
    budgets = np.unique(table.budget)
    if number is not None and not 1 <= number <= budgets.size:
        raise UsageError(f"windows = {number}; expected 1 to {budgets.size}, the number of budgets.")
    size = number or min(int(budgets.size), MOST_WINDOWS)
    return [(float(part[0]), float(part[-1])) for part in np.array_split(budgets, size)]


def _difference(table: Results, window: tuple[float, float], scope: Scope, variant: Variant) -> MethodContrast:
    """First method of the table less the second, within a window."""
    assert table.budget is not None
    inside = table.select((table.budget >= window[0]) & (table.budget <= window[1]))
    if variant == "repaired":
        return method_contrasts(_averaged(inside), scope=scope).rows[0]
    several = " + (1 | task)" if len(inside.tasks) > 1 else ""
    model = mixed_model(f"value ~ method{several}", inside, reml=False)
    row = contrasts(model, "method", adjust="none")[0]
    return MethodContrast(row.a, row.b, row.estimate, row.se, row.df, row.p, row.p_alone, row.interval)


def _averaged(table: Results) -> Results:
    """One row per run: the mean of its values over the budgets in the table."""
    parts = [part for part in (table.method, table.task, table.seed, table.hpo_run, table.split, table.rep) if part]
    codes, number = joint_codes(parts)
    if table.seed is None and table.rep is None:
        return replace(table, budget=None)
    first = np.zeros(number, dtype=np.intp)
    first[codes[::-1]] = np.arange(codes.size)[::-1]
    means: Floats = np.bincount(codes, weights=table.value, minlength=number) / np.bincount(codes, minlength=number)

    def cut(factor: Factor | None) -> Factor | None:
        return None if factor is None else factor.take(first)

    return replace(
        table, method=table.method.take(first), task=table.task.take(first), value=means, seed=cut(table.seed),
        hpo_run=cut(table.hpo_run), split=cut(table.split), rep=cut(table.rep), budget=None, row=table.row[first],
        extra={},
    )  # fmt: skip


def _row(
    window: tuple[float, float], found: MethodContrast, numbers: tuple[float, float, float], pair: tuple[str, str]
) -> BudgetWindow:
    """A window, oriented and read together with the others."""
    sign, p, level = numbers
    estimate = sign * found.estimate
    if math.isnan(found.se) or not found.df > 0:
        return BudgetWindow(*window, estimate, math.nan, math.nan, None, "")
    half = t_quantile(level, min(found.df, 1e9)) * found.se
    interval = Interval(estimate - half, estimate + half, LEVEL, "t, Bonferroni over windows")
    ahead = "" if p > 1 - LEVEL else pair[0] if estimate > 0 else pair[1]
    return BudgetWindow(*window, estimate, found.se, p, interval, ahead)


def _crossings(rows: tuple[BudgetWindow, ...]) -> tuple[float, ...]:
    """Budgets at which a line through the estimates crosses no difference."""
    x = [(row.start + row.stop) / 2 for row in rows]
    y = [row.estimate for row in rows]
    return tuple(
        x[k] + (x[k + 1] - x[k]) * y[k] / (y[k] - y[k + 1]) for k in range(len(rows) - 1) if y[k] * y[k + 1] < 0
    )


def _spans(flags: list[bool]) -> list[tuple[int, int]]:
    """First and last index of each run of True."""
    spans: list[tuple[int, int]] = []
    for k, flag in enumerate(flags):
        if flag and spans and spans[-1][1] == k - 1:
            spans[-1] = (spans[-1][0], k)
        elif flag:
            spans.append((k, k))
    return spans
