"""Do seeds matter beyond the methods, and is it worth pairing by them?

Rule (repaired)
    Two questions, each by nested models that differ in one variance:
      does a seed carry over between tasks?   + (1 | seed)
      do methods share luck at a seed?        + (1 | task:seed)
    The first should be no: a seed number that is lucky everywhere points to
    shared splits or initial values. The second says whether pairing runs by
    seed gains anything. The law is the boundary mixture.
Rule (published)
    value ~ method against value ~ (0 + method | seed): two models of which
    none contains the other, degrees of freedom from fixed effects alone.

Source: Geburek et al. (2024), arXiv 2408.02533; faults of the published
test in the statistics page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cupel.spec.errors import UsageError
from cupel.stats.frame import Frame
from cupel.stats.mixed.mixed_model import mixed_model
from cupel.stats.mixed.r_squared import r_squared
from cupel.stats.model_comparison import (
    ModelComparison,
    Variant,
    check_variant,
    compared,
    compared_as_published,
    comparisons_frame,
)
from cupel.stats.results import results
from cupel.stats.rows import Results


@dataclass(frozen=True)
class SeedCheck:
    """What seeds do.

    Attributes:
        rows: the questions with their answers.
        share: share of the variance between runs of one method and task that methods have in common at a seed, 0 to 1;
            None in the published variant.
        variant: `repaired` or `published`.
        n: rows.
        scope: `these tasks`.
    """

    rows: tuple[ModelComparison, ...]
    share: float | None
    variant: Variant
    n: int
    scope: str = "these tasks"

    @property
    def p(self) -> float:
        """Of the first question."""
        return self.rows[0].p

    def to_frame(self) -> Any:
        """One row per question."""
        return comparisons_frame(self.rows)

    def text(self) -> str:
        """The answers, and what pairing gains."""
        lines = [row.text() for row in self.rows]
        if self.share is not None:
            lines.append(f"{self.share:.0%} of the spread between runs is common to the methods at a seed")
        return "\n".join(lines)


def seed_check(frame: Frame, *, variant: Variant = "repaired") -> SeedCheck:
    """Ask what seeds do.

    Args:
        frame: any frame with seeds, or `Results`; at one budget in the repaired variant. Failures are left out.
        variant: `repaired`, or `published` for comparison.

    Returns:
        The answers.

    Raises:
        UsageError: the table has no seeds, or too few rows to tell them from the residual.

    Source: Geburek et al. (2024).
    """
    check_variant(variant)
    table = results(frame)
    table = table.select(table.ok)
    if table.seed is None:
        raise UsageError("The table has no seeds; expected a column `seed`, or say which: columns={'seed': 'COLUMN'}.")
    if variant == "published":
        small = mixed_model("value ~ method", table, reml=False)
        large = mixed_model("value ~ (0 + method | seed)", table, reml=False)
        row = compared_as_published("does the seed matter", small, large)
        return SeedCheck((row,), None, variant, table.n)
    return _repaired(table)


def _repaired(table: Results) -> SeedCheck:
    """Nested models; the terms that a table of one task has no use for are left out."""
    several = len(table.tasks) > 1
    base = "value ~ method" + (" + (1 | task) + (1 | task:method)" if several else "")
    paired = "task:seed" if several else "seed"
    small = mixed_model(base, table)
    shared = mixed_model(f"{base} + (1 | {paired})", table)
    rows = [compared("do methods share luck at a seed", small, shared)]
    if several:
        carried = mixed_model(f"{base} + (1 | seed) + (1 | {paired})", table)
        rows.insert(0, compared("does a seed carry over between tasks", shared, carried))
    variances = r_squared(shared).variances
    common = variances[paired]
    return SeedCheck(tuple(rows), common / (common + variances["Residual"]), "repaired", table.n)
