"""A baseline whose numbers were taken from a publication, beside methods that were run.

Rule
    Error: a column that says where results are from (`source`, `from_paper`)
    names a publication for some methods and not for others.
    Warning: a method has one value per task where two thirds of the others
    have three or more on the same tasks; or its values are rounded (at most 2 decimals, and at least 3 fewer than
    the others'), over three different values or more.

Source: Lones (2024), 5.1 and 5.5; Melis, Dyer and Blunsom (2018), ICLR.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from cupel.stats.lint_words import is_without_learning, words_of
from cupel.stats.measure import Measure
from cupel.stats.pitfall import Evidence, Pitfall
from cupel.stats.summary_text import read_truths

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cupel.stats.lint_table import LintTable

CARD = Pitfall(
    id="L13",
    severity="error",
    stage="compare",
    title="published numbers as a baseline",
    why="Numbers from elsewhere differ in data, tuning and machine too, so the difference is not the method's.",
    do="Run the baseline yourself with the same seeds, splits and tuning; quote the published number beside it.",
    source="Lones (2024), 5.1 and 5.5; Melis et al. (2018)",
)
FROM = frozenset({"source", "origin", "provenance", "reported", "copied", "from", "taken", "published"})
PUBLISHED = frozenset(
    {"paper", "papers", "published", "publication", "literature", "copied", "leaderboard", "cited", "reported"}
    | {"paperswithcode"}
)
MANY_RUNS, MOST_OTHERS = 3, 2 / 3
ROUNDED, FEWER, LEAST_VALUES = 2, 3, 3


def missing(table: LintTable) -> str:
    """It needs two methods."""
    return "" if len(table.methods) >= 2 else "a column that names the method, with two methods"


def check(table: LintTable) -> Iterator[Evidence]:
    """What the table says of its sources, else what single and rounded values suggest."""
    said = list(_said(table))
    yield from said
    if said:
        return
    single = _single(table)
    rounded = {m: text for measure in table.main for m, text in _rounded(table, measure)}
    for m in sorted({*single, *rounded}):
        signs = [text for text in (single.get(m), rounded.get(m)) if text]
        rows = table.at(np.flatnonzero(table.method_codes == m))
        yield Evidence(
            f"{table.methods[m]} {' and '.join(signs)}: is it a published number, or a single run?", rows, "warning"
        )


def _said(table: LintTable) -> Iterator[Evidence]:
    """Methods that a column says are from a publication."""
    for c in table.columns.values():
        words = words_of(c.name)
        if not words & FROM or "file" in words or c.name in table.roles.values():
            continue
        factor = c.as_factor
        flags = read_truths(c) if words & (PUBLISHED | {"taken"}) else None
        published = [bool(words_of(level) & PUBLISHED) for level in factor.levels]
        rows = np.array([*published, False])[factor.codes] if flags is None else flags
        copied = sorted({table.methods[m] for m in table.method_codes[rows]})
        own = sorted({table.methods[m] for m in table.method_codes[~rows]})
        if copied and set(own) - set(copied):
            yield Evidence(
                f"{c.name} says that {int(rows.sum())} rows of {', '.join(copied[:3])} are from a publication; "
                f"{', '.join(own[:3])} {'was' if len(own) == 1 else 'were'} run.",
                table.at(np.flatnonzero(rows)),
            )


def _single(table: LintTable) -> dict[int, str]:
    """Methods with one run per task where most others have several on the same tasks."""
    if table.runs is None and table.variant is not None:
        return {}
    runs = table.num_runs
    found = {}
    for m, name in enumerate(table.methods):
        there = runs[m] > 0
        others = np.array([np.median(row[there & (row > 0)]) if np.any(there & (row > 0)) else 0 for row in runs])
        several = int(np.sum(others >= MANY_RUNS))
        if runs[m].max() == 1 and several >= MOST_OTHERS * (len(others) - 1) and not is_without_learning(name):
            found[m] = f"has one value per task where others have {np.median(others[others >= MANY_RUNS]):g}"
    return found


def _rounded(table: LintTable, measure: Measure) -> Iterator[tuple[int, str]]:
    """Methods whose values have fewer decimals than those of all others."""
    decimals: NDArray[np.intp] = measure.numbers.decimals
    rows = {m: measure.known[table.method_codes[measure.known] == m] for m in range(len(table.methods))}
    most = {m: int(decimals[r].max()) for m, r in rows.items() if r.size}
    for m, digits in most.items():
        least_other = min((d for other, d in most.items() if other != m), default=0)
        num = len(np.unique(measure.values[rows[m]]))
        if digits <= ROUNDED and least_other >= digits + FEWER and num >= LEAST_VALUES:
            yield m, f"has values of at most {digits} decimals where others have {least_other} or more"
