"""Several tests, and no correction for looking at many.

Rule
    Two p-values or more as tests give them, and neither a column with
    adjusted ones nor a word for a correction in any cell. Holm's correction
    is applied: error where a result at 5 % would not survive it, warning
    where all would. No p-value at or below 5 %: nothing is claimed, nothing
    said. Stars in a table of three methods or more: warning.

Source: Lones (2024), 5.4; Holm (1979); Demsar (2006), JMLR 7.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from cupel.stats.frame import Column
from cupel.stats.holm import holm
from cupel.stats.lint_words import is_adjusted, is_p_value, words_of
from cupel.stats.pitfall import Evidence, Pitfall
from cupel.stats.summary_text import read_numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cupel.stats.lint_table import LintTable

CARD = Pitfall(
    id="L11",
    severity="error",
    stage="compare",
    title="several tests without correction",
    why="Of twenty comparisons without any difference, one is significant at 5 % by chance.",
    do="Add p-values adjusted by Holm's rule (in Python: cupel.stats.holm) and claim only what they support.",
    source="Lones (2024), 5.4; Holm (1979); Demsar (2006)",
)
STARS = frozenset({"sig", "significance", "significant", "stars"})
LEVEL = 0.05


def missing(table: LintTable) -> str:
    """It needs p-values or marks of significance."""
    return "" if _p_values(table) or _starred(table) else "a column p_value"


def check(table: LintTable) -> Iterator[Evidence]:
    """Apply Holm's rule to what is there."""
    if _is_corrected(table):
        return
    found = _p_values(table)
    for name, p in found.items():
        known = np.flatnonzero(np.isfinite(p))
        claimed, stand = known[p[known] <= LEVEL], np.flatnonzero(holm(p) <= LEVEL)
        if known.size < 2 or not claimed.size:
            continue
        lost = np.setdiff1d(claimed, stand)
        yield Evidence(
            f"{name}: {known.size} tests and no adjusted p-values; {claimed.size} are at or below 5 %, {stand.size} "
            "after Holm's correction.",
            tuple((lost if lost.size else claimed).tolist()),
            severity=None if lost.size else "warning",
        )
    starred = _starred(table)
    if starred and not found and len(table.methods) >= 3:
        yield Evidence(
            f"{', '.join(starred)} marks significance among {len(table.methods)} methods, and no column says by which "
            "test or correction.",
            severity="warning",
        )


def _p_values(table: LintTable) -> dict[str, NDArray[np.float64]]:
    found = {name: read_numbers(c) for name, c in table.given.items() if is_p_value(name)}
    known = {name: numbers.values for name, numbers in found.items() if numbers is not None}
    return {name: p for name, p in known.items() if not np.any((p < 0) | (p > 1)) and np.any(np.isfinite(p))}


def _starred(table: LintTable) -> list[str]:
    """Columns with marks of significance."""
    named = [name for name in table.given if words_of(name) & STARS]
    cells = [name for name, c in table.given.items() if _has_stars(c)]
    return list(dict.fromkeys([*named, *cells]))


def _has_stars(column: Column) -> bool:
    numbers = read_numbers(column)
    return numbers is not None and bool(numbers.is_starred.any())


def _is_corrected(table: LintTable) -> bool:
    """Whether a column or a cell names a correction."""
    if any(is_adjusted(name) for name in table.given):
        return True
    texts = [level for c in table.given.values() if c.factor is not None for level in c.factor.levels]
    return any(is_adjusted(text) for text in texts if len(text) < 200)
