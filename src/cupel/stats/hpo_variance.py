"""Two methods whose hyperparameters were tuned several times: what the tunings add, and the comparison over them.

What tunings and seeds contribute to the variance of each method is that of
`cupel explain tuning_spread`.

Comparison
    One tuning is one replication: the mean of its runs stands for it.
    A - B with Welch's t over these means (paired: Student's t over the
    differences of tunings with the same name), and P(A > B) over them.
    `conditional` is the interval that takes every run for a replication. It
    speaks of these very tunings; for the methods it is too short, by the
    root of `design_effect`. With one tuning of a method it is all there is,
    and the scope says "conditional on one HPO run".
    Failed runs are counted and left out of the means; a tuning whose runs
    all failed loses in P(A > B) and is left out of A - B.

Coverage (nominal 95 %; tests/statistical/test_variance_coverage.py)
    A - B holds with normal tunings, from 3 against 3 on. With a tuning
    spread as large as the seeds', 5 tunings and 10 seeds, the interval that
    takes every run for a replication holds in 59 %.

Source: Bouthillier et al. (2021), "Accounting for Variance in Machine
Learning Benchmarks", section 3.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.checked import chosen, truth
from cupel.stats.frame import Frame, frame_of
from cupel.stats.interval import Interval
from cupel.stats.meaningful import ONE_TUNING
from cupel.stats.note import Note
from cupel.stats.prob_outperform import ProbOutperform, prob_outperform
from cupel.stats.results import results
from cupel.stats.student import t_p_value, t_quantile
from cupel.stats.tuning_spread import LEVEL, TuningSpread, tuning_spread

if TYPE_CHECKING:
    from cupel.stats.checked import Floats
    from cupel.stats.rows import Results


@dataclass(frozen=True)
class HpoVariance:
    """A compared with B, over tunings.

    Attributes:
        estimate: mean of A's tunings minus mean of B's, in the unit of the values; None when one side has none.
        interval: of it, for tunings like these; None with one tuning on a side, or without spread.
        p: two-sided p-value of no difference; None likewise.
        conditional: interval for these very tunings, every run a replication; None with fewer than 2 runs on a side.
        design_effect: variance of the estimate over tunings relative to that of `conditional`; None without either.
        prob: P(A > B) over the means of the tunings.
        components: of A and of B.
        n: tunings of A and B together.
        method: how it was computed.
        scope: what it speaks of.
        warnings: one tuning, failures, few tunings.
    """

    estimate: float | None
    interval: Interval | None
    p: float | None
    conditional: Interval | None
    design_effect: float | None
    prob: ProbOutperform
    components: tuple[TuningSpread, TuningSpread]
    n: int
    method: str
    scope: str
    warnings: tuple[Note, ...]

    def to_frame(self) -> Any:
        """One row per method."""
        names = ("method", "hpo_runs", "n", "num_failed", "between", "within", "share")
        return frame_of({name: [getattr(part, name) for part in self.components] for name in names})

    def text(self) -> str:
        """The comparison, P(A > B), the spread of both, then the notes."""
        a, b = (part.method for part in self.components)
        effect = "is not known" if self.estimate is None else f"{self.estimate:+.4g}"
        sure = "no interval over tunings"
        if self.interval is not None:
            sure = f"{self.interval.level:.0%} {self.interval.low:+.4g} to {self.interval.high:+.4g}, p = {self.p:.2g}"
        first = f"{a} - {b}: {effect} ({sure}; {self.scope})"
        notes = (f"note: {note.text}" for note in self.warnings)
        return "\n".join([first, self.prob.text(), *(part.text() for part in self.components), *notes])


def hpo_variance(frame: Frame, *, a: str, b: str, paired: bool, better: str | None = None) -> HpoVariance:
    """Compare two methods with the tuning of hyperparameters as the unit of replication.

    Args:
        frame: one row per run: method, hpo_run (which tuning), seed, value; one task.
        a: method A.
        b: method B.
        paired: whether tunings of A and B with the same name belong together (same splits, same budget of trials).
        better: `higher` or `lower`; what the table declares where None.

    Returns:
        Difference and P(A > B) over tunings, and what tunings and seeds contribute. With one tuning on a side there is
        no interval but the conditional one, and scope and a note say so.

    Raises:
        UsageError: when the table names no tunings, has several tasks, or nobody says what is better; when paired
            tunings have different names.

    Source: Bouthillier et al. (2021), section 3.

    Example:
        >>> runs = {"method": ["A"] * 4 + ["B"] * 4, "hpo_run": [1, 1, 2, 2] * 2, "seed": [1, 2] * 4}
        >>> runs["value"] = [0.80, 0.82, 0.84, 0.86, 0.70, 0.72, 0.74, 0.76]
        >>> print(hpo_variance(runs, a="A", b="B", paired=False, better="higher").text().splitlines()[0])
        A - B: +0.1 (95% -0.0217 to +0.2217, p = 0.072; tunings like these)
    """
    truth("paired", paired)
    chosen("a and b", (a, b), least=2, most=2)
    table = _checked(results(frame, better=better))
    sides = [_tunings(table, name) for name in (a, b)]
    if paired and set(sides[0]) != set(sides[1]):
        only = sorted(set(sides[0]) ^ set(sides[1]))
        raise UsageError(
            f"paired = True, and tunings {', '.join(only[:5])} are there for one method only; name the tunings that "
            "belong together alike, leave the others out, or say paired=False."
        )
    groups = [[side[name] for name in sorted(side)] for side in sides]
    means = [np.array([_mean(runs) for runs in side]) for side in groups]
    components = (tuning_spread(a, groups[0]), tuning_spread(b, groups[1]))
    estimate, se, df = _over_tunings((means[0], means[1]), paired=paired)
    flat = [np.concatenate(side) if side else np.zeros(0) for side in groups]
    _, se_runs, df_runs = _over_tunings((flat[0], flat[1]), paired=False)
    once = min(part.hpo_runs for part in components) < 2
    how = "Student t over differences of tunings" if paired else f"Welch t over tunings, df = {df:.1f}"
    assert table.better is not None
    return HpoVariance(
        estimate=estimate,
        interval=None if once else _interval(estimate, se, df, how),
        p=None if once or estimate is None or not se else t_p_value(estimate, se, df),
        conditional=_interval(estimate, se_runs, df_runs, "Welch t over runs, given these tunings"),
        design_effect=None if once or not se_runs or not se else (se / se_runs) ** 2,
        prob=prob_outperform(means[0], means[1], paired=paired, better=table.better),
        components=components,
        n=sum(part.hpo_runs for part in components),
        method=how,
        scope=ONE_TUNING if once else "tunings like these",
        warnings=(*table.warnings, *_notes(components)),
    )


def _checked(table: Results) -> Results:
    if table.hpo_run is None or np.any(table.hpo_run.codes < 0):
        raise UsageError(
            "The table does not say from which tuning each run stems; expected a column `hpo_run` without gaps "
            '(or columns={"hpo_run": NAME} when reading it).'
        )
    if len(table.tasks) > 1:
        raise UsageError(f"The table has {len(table.tasks)} tasks: {', '.join(table.tasks[:5])}; hand over one.")
    if table.better is None:
        raise UsageError("Nobody says whether higher or lower values are better; say better='higher' or 'lower'.")
    return table


def _tunings(table: Results, method: str) -> dict[str, Floats]:
    """The values of each tuning of a method, failures as NaN."""
    assert table.hpo_run is not None
    mine = table.method.codes == table.method_index(method)
    codes = table.hpo_run.codes
    return {table.hpo_run.levels[k]: table.value[mine & (codes == k)] for k in np.unique(codes[mine])}


def _mean(runs: Floats) -> float:
    known = runs[np.isfinite(runs)]
    return float(known.mean()) if known.size else math.nan


def _over_tunings(sides: tuple[Floats, Floats], *, paired: bool) -> tuple[float | None, float | None, float]:
    """Difference of the means, its standard error and degrees of freedom; None and NaN where too few are known."""
    if paired:
        gaps = sides[0] - sides[1]
        gaps = gaps[np.isfinite(gaps)]
        se = float(gaps.std(ddof=1)) / math.sqrt(gaps.size) if gaps.size > 1 else None
        return float(gaps.mean()) if gaps.size else None, se, gaps.size - 1.0
    known = [side[np.isfinite(side)] for side in sides]
    if min(side.size for side in known) < 1:
        return None, None, math.nan
    effect = float(known[0].mean() - known[1].mean())
    if min(side.size for side in known) < 2:
        return effect, None, math.nan
    parts = [float(side.var(ddof=1)) / side.size for side in known]
    free = sum(part**2 / (side.size - 1) for part, side in zip(parts, known, strict=True))
    return effect, math.sqrt(sum(parts)), sum(parts) ** 2 / free if free > 0 else math.nan


def _interval(effect: float | None, se: float | None, df: float, how: str) -> Interval | None:
    if effect is None or not se or not df > 0:
        return None
    half = t_quantile(LEVEL, df) * se
    return Interval(effect - half, effect + half, LEVEL, how)


def _notes(components: tuple[TuningSpread, TuningSpread]) -> Iterator[Note]:
    for part in components:
        if part.hpo_runs < 2:
            text = f"{part.method} was tuned {part.hpo_runs} times; how far another tuning would land is not known"
            yield Note("one hpo run", f"{ONE_TUNING}: {text}" if part.hpo_runs else text)
        elif part.within is None:
            yield Note("no repeats", f"{part.method}: one run per tuning; tunings and seeds cannot be told apart")
