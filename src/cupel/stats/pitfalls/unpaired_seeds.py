"""Methods that were run with different seeds.

Rule
    Two methods each have seeds that the other lacks. Warning where they
    share two thirds or more, since then pairs were meant, and a run is
    missing or a seed is a slip; advice where they share less: that is a
    design, only a less precise one. Methods with one seed or nothing to learn are not counted.

Source: Bouthillier et al. (2021), arXiv 2103.03098: pairing by seed cuts the variance of a difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from cupel.stats.lint_words import is_without_learning
from cupel.stats.pitfall import Evidence, Pitfall

if TYPE_CHECKING:
    from cupel.stats.lint_table import LintTable

CARD = Pitfall(
    id="L26",
    severity="warning",
    stage="compare",
    title="different seeds for different methods",
    why="Runs with the same seed share split and order and can be compared in pairs; others need more runs.",
    do="Run the seeds that are missing, so that every method has the same ones.",
    source="Bouthillier et al. (2021)",
)
MEANT_SHARE = 2 / 3
"""Of the seeds of a method: from here on pairs were meant."""


def missing(table: LintTable) -> str:
    """It needs the seeds of two methods."""
    if table.seed is None:
        return "a column seed"
    return "" if len(table.methods) >= 2 else "a column that names the method, with two methods"


def check(table: LintTable) -> Iterator[Evidence]:
    """Compare the seeds of each two methods."""
    seed = table.seed
    if seed is None:
        return
    sets = {
        m: frozenset(np.unique(seed.codes[(table.method_codes == m) & (seed.codes >= 0)]).tolist())
        for m, name in enumerate(table.methods)
        if not is_without_learning(name)
    }
    several = {m: seeds for m, seeds in sets.items() if len(seeds) >= 2}
    unpaired = [(a, b) for a, b in combinations(several, 2) if several[a] - several[b] and several[b] - several[a]]
    partly = [
        (a, b)
        for a, b in unpaired
        if len(several[a] & several[b]) >= MEANT_SHARE * min(len(several[a]), len(several[b]))
    ]
    if partly:
        a, b = partly[0]
        lacks = [
            ", ".join(seed.levels[k] for k in sorted(x - y)[:3])
            for x, y in ((several[a], several[b]), (several[b], several[a]))
        ]
        yield Evidence(
            f"{table.methods[a]} and {table.methods[b]} share {len(several[a] & several[b])} seeds, but only the first "
            f"has {lacks[0]}, and only the second has {lacks[1]} ({len(partly)} such pairs of methods)."
        )
    elif unpaired:
        a, b = unpaired[0]
        yield Evidence(
            f"{table.methods[a]} and {table.methods[b]} have {len(several[a] & several[b]) or 'no'} seeds in common "
            f"({len(unpaired)} such pairs).",
            severity="advice",
            do="Fine if meant: compare without pairing. The same seeds for all would need fewer runs.",
        )
