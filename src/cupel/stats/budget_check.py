"""Does the budget matter, and does it matter differently for the methods?

Rule (repaired)
    Three nested models: without the budget, with it, and with a slope of it
    for each method. Budgets of one run are measurements of the same run, so
    a run has its own random effect: 86,400 rows of 3,600 runs are 3,600
    runs. (1 | task:method) lets methods suit tasks differently.
Rule (published)
    The same three models with (1 | task) alone, every row independent.

Source: Geburek et al. (2024), arXiv 2408.02533.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from cupel.spec.errors import UsageError
from cupel.stats.frame import Frame
from cupel.stats.mixed.mixed_model import mixed_model
from cupel.stats.model_comparison import (
    ModelComparison,
    Variant,
    check_variant,
    compared,
    compared_as_published,
    comparisons_frame,
)
from cupel.stats.note import Note
from cupel.stats.results import results
from cupel.stats.rows import Results

Effect = Literal["none", "simple", "interaction"]
QUESTIONS = (
    "does the budget matter",
    "does it matter, with a slope for each method",
    "does it matter differently for the methods",
)


@dataclass(frozen=True)
class BudgetCheck:
    """What the budget does.

    Attributes:
        rows: without against with the budget; without against with slopes; with the budget against with slopes.
        effect: `none`, `simple` (the same for all methods) or `interaction`.
        variant: `repaired` or `published`.
        n: rows.
        warnings: of the largest model.
    """

    rows: tuple[ModelComparison, ...]
    effect: Effect
    variant: Variant
    n: int
    warnings: tuple[Note, ...]

    def to_frame(self) -> Any:
        """One row per comparison."""
        return comparisons_frame(self.rows)

    def text(self) -> str:
        """The effect, then the comparisons."""
        words = {
            "none": "the budget is not shown to matter",
            "simple": "the budget matters, alike for all methods",
            "interaction": "the budget matters differently for the methods: compare them at stated budgets",
        }
        return "\n".join([words[self.effect], *(row.text() for row in self.rows)])


def budget_check(frame: Frame, *, variant: Variant = "repaired") -> BudgetCheck:
    """Ask what the budget does.

    Args:
        frame: any frame with several budgets, or `Results`. Failures are left out.
        variant: `repaired`, or `published` for comparison.

    Returns:
        The comparisons and the effect.

    Raises:
        UsageError: the table has no budgets, or only one.

    Source: Geburek et al. (2024).
    """
    check_variant(variant)
    table = results(frame)
    table = table.select(table.ok)
    if table.budget is None or len(set(table.budget.tolist())) < 2:
        raise UsageError("The table has no two budgets; expected a column `budget` with several values per run.")
    random = _random_part(table, variant)
    fixed = ("value ~ method", "value ~ method + budget", "value ~ method + method:budget")
    models = [mixed_model(f"{left}{random}", table, reml=False) for left in fixed]
    ask = compared if variant == "repaired" else compared_as_published
    pairs = ((0, 1), (0, 2), (1, 2))
    rows = tuple(ask(q, models[i], models[j]) for q, (i, j) in zip(QUESTIONS, pairs, strict=True))
    has = [row.is_shown for row in rows]
    effect: Effect = "interaction" if has[1] and has[2] else "simple" if has[0] else "none"
    return BudgetCheck(rows, effect, variant, table.n, models[2].warnings)


def _random_part(table: Results, variant: Variant) -> str:
    """Random terms: of the published model, or of runs within methods and tasks."""
    several = len(table.tasks) > 1
    if variant == "published":
        return " + (1 | task)" if several else ""
    parts = [" + (1 | task) + (1 | task:method)" if several else ""]
    if table.seed is not None:
        parts.append(" + (1 | task:method:seed)" if several else " + (1 | method:seed)")
    return "".join(parts)
