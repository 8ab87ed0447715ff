"""A measure that is the same in every row.

Rule
    Six values or more, all equal. Warning for what a comparison would be
    about, advice for any other measure.

Source: rules of Cupel.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from cupel.stats.pitfall import Evidence, Pitfall

if TYPE_CHECKING:
    from cupel.stats.lint_table import LintTable

CARD = Pitfall(
    id="L32",
    severity="warning",
    stage="report",
    title="a constant measure",
    why="A measure that never changes was not computed, or measures nothing here.",
    do="Look where the column is filled; leave it out if it has nothing to say.",
    source="rules of Cupel",
)
LEAST_VALUES = 6


def missing(table: LintTable) -> str:
    """It needs a measure."""
    return "" if table.measures else "a measure"


def check(table: LintTable) -> Iterator[Evidence]:
    """Compare all values with the first."""
    main = {m.name for m in table.main}
    for measure in table.measures:
        values = measure.values[measure.known]
        if values.size >= LEAST_VALUES and np.all(values == values[0]):
            yield Evidence(
                f"{measure.name} is {values[0]:g} in all {values.size} rows.",
                severity=None if measure.name in main else "advice",
            )
