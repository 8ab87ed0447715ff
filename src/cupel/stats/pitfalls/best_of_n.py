"""The best of several runs reported as the result.

Rule
    The measure, and no other, is called best, max or peak, and it is not
    the running best of a search (a column of budgets or trials, an
    incumbent, a regret); the best by validation data is a warning. Or a column or a method says `best of 5`. Or the
    single runs stand in the table, and the reported value equals the
    largest of them in every row (or the smallest in every row).

Source: Henderson et al. (2018), AAAI; Lones (2024), 4.4; Reimers and Gurevych (2017), EMNLP.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from cupel.stats.lint_words import COST, MEAN, QUALITY, words_of
from cupel.stats.long_form import run_columns
from cupel.stats.measure import Measure
from cupel.stats.pitfall import Evidence, Pitfall, Severity
from cupel.stats.summary_text import read_numbers

if TYPE_CHECKING:
    from cupel.stats.lint_table import LintTable

CARD = Pitfall(
    id="L23",
    severity="error",
    stage="report",
    title="best of several runs",
    why="The best of n grows with n and with the spread, so a method that varies more looks better than it is.",
    do="Report all runs, or their mean with spread and number.",
    source="Henderson et al. (2018); Reimers and Gurevych (2017)",
)
BEST = frozenset({"best", "max", "maximum", "peak", "highest"})
LOSSES = frozenset({"loss", "error", "err", "rmse", "mse", "mae", "nll", "perplexity", "ppl", "wer", "cer"})
RUNNING = frozenset({"far", "incumbent", "regret", "sofar"})
HOW = frozenset({"aggregation", "aggregate", "agg", "statistic", "stat", "reported", "reporting", "summary"})
BEST_OF = re.compile(
    r"\bbest[- _]of[- _]?\d+\b|\bbest (?:run|seed)\b|\bmax(?:imum)? over (?:runs|seeds)\b", re.IGNORECASE
)
LEAST_ROWS = 2


def missing(table: LintTable) -> str:
    """It needs a measure."""
    return "" if table.measures or run_columns(table.given)[1] else "a measure"


def check(table: LintTable) -> Iterator[Evidence]:
    """Look at names, at what the table says, and at the single runs."""
    named = [m.name for m in table.main if _is_best(m)]
    is_search = table.budget is not None or bool(table.configurations)
    if named and len(named) == len(table.main) and not is_search:
        mild: Severity | None = "warning" if all(m.part == "validation" for m in table.main) else None
        text = f"{', '.join(named)}: the name says that it is the best over runs, epochs or configurations."
        yield Evidence(text, severity=mild)
    yield from _said(table)
    yield from _equal_to_extreme(table)


def _is_best(measure: Measure) -> bool:
    words = measure.words
    is_least = "min" in words and words & LOSSES and not words & COST
    is_quality = bool(words & QUALITY) and not words & COST
    return is_quality and bool(words & BEST or is_least) and not words & (RUNNING | MEAN)


def _said(table: LintTable) -> Iterator[Evidence]:
    for c in table.given.values():
        words, factor = words_of(c.name), c.as_factor
        if words >= {"best", "of"} and c.is_numeric and np.any(c.values > 1):
            yield Evidence(f"{c.name} is up to {np.nanmax(c.values):g}.", tuple(np.flatnonzero(c.values > 1).tolist()))
            continue
        if c.factor is None:
            continue
        says = [bool(BEST_OF.search(x)) or bool(words & HOW and words_of(x) & BEST) for x in factor.levels]
        rows = np.flatnonzero(np.array([*says, False])[factor.codes])
        if rows.size:
            yield Evidence(f"{c.name} is {factor.levels[factor.codes[rows[0]]]!r}.", tuple(rows.tolist()))


def _equal_to_extreme(table: LintTable) -> Iterator[Evidence]:
    """Values that equal the largest, or the smallest, of the runs beside them."""
    kind, names = run_columns(table.given)
    found = [numbers.values for name in names if (numbers := read_numbers(table.given[name])) is not None]
    if not found:
        return
    runs = np.stack(found)
    rows = np.flatnonzero(np.isfinite(runs).all(axis=0) & (runs.max(axis=0) > runs.min(axis=0)))
    if rows.size < LEAST_ROWS:
        return
    low, high = runs.min(axis=0)[rows], runs.max(axis=0)[rows]
    others = {name: read_numbers(c) for name, c in table.given.items() if name not in names}
    inside = {
        name: numbers.values[rows]
        for name, numbers in others.items()
        if numbers is not None and np.all((numbers.values[rows] >= low) & (numbers.values[rows] <= high))
    }
    has_mean = any(np.allclose(values, runs.mean(axis=0)[rows], rtol=1e-2) for values in inside.values())
    for name, values in inside.items():
        for extreme, word in ((high, "largest"), (low, "smallest")):
            if np.array_equal(values, extreme) and not (has_mean and words_of(name) & (BEST | {"min", "worst"})):
                yield Evidence(
                    f"{name} equals the {word} of the {len(found)} {kind}s beside it in all {rows.size} rows.",
                    tuple(rows.tolist()),
                )
