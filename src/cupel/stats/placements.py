"""Two samples that are not paired, by their placements: what share of B's runs lies below each run of A, and back.

The share of pairs that A wins is the Mann-Whitney statistic; the spread of the placements gives its standard error
without assuming that both laws have the same shape or spread (Brunner & Munzel 2000).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from cupel.stats.checked import Floats
from cupel.stats.share_interval import Ends, clopper_pearson

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_ARRANGEMENTS = 50_000
"""Up to so many ways to deal the runs to A and B, all of them are tried: 9 runs against 9, or 5 against 19."""
ROUNDING = 1e-9


@dataclass(frozen=True)
class Placements:
    """The share of pairs that A wins, and how sure it is.

    Attributes:
        share: of all pairs of a run of A with a run of B, those that A wins, ties one half; 0 to 1.
        se: its standard error; 0 when all placements on each side are equal.
        df: degrees of freedom of `se`; infinite where `se` is 0.
        sizes: runs of A, runs of B.
        arranged: (arrangements,) sorted standardised log odds of every way to deal the same runs; None where there
            are too many ways.
    """

    share: float
    se: float
    df: float
    sizes: tuple[int, int]
    arranged: Floats | None


def placements(a: Floats, b: Floats) -> Placements:
    """Compare two samples, each of at least 2 values; larger wins."""
    over_b, under_a = _below(np.sort(b), a), 1 - _below(np.sort(a), b)
    share = float(over_b.mean())
    parts = [float(over_b.var(ddof=1)) / a.size, float(under_a.var(ddof=1)) / b.size]
    variance = sum(parts)
    spread = parts[0] ** 2 / (a.size - 1) + parts[1] ** 2 / (b.size - 1)
    df = variance**2 / spread if spread > 0 else math.inf
    arranged = None
    if math.comb(a.size + b.size, a.size) <= MOST_ARRANGEMENTS:
        _, counts = np.unique(np.concatenate([a, b]), return_counts=True)
        arranged = _arranged(a.size, b.size, tuple(counts.tolist()))
    return Placements(share, math.sqrt(variance), df, (a.size, b.size), arranged)


def p_value(found: Placements) -> float:
    """Two-sided p-value of "a win is as likely as a loss".

    Of all arrangements where they can be listed (exact when A and B follow one law), else by Brunner & Munzel's t.
    """
    if found.arranged is None:
        from cupel.stats.student import t_p_value

        return t_p_value(found.share - 0.5, found.se, found.df)
    here = _standardised(np.array([found.share]), np.array([found.se]))[0]
    rounding = ROUNDING * max(1.0, abs(here)) if math.isfinite(here) else 0.0
    num = found.arranged.size
    at_least = num - int(np.searchsorted(found.arranged, here - rounding, side="left"))
    at_most = int(np.searchsorted(found.arranged, here + rounding, side="right"))
    return min(1.0, 2 * min(at_least, at_most) / num)


def odds_ends(found: Placements, level: float) -> Ends:
    """Ends of the interval for P(A > B), made on the log odds, so that they stay inside 0 and 1.

    Where at most one run of the smaller side makes all the difference to 0 or 1, the spread of the placements says
    next to nothing; there the interval also holds what as many pairs as the smaller side has runs would leave open.
    """
    share, odds = found.share, found.share * (1 - found.share)
    fewest = min(found.sizes)
    low, high = 1.0, 0.0
    if found.se > 0 and odds > 0:
        up, down = _quantiles(found, level)
        middle, se = math.log(share / (1 - share)), found.se / odds
        low, high = _logistic(middle - up * se), _logistic(middle - down * se)
    if low > high or fewest * min(share, 1 - share) <= 1 + ROUNDING:
        wide = clopper_pearson(share * fewest, share * fewest, n=fewest, level=level)
        low, high = min(low, wide[0]), max(high, wide[1])
    return low, high


def _quantiles(found: Placements, level: float) -> Ends:
    """Upper and lower quantile of the standardised log odds: of the arrangements where they reach it, else of t."""
    tail = (1 - level) / 2
    if found.arranged is not None:
        most = math.floor(tail * found.arranged.size + ROUNDING)  # so many arrangements may lie further out
        up, down = float(found.arranged[-most - 1]), float(found.arranged[most])
        if math.isfinite(up) and math.isfinite(down):
            return up, down
    from cupel.stats.student import t_quantile

    half = t_quantile(level, found.df)
    return half, -half


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0  # beyond that no float holds the exponential


def _below(ordered: Floats, values: Floats) -> Floats:
    """(values,) share of the ordered sample below each value, those equal to it one half."""
    counts = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
    return counts / (2 * ordered.size)


def _standardised(share: Floats, se: Floats) -> Floats:
    """Log odds over their standard error; infinite where one side wins every pair, 0 where nothing is known."""
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.log(share / (1 - share)) * share * (1 - share) / se
    z = np.where((share >= 1) | (share <= 0), np.where(share > 0.5, np.inf, -np.inf), z)
    return np.where(np.isnan(z), 0.0, z)


@lru_cache(maxsize=32)
def _arranged(num_a: int, num_b: int, ties: tuple[int, ...]) -> Floats:
    """Sorted standardised log odds of every way to deal the runs to A and B.

    Args:
        num_a: runs of A.
        num_b: runs of B.
        ties: how often each distinct value of the two together occurs, in ascending order of the values.
    """
    chosen = np.array(list(combinations(range(num_a + num_b), num_a)), dtype=np.intp)
    is_a = np.zeros((len(chosen), num_a + num_b), dtype=bool)
    np.put_along_axis(is_a, chosen, values=True, axis=1)
    ends = np.cumsum(ties)
    block = np.repeat(np.arange(len(ties)), ties)
    over_b = _midway(~is_a, ends, block) / num_b
    under_a = 1 - _midway(is_a, ends, block) / num_a
    share = np.where(is_a, over_b, 0).sum(axis=1) / num_a
    spread_a = np.where(is_a, (over_b - share[:, None]) ** 2, 0).sum(axis=1) / (num_a - 1)
    spread_b = np.where(is_a, 0, (under_a - share[:, None]) ** 2).sum(axis=1) / (num_b - 1)
    z = _standardised(share, np.sqrt(spread_a / num_a + spread_b / num_b))
    z.sort()
    z.flags.writeable = False
    return z


def _midway(member: NDArray[np.bool_], ends: NDArray[np.intp], block: NDArray[np.intp]) -> Floats:
    """(arrangements, runs) members below each position, and half of those that tie with it."""
    through = np.cumsum(member, axis=1)[:, ends - 1].astype(np.float64)
    below = np.concatenate([np.zeros((len(member), 1)), through[:, :-1]], axis=1)
    return ((below + through) / 2)[:, block]
