"""Several sources of variation driven by one number.

Rule
    Two columns of seeds that name what they control (`init_seed`,
    `split_seed`) have the same value in every row, and vary. Advice: the
    total spread is right, but its parts cannot be told apart.

Source: Bouthillier et al. (2021), arXiv 2103.03098.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING

from cupel.stats.pitfall import Evidence, Pitfall

if TYPE_CHECKING:
    from cupel.stats.lint_table import LintTable

CARD = Pitfall(
    id="L35",
    severity="advice",
    stage="evaluate",
    title="one number for several seeds",
    why="How much each source contributes cannot be seen, and generators with one seed may give related numbers.",
    do="Derive the seeds of a run from one number by a rule that makes them differ, and vary them one at a time too.",
    source="Bouthillier et al. (2021)",
)


def missing(table: LintTable) -> str:
    """It needs two seeds that name what they control."""
    return "" if len(table.seed_sources) >= 2 else "seeds that name what they control, such as init_seed and split_seed"


def check(table: LintTable) -> Iterator[Evidence]:
    """Compare each two columns of seeds."""
    for a, b in combinations(table.seed_sources, 2):
        first, second = table.seed_sources[a], table.seed_sources[b]
        if len(first.levels) > 1 and first.labels() == second.labels():
            yield Evidence(f"{a} and {b} have the same value in all {table.n} rows.")
