"""Configurations chosen and scored on the same folds.

Rule
    Several configurations per method and task were scored on folds, by one
    measure, and nothing else: no outer and inner folds, no test measure
    beside a validation measure. Or the table is what a grid search leaves:
    a rank or a mean over its folds, and the parameters of each candidate.

Source: Lones (2024), 3.7 and 4.3; Cawley and Talbot (2010), JMLR 11; Varma and Simon (2006), BMC Bioinformatics 7.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from cupel.stats.lint_words import FOLD, words_of
from cupel.stats.pitfall import Evidence, Pitfall

if TYPE_CHECKING:
    from cupel.stats.lint_table import LintTable

CARD = Pitfall(
    id="L21",
    severity="error",
    stage="build",
    title="tuned and scored on the same folds",
    why="The best of many configurations on these folds is partly luck on these folds, so its score is too good.",
    do="Nest it: tune on inner folds of each training part, score the chosen configuration on the outer fold.",
    source="Lones (2024), 3.7; Cawley and Talbot (2010); Varma and Simon (2006)",
)
NESTED = frozenset({"inner", "outer", "nested"})
LEAST_CONFIGURATIONS = 3


def missing(table: LintTable) -> str:
    """It needs configurations and folds."""
    if _is_grid_search(table):
        return ""
    if not table.configurations:
        return "a column that numbers the configurations, such as trial"
    return "" if table.split is not None else "a column fold"


def check(table: LintTable) -> Iterator[Evidence]:
    """Count the configurations per fold."""
    if any(words_of(name) & NESTED for name in table.given):
        return
    if _is_grid_search(table):
        yield Evidence("The columns are those of a grid search: mean_test_score is of the folds that ranked them.")
        return
    parts = {m.part for m in table.measures if not m.is_cost}
    if len(parts) > 1 or table.split is None or not words_of(table.roles.get("split", "")) & FOLD:
        return
    configuration = table.configurations[0]
    keys = np.unique(np.stack([table.cells, table.split.codes, configuration.as_factor.codes]), axis=1)
    _, per_fold = np.unique(keys[:2], axis=1, return_counts=True)
    shared = np.unique(keys[[0, 2]], axis=1, return_counts=True)[1]
    if np.median(per_fold) >= LEAST_CONFIGURATIONS and np.median(shared) >= 2:
        yield Evidence(
            f"{int(np.median(per_fold))} configurations ({configuration.name}) per method were scored on each of "
            f"{len(table.split.levels)} folds by {', '.join(m.name for m in table.main)} alone."
        )


def _is_grid_search(table: LintTable) -> bool:
    """Whether the columns are those of scikit-learn's `cv_results_`."""
    return {"mean_test_score", "rank_test_score"} <= set(table.given)
