"""A table of comparisons, read as one statement (Holm over its rows)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from cupel.stats.checked import Floats
from cupel.stats.compare_rates import Outcome, RateComparison, compare_rates, decide
from cupel.stats.holm import holm
from cupel.stats.interval import Interval
from cupel.stats.student import t_quantile

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class TableRow:
    """One row of a table of comparisons.

    Attributes:
        comparison: the row by itself, at its own level.
        p_adjusted: Holm-adjusted p of "the ratio is 1"; None without interval.
        p_equivalence_adjusted: Holm-adjusted p of "the ratio is not inside the rope"; None without interval.
        interval_adjusted: interval at the level at which Holm tested this row's difference; it excludes 1 exactly
            when `p_adjusted` is small enough; None without interval.
        verdict_adjusted: the verdict that stands in the table.
    """

    comparison: RateComparison
    p_adjusted: float | None
    p_equivalence_adjusted: float | None
    interval_adjusted: Interval | None
    verdict_adjusted: Outcome


def compare_table(
    pairs: Mapping[str, tuple[ArrayLike, ArrayLike]],
    rope: float = 0.01,
    *,
    level: float = 0.95,
    better: Mapping[str, Literal["higher", "lower"]] | None = None,
) -> dict[str, TableRow]:
    """Compare B with A entry by entry, and correct for looking at many.

    The chance of any false "faster" or "slower" is at most 1 - level, and so is the chance of any false
    "equivalent"; rows without an interval are not counted among the tests.

    Args:
        pairs: entry to (rates of A's launches, rates of B's launches).
        rope: relative half width of the region of practical equivalence.
        level: of the table.
        better: entry to direction, `higher` where absent.

    Returns:
        Entry to its row, in the order given.

    Raises:
        UsageError: when a side has no launch or a rate is not above zero.

    Source: Holm (1979).
    """
    ways = better or {}
    rows = {
        name: compare_rates(a, b, rope, level=level, better=ways.get(name, "higher")) for name, (a, b) in pairs.items()
    }
    p = np.array([math.nan if row.p is None else row.p for row in rows.values()])
    q = np.array([math.nan if row.p_equivalence is None else row.p_equivalence for row in rows.values()])
    p_adjusted, q_adjusted, levels = holm(p), holm(q), _levels(p, level)
    return {
        name: _row(row, (float(p_adjusted[i]), float(q_adjusted[i])), float(levels[i]), level)
        for i, (name, row) in enumerate(rows.items())
    }


def _levels(p: Floats, level: float) -> Floats:
    """Level at which Holm tests each row; after the first that does not stand, the level of that one."""
    levels = np.full(p.shape, math.nan)
    known = np.flatnonzero(~np.isnan(p))
    alpha, stopped = 1 - level, False
    step = alpha / max(known.size, 1)
    for rank, index in enumerate(known[np.argsort(p[known], kind="stable")]):
        step = step if stopped else alpha / (known.size - rank)
        levels[index] = 1 - step
        stopped = stopped or bool(p[index] > step)
    return levels


def _row(row: RateComparison, p_values: tuple[float, float], own_level: float, level: float) -> TableRow:
    if row.interval is None or row.se_log is None or row.df is None:
        return TableRow(row, None, None, None, "undecided")
    effect = math.log(row.ratio)
    half = t_quantile(own_level, row.df) * row.se_log
    interval = Interval(math.exp(effect - half), math.exp(effect + half), own_level, f"{row.interval.method}, Holm")
    outcome = decide(effect, p_values, row.rope, level=level, better=row.better)
    return TableRow(row, p_values[0], p_values[1], interval, outcome)
