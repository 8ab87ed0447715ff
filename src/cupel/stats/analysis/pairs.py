"""The statements about pairs of methods: difference, effect size, P(A > B), verdict, and what would settle it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from cupel.stats.analysis.settle import SETTLED, Regions, Settle, settle
from cupel.stats.checked import exponential
from cupel.stats.interval import Interval
from cupel.stats.method_contrasts import MethodContrast, MethodContrasts
from cupel.stats.probability_of_improvement import ImprovementRow, probability_of_improvement
from cupel.stats.resample import Resample
from cupel.stats.rows import Results
from cupel.stats.task_model import cell_codes
from cupel.stats.verdict import Verdict, verdict

ROUNDING = 1e-14
"""Differences smaller than this share of the largest value are none: they are left over by arithmetic."""


@dataclass(frozen=True)
class PairStatement:
    """What is said of a pair; above 0 (or 1, for ratios) is in favour of A.

    Attributes:
        a: first method: the one with the better mean, or the one compared with the baseline.
        b: second method, or the baseline.
        estimate: how much better A is: a difference in the unit of the metric, or a ratio with scale `log`.
        interval: of it, simultaneous over the pairs; None where nothing was repeated.
        p: two-sided p-value of no difference, adjusted over the pairs; NaN where there is none.
        p_alone: not adjusted.
        df: degrees of freedom.
        effect_size: difference in standard deviations between runs of one method on one task; NaN where unknown.
        effect_interval: of it; None where unknown.
        prob: P(A > B), averaged over tasks, 0 to 1; NaN where unknown.
        prob_interval: of it; None where unknown.
        prob_p: two-sided p-value of P = 1/2, by Holm over the pairs; None where unknown.
        verdict: on "A is better than B" by the bar.
        settle: what would settle an undecided pair.
        scale: `linear` or `log`.
    """

    a: str
    b: str
    estimate: float
    interval: Interval | None
    p: float
    p_alone: float
    df: float
    effect_size: float
    effect_interval: Interval | None
    prob: float
    prob_interval: Interval | None
    prob_p: float | None
    verdict: Verdict
    settle: Settle
    scale: str

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        words = {
            "supported": f"{self.a} is better than {self.b}",
            "contradicted": f"{self.a} is not better than {self.b}" + (" by the bar" if self._is_positive else ""),
            "equivalent": f"{self.a} and {self.b} are practically equal",
            "undecided": f"{self.a} is not shown to differ from {self.b}",
        }
        return words[self.verdict]

    @property
    def _is_positive(self) -> bool:
        return self.estimate > (1.0 if self.scale == "log" else 0.0)

    def text(self) -> str:
        """The statement in one line."""
        sure = "no interval"
        if self.interval is not None:
            sure = f"{self.interval.level:.0%} {self.interval.low:.4g} to {self.interval.high:.4g}; p = {self.p:.2g}"
        extra = f"; P({self.a} > {self.b}) = {self.prob:.2f}" if not math.isnan(self.prob) else ""
        more = f"; {self.settle.text}" if self.settle.text else ""
        return f"{self.sentence}: {self.estimate:.4g} ({sure}{extra}){more}"


@dataclass(frozen=True)
class Plan:
    """How pairs are made.

    Attributes:
        against: the baseline; all pairs, oriented by their means, where None.
        resample: of P(A > B).
    """

    against: str | None
    resample: Resample


def pair_statements(
    table: Results, found: MethodContrasts, about: tuple[tuple[str, ...], Regions, str, Plan]
) -> tuple[PairStatement, ...]:
    """Statements on all pairs, those of the best methods first.

    Args:
        table: the rows, as measured.
        found: differences, on the scale of the question.
        about: methods from best to worst, regions of the verdicts, scale, what else was planned.
    """
    order, regions, scale, plan = about
    place = {name: k for k, name in enumerate(order)}
    sign = 1.0 if table.better == "higher" else -1.0
    noise = ROUNDING * float(np.abs(table.value[table.ok]).max(initial=0.0)) if scale == "linear" else ROUNDING
    wins = probability_of_improvement(table, resample=plan.resample)
    size = (len(table.tasks), float(table.ok.sum()) / max(1, int((table.counts() > 0).sum())))
    spread = _run_spread(table, scale)
    statements = []
    for row in found.rows:
        turn = plan.against is None and place.get(row.a, 0) > place.get(row.b, 0)
        names = (row.b, row.a) if turn else (row.a, row.b)
        way = -sign if turn else sign
        oriented = _oriented(row if abs(row.estimate) > noise else replace(row, estimate=0.0), way)
        judged = _ratio(oriented.interval) if scale == "log" else oriented.interval
        outcome = _verdict(judged, regions, scale)
        more = settle(oriented, found, size, regions) if outcome == "undecided" else SETTLED
        statements.append(_statement(names, oriented, (judged, outcome, more), (spread, scale), wins[names]))
    return tuple(sorted(statements, key=lambda s: (place.get(s.a, 0), place.get(s.b, 0))))


def _oriented(row: MethodContrast, way: float) -> MethodContrast:
    """The same with another sign."""
    interval = row.interval
    if interval is not None and way < 0:
        interval = Interval(-interval.high, -interval.low, interval.level, interval.method)
    return MethodContrast(row.a, row.b, way * row.estimate + 0.0, row.se, row.df, row.p, row.p_alone, interval)


def _ratio(interval: Interval | None) -> Interval | None:
    if interval is None:
        return None
    return Interval(exponential(interval.low), exponential(interval.high), interval.level, interval.method)


def _verdict(interval: Interval | None, regions: Regions, scale: str) -> Verdict:
    if scale == "log":
        rope = None if regions.rope is None else math.expm1(regions.rope)
        return verdict(interval, bar=math.expm1(regions.bar), rope=rope, scale="log")
    return verdict(interval, bar=regions.bar, rope=regions.rope)


def _statement(
    names: tuple[str, str],
    row: MethodContrast,
    judged: tuple[Interval | None, Verdict, Settle],
    scaled: tuple[float, str],
    wins: ImprovementRow,
) -> PairStatement:
    spread, scale = scaled
    interval, outcome, more = judged
    effect = row.estimate / spread if spread > 0 else math.nan
    ends = None
    if row.interval is not None and spread > 0:
        ends = Interval(
            row.interval.low / spread, row.interval.high / spread, row.interval.level, "interval over spread"
        )
    return PairStatement(
        a=names[0],
        b=names[1],
        estimate=exponential(row.estimate) if scale == "log" else row.estimate,
        interval=interval,
        p=row.p,
        p_alone=row.p_alone,
        df=row.df,
        effect_size=effect,
        effect_interval=ends,
        prob=wins.estimate,
        prob_interval=wins.interval,
        prob_p=wins.p_adjusted,
        verdict=outcome,
        settle=more,
        scale=scale,
    )


def _run_spread(table: Results, scale: str) -> float:
    """Pooled standard deviation of runs of one method on one task; NaN where nothing was repeated."""
    ok = table.select(table.ok)
    values = np.log(ok.value) if scale == "log" else ok.value
    cells = cell_codes(ok)
    num = np.bincount(cells)
    mean = np.bincount(cells, weights=values) / np.maximum(num, 1)
    free = int((num[num > 0] - 1).sum())
    return math.sqrt(float(((values - mean[cells]) ** 2).sum()) / free) if free > 0 else math.nan
