"""Which tasks tell the methods apart?

Rule (repaired)
    For each task the methods are compared by analysis of variance (seeds
    that methods share are taken out as blocks), and the p-values are read
    together by Holm. The share of variance that methods explain ranks the
    tasks. A task that tells nothing apart is no fault of a method; leaving
    it out after looking is.
Rule (published)
    For each task value ~ 1 against value ~ method by likelihood ratio with
    chi2, all budgets of a run as if independent, no correction.

Source: Geburek et al. (2024), arXiv 2408.02533.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cupel.stats.frame import Frame, frame_of
from cupel.stats.holm import holm
from cupel.stats.mixed.mixed_model import mixed_model
from cupel.stats.model_comparison import ModelComparison, Variant, check_variant, compared_as_published
from cupel.stats.results import results
from cupel.stats.rows import Results


@dataclass(frozen=True)
class TaskInformation:
    """One task.

    Attributes:
        task: its name.
        share: of the variance between runs that methods explain, 0 to 1; NaN where nothing was repeated or varies.
        statistic: F (repaired) or chi2 (published).
        p: adjusted over the tasks (repaired) or alone (published); NaN where there is no test.
        p_alone: not adjusted.
        num_runs: runs.
        is_informative: whether p is at most 5 %.
        comparison: the models of the published variant.
    """

    task: str
    share: float
    statistic: float
    p: float
    p_alone: float
    num_runs: int
    is_informative: bool
    comparison: ModelComparison | None = None


@dataclass(frozen=True)
class BenchmarkCheck:
    """All tasks.

    Attributes:
        rows: one per task.
        variant: `repaired` or `published`.
        method: in words.
    """

    rows: tuple[TaskInformation, ...]
    variant: Variant
    method: str

    def to_frame(self) -> Any:
        """One row per task."""
        names = ("task", "share", "statistic", "p", "p_alone", "num_runs", "is_informative")
        return frame_of({name: [getattr(row, name) for row in self.rows] for name in names})

    def text(self) -> str:
        """How many tasks tell methods apart, and which do not."""
        dull = [row.task for row in self.rows if not row.is_informative]
        text = f"{len(self.rows) - len(dull)} of {len(self.rows)} tasks tell the methods apart ({self.method})"
        return f"{text}; not shown for {', '.join(dull)}" if dull else text


def benchmark_check(frame: Frame, *, variant: Variant = "repaired") -> BenchmarkCheck:
    """Ask which tasks tell the methods apart.

    Args:
        frame: any frame, or `Results`; at one budget in the repaired variant. Failures are left out.
        variant: `repaired`, or `published` for comparison.

    Returns:
        One row per task.

    Source: Geburek et al. (2024).
    """
    check_variant(variant)
    table = results(frame)
    table = table.select(table.ok)
    parts = [table.select(table.task.codes == k) for k in range(len(table.tasks))]
    if variant == "published":
        return BenchmarkCheck(tuple(_published(part) for part in parts), variant, "likelihood ratio, not corrected")
    rows = [_analysis_of_variance(part) for part in parts]
    adjusted = holm([row.p_alone for row in rows])
    corrected = tuple(
        replace(row, p=p, is_informative=p <= 0.05) for row, p in zip(rows, adjusted.tolist(), strict=True)
    )
    return BenchmarkCheck(corrected, variant, "analysis of variance within tasks, Holm over tasks")


def _published(part: Results) -> TaskInformation:
    small, large = (mixed_model(formula, part, reml=False) for formula in ("value ~ 1", "value ~ method"))
    row = compared_as_published("does the task tell the methods apart", small, large)
    share = 1 - float(np.exp(2 / part.n * (row.log_likelihoods[0] - row.log_likelihoods[1])))
    return TaskInformation(part.tasks[0], share, row.chi2, row.p, row.p, part.n, row.is_shown, row)


def _analysis_of_variance(part: Results) -> TaskInformation:
    """F of methods on one task, with shared seeds as blocks where every method has every seed once."""
    from scipy.special import fdtrc

    y, k, n = part.value, len(part.methods), part.n
    total = float(((y - y.mean()) ** 2).sum())
    num = np.bincount(part.method.codes, minlength=k)
    means = np.bincount(part.method.codes, weights=y, minlength=k) / num
    between = float((num * (means - y.mean()) ** 2).sum())
    blocks, num_blocks = _blocks(part)
    within, free = total - between - blocks, n - k - (num_blocks - 1 if num_blocks else 0)
    if k < 2 or free < 1 or not total > 0:
        return TaskInformation(part.tasks[0], math.nan, math.nan, math.nan, math.nan, n, is_informative=False)
    if not within > 1e-12 * total:
        return TaskInformation(part.tasks[0], 1.0, math.inf, 0.0, 0.0, n, is_informative=True)
    f = between / (k - 1) / (within / free)
    p = float(fdtrc(k - 1, free, f))
    return TaskInformation(part.tasks[0], between / total, f, p, p, n, is_informative=False)


def _blocks(part: Results) -> tuple[float, int]:
    """Sum of squares between seeds, and how many there are; nothing where the design is not complete."""
    if part.seed is None:
        return 0.0, 0
    seed = part.seed.observed()
    cells = np.bincount(
        part.method.codes * len(seed.levels) + seed.codes, minlength=len(part.methods) * len(seed.levels)
    )
    if np.any(seed.codes < 0) or not np.all(cells == 1):
        return 0.0, 0
    means = np.bincount(seed.codes, weights=part.value) / len(part.methods)
    return float(len(part.methods) * ((means - part.value.mean()) ** 2).sum()), len(seed.levels)
