"""An estimate without its uncertainty, or a p-value without the size of the effect.

Rule
    One row per method and task, a measure that is called a mean or a column
    that states the number of runs, and no column and no cell with a spread
    or an interval. Or p-values, and no column with a difference, a mean or a
    measure.

Source: Lones (2024), 6.4; Wasserstein and Lazar (2016), The American Statistician 70.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cupel.stats.lint_words import is_adjusted, is_mean, is_p_value, is_repeat_count, is_spread, words_of
from cupel.stats.pitfall import Evidence, Pitfall

if TYPE_CHECKING:
    from cupel.stats.lint_table import LintTable

CARD = Pitfall(
    id="L12",
    severity="warning",
    stage="report",
    title="no interval, or no effect size",
    why="A reader cannot see whether a difference is larger than its noise, or large enough to matter.",
    do="Report the single runs, or mean, spread and number of runs; beside a p-value, the difference and its interval.",
    source="Lones (2024), 6.4; Wasserstein and Lazar (2016)",
)
EFFECT = frozenset(
    {"effect", "diff", "difference", "delta", "gain", "improvement", "estimate", "mean", "avg", "cohen", "d", "hedges"}
    | {"odds", "ratio", "auc", "cliff", "speedup", "a12", "margin", "gap", "median"}
)


def missing(table: LintTable) -> str:
    """It needs a summary or p-values."""
    return "" if table.measures or _p_columns(table) else "a measure, or a column p_value"


def check(table: LintTable) -> Iterator[Evidence]:
    """Look for what should stand beside an estimate."""
    p_columns = _p_columns(table)
    has_effect = bool(table.measures) or any(words_of(name) & EFFECT or is_spread(name) for name in table.given)
    if p_columns and not has_effect:
        yield Evidence(f"{', '.join(p_columns)} stands alone: no column says how large the difference is.")
    means = [m.name for m in table.main if is_mean(m.name)]
    counts = [name for name in table.given if is_repeat_count(name)]
    has_spread = any(is_spread(name) for name in table.given) or any(m.spread is not None for m in table.measures)
    if (means or counts) and table.main and not has_spread and table.num_runs.max() <= 1:
        what = f"{', '.join(means)} is a mean" if means else f"{', '.join(counts)} says that values are summaries"
        yield Evidence(f"{what}, and no column holds its standard deviation or interval.")


def _p_columns(table: LintTable) -> list[str]:
    return [name for name in table.given if is_p_value(name) or (is_adjusted(name) and "p" in words_of(name))]
