"""Cells such as `0.91 ± 0.02*`: the value, its spread, and the marks that people write beside it."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cupel.stats.checked import Floats
from cupel.stats.frame import Column
from cupel.stats.roles import FAILED_WORDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

NUMBER = r"\d+\.?\d*(?:e[-+]?\d+)?|\.\d+"
CELL = re.compile(
    rf"^(?P<before>[*_$]*)\s*(?P<mean>[-+−]?(?:{NUMBER}))\s*(?P<percent>%?)\s*"
    rf"(?:(?:±|\+/-|\+-|\\pm)\s*(?P<spread>{NUMBER})\s*(?P<percent2>%?)|\(\s*(?P<inside>{NUMBER})\s*\))?"
    r"\s*(?P<percent3>%?)\s*(?P<after>[*_$†‡]*)$",
    re.IGNORECASE,
)
LEAST_SHARE = 0.8
"""Of the cells that say something: from here on a column of text is taken for one of numbers."""
MOST_DECIMALS = 17
TRUE_WORDS, FALSE_WORDS = frozenset({"true", "yes", "1", "x"}), frozenset({"false", "no", "0", ""})


@dataclass(frozen=True)
class Numbers:
    """A column read as numbers.

    Attributes:
        values: (n,) NaN where a cell says nothing, or a word.
        spread: (n,) what stands behind ±, or in brackets; NaN where there is none. None where no cell has one.
        is_percent: (n,) whether the cell has a percent sign.
        is_starred: (n,) whether a mark of significance stands behind it.
        decimals: (n,) digits behind the point as written; -1 where there is no number.
    """

    values: Floats
    spread: Floats | None
    is_percent: NDArray[np.bool_]
    is_starred: NDArray[np.bool_]
    decimals: NDArray[np.intp]

    def without(self, rows: NDArray[np.bool_]) -> Numbers:
        """The same with the values of some rows unknown."""
        return replace(self, values=np.where(rows, np.nan, self.values))


def read_numbers(column: Column) -> Numbers | None:
    """The numbers of a column; None for a column of words or truth values.

    Example:
        >>> from cupel.stats.frame import columns_of
        >>> found = read_numbers(columns_of({"acc": ["91.20 ± 0.31", "90.5 ± .4*", "failed"]})["acc"])
        >>> found.values.tolist(), found.spread.tolist(), found.is_starred.tolist(), found.decimals.tolist()
        ([91.2, 90.5, nan], [0.31, 0.4, nan], [False, True, False], [2, 1, -1])
    """
    if column.is_bool:
        return None
    if column.factor is None:
        values = np.where(np.isfinite(column.values), column.values, np.nan)
        nothing = np.zeros(values.shape, dtype=bool)
        return Numbers(values, None, nothing, nothing, _decimals(values))
    levels = column.factor.levels
    cells = [CELL.match(level.strip()) for level in levels]
    told = [k for k, level in enumerate(levels) if level.strip().lower() not in FAILED_WORDS]
    if not told or sum(cells[k] is not None for k in told) < LEAST_SHARE * len(told):
        return None
    rows = column.factor.codes
    spread = _by_row([_spread(cell) for cell in cells], rows)
    return Numbers(
        values=_by_row([math.nan if cell is None else _float(cell["mean"]) for cell in cells], rows),
        spread=None if np.isnan(spread).all() else spread,
        is_percent=_by_row([cell is not None and "%" in _signs(cell) for cell in cells], rows) == 1.0,
        is_starred=_by_row([cell is not None and _is_starred(cell) for cell in cells], rows) == 1.0,
        decimals=_by_row([-1 if cell is None else _written(cell["mean"]) for cell in cells], rows, -1).astype(np.intp),
    )


def read_truths(column: Column) -> NDArray[np.bool_] | None:
    """(n,) a column of yes and no as truth values; None for any other.

    Example:
        >>> from cupel.stats.frame import columns_of
        >>> read_truths(columns_of({"selected": ["True", "false", "True"]})["selected"]).tolist()
        [True, False, True]
    """
    factor = column.as_factor
    words = [level.strip().lower() for level in factor.levels]
    if not words or not set(words) <= TRUE_WORDS | FALSE_WORDS:
        return None
    return np.array([*(word in TRUE_WORDS for word in words), False])[factor.codes]


def _by_row(levels: Sequence[float], codes: NDArray[np.intp], missing: float = math.nan) -> Floats:
    return np.array([*levels, missing], dtype=np.float64)[codes]


def _float(text: str) -> float:
    return float(text.replace("−", "-"))


def _spread(cell: re.Match[str] | None) -> float:
    text = None if cell is None else cell["spread"] or cell["inside"]
    return math.nan if text is None else float(text)


def _signs(cell: re.Match[str]) -> str:
    return "".join(cell[name] or "" for name in ("percent", "percent2", "percent3"))


def _is_starred(cell: re.Match[str]) -> bool:
    """Marks behind the number that are not the end of marks before it: `**0.9**` is bold, `0.9**` is not."""
    return any(mark in cell["after"].removesuffix(cell["before"][::-1]) for mark in "*†‡")


def _written(text: str) -> int:
    return len(text.lower().partition("e")[0].partition(".")[2])


def _decimals(values: Floats) -> NDArray[np.intp]:
    """Digits behind the point in the shortest text of each number."""
    levels, codes = np.unique(values, return_inverse=True)
    texts = [repr(x) for x in levels.tolist()]
    digits = [
        -1 if text == "nan" else MOST_DECIMALS if "e-" in text else 0 if text.endswith(".0") else _written(text)
        for text in texts
    ]
    return np.array(digits, dtype=np.intp)[codes]
