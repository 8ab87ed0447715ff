"""Words that claim more than a table can show.

Rule
    A column of statements (`claim`, `conclusion`, ...) has words such as
    always, in general, all tasks, state of the art. Advice only: words
    need a reader.

Source: Lones (2024), 6.3.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from cupel.stats.pitfall import Evidence, Pitfall

if TYPE_CHECKING:
    from cupel.stats.lint_table import LintTable

CARD = Pitfall(
    id="L22",
    severity="advice",
    stage="report",
    title="wording beyond the data",
    why="A table supports statements about its tasks, and about tasks like them only if they were drawn as a sample.",
    do="Name the tasks, the number of runs and the interval in the sentence, or leave the word out.",
    source="Lones (2024), 6.3",
)
REMARKS = frozenset({"claim", "claims", "conclusion", "statement", "finding", "findings", "takeaway", "verdict"})
SWEEPING = re.compile(
    r"\b(always|never|in general|generally|universal\w*|(?:any|all|every) (?:task|data ?set|problem|domain|setting)s?"
    r"|state[- ]of[- ]the[- ]art|sota|prov(?:es|en) (?:to be )?(?:better|superior)|clearly (?:better|superior))\b",
    re.IGNORECASE,
)


def missing(table: LintTable) -> str:
    """It needs remarks."""
    return "" if table.named(REMARKS) else "a column with the claim in words"


def check(table: LintTable) -> Iterator[Evidence]:
    """Look for sweeping words."""
    for c in table.named(REMARKS):
        factor = c.as_factor
        for k, level in enumerate(factor.levels):
            match = SWEEPING.search(level)
            if match is not None:
                rows = np.flatnonzero(factor.codes == k)
                yield Evidence(f"{c.name} has the words {match.group(0)!r}.", tuple(rows.tolist()))
                break
