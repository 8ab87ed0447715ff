"""A forecast that may have been tested on a random split.

Rule
    Columns, tasks or measures are called like those of forecasting
    (`horizon`, `forecast`, MASE, sMAPE), and the split is called random,
    shuffled or k-fold. Names are weak evidence, so this is advice.

Source: Lones (2024), 4.8; Bergmeir and Benitez (2012), Information Sciences 191.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cupel.stats.lint_words import words_of
from cupel.stats.pitfall import Evidence, Pitfall

if TYPE_CHECKING:
    from cupel.stats.lint_table import LintTable

CARD = Pitfall(
    id="L16",
    severity="advice",
    stage="evaluate",
    title="a time series split at random",
    why="Training data from after the test period tell what is to be forecast.",
    do="Test on what lies after the training data: a split by time, or a rolling origin.",
    source="Lones (2024), 4.8; Bergmeir and Benitez (2012)",
)
FORECAST = frozenset({"horizon", "forecast", "forecasting", "mase", "smape", "leadtime", "timeseries"})
SPLITTING = frozenset({"split", "splits", "cv", "splitter", "protocol", "validation"})
AT_RANDOM = frozenset({"random", "shuffle", "shuffled", "kfold", "shufflesplit", "stratified", "stratifiedkfold"})


def missing(table: LintTable) -> str:
    """It needs words about forecasts and about the split."""
    return "" if _forecast(table) and table.named(SPLITTING) else "a column that says how a time series was split"


def check(table: LintTable) -> Iterator[Evidence]:
    """Look for a random split beside the words of forecasting."""
    for c in table.named(SPLITTING):
        for level in c.factor.levels if c.factor is not None else ():
            words = words_of(level)
            if words & AT_RANDOM or words >= {"k", "fold"}:
                yield Evidence(f"{_forecast(table)[0]} is a word of forecasting, and {c.name} is {level}.")
                return


def _forecast(table: LintTable) -> list[str]:
    names = [*table.given, *(m.name for m in table.measures), *table.tasks]
    return [name for name in names if words_of(name) & FORECAST or words_of(name) >= {"time", "series"}]
