"""How often each way to compare A with B finds a difference, as a function of the true P(A > B).

Model (in units of sigma, the standard deviation of a run)
    A run of either method is normal with standard deviation 1; their means
    differ by sqrt(2) z, z the normal quantile of P(A > B). An estimator
    that tunes the hyperparameters once adds an error to each method's mean,
    the same in all k runs: normal with standard deviation `bias_frac`. The
    ideal estimator has bias_frac = 0.
Ways to compare
    single    one run of each, a difference above delta
    average   the means of k runs of each, a difference above delta
    test      P(A > B) on k pairs: the low end of its interval above 1/2,
              its high end above gamma (`cupel explain meaningful`)
    oracle    knows P(A > B): finds it from gamma on
    delta = 1.9952 sigma in the paper's text (the usual step between
    published results); its code multiplies by sqrt(2) z(gamma), which makes
    1.903 at gamma = 0.75: the curves `_code`.
    Rates up to 1/2 are false alarms, 1 minus the rate from gamma on misses.
    All are computed exactly, by integrating over the bias, not drawn. The
    authors draw, and take 50 resamples for their interval.

What comes out (k = 50, gamma = 0.75; docs/variance_paper.md)
    Ideal: the test's false alarms are 1.6 %, its misses 5.5 %. With one
    tuning (All) the authors' own standard deviations give 17 % false alarms
    on the average over their tasks, where the paper has about 5 %.
    More runs do not take them to 0: with k without limit they go to the
    chance that the biases alone look like gamma, 18 % for the task with the
    largest bias (0.74 sigma). Only more tunings do.

Source: Bouthillier et al. (2021), "Accounting for Variance in Machine
Learning Benchmarks", section 4, figure 6; authors' code
bouthilx/ml-method-video, simulations.py.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.checked import Floats, numbers, series, whole
from cupel.stats.frame import frame_of
from cupel.stats.meaningful import GAMMA
from cupel.stats.share_interval import exact_share, percentile_share, wilson_share

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from cupel.stats.prob_outperform import ShareInterval

DELTA = 1.9952
"""Usual improvement between successive published results, in standard deviations of a run; from the paper."""
LEVEL = 0.95
NODES, REACH = 2001, 9.0
"""Points of the integral over the bias, and how many standard deviations of it they span to each side."""
CURVES = ("oracle", "single", "average", "test", "single_code", "average_code")
_ENDS = {"exact": exact_share, "wilson": wilson_share, "published": percentile_share}


@dataclass(frozen=True)
class DetectionRates:
    """Share of comparisons that find A better, by the true P(A > B).

    Attributes:
        probabilities: (n,) true P(A > B) of one run of each.
        oracle: (n,) of whoever knows the truth.
        single: (n,) of one run of each, delta of the text.
        average: (n,) of means of k runs, delta of the text.
        test: (n,) of P(A > B) with an interval.
        single_code: (n,) like `single` with the delta of the code.
        average_code: (n,) like `average` with the delta of the code.
        bias_frac: standard deviation of each method's bias over that of a run.
        n: runs of each method, k.
        gamma: win rate that matters.
        wins_needed: of the k pairs, for the test to find a difference; None where no number does.
        method: how the test makes its interval.
        scope: what the rates speak of.
    """

    probabilities: Floats
    oracle: Floats
    single: Floats
    average: Floats
    test: Floats
    single_code: Floats
    average_code: Floats
    bias_frac: float
    n: int
    gamma: float
    wins_needed: int | None
    method: str
    scope: str = "normal runs, one bias per method"

    def to_frame(self) -> Any:
        """One row per probability, one column per way to compare."""
        columns = {name: getattr(self, name).tolist() for name in CURVES}
        return frame_of({"probability": self.probabilities.tolist()} | columns)

    def text(self) -> str:
        """False alarms of each way at the probability nearest 1/2, misses at the one nearest gamma."""
        none, some = (int(np.argmin(np.abs(self.probabilities - p))) for p in (0.5, self.gamma))
        ways = [
            f"{name}: found in {getattr(self, name)[none]:.1%} at {self.probabilities[none]:.2f}, "
            f"missed in {1 - getattr(self, name)[some]:.1%} at {self.probabilities[some]:.2f}"
            for name in ("single", "average", "test")
        ]
        return f"k = {self.n}, bias {self.bias_frac:.2f} sigma; " + "; ".join(ways)


def detection_rates(
    probabilities: ArrayLike,
    *,
    bias_frac: float = 0.0,
    k: int = 50,
    gamma: float = GAMMA,
    interval: ShareInterval = "published",
) -> DetectionRates:
    """Compute how often each way to compare two methods finds a difference.

    Args:
        probabilities: (n,) true P(A > B), above 0 and below 1.
        bias_frac: standard deviation of the bias of each method's estimator over that of a single run, at least 0;
            0 for the ideal estimator.
        k: runs of each method, at least 1.
        gamma: win rate that matters, above 0.5, below 1.
        interval: how the test makes its interval: `published` (the paper's), `exact` or `wilson`.

    Returns:
        The rates.

    Raises:
        UsageError: when a number is out of its range.

    Cost: 2001 binomial tails per probability when there is a bias: 61 probabilities in 50 ms.

    Source: Bouthillier et al. (2021), figure 6.

    Example:
        >>> detection_rates([0.5, 0.75]).text()[:78]
        'k = 50, bias 0.00 sigma; single: found in 7.9% at 0.50, missed in 76.9% at 0.7'
    """
    p = series("probabilities", probabilities)
    numbers(bias_frac=bias_frac, gamma=gamma)
    k = whole("k", k, least=1)
    in_range = bool(np.all((p > 0) & (p < 1))) and 0 <= bias_frac < math.inf and 0.5 < gamma < 1
    if not in_range or not p.size or interval not in _ENDS:
        raise UsageError(
            f"probabilities = {p.tolist()}, bias_frac = {bias_frac}, gamma = {gamma}, interval = "
            f"{interval!r}; expected probabilities between 0 and 1, bias at least 0, gamma between 0.5 and 1, "
            f"and one of {', '.join(_ENDS)}."
        )
    from scipy.special import ndtr, ndtri

    shift = math.sqrt(2) * ndtri(p)
    code_delta = DELTA * math.sqrt(2) * float(ndtri(gamma))
    spreads = {name: math.sqrt(2 * (1 / size + bias_frac**2)) for name, size in (("single", 1), ("average", k))}
    needed = _wins_needed(k, gamma, interval)
    return DetectionRates(
        probabilities=p,
        oracle=(p >= gamma).astype(np.float64),
        single=ndtr((shift - DELTA) / spreads["single"]),
        average=ndtr((shift - DELTA) / spreads["average"]),
        test=_test_rates(shift, bias_frac, k, needed),
        single_code=ndtr((shift - code_delta) / spreads["single"]),
        average_code=ndtr((shift - code_delta) / spreads["average"]),
        bias_frac=bias_frac,
        n=k,
        gamma=gamma,
        wins_needed=needed,
        method=f"{interval} interval at {LEVEL:.0%}",
    )


def _wins_needed(k: int, gamma: float, interval: ShareInterval) -> int | None:
    """Fewest wins of k whose interval lies above 1/2 and reaches above gamma; both ends rise with the wins."""

    def is_enough(wins: int) -> bool:
        low, high = _ENDS[interval](wins, 0, n=k, level=LEVEL)
        return low > 0.5 and high > gamma

    wins = bisect_left(range(k + 1), x=True, key=is_enough)
    return wins if wins <= k else None


def _test_rates(shift: Floats, bias_frac: float, k: int, needed: int | None) -> Floats:
    """(n,) chance of at least the wins needed, over the bias of both methods."""
    from scipy.special import bdtrc, ndtr

    if needed is None:
        return np.zeros(shift.size)
    z = np.linspace(-REACH, REACH, NODES) if bias_frac else np.zeros(1)
    weight = np.exp(-(z**2) / 2)
    win = ndtr(shift[:, None] / math.sqrt(2) + bias_frac * z)
    return np.asarray(bdtrc(needed - 1, k, win) @ (weight / weight.sum()), dtype=np.float64)
