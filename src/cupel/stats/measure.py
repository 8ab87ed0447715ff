"""The measures in a table of results: which columns hold them, with their spreads, as `lint` reads them.

Unlike `results`, which asks where several columns could hold the value, this takes all that are called like a
measure: a rule that reads a table must not depend on the table being in order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from cupel.stats.checked import Floats
from cupel.stats.frame import Column, Factor
from cupel.stats.lint_words import (
    ACCURACY,
    BALANCED,
    COST,
    MEAN,
    PARTS,
    PROPORTION,
    QUALITY,
    SPREAD,
    is_measure,
    is_spread,
    part_of,
    words_of,
)
from cupel.stats.summary_text import Numbers, read_numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Measure:
    """One measure of a table.

    Attributes:
        name: as the table has it.
        numbers: (n,) its values in all rows of the table; only those in `rows` are this measure.
        rows: (k,) rows in which it was measured, failures included.
        spread: (n,) spread beside each value, or None.
        is_declared: whether the user or a column `value` says that this is what was measured.
        part: test, validation, train, or empty where the table does not say.
    """

    name: str
    numbers: Numbers
    rows: NDArray[np.intp]
    spread: Floats | None
    is_declared: bool = False
    part: str = ""

    @property
    def values(self) -> Floats:
        """(n,) in all rows of the table; NaN for a failure."""
        return self.numbers.values

    @cached_property
    def words(self) -> frozenset[str]:
        """The words of its name."""
        return words_of(self.name)

    @cached_property
    def known(self) -> NDArray[np.intp]:
        """Rows in which it has a value."""
        found: NDArray[np.intp] = self.rows[np.isfinite(self.values[self.rows])]
        return found

    @property
    def is_cost(self) -> bool:
        """Whether its name says that it is a time, an energy or an amount of work."""
        return bool(self.words & COST) and not self.words & QUALITY

    @property
    def is_proportion(self) -> bool:
        """Whether its name says that it lies between 0 and 1, or 0 and 100 %."""
        return bool(self.words & PROPORTION) and not self.words & {"loss", "time"}

    @property
    def is_accuracy(self) -> bool:
        """Whether its name says that it is plain accuracy."""
        return bool(self.words & ACCURACY) and not self.words & BALANCED

    @property
    def top(self) -> float | None:
        """1 or 100 for a proportion, by its largest value; None for anything else."""
        if not self.is_proportion or not self.known.size:
            return None
        values = self.values[self.known]
        return None if values.min() < 0 or values.max() > 100 else 1.0 if values.max() <= 1.0 else 100.0


def find_measures(columns: Mapping[str, Column], roles: Mapping[str, str], metric: str | None) -> tuple[Measure, ...]:
    """The measures of a table in long form, the declared one first.

    Args:
        columns: of the table.
        roles: role to column.
        metric: what the user asked for, or None.
    """
    taken = {part for role, name in roles.items() if role not in ("value", "metric") for part in name.split(":")}
    declared = metric if metric in columns else roles.get("value")
    names = [name for name in columns if name == declared or (name not in taken and is_measure(name))]
    found = {name: numbers for name in names if (numbers := read_numbers(columns[name])) is not None}
    found = {name: numbers for name, numbers in found.items() if name == declared or np.isfinite(numbers.values).any()}
    if not found:
        others = [name for name in columns if name not in taken and not is_spread(name)]
        numeric = {name: numbers for name in others if (numbers := read_numbers(columns[name])) is not None}
        plain = {name: n for name, n in numeric.items() if columns[name].is_numeric or n.spread is not None}
        found = plain if len(plain) == 1 else {}
    spreads = {name: numbers.values for name in columns if is_spread(name) and (numbers := read_numbers(columns[name]))}
    by_level = columns[roles["metric"]].as_factor if "metric" in roles else None
    measures = []
    for name, numbers in found.items():
        spread = numbers.spread if numbers.spread is not None else _spread_of(name, spreads, len(found))
        whole = Measure(name, numbers, np.arange(numbers.values.size), spread, name == declared, part_of(name))
        measures += [whole] if by_level is None else list(_of_levels(whole, by_level, metric))
    return tuple(sorted(measures, key=lambda m: not m.is_declared))


def _of_levels(measure: Measure, levels: Factor, metric: str | None) -> Iterator[Measure]:
    """A measure for each word in the column that names the metric."""
    for k, level in enumerate(levels.levels):
        rows = np.flatnonzero(levels.codes == k)
        if rows.size:
            declared = measure.is_declared and metric in (None, level, measure.name)
            yield Measure(level, measure.numbers, rows, measure.spread, declared, part_of(level))


def split_by_part(measures: tuple[Measure, ...], part: Factor) -> tuple[Measure, ...]:
    """The measures of each part of the data, where a column says of which part a row is."""
    names = [next(word for word, known in PARTS.items() if words_of(level) & known) for level in part.levels]
    return tuple(
        Measure(f"{level} {m.name}", m.numbers, rows, m.spread, m.is_declared, name)
        for m in measures
        for k, (level, name) in enumerate(zip(part.levels, names, strict=True))
        if (rows := m.rows[part.codes[m.rows] == k]).size
    )


def _spread_of(name: str, spreads: Mapping[str, Floats], num_measures: int) -> Floats | None:
    """The column that holds the spread of a measure: the same words and one for a spread."""
    words = words_of(name) - MEAN
    for spread, values in spreads.items():
        rest = words_of(spread) - SPREAD - {"pct", "95"}
        if rest == words or (not rest and num_measures == 1):
            return values
    return None
