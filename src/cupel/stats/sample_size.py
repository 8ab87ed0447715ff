"""How many runs it takes to show that A outperforms B, when it does so with probability gamma.

Designs (alpha = beta = 0.05 unless given)
    noether     ((z(1 - alpha) - z(beta)) / (sqrt(6) (1/2 - gamma)))^2 runs of
                each method, rounded up: the paper's 29 at gamma = 0.75. A
                normal approximation for the rank test, in which every run
                of A meets every run of B; alpha is one-sided.
    sign        n pairs, exact one-sided sign test at alpha
    bootstrap   n pairs, the paper's rule: the percentile bootstrap interval
                at 1 - alpha (two-sided) lies above 1/2 and reaches above
                gamma; computed, not drawn
    sequential  the always-valid test, looked at after every pair, for A
                only: the mean number of pairs, and by which pair the power
                is reached
    For pairs the power goes up and down with n (each count has its own
    error rate). `n` is the first number from which it stays at or above
    1 - beta; `first` the first that reaches it at all: 44 and 42 for the
    sign test at gamma = 0.75.
    The formula of the first design with the rule of the third, as the
    paper recommends, has 83 % power at n = 29, not 95 %.

    gamma        0.55   0.6  0.65   0.7  0.75   0.8   0.9
    noether       722   181    81    46    29    21    12
    sign         1104   281   126    69    44    28    16
    bootstrap    1327   333   147    83    51    31    17
    sequential    921   201    84    45    28    19    11

Source: Noether (1987), Journal of the American Statistical Association 82,
645-647; Bouthillier et al. (2021), "Accounting for Variance in Machine
Learning Benchmarks", appendix C.3; `cupel explain sequential_expected_n`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cupel.spec.errors import UsageError
from cupel.stats.checked import Floats, fraction, number
from cupel.stats.frame import frame_of
from cupel.stats.meaningful import GAMMA
from cupel.stats.note import Note
from cupel.stats.sequential_expected_n import MOST_ALLOWED, sequential_expected_n

Counts: TypeAlias = NDArray[np.int64]
Design: TypeAlias = Literal["noether", "sign", "bootstrap", "sequential"]
MOST = 1_000_000
UNITS = {"noether": "runs of each method", "sign": "pairs", "bootstrap": "pairs", "sequential": "pairs on average"}


@dataclass(frozen=True)
class SampleSize:
    """How many runs a design takes.

    Attributes:
        n: runs of each method (pairs); the mean, rounded up, for the sequential test.
        unrounded: before rounding; None for the exact designs.
        first: the first n whose power reaches 1 - beta; for the sequential test the pair by which it is reached.
        power: chance to find P(A > B) = gamma. For `noether` that of n pairs with the rule of `bootstrap`, which is
            how the paper uses it; for the sequential test that of ever finding it, however many pairs that takes.
        gamma: true P(A > B).
        alpha: error rate.
        beta: what may be missed.
        design: as asked.
        method: in words.
        scope: what it speaks of.
        warnings: where the promise of the design and its exact power differ.
    """

    n: int
    unrounded: float | None
    first: int
    power: float
    gamma: float
    alpha: float
    beta: float
    design: Design
    method: str
    scope: str
    warnings: tuple[Note, ...]

    def to_frame(self) -> Any:
        """One row."""
        names = ("design", "gamma", "alpha", "beta", "n", "unrounded", "first", "power")
        return frame_of({name: [getattr(self, name)] for name in names})

    def text(self) -> str:
        """One line, then the notes."""
        rounded = "" if self.unrounded is None else f" ({self.unrounded:.3f})"
        line = f"{self.n}{rounded} {UNITS[self.design]} to find P(A > B) = {self.gamma:g}: {self.method}"
        return "\n".join([line, *(f"note: {note.text}" for note in self.warnings)])


def sample_size(
    gamma: float = GAMMA,
    *,
    alpha: float = 0.05,
    beta: float = 0.05,
    design: Design = "noether",
) -> SampleSize:
    """Plan how many runs (or pairs) to make.

    Args:
        gamma: the P(A > B) that is to be found when it is true, above 0.5, at most 1.
        alpha: error rate: one-sided for `noether`, `sign` and `sequential`, two-sided for `bootstrap`.
        beta: share of true differences that may be missed.
        design: `noether`, `sign`, `bootstrap` or `sequential`.

    Returns:
        The number, with the exact power where there is one.

    Raises:
        UsageError: when a number is out of range, over a million pairs would be needed, or no number reaches the power
            (`bootstrap` cannot miss less than alpha / 2: so often the interval ends below gamma).

    Cost: below 0.2 s for gamma of at least 0.6; 5 s for `sequential` at 0.52.

    Source: Noether (1987); Bouthillier et al. (2021), appendix C.3.

    Example:
        >>> [sample_size(gamma).n for gamma in (0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.9)]
        [722, 181, 81, 46, 29, 21, 12]
        >>> plan = sample_size(design="sign")
        >>> plan.first, plan.n
        (42, 44)
    """
    fraction("alpha", alpha)
    fraction("beta", beta)
    if not 0.5 < number("gamma", gamma) <= 1 or design not in UNITS:
        raise UsageError(
            f"gamma = {gamma}, design = {design!r}; expected above 0.5 to 1, and one of {', '.join(UNITS)}."
        )
    if design == "sequential":
        return _sequential(gamma, alpha, beta)
    if design == "noether":
        return _noether(gamma, alpha, beta)
    needed = _sign_wins if design == "sign" else _bootstrap_wins
    first, n, power = _from_where_it_stays(gamma, alpha, beta, needed)
    false = _power_at(n, 0.5, needed(np.array([n]), gamma, alpha))
    rule = f"one-sided sign test at {alpha:g}" if design == "sign" else f"percentile bootstrap at {1 - alpha:g}"
    dip = f"; {first} reach it, but not all numbers above do" if first < n else ""
    return SampleSize(
        n=n,
        unrounded=None,
        first=first,
        power=power,
        gamma=gamma,
        alpha=alpha,
        beta=beta,
        design=design,
        method=f"{rule}, exact power {power:.1%} at {n}, and at least {1 - beta:g} from there on{dip}",
        scope="runs like these",
        warnings=(Note("published variant", f"it finds A in {false:.1%} of cases where nobody is better"),)
        if design == "bootstrap"
        else (),
    )


def _noether(gamma: float, alpha: float, beta: float) -> SampleSize:
    unrounded = _noether_n(gamma, alpha, beta)
    if unrounded > MOST:
        raise UsageError(f"gamma = {gamma} takes over {MOST} runs; choose a larger one.")
    n = math.ceil(unrounded - 1e-9)
    power = _power_at(n, gamma, _bootstrap_wins(np.array([n]), gamma, alpha))
    text = (
        f"the number is for the rank test of all runs of A against all of B; with {n} pairs and the percentile "
        f"bootstrap it has {power:.1%} power where {1 - beta:.1%} is asked for"
    )
    return SampleSize(
        n=n,
        unrounded=unrounded,
        first=n,
        power=power,
        gamma=gamma,
        alpha=alpha,
        beta=beta,
        design="noether",
        method=f"Noether's formula, alpha = {alpha:g} (one-sided), beta = {beta:g}",
        scope="runs like these",
        warnings=(Note("approximate", text),),
    )


def _sequential(gamma: float, alpha: float, beta: float) -> SampleSize:
    most = min(MOST_ALLOWED, 200 + math.ceil(12 * _noether_n(gamma, alpha, beta)))
    plan = sequential_expected_n(gamma, level=1 - alpha, alternative="A", most=most)
    reached = int(np.searchsorted(plan.a_by, 1 - beta - 1e-12)) + 1
    if reached > most:
        raise UsageError(f"gamma = {gamma} takes over {most} pairs one by one; choose a larger one.")
    return SampleSize(
        n=math.ceil(plan.expected_n),
        unrounded=plan.expected_n,
        first=reached,
        power=plan.p_a,
        gamma=gamma,
        alpha=alpha,
        beta=beta,
        design="sequential",
        method=f"always-valid test after every pair; A is found by pair {reached} in {1 - beta:.0%} of streams",
        scope="runs like these",
        warnings=plan.warnings,
    )


def _noether_n(gamma: float, alpha: float, beta: float) -> float:
    from scipy.special import ndtri

    return float(((ndtri(1 - alpha) - ndtri(beta)) / (math.sqrt(6) * (0.5 - gamma))) ** 2)


def _power_at(n: int, share: float, wins: Floats) -> float:
    return float(_power(np.array([n]), wins, share)[0])


Wins: TypeAlias = Callable[[Counts, float, float], Floats]


def _from_where_it_stays(gamma: float, alpha: float, beta: float, needed: Wins) -> tuple[int, int, float]:
    """First n that reaches the power, first from which it stays, power there.

    Looked through up to far beyond the normal approximation of the answer, where the power has long settled.
    """
    most = 60 + math.ceil(8 * _noether_n(gamma, alpha, beta))
    if most > 8 * MOST:
        raise UsageError(f"gamma = {gamma} takes over {MOST} pairs; choose a larger one.")
    n = np.arange(1, most + 1)
    power = _power(n, needed(n, gamma, alpha), gamma)
    reached = power >= 1 - beta - 1e-12
    short = np.flatnonzero(~reached)
    stays = int(short[-1]) + 2 if short.size else 1
    if stays > most // 2:
        raise UsageError(
            f"No number of pairs up to {most} keeps the power at {1 - beta:g} for gamma = {gamma}, alpha = {alpha}; "
            "allow more to be missed (beta), or ask for the design 'sign'."
        )
    return int(np.argmax(reached)) + 1, stays, float(power[stays - 1])


def _power(n: Counts, wins: Floats, gamma: float) -> Floats:
    """Chance of at least `wins` of n; 0 where more than n would be needed."""
    from scipy.special import bdtrc

    chance = bdtrc(np.minimum(wins, n) - 1, n, gamma)
    return np.where(wins > n, 0.0, np.where(wins <= 0, 1.0, chance))


def _sign_wins(n: Counts, _gamma: float, alpha: float) -> Floats:
    """Fewest wins of n whose chance under 1/2, or that of more, is at most alpha."""
    from scipy.special import bdtrc

    return _fewest(n, lambda wins: np.asarray(bdtrc(np.maximum(wins, 1) - 1, n, 0.5) <= alpha))


def _bootstrap_wins(n: Counts, gamma: float, alpha: float) -> Floats:
    """Fewest wins of n whose percentile interval lies above 1/2 and reaches above gamma."""
    from scipy.special import bdtr

    def is_enough(wins: Floats) -> NDArray[np.bool_]:
        share = np.clip(wins / n, 0.0, 1.0)
        is_above = bdtr(np.floor(n / 2), n, share) < alpha / 2  # so the low quantile is beyond n / 2
        reaches = bdtr(np.minimum(np.floor(n * gamma + 1e-9), n - 1), n, share) < 1 - alpha / 2
        return np.asarray(is_above & reaches)

    return _fewest(n, is_enough)


def _fewest(n: Counts, is_enough: Callable[[Floats], NDArray[np.bool_]]) -> Floats:
    """Smallest number of wins that is enough, for each n; n + 1 where not even n wins are. More wins never hurt."""
    most = n.astype(np.float64)
    too_few, enough = np.zeros(n.shape), np.where(is_enough(most), most, most + 1)
    for _ in range(int(n.max()).bit_length() + 1):
        middle = np.floor((too_few + enough) / 2)
        found = is_enough(middle) & (enough <= n)
        enough = np.where(found, middle, enough)
        too_few = np.where(found | (enough > n), too_few, middle)
    return enough
