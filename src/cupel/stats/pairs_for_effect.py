"""How many paired seeds show a difference, or that it is beyond a bar.

Formula
    n pairs with the same seeds; d is the true mean difference, s the
    standard deviation of the differences of a pair, b the bar (0: the
    interval excludes no difference; the half width of the region of
    practical equivalence: the verdict).
       power = P(T' > t(n - 1)),   T' noncentral t, n - 1 degrees of
                                   freedom, shift sqrt(n) (d - b) / s
    The smallest n whose power reaches the power asked for; t(n - 1) is the
    quantile of the two-sided interval.
    Where the spread sd of a method over seeds is known and the results of
    a pair correlate by r, s = sd sqrt(2 (1 - r)).

    pairs at 95 %, power 90 %:   d / s    0.3   0.5   0.8     1   1.5     2
                                 n        119    44    19    13     7     5

Source: noncentral t; Cohen (1988), Statistical Power Analysis, chapter 2.
"""

from __future__ import annotations

import math

from cupel.stats.noncentral_power import beyond_power, check_beyond, check_plan, smallest_n


def pairs_for_effect(effect: float, sd: float, *, beyond: float = 0.0, power: float = 0.9, level: float = 0.95) -> int:
    """Smallest number of pairs that shows a true mean difference with probability `power`.

    Args:
        effect: true mean difference to be found, > 0, in the unit of the metric; or a log ratio.
        sd: standard deviation of the difference of a pair, > 0, same unit.
        beyond: what the whole interval has to lie beyond, >= 0; 0 for no difference, the rope for a verdict.
        power: chance of finding it.
        level: of the interval.

    Returns:
        Pairs, at least 2.

    Raises:
        UsageError: when an argument is out of range, the effect does not exceed `beyond`, or over a million pairs
            would be needed.

    Source: noncentral t.

    Example:
        >>> pairs_for_effect(0.5, 1.0), pairs_for_effect(0.5, 1.0, power=0.8)
        (44, 34)
    """
    check_plan({"effect": effect, "sd": sd}, power, level)
    check_beyond(effect, beyond)
    return smallest_n(
        lambda n: beyond_power(effect - beyond, sd / math.sqrt(n), n - 1, level) >= power,
        f"effect = {effect:g} beyond {beyond:g} with sd = {sd:g}",
    )
