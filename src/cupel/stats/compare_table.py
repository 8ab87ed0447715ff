"""A table of comparisons, read as one statement (Holm over its rows)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from cupel.stats.checked import Floats
from cupel.stats.compare_rates import RateComparison, compare_rates, decide
from cupel.stats.holm import holm
from cupel.stats.interval import Interval
from cupel.stats.student import t_quantile

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def compare_table(
    pairs: Mapping[str, tuple[ArrayLike, ArrayLike]],
    rope: float = 0.01,
    *,
    level: float = 0.95,
    better: Mapping[str, Literal["higher", "lower"]] | None = None,
) -> dict[str, RateComparison]:
    """Compare B with A entry by entry, and correct for looking at many.

    The chance of any false "faster" or "slower" is at most 1 - level, and so is the chance of any false
    "equivalent"; rows without an interval are not counted among the tests.

    Args:
        pairs: entry to (rates of A's launches, rates of B's launches).
        rope: relative half width of the region of practical equivalence.
        level: of the table.
        better: entry to direction, `higher` where absent.

    Returns:
        Entry to its comparison, in the order given, with the adjusted p-values, interval and verdict filled in.

    Raises:
        UsageError: when a side has no launch or a rate is not above zero.

    Source: Holm (1979).
    """
    ways = better or {}
    rows = {
        name: compare_rates(a, b, rope=rope, level=level, better=ways.get(name, "higher"))
        for name, (a, b) in pairs.items()
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


def _row(row: RateComparison, p_values: tuple[float, float], own_level: float, level: float) -> RateComparison:
    if row.interval is None or row.se_log is None or row.df is None:
        return replace(row, verdict_adjusted="undecided")
    effect = math.log(row.ratio)
    half = t_quantile(own_level, row.df) * row.se_log
    return replace(
        row,
        p_adjusted=p_values[0],
        p_equivalence_adjusted=p_values[1],
        interval_adjusted=Interval(
            math.exp(effect - half),
            math.exp(effect + half),
            own_level,
            f"{row.interval.method}, Holm",
        ),
        verdict_adjusted=decide(effect, p_values, row.rope, level=level, better=row.better),
    )
