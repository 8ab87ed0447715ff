"""No simple yardstick among the methods.

Rule
    No method is called like one (majority, mean, random, linear, naive,
    baseline, ...), and the measure is one of learning (accuracy, loss, ...). Names are weak
    evidence, so this is advice.

Source: Lones (2024), 5.2; Dacrema, Cremonesi and Jannach (2019), RecSys.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cupel.stats.lint_words import LEARNED, is_trivial
from cupel.stats.pitfall import Evidence, Pitfall

if TYPE_CHECKING:
    from cupel.stats.lint_table import LintTable

CARD = Pitfall(
    id="L09",
    severity="advice",
    stage="compare",
    title="no trivial baseline",
    why="Without one nobody sees whether the task is easy, or whether any of the methods works at all.",
    do="Add a method that cannot learn much: the majority class, the mean, random search, a linear model.",
    source="Lones (2024), 5.2; Dacrema et al. (2019)",
)


def missing(table: LintTable) -> str:
    """It needs methods and a measure of quality."""
    if len(table.methods) < 2:
        return "a column that names the method, with two methods"
    return "" if any(m.words & LEARNED for m in table.main) else "a measure that is called like one of learning"


def check(table: LintTable) -> Iterator[Evidence]:
    """Look for a simple method by its name."""
    if not any(is_trivial(name) for name in table.methods):
        shown = ", ".join(table.methods[:5]) + (", ..." if len(table.methods) > 5 else "")
        yield Evidence(f"None of the {len(table.methods)} methods is called like a simple yardstick ({shown}).")
