"""A table of comparisons, read as one statement (Holm over its rows)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from cupel.stats.checked import Floats
from cupel.stats.compare_rates import (
    RateComparison,
    compare_rates,
    decide,
    interval_of,
    is_beyond,
    launches_more,
)
from cupel.stats.holm import holm
from cupel.stats.side import Side

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def compare_table(
    pairs: Mapping[str, tuple[ArrayLike | Side, ArrayLike | Side]],
    rope: float = 0.01,
    *,
    level: float = 0.95,
    better: Mapping[str, Literal["higher", "lower"]] | None = None,
) -> dict[str, RateComparison]:
    """Compare B with A entry by entry, and correct for looking at many.

    The chance of any false "faster" or "slower" is at most 1 - level, and so is the chance of any false
    "equivalent"; rows without an interval are not counted among the tests.

    Args:
        pairs: entry to (rates of A's launches, rates of B's launches), each plain or as a `Side`.
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
    p = np.array([math.nan if row.p_beyond is None else row.p_beyond for row in rows.values()])
    q = np.array([math.nan if row.p_equivalence is None else row.p_equivalence for row in rows.values()])
    adjusted = np.column_stack([holm(p), holm(q)])
    levels = np.column_stack([_levels(p, level), _levels(q, level)])
    return {name: _row(row, adjusted[i], levels[i], level) for i, (name, row) in enumerate(rows.items())}


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


def _row(row: RateComparison, p_values: Floats, own_levels: Floats, level: float) -> RateComparison:
    """A row with what the table says of it: of the difference, then of the equivalence."""
    if row.interval is None or row.se_log is None or row.df is None or row.sd_log is None:
        return replace(row, verdict_adjusted="undecided")
    p, q = p_values.tolist()
    levels = (float(own_levels[0]), float(own_levels[1]))
    effect, error, method = row.log_ratio, (row.se_log, row.df), f"{row.interval.method}, Holm"
    outcome = decide(effect, (p, q), level=level, better=row.better)
    interval = interval_of(effect, error, levels[0], method)
    seen = (row.sd_log, min(row.n_a, row.n_b))
    return replace(
        row,
        is_beyond_rope=is_beyond(interval, row.rope),
        num_more=0 if outcome != "undecided" else launches_more(effect, seen, row.rope, levels=levels),
        p_adjusted=p,
        p_equivalence_adjusted=q,
        interval_adjusted=interval,
        interval_equivalence=interval_of(effect, error, levels[1], method),
        verdict_adjusted=outcome,
    )
