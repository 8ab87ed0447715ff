"""Wide tables in long form: a column per method, per task or per run becomes a row per value.

Rule
    Three or more columns whose names differ in the number of a run, a seed
    or a fold only (`seed_0`, `seed_1`, ...): each is one run of its row.
    A table without a column for the method, whose tasks stand in one row
    each, and that has two or more columns of numbers none of which is
    called like a measure, or two or more of cells such as `0.91 ± 0.02`:
    its columns are the methods. The same with method and task exchanged. Anything else stays as it is.

Source: the tables of Demsar (2006) and of the papers that follow it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cupel.stats.frame import Column, Factor
from cupel.stats.lint_words import MEAN, QUALITY, is_measure, is_repeat_count, is_spread, words_of
from cupel.stats.summary_text import read_numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

METHOD, TASK, VALUE = "method", "task", "value"
NUMBERED = frozenset({"id", "n", "num", "size", "rank", "p", "seed", "lr", "batch", "params", "epochs", "year", "run"})
RUN_COLUMN = re.compile(r"^(.*?)(run|seed|rep|repeat|trial|fold|split)[ _-]?(\d+)(.*)$", re.IGNORECASE)
LEAST_RUN_COLUMNS = 3
ROLE_OF_RUN = {"seed": "seed", "fold": "split", "split": "split"}


@dataclass(frozen=True)
class LongForm:
    """A wide table as a long one.

    Attributes:
        columns: those that the wide names became, the value, and the other columns of the wide table.
        roles: role to column.
        origin: (n,) row of the wide table that each row is from.
        shape: in words.
    """

    columns: dict[str, Column]
    roles: dict[str, str]
    origin: NDArray[np.intp]
    shape: str


def run_columns(columns: Mapping[str, Column]) -> tuple[str, tuple[str, ...]]:
    """What the columns of single runs number (run, seed, fold, ...), and their names; empty where there are none.

    Example:
        >>> from cupel.stats.frame import columns_of
        >>> run_columns(columns_of({"method": ["a"], "seed_0": [1.0], "seed_1": [2.0], "seed_2": [3.0]}))
        ('seed', ('seed_0', 'seed_1', 'seed_2'))
    """
    groups: dict[tuple[str, str, str], list[str]] = {}
    for name, column in columns.items():
        match = RUN_COLUMN.match(name)
        if match is not None and not is_spread(name) and read_numbers(column) is not None:
            groups.setdefault((match[1], match[2].lower(), match[4]), []).append(name)
    for (_, kind, _), names in groups.items():
        if len(names) >= LEAST_RUN_COLUMNS:
            return kind, tuple(names)
    return "", ()


def long_form(columns: Mapping[str, Column], roles: Mapping[str, str]) -> LongForm | None:
    """The table in long form; None where it is not a wide one.

    Args:
        columns: of the table.
        roles: role to column, as far as they are known.
    """
    kind, runs = run_columns(columns)
    if runs and not {"seed", "rep"} & set(roles):
        role = ROLE_OF_RUN.get(kind, "rep")
        numbers = [match[3] for name in runs if (match := RUN_COLUMN.match(name))]
        return _melted(columns, {**roles, role: role, "value": VALUE}, runs, (role, numbers, f"{kind}s in columns"))
    if "value" in roles or ("method" in roles) == ("task" in roles) or "seed" in roles:
        return None
    rows, names = (METHOD, TASK) if "method" in roles else (TASK, METHOD)
    label = roles[rows]
    if label not in columns or not _is_one_row_each(columns[label]):
        return None
    taken = {part for name in roles.values() for part in name.split(":")}
    free = [name for name in columns if name not in taken]
    wide = [name for name in free if _is_value(columns[name])]
    with_spread = [name for name in free if (n := read_numbers(columns[name])) is not None and n.spread is not None]
    if len(with_spread) >= 2 and not any(words_of(name) <= QUALITY for name in with_spread):
        wide = with_spread
    elif len(wide) < 2 or any(is_measure(name) for name in free):
        return None
    told = {**roles, names: names, "value": VALUE}
    return _melted(columns, told, wide, (names, wide, f"{rows}s in rows, {names}s in columns"))


def _melted(
    columns: Mapping[str, Column],
    roles: dict[str, str],
    wide: Sequence[str],
    what: tuple[str, Sequence[str], str],
) -> LongForm:
    """The columns `wide` below each other; `what`: the new column's name, its labels, and the shape in words."""
    name, labels, shape = what
    n, k = len(columns[wide[0]].values), len(wide)
    origin = np.tile(np.arange(n), k)
    levels = tuple(dict.fromkeys(labels))
    place = np.array([levels.index(label) for label in labels], dtype=np.intp)
    which = Factor(np.repeat(place, n), levels)
    texts = np.empty(n * k, dtype=object)
    texts[:] = which.labels()
    rest = {key: _again(c, origin) for key, c in columns.items() if key not in {*wide, VALUE, name}}
    long = {name: Column(name, texts, which), VALUE: _stacked([columns[key] for key in wide])}
    return LongForm({**rest, **long}, roles, origin, shape)


def _is_one_row_each(column: Column) -> bool:
    factor = column.as_factor
    counts = np.bincount(factor.codes[factor.codes >= 0], minlength=len(factor.levels))
    return bool(counts.size >= 2 and counts.max(initial=0) == 1)


def _is_value(column: Column) -> bool:
    name, words = column.name, words_of(column.name)
    if is_spread(name) or is_repeat_count(name) or words & NUMBERED or words <= MEAN:
        return False
    return read_numbers(column) is not None


def _again(column: Column, origin: NDArray[np.intp]) -> Column:
    factor = None if column.factor is None else column.factor.take(origin)
    return Column(column.name, column.values[origin], factor, column.is_bool)


def _stacked(columns: list[Column]) -> Column:
    """The values of several columns below each other; texts where one of them has texts."""
    if all(c.is_numeric for c in columns):
        return Column(VALUE, np.concatenate([c.values for c in columns]))
    levels: dict[str, int] = {}
    codes = []
    for c in columns:
        place = np.array([levels.setdefault(level, len(levels)) for level in c.as_factor.levels] + [-1], dtype=np.intp)
        codes.append(place[c.as_factor.codes])
    stacked = np.concatenate(codes)
    texts = np.empty(stacked.size, dtype=object)
    names = (*levels, None)
    texts[:] = [names[code] for code in stacked]
    return Column(VALUE, texts, Factor(stacked, tuple(levels)))
