"""Only one source of variation was varied between runs.

Rule
    Seeds that name what they control (`init_seed`, `split_seed`, ...): only
    one of them takes several values. A column that is called `seed` alone
    does not say what it controls; where it varies nothing is said.

Source: Bouthillier et al. (2021), arXiv 2103.03098: the split alone varies more than initialisation and order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cupel.stats.pitfall import Evidence, Pitfall

if TYPE_CHECKING:
    from cupel.stats.lint_table import LintTable

CARD = Pitfall(
    id="L07",
    severity="warning",
    stage="evaluate",
    title="one source of variation only",
    why="The spread between such runs is smaller than the spread of the result, so intervals from it are too narrow.",
    do="Vary the split, the order and the initialisation together, with a seed of its own for each.",
    source="Bouthillier et al. (2021)",
)


def missing(table: LintTable) -> str:
    """It needs seeds that name what they control."""
    return "" if table.seed_sources else "seeds that name what they control, such as init_seed and split_seed"


def check(table: LintTable) -> Iterator[Evidence]:
    """Count the sources that vary."""
    levels = {name: len(factor.observed().levels) for name, factor in table.seed_sources.items()}
    varied = [name for name, num in levels.items() if num > 1]
    fixed = [name for name, num in levels.items() if num == 1]
    other = set(table.roles.get("seed", "").split(":")) - set(levels)
    is_plain_varied = bool(other) and table.seed is not None and len(table.seed.levels) > 1
    if len(varied) == 1 and not is_plain_varied:
        beside = f"; {', '.join(fixed)} has one value" if fixed else ", and there is no other"
        yield Evidence(f"Of the seeds, only {varied[0]} varies ({levels[varied[0]]} values){beside}.")
