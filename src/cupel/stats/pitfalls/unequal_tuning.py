"""One method was tuned more than another.

Rule
    Columns that say what was spent on tuning (`n_trials`, `hpo_budget`,
    ...): the medians of two methods differ by more than a factor of 2. The
    same for the number of configurations that the table lists per method.
    Size of the search space: advice only, since spaces differ by nature.
    Methods with nothing to tune are not counted.

Source: Lones (2024), 5.1; Dodge et al. (2019), EMNLP; Bouthillier et al. (2021), arXiv 2103.03098.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from cupel.stats.lint_table import joined
from cupel.stats.lint_words import is_tuning_budget, is_without_learning, words_of
from cupel.stats.pitfall import Evidence, Pitfall
from cupel.stats.summary_text import read_numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cupel.stats.lint_table import LintTable

CARD = Pitfall(
    id="L10",
    severity="error",
    stage="compare",
    title="unequal tuning",
    why="The best of more trials is better by chance alone, so the method that was tuned more has an advantage.",
    do="Give every method the same number of trials, or report the results at equal budget.",
    source="Lones (2024), 5.1; Dodge et al. (2019)",
)


def missing(table: LintTable) -> str:
    """It needs what was spent on each method."""
    if len(table.methods) < 2:
        return "a column that names the method, with two methods"
    return "" if _budgets(table) or _spaces(table) or table.configurations else "a column n_trials, or hpo_budget"


def check(table: LintTable) -> Iterator[Evidence]:
    """Compare what was spent."""
    for name, values in _budgets(table).items():
        yield from _unequal(table, name, _medians(table, values))
    for name, values in _spaces(table).items():
        for found in _unequal(table, name, _medians(table, values)):
            do = "Say why the spaces differ; a larger one needs more trials."
            yield Evidence(found.text, found.rows, severity="advice", do=do)
    if table.configurations and not _budgets(table):
        c = table.configurations[0]
        yield from _unequal(table, f"configurations ({c.name})", _listed(table, c.as_factor.codes))


def _budgets(table: LintTable) -> dict[str, NDArray[np.float64]]:
    found = {name: read_numbers(c) for name, c in table.columns.items() if is_tuning_budget(name)}
    return {name: numbers.values for name, numbers in found.items() if numbers is not None}


def _spaces(table: LintTable) -> dict[str, NDArray[np.float64]]:
    names = [
        name for name in table.columns if words_of(name) >= {"search", "space"} or words_of(name) >= {"grid", "size"}
    ]
    found = {name: read_numbers(table.columns[name]) for name in names}
    return {name: numbers.values for name, numbers in found.items() if numbers is not None}


def _medians(table: LintTable, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(methods,) median; NaN where nothing is known."""
    out = np.full(len(table.methods), np.nan)
    for m in range(len(table.methods)):
        known = values[(table.method_codes == m) & np.isfinite(values)]
        if known.size:
            out[m] = np.median(known)
    return out


def _listed(table: LintTable, codes: NDArray[np.intp]) -> NDArray[np.float64]:
    """(methods,) median over tasks and seeds of the number of configurations listed."""
    parts = [table.cells] + ([] if table.seed is None else [table.seed.codes])
    groups = joined(*parts)
    pairs, first = np.unique(np.stack([groups, codes]), axis=1, return_index=True)
    out = np.full(len(table.methods), np.nan)
    num = np.bincount(pairs[0])
    method_of = np.zeros(num.size, dtype=np.intp)
    method_of[pairs[0]] = table.method_codes[first]
    for m in range(len(table.methods)):
        out[m] = np.median(num[method_of == m])
    return out


def _unequal(table: LintTable, name: str, spent: NDArray[np.float64]) -> Iterator[Evidence]:
    tuned = [m for m, method in enumerate(table.methods) if not is_without_learning(method) and np.isfinite(spent[m])]
    if len(tuned) < 2:
        return
    most, least = max(tuned, key=lambda m: spent[m]), min(tuned, key=lambda m: spent[m])
    if spent[most] <= table.limits.tuning_factor * spent[least]:
        return
    times = f"{spent[most] / spent[least]:.3g} times as much" if spent[least] > 0 else "nothing for the latter"
    rows = table.at([int(np.flatnonzero(table.method_codes == m)[0]) for m in (most, least)])
    yield Evidence(
        f"{name}: {table.methods[most]} has {spent[most]:g}, {table.methods[least]} has {spent[least]:g} ({times}).",
        rows,
    )
