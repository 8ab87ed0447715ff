"""How many seeds of each method show a difference when seeds are not paired.

Formula
    n independent runs of each method with the same spread sd; d is the true
    difference of the means, b the bar that the interval must lie beyond.
       power = P(T' > t(2n - 2)),  T' noncentral t, 2n - 2 degrees of
                                   freedom, shift sqrt(n / 2) (d - b) / sd
    The smallest n whose power reaches the power asked for.

    of each at 95 %, power 90 %:  d / sd   0.3   0.5   0.8     1   1.5     2
                                  n        235    86    34    23    11     7

Source: noncentral t; Cohen (1988), Statistical Power Analysis, chapter 2.
"""

from __future__ import annotations

import math

from cupel.stats.noncentral_power import beyond_power, check_beyond, check_plan, smallest_n


def seeds_for_effect(effect: float, sd: float, *, beyond: float = 0.0, power: float = 0.9, level: float = 0.95) -> int:
    """Smallest number of runs of each method that shows a true difference of means with probability `power`.

    Args:
        effect: true difference of the means, > 0, in the unit of the metric; or a log ratio.
        sd: standard deviation between the runs of one method, > 0, same unit.
        beyond: what the whole interval has to lie beyond, >= 0; 0 for no difference, the rope for a verdict.
        power: chance of finding it.
        level: of the interval.

    Returns:
        Runs of each method, at least 2.

    Raises:
        UsageError: when an argument is out of range, the effect does not exceed `beyond`, or over a million runs
            would be needed.

    Source: noncentral t.

    Example:
        >>> seeds_for_effect(0.5, 1.0, power=0.8)
        64
    """
    check_plan({"effect": effect, "sd": sd}, power, level)
    check_beyond(effect, beyond)
    return smallest_n(
        lambda n: beyond_power(effect - beyond, sd * math.sqrt(2 / n), 2 * n - 2, level) >= power,
        f"effect = {effect:g} beyond {beyond:g} with sd = {sd:g}",
    )
