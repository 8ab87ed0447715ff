"""Friedman's test on ranks within tasks: chi-square, F, and the p-value that keeps its level for few tasks.

Formula
    S = sum over methods of (rank sum - its mean)^2; W (Kendall) = S / its
    largest possible value given the ties; chi-square = N (k - 1) W with
    k - 1 degrees of freedom; F (Iman and Davenport) = (N - 1) W / (1 - W)
    with k - 1 and (k - 1)(N - 1).
    Chi-square misses differences (k = 5, N = 5: 3.3 % false alarms at 5 %,
    0.2 % at 1 %). F finds some that are not there (k = 3, N = 3: 20 %;
    k = 5, N = 3: 6.5 %; 1.2 to 2.4 % at 1 %).
    The p-value of the statement is exact where the law of S over all
    orders within the tasks, ties kept, can be counted (3 methods up to 100
    tasks, 4 up to 12, 5 up to 4); elsewhere a beta law with the exact mean
    and variance of S is taken (4.7 to 5.1 % at 5 %, 0.9 to 1.1 % at 1 %).

Source: Friedman (1937), JASA 32, 675-701; Kendall & Babington Smith (1939), Annals of Mathematical Statistics 10,
275-287 (the beta law); Iman & Davenport (1980), Communications in Statistics A9, 571-595.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from cupel.stats.checked import Floats

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_ROWS = 50_000
"""States times orders up to which the law is counted (some hundredths of a second)."""
MOST_METHODS = 7
"""Methods up to which all orders of one task are listed (5,040 of them)."""
MOST_KEY = 2**62
"""Largest whole number that a row of sums may be packed into."""


@dataclass(frozen=True)
class Friedman:
    """The test that no method is better than another.

    Attributes:
        chi2: Friedman's chi-square, corrected for ties.
        p_chi2: its p-value, k - 1 degrees of freedom.
        f: Iman and Davenport's F; infinite where all tasks agree fully.
        p_f: its p-value.
        w: Kendall's coefficient of concordance, 0 to 1.
        p: the p-value to go by; NaN where every task has all methods equal.
        method: how `p` was computed.
    """

    chi2: float
    p_chi2: float
    f: float
    p_f: float
    w: float
    p: float
    method: str


def friedman(ranks: Floats) -> Friedman:
    """Test ranks within tasks.

    Args:
        ranks: (tasks, methods) ranks within each row, ties sharing their mean; at least 2 of each.
    """
    from scipy.special import chdtrc, fdtrc

    num_tasks, k = ranks.shape
    centred = ranks - (k + 1) / 2
    size = (centred**2).sum(axis=1)
    if not size.any():
        return Friedman(*(math.nan,) * 6, "every task has all methods equal")
    s = float((centred.sum(axis=0) ** 2).sum())
    w = s / (num_tasks * float(size.sum()))
    chi2 = num_tasks * (k - 1) * w
    f = (num_tasks - 1) * w / (1 - w) if w < 1 else math.inf
    p_f = float(fdtrc(k - 1, (k - 1) * (num_tasks - 1), f)) if w < 1 else 0.0
    exact = _exact_p(centred)
    p, method = (exact, "exact") if exact is not None else (_beta_p(s, size, k), "beta law with exact moments")
    return Friedman(chi2, float(chdtrc(k - 1, chi2)), f, p_f, w, p, method)


def _beta_p(s: float, size: Floats, k: int) -> float:
    """Upper tail of the beta law on 0 to the largest S, with the mean and variance of S over all orders."""
    from scipy.special import betainc

    top = float(np.sqrt(size).sum()) ** 2
    mean = float(size.sum()) / top
    variance = 2 * (float(size.sum()) ** 2 - float((size**2).sum())) / (k - 1) / top**2
    total = mean * (1 - mean) / variance - 1
    tail = float(betainc((1 - mean) * total, mean * total, max(0.0, 1 - s / top)))
    # No order is rarer than one in which all tasks agree; the beta law knows no such least step.
    least = math.exp(-(size.size - 1) * math.lgamma(k + 1))
    return min(1.0, max(tail, least))


def _exact_p(centred: Floats) -> float | None:
    """Share of all orders within the tasks whose S is at least the one seen; None where there are too many."""
    twice = np.sort(np.rint(2 * centred).astype(np.int64), axis=1)
    law = _law(tuple(sorted(map(tuple, twice.tolist()))))
    if law is None:
        return None
    observed = float((np.rint(2 * centred.sum(axis=0)) ** 2).sum())
    return min(1.0, float(law[1][law[0] >= observed].sum()))


@lru_cache(maxsize=256)
def _law(patterns: tuple[tuple[int, ...], ...]) -> tuple[Floats, Floats] | None:
    """Values of 4 S and their chances, given the ties within each task; None where there are too many orders.

    Args:
        patterns: for each task, twice its centred ranks in ascending order.
    """
    num_tasks, k = len(patterns), len(patterns[0])
    if k > MOST_METHODS or (2 * num_tasks * k) ** (k - 1) > MOST_KEY:
        return None
    states, chances = np.zeros((1, k), dtype=np.int64), np.ones(1)
    for pattern in patterns:
        orders = np.unique(np.array(list(itertools.permutations(pattern))), axis=0)
        if states.shape[0] * orders.shape[0] > MOST_ROWS:
            return None
        states, chances = _advanced(states, chances, orders)
    return (states**2).sum(axis=1).astype(np.float64), chances


def _advanced(
    states: NDArray[np.int64], chances: Floats, orders: NDArray[np.int64]
) -> tuple[NDArray[np.int64], Floats]:
    """Rank sums after one more task. Methods are alike under the hypothesis: sorted sums stand for all their orders."""
    k = states.shape[1]
    moved = np.sort((states[:, None, :] + orders[None, :, :]).reshape(-1, k), axis=1)
    low = moved.min()
    base = int(moved.max() - low) + 1
    # One whole number for each row of sums, as unique rows are found faster so. Their sum is 0: the last is known.
    key = (moved[:, :-1] - low) @ (base ** np.arange(k - 1, dtype=np.int64))
    _, first, which = np.unique(key, return_index=True, return_inverse=True)
    weight = np.repeat(chances / orders.shape[0], orders.shape[0])
    return moved[first], np.bincount(which, weights=weight, minlength=first.size).astype(np.float64)
