"""Folds of one cross-validation counted as if they were independent runs.

Rule
    A column numbers folds. Warning: a spread, a p-value or the name of a
    plain test stands beside it, or the same folds come again with every seed
    or repeat, so that repeats x folds look like that many runs. Advice: the
    folds alone. Nothing is said where the corrected test is named.

Source: Nadeau and Bengio (2003), Machine Learning 52; Lones (2024), 5.3.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from cupel.stats.lint_words import FOLD, is_p_value, is_spread, words_of
from cupel.stats.pitfall import Evidence, Pitfall

if TYPE_CHECKING:
    from cupel.stats.frame import Factor
    from cupel.stats.lint_table import LintTable

CARD = Pitfall(
    id="L20",
    severity="warning",
    stage="compare",
    title="dependent folds taken as independent",
    why="Training sets of folds overlap, so the spread between folds understates the error, and a plain t-test "
    "finds differences that are not there far too often.",
    do="Use the corrected resampled t-test, or count one mean per repeat with folds drawn anew.",
    source="Nadeau and Bengio (2003); Lones (2024), 5.3",
)
CORRECTED = frozenset({"corrected", "nadeau", "bengio", "5x2cv", "5x2"})
PLAIN = frozenset({"ttest", "t", "student", "welch", "wilcoxon", "paired"})
TEST_COLUMNS = frozenset({"test", "stat", "statistic", "significance"})


def missing(table: LintTable) -> str:
    """It needs folds."""
    return "" if _folds(table) is not None else "a column fold"


def check(table: LintTable) -> Iterator[Evidence]:
    """Look for what treats folds as runs."""
    folds = _folds(table)
    texts = [*table.given, *(level for c in table.named(TEST_COLUMNS) if c.factor for level in c.factor.levels)]
    if folds is None or len(folds.levels) < 2 or any(words_of(text) & CORRECTED for text in texts):
        return
    num = len(folds.levels)
    plain = [level for level in texts if level not in table.given and words_of(level) & PLAIN]
    beside = plain or [name for name in table.given if is_p_value(name) or is_spread(name)]
    again = _num_repeats(table, folds)
    if beside:
        yield Evidence(f"The table has {num} folds, and {', '.join(beside[:3])} treats them as runs.")
    elif again > 1:
        yield Evidence(
            f"The same {num} folds come again in each of {again} repeats: the {num * again} values per method and task "
            "are not that many independent runs."
        )
    else:
        yield Evidence(
            f"The runs of a method on a task are folds of a cross-validation, {num} in all.", severity="advice",
            do="Compare by the corrected resampled t-test, not by a plain one over the folds.",
        )  # fmt: skip


def _folds(table: LintTable) -> Factor | None:
    """The folds, where a column is called so."""
    if table.split is not None:
        name = table.roles.get("split", "")
        is_fold = bool(words_of(name) & FOLD) or any(
            w.startswith("fold") for x in table.split.levels for w in words_of(x)
        )
        return table.split if is_fold else None
    return None


def _num_repeats(table: LintTable, folds: Factor) -> int:
    """Seeds or repeats that have the same folds: the least over cells that have several."""
    again = table.seed if table.seed is not None else table.rep
    if again is None:
        return 1
    keys = np.stack([table.cells, folds.codes, again.codes])
    cells_folds, counts = np.unique(np.unique(keys, axis=1)[:2], axis=1, return_counts=True)
    return int(np.median(counts)) if cells_folds.size else 1
