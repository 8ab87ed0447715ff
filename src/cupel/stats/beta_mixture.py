"""Evidence of wins and losses against a share of wins: the beta-binomial mixture, with one side or two, with ties.

For a share q, the likelihood ratio of w wins and l losses against a share m is (q / m)^w ((1 - q) / (1 - m))^l.
Averaged over all q alike it is a test martingale when m is true:

    two sides   B(w + 1, l + 1) / (m^w (1 - m)^l)
    one side    the same x P(Beta(w + 1, l + 1) > m) / (1 - m), the average over q above m

A tie counts one half. With the ties broken by fair coins the outcomes are wins and losses with the same mean; the
evidence is averaged over all ways the coins can fall (k of t ties won: C(t, k) / 2^t), so nothing is left to chance and
it is still a martingale. Against m = 1/2 the average over the coins is what is left when the ties are dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from cupel.stats.checked import Floats
from cupel.stats.limit_search import search_limit

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Alternative: TypeAlias = Literal["two-sided", "A", "B"]
"""What is looked for: any difference, A better, or B better."""
MOST_CELLS = 1 << 20
"""Rows x ways the ties can fall that are held at once."""


@dataclass(frozen=True)
class WinCounts:
    """Outcomes so far, one row per look.

    Attributes:
        wins: (n,) pairs that A won.
        losses: (n,) pairs that B won.
        ties: (n,) pairs that were equal.
    """

    wins: Floats
    losses: Floats
    ties: Floats

    def swapped(self) -> WinCounts:
        """The same seen from B."""
        return WinCounts(self.losses, self.wins, self.ties)

    def rows(self, index: slice) -> WinCounts:
        """Some looks of it."""
        return WinCounts(self.wins[index], self.losses[index], self.ties[index])

    def num(self) -> Floats:
        """(n,) pairs at each look."""
        return self.wins + self.losses + self.ties


def win_counts(wins: ArrayLike, losses: ArrayLike) -> WinCounts:
    """Counts without ties."""
    w, lost = np.broadcast_arrays(np.asarray(wins, dtype=np.float64), np.asarray(losses, dtype=np.float64))
    return WinCounts(np.atleast_1d(w), np.atleast_1d(lost), np.zeros(np.atleast_1d(w).shape))


def log_evidence(counts: WinCounts, share: float | Floats, alternative: Alternative = "two-sided") -> Floats:
    """(n,) logarithm of the evidence against `share` at each look.

    Args:
        counts: outcomes so far.
        share: the mean that is tested, 0 to 1; one, or one per look.
        alternative: average over all shares, over those above (`A`) or below (`B`) the one that is tested.

    Returns:
        Log e-values; -inf where no float can hold one, inf where the outcomes are impossible under `share`.

    Cost: O(n) without ties, O(n x ties) with them.
    """
    if alternative == "B":
        return log_evidence(counts.swapped(), 1 - np.asarray(share, dtype=np.float64), "A")
    shares = np.broadcast_to(np.asarray(share, dtype=np.float64), counts.wins.shape)
    return np.concatenate([evaluate(shares[rows]) for rows, evaluate in _evaluators(counts, alternative)])


def limits(counts: WinCounts, level: float, alternative: Alternative = "two-sided") -> tuple[Floats, Floats]:
    """(n,) lowest and highest mean that the outcomes up to each look do not speak against.

    Args:
        counts: outcomes so far.
        level: chance that the limits of all looks together hold the true mean.
        alternative: `A` gives a lower limit only, `B` an upper one only.
    """
    if alternative == "B":
        lower, upper = limits(counts.swapped(), level, "A")
        return 1 - upper, 1 - lower
    bar = -np.log1p(-level)
    lower = np.concatenate([_lower(e, counts.rows(rows), bar) for rows, e in _evaluators(counts, alternative)])
    if alternative == "A":
        return lower, np.ones(lower.shape)
    other = counts.swapped()
    upper = np.concatenate([_lower(e, other.rows(rows), bar) for rows, e in _evaluators(other, alternative)])
    return lower, 1 - upper


Evaluator: TypeAlias = Callable[[Floats], Floats]


def _lower(evaluate: Evaluator, counts: WinCounts, bar: float) -> Floats:
    """The lower limits; 0 where nothing was won, not even half."""
    mean = (counts.wins + counts.ties / 2) / np.maximum(counts.num(), 1)
    return np.where(mean > 0, search_limit(evaluate, np.zeros(mean.shape), mean, bar), 0.0)


def _evaluators(counts: WinCounts, alternative: Alternative) -> list[tuple[slice, Evaluator]]:
    """For each stretch of looks, the function from means to log evidence, with all that is the same for every mean."""
    n = counts.wins.size
    if not counts.ties.any():
        return [(slice(0, n), _without_ties(counts, alternative))]
    step = max(1, int(MOST_CELLS // (counts.ties.max() + 1)))
    stretches = [slice(k, min(n, k + step)) for k in range(0, n, step)]
    return [(rows, _with_ties(counts.rows(rows), alternative)) for rows in stretches]


def _without_ties(counts: WinCounts, alternative: Alternative) -> Evaluator:
    from scipy.special import betaln

    constant = betaln(counts.wins + 1, counts.losses + 1)
    return lambda share: _evidence(constant, counts.wins, counts.losses, (share, alternative))


def _with_ties(counts: WinCounts, alternative: Alternative) -> Evaluator:
    """Each row is widened by the ways its ties can fall; ways that it does not have weigh nothing."""
    from scipy.special import betaln, gammaln, logsumexp

    ties = counts.ties[:, None]
    won = np.minimum(np.arange(counts.ties.max() + 1)[None, :], ties)
    is_way = np.arange(counts.ties.max() + 1)[None, :] <= ties
    weight = gammaln(ties + 1) - gammaln(won + 1) - gammaln(ties - won + 1) - ties * np.log(2)
    wins, losses = counts.wins[:, None] + won, counts.losses[:, None] + ties - won
    constant = weight + betaln(wins + 1, losses + 1)

    def evaluate(share: Floats) -> Floats:
        ways = np.where(is_way, _evidence(constant, wins, losses, (share[:, None], alternative)), -np.inf)
        found: Floats = logsumexp(ways, axis=1)
        return found

    return evaluate


def _evidence(constant: Floats, wins: Floats, losses: Floats, asked: tuple[Floats, Alternative]) -> Floats:
    from scipy.special import betaincc, xlog1py, xlogy

    share, alternative = asked
    found: Floats = constant - xlogy(wins, share) - xlog1py(losses, -share)
    if alternative == "A":
        with np.errstate(divide="ignore"):
            found = found + np.log(betaincc(wins + 1, losses + 1, share)) - np.log1p(-share)
    return found
